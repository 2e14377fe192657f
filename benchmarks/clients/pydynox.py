"""pydynox, whose core is Rust, by its synchronous methods. Elements of its lists are not converted from JSON."""

from __future__ import annotations

import logging
from typing import Any

from pydynox import DynamoDBClient, Model, ModelConfig, SyncBatchWriter, set_default_client
from pydynox.attributes import (
    BooleanAttribute,
    DatetimeAttribute,
    ListAttribute,
    MapAttribute,
    NumberAttribute,
    StringAttribute,
)
from pydynox.indexes import GlobalSecondaryIndex

from benchmarks.clients import CREDENTIAL, INDEX, REGION, TABLE, Client
from benchmarks.values import Fidelity, with_floats, without_instants


class Run(Model):  # type: ignore[misc]  # pydynox is not where types are checked
    """The attributes of the benchmark's items."""

    model_config = ModelConfig(table=TABLE)

    pipeline_id = StringAttribute(partition_key=True)
    run_id = StringAttribute(sort_key=True)
    status = StringAttribute()
    trigger_type = StringAttribute()
    start_time = DatetimeAttribute()
    end_time = DatetimeAttribute()
    duration_seconds = NumberAttribute()
    stages = ListAttribute()
    current_stage = StringAttribute()
    total_records_processed = NumberAttribute()
    total_records_failed = NumberAttribute()
    input_data_size_bytes = NumberAttribute()
    cpu_hours = NumberAttribute()
    memory_usage_gb = NumberAttribute()
    data_quality_results = ListAttribute()
    data_quality_passed = BooleanAttribute()
    error_message = StringAttribute()
    error_stack_trace = StringAttribute()
    attempt = NumberAttribute()
    retry_of = StringAttribute()
    pipeline_version = StringAttribute()
    config_snapshot = MapAttribute()
    environment = StringAttribute()
    input_tables = ListAttribute()
    log_level = StringAttribute()
    log_messages = ListAttribute()
    monitoring_urls = MapAttribute()
    tags = MapAttribute()
    owner = StringAttribute()
    status_shard = StringAttribute()
    start_epoch = NumberAttribute()
    revision = NumberAttribute()
    created_at = DatetimeAttribute()
    updated_at = DatetimeAttribute()
    created_by = StringAttribute()
    write_id = StringAttribute()

    runs_index = GlobalSecondaryIndex(index_name=INDEX, partition_key="pipeline_id", sort_key="start_time")


class Bench(Client):
    """Write by the batch writer, with dicts that the model makes."""

    title = "pydynox (Rust core)"
    fidelity = Fidelity(instants="own", exact=False)

    def __init__(self, endpoint: str) -> None:
        # it warns of calls over 100 ms, which are common on a busy machine: printing would count as its time
        logging.getLogger("pydynox").setLevel(logging.ERROR)
        self._client = DynamoDBClient(
            region=REGION, access_key=CREDENTIAL, secret_key=CREDENTIAL, endpoint_url=endpoint
        )
        set_default_client(self._client)

    def page(self, pipeline_id: str) -> list[Any]:
        """Query the table."""
        return list(Run.sync_query(partition_key=pipeline_id))

    def listing(self, pipeline_id: str) -> list[Any]:
        """Query the index."""
        return list(Run.runs_index.sync_query(pipeline_id=pipeline_id, scan_index_forward=False))

    def get(self, pipeline_id: str, run_id: str) -> Any:
        """Get a run."""
        return Run.sync_get(pipeline_id=pipeline_id, run_id=run_id, consistent_read=True)

    def prepare(self, values: dict[str, Any]) -> Any:
        """Return floats, and instants of stages as texts: pydynox encodes neither Decimal nor instants in lists."""
        numbers = with_floats(values)
        return {name: without_instants(value) if name == "stages" else value for name, value in numbers.items()}

    def write(self, prepared: list[Any]) -> None:
        """Write batches of 25."""
        with SyncBatchWriter(self._client, TABLE) as batch:
            for values in prepared:
                batch.put(Run(**values).to_dict())

    def plain(self, item: Any) -> dict[str, Any]:
        """Read the attributes."""
        return {name: getattr(item, name) for name in Run._attributes}
