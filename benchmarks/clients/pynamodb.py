"""PynamoDB, with the model of a run log that its users would write; `pipemodels_base` shares it.

PynamoDB's own UTCDateTimeAttribute refuses the stored format of the instants, so a short attribute reads them; it is
faster, too.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pynamodb.attributes import (
    Attribute,
    BooleanAttribute,
    ListAttribute,
    MapAttribute,
    NumberAttribute,
    UnicodeAttribute,
)
from pynamodb.constants import STRING
from pynamodb.indexes import AllProjection, GlobalSecondaryIndex
from pynamodb.models import Model

from benchmarks.clients import CREDENTIAL, INDEX, REGION, TABLE, Client, by_position
from benchmarks.values import Fidelity, instant_text, with_floats


class InstantAttribute(Attribute[datetime]):
    """An instant in the stored format."""

    attr_type = STRING

    def serialize(self, value: datetime) -> str:
        """Return the text."""
        return instant_text(value)

    def deserialize(self, value: str) -> datetime:
        """Read the text."""
        return datetime.fromisoformat(value)


class Stage(MapAttribute[str, Any]):
    """One stage of a run."""

    stage_name = UnicodeAttribute()
    status = UnicodeAttribute()
    start_time = InstantAttribute(null=True)
    end_time = InstantAttribute(null=True)
    duration_seconds = NumberAttribute(null=True)
    records_processed = NumberAttribute(null=True)


class Quality(MapAttribute[str, Any]):
    """The result of a check."""

    check_name = UnicodeAttribute()
    passed = BooleanAttribute()
    expected_value = NumberAttribute(null=True)
    actual_value = NumberAttribute(null=True)


class RunsIndex(GlobalSecondaryIndex[Any]):
    """The runs of a pipeline by start."""

    class Meta:
        index_name = INDEX
        projection = AllProjection()  # PynamoDB uses it only to create a table

    pipeline_id = UnicodeAttribute(hash_key=True)
    start_time = InstantAttribute(range_key=True)


def run_model(base: Any, meta: type, index: Any) -> Any:
    """Return the model of a run log on this base, with the attributes of the benchmark's items."""

    class Run(base):  # type: ignore[misc]  # the base is a parameter
        Meta = meta

        pipeline_id = UnicodeAttribute(hash_key=True)
        run_id = UnicodeAttribute(range_key=True)
        status = UnicodeAttribute()
        trigger_type = UnicodeAttribute()
        start_time = InstantAttribute(null=True)
        end_time = InstantAttribute(null=True)
        duration_seconds = NumberAttribute(null=True)
        stages = ListAttribute(of=Stage, null=True)
        current_stage = UnicodeAttribute(null=True)
        total_records_processed = NumberAttribute(null=True)
        total_records_failed = NumberAttribute(null=True)
        input_data_size_bytes = NumberAttribute(null=True)
        cpu_hours = NumberAttribute(null=True)
        memory_usage_gb = NumberAttribute(null=True)
        data_quality_results = ListAttribute(of=Quality, null=True)
        data_quality_passed = BooleanAttribute(null=True)
        error_message = UnicodeAttribute(null=True)
        error_stack_trace = UnicodeAttribute(null=True)
        attempt = NumberAttribute(null=True)
        retry_of = UnicodeAttribute(null=True)
        pipeline_version = UnicodeAttribute(null=True)
        config_snapshot: MapAttribute[str, Any] = MapAttribute(null=True)
        environment = UnicodeAttribute(null=True)
        input_tables: ListAttribute[Any] = ListAttribute(null=True)
        log_level = UnicodeAttribute(null=True)
        log_messages: ListAttribute[Any] = ListAttribute(null=True)
        monitoring_urls: MapAttribute[str, Any] = MapAttribute(null=True)
        tags: MapAttribute[str, Any] = MapAttribute(null=True)
        owner = UnicodeAttribute(null=True)
        status_shard = UnicodeAttribute(null=True)
        start_epoch = NumberAttribute(null=True)
        revision = NumberAttribute(null=True)
        created_at = InstantAttribute(null=True)
        updated_at = InstantAttribute(null=True)
        created_by = UnicodeAttribute(null=True)
        write_id = UnicodeAttribute(null=True)

        runs_index = index

    return Run


class ModelBench(Client):
    """The work that is the same for both bases."""

    fidelity = Fidelity(exact=False)
    model: Any

    def page(self, pipeline_id: str) -> list[Any]:
        """Query the table."""
        return list(self.model.query(pipeline_id))

    def listing(self, pipeline_id: str) -> list[Any]:
        """Query the index."""
        return list(self.model.runs_index.query(pipeline_id, scan_index_forward=False))

    def get(self, pipeline_id: str, run_id: str) -> Any:
        """Get a run."""
        return self.model.get(pipeline_id, run_id, consistent_read=True)

    def prepare(self, values: dict[str, Any]) -> Any:
        """Return floats: PynamoDB does not accept Decimal."""
        return with_floats(values)

    def write(self, prepared: list[Any]) -> None:
        """Write batches of 25."""
        with self.model.batch_write() as batch:
            for values in prepared:
                stages = [Stage(**stage) for stage in values["stages"]]  # type: ignore[no-untyped-call]  # PynamoDB leaves it untyped
                batch.save(self.model(**values | {"stages": stages}))

    def prepare_nested(self, values: dict[str, Any]) -> Any:
        """Separate the keys from the other values."""
        return by_position(self.prepare(values))

    def write_nested(self, prepared: list[Any]) -> None:
        """Write the same, with keys by position."""
        with self.model.batch_write() as batch:
            for keys, values in prepared:
                batch.save(self.model(*keys, **values))

    def plain(self, item: Any) -> dict[str, Any]:
        """Read the attributes, and those of maps."""
        return {name: _plain(value) for name, value in item.attribute_values.items()}


def _plain(value: Any) -> Any:
    if isinstance(value, MapAttribute):
        return {name: _plain(inner) for name, inner in value.attribute_values.items()}
    if isinstance(value, dict):
        return {name: _plain(inner) for name, inner in value.items()}
    return [_plain(inner) for inner in value] if isinstance(value, list) else value


class Bench(ModelBench):
    """Use PynamoDB's own base."""

    title = "PynamoDB"

    def __init__(self, endpoint: str) -> None:
        class Meta:
            table_name = TABLE
            region = REGION
            host = endpoint
            aws_access_key_id = aws_secret_access_key = CREDENTIAL

        self.model = run_model(Model, Meta, RunsIndex())
