"""boto3's resource with a pydantic model: every value is decoded and checked."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any

from pydantic import BaseModel, PlainSerializer

from benchmarks.clients import boto3_resource
from benchmarks.values import Fidelity, instant_text

Instant = Annotated[datetime, PlainSerializer(instant_text)]


class Stage(BaseModel):
    """One stage of a run."""

    stage_name: str
    status: str
    start_time: Instant | None = None
    end_time: Instant | None = None
    duration_seconds: Decimal | None = None
    records_processed: int | None = None


class Quality(BaseModel):
    """The result of a check."""

    check_name: str
    passed: bool
    expected_value: Decimal | None = None
    actual_value: Decimal | None = None


class Run(BaseModel):
    """The attributes of the benchmark's items; those that an index does not hold stay None."""

    pipeline_id: str
    run_id: str
    status: str
    trigger_type: str
    start_time: Instant | None = None
    end_time: Instant | None = None
    duration_seconds: Decimal | None = None
    stages: list[Stage] | None = None
    current_stage: str | None = None
    total_records_processed: int | None = None
    total_records_failed: int | None = None
    input_data_size_bytes: int | None = None
    cpu_hours: Decimal | None = None
    memory_usage_gb: Decimal | None = None
    data_quality_results: list[Quality] | None = None
    data_quality_passed: bool | None = None
    error_message: str | None = None
    error_stack_trace: str | None = None
    attempt: int | None = None
    retry_of: str | None = None
    pipeline_version: str | None = None
    config_snapshot: dict[str, Any] | None = None
    environment: str | None = None
    input_tables: list[str] | None = None
    log_level: str | None = None
    log_messages: list[dict[str, Any]] | None = None
    monitoring_urls: dict[str, str] | None = None
    tags: dict[str, str] | None = None
    owner: str | None = None
    status_shard: str | None = None
    start_epoch: Decimal | None = None
    revision: int | None = None
    created_at: Instant | None = None
    updated_at: Instant | None = None
    created_by: str | None = None
    write_id: str | None = None


class Bench(boto3_resource.Bench):
    """Make a model of each dict, and a dict of each model."""

    title = "boto3 + pydantic"
    fidelity = Fidelity()

    def page(self, pipeline_id: str) -> list[Any]:
        """Query the table."""
        return [Run.model_validate(item) for item in super().page(pipeline_id)]

    def listing(self, pipeline_id: str) -> list[Any]:
        """Query the index."""
        return [Run.model_validate(item) for item in super().listing(pipeline_id)]

    def get(self, pipeline_id: str, run_id: str) -> Any:
        """Get a run."""
        return Run.model_validate(super().get(pipeline_id, run_id))

    def write(self, prepared: list[Any]) -> None:
        """Write batches of 25."""
        with self._table.batch_writer() as batch:
            for values in prepared:
                batch.put_item(Item=Run(**values).model_dump(exclude_none=True))

    def plain(self, item: Any) -> dict[str, Any]:
        """Read the fields, and those of nested models."""
        return {name: _plain(value) for name, value in item}


def _plain(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return dict(value)
    return [_plain(element) for element in value] if isinstance(value, list) else value
