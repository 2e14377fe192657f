"""PipelineRunLog: the runs of pipelines."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Context, Decimal
from enum import StrEnum
from typing import Any, ClassVar

from pynamodb.indexes import GlobalSecondaryIndex, KeysOnlyProjection

from pipemodels.attributes.documents import DocumentAttribute, TextMapAttribute, ValueAttribute
from pipemodels.attributes.lists import DocumentListAttribute, RecordListAttribute, TextListAttribute
from pipemodels.attributes.scalars import (
    DecimalAttribute,
    EnumAttribute,
    FlagAttribute,
    IdAttribute,
    IntegerAttribute,
    TextAttribute,
)
from pipemodels.attributes.times import ExpiryAttribute, UTCInstantAttribute
from pipemodels.errors import Problem, ValidationError
from pipemodels.instants import EPOCH
from pipemodels.models.base import ConfiguredTable
from pipemodels.models.sharding import shard_of
from pipemodels.models.stamped import StampedModel
from pipemodels.models.summaries import summary
from pipemodels.records import Record, part

DEFAULT_LEASE_SECONDS = 300
MAX_LEASE_SECONDS = 7 * 24 * 3_600


class RunStatus(StrEnum):
    """The state of a run or a stage; the last four are terminal."""

    PENDING = "pending"
    RUNNING = "running"
    SUCCESS = "success"
    FAILED = "failed"
    CANCELLED = "cancelled"
    SKIPPED = "skipped"


TRANSITIONS: Mapping[RunStatus, frozenset[RunStatus]] = {
    RunStatus.PENDING: frozenset({RunStatus.RUNNING, RunStatus.CANCELLED, RunStatus.SKIPPED, RunStatus.FAILED}),
    RunStatus.RUNNING: frozenset({RunStatus.SUCCESS, RunStatus.FAILED, RunStatus.CANCELLED}),
    RunStatus.SUCCESS: frozenset(),
    RunStatus.FAILED: frozenset(),
    RunStatus.CANCELLED: frozenset(),
    RunStatus.SKIPPED: frozenset(),
}


def epoch_seconds(utc: datetime) -> Decimal:
    """Return seconds since 1970, exact to the microsecond."""
    return seconds_between(EPOCH, utc)


def seconds_between(start: datetime, end: datetime) -> Decimal:
    """Return the seconds from start to end, exact to the microsecond."""
    time = _difference(end, start)
    microseconds = (time.days * 86_400 + time.seconds) * 1_000_000 + time.microseconds
    # multiplication is faster; division removes trailing zeros
    return _divide(microseconds, _MILLION) if microseconds % 10 == 0 else _multiply(microseconds, _MILLIONTH)


_difference = datetime.__sub__  # pendulum's own subtraction gives an Interval
_RUNNING, _FAILED = RunStatus.RUNNING, RunStatus.FAILED  # faster than a lookup in the enum
_EXACT = Context(prec=38)  # the caller's context might round
_divide, _multiply = _EXACT.divide, _EXACT.multiply
_MILLION, _MILLIONTH = Decimal(1_000_000), Decimal("0.000001")


def time_problems(
    status: RunStatus | None, start: datetime | None, end: datetime | None, error: str | None
) -> list[Problem]:
    """Return the problems between the status, the times and the error of a run or a stage."""
    problems = []
    if end is not None and start is None:
        problems.append(Problem("end_time", end, "needs a start_time"))
    elif end is not None and start is not None and end < start:
        problems.append(Problem("end_time", end, f"is before start_time ({start})"))
    if status is _FAILED and not error:
        problems.append(Problem("error_message", error, "is required of what failed: say what went wrong"))
    return problems


@dataclass(frozen=True, kw_only=True)
class StageInfo(Record):
    """One stage of a run; `duration_seconds` is derived from its times."""

    stage_name: str = part(IdAttribute())
    status: RunStatus = part(EnumAttribute(RunStatus))
    start_time: datetime | None = part(UTCInstantAttribute(null=True))
    end_time: datetime | None = part(UTCInstantAttribute(null=True))
    duration_seconds: Decimal | None = part(DecimalAttribute(null=True), derived=True)
    records_processed: int | None = part(IntegerAttribute(minimum=0, null=True))
    error_message: str | None = part(TextAttribute(null=True))

    def rule_problems(self) -> list[Problem]:
        """Return the problems of the times, and of a failure without an error message."""
        return time_problems(self.status, self.start_time, self.end_time, self.error_message)

    def derive(self) -> None:
        """Set the duration, in seconds."""
        start, end = self.start_time, self.end_time
        if start is not None and end is not None:
            vars(self)["duration_seconds"] = seconds_between(start, end)


@dataclass(frozen=True, kw_only=True)
class DataQualityResult(Record):
    """The result of one data-quality check; expected and actual values are any JSON-like values.

    `severity` says how much a failure matters, e.g. `error` or `warn`.
    """

    check_name: str = part(TextAttribute())
    passed: bool = part(FlagAttribute())
    expected_value: Any = part(ValueAttribute(null=True))
    actual_value: Any = part(ValueAttribute(null=True))
    error_message: str | None = part(TextAttribute(null=True))
    severity: str | None = part(TextAttribute(null=True))


_SUMMARY = (
    "trigger_type", "end_time", "duration_seconds", "current_stage", "total_records_processed",
    "total_records_failed", "data_quality_passed", "error_message", "attempt", "retry_of", "pipeline_version",
    "environment", "created_at", "updated_at", "owner", "lease_expires_at", "heartbeat_at",
)  # fmt: skip
_LEASE = ("status", "start_time", "trigger_type", "attempt", "owner", "lease_token", "lease_seconds", "heartbeat_at")


class PipelineRunsIndex(GlobalSecondaryIndex["PipelineRunLog"]):
    """The runs of a pipeline by start time."""

    class Meta:
        index_name = "PipelineRunsIndex"
        projection = summary(*_SUMMARY, "status")

    pipeline_id = IdAttribute(hash_key=True)
    start_time = UTCInstantAttribute(range_key=True)


class StatusRunsIndex(GlobalSecondaryIndex["PipelineRunLog"]):
    """The runs of a status by start time."""

    class Meta:
        index_name = "StatusRunsIndex"
        projection = summary(*_SUMMARY, "status")

    status_shard = TextAttribute(hash_key=True)
    start_time = UTCInstantAttribute(range_key=True)


class LeaseExpiryIndex(GlobalSecondaryIndex["PipelineRunLog"]):
    """The running runs that have a lease, by the end of the lease; other runs do not have the range key."""

    class Meta:
        index_name = "LeaseExpiryIndex"
        projection = summary(*_LEASE)

    status_shard = TextAttribute(hash_key=True)
    lease_expires_at = UTCInstantAttribute(range_key=True)


class RunIdIndex(GlobalSecondaryIndex["PipelineRunLog"]):
    """Runs by run_id without the pipeline_id."""

    class Meta:
        index_name = "RunIdIndex"
        projection = KeysOnlyProjection()

    run_id = IdAttribute(hash_key=True)


class PipelineRunLog(StampedModel):
    """One run of a pipeline: its status, its stages, its metrics and how it ended.

    The `start_time` of a pending run is the time when it was queued, so that the indexes list it. Starting the run
    sets the actual time.

    A running run belongs to its `owner` until `lease_expires_at`; each heartbeat extends the lease to `lease_seconds`
    from then. A write with the `lease_token` succeeds only as long as no other worker has taken over the run.
    """

    DERIVED: ClassVar[frozenset[str]] = frozenset(
        {
            "status_shard", "start_epoch", "duration_seconds", "lease_token", "lease_expires_at", "heartbeat_at",
            "holds_slot",
        }
    )  # fmt: skip

    class Meta(ConfiguredTable):
        base_name = "pipeline_run_logs"

    pipeline_id = IdAttribute(hash_key=True)
    run_id = IdAttribute(range_key=True)
    status = EnumAttribute(RunStatus)
    trigger_type = TextAttribute()
    start_time = UTCInstantAttribute(null=True)
    end_time = UTCInstantAttribute(null=True)
    duration_seconds = DecimalAttribute(null=True)
    stages = RecordListAttribute(StageInfo, null=True)
    current_stage = TextAttribute(null=True)
    total_records_processed = IntegerAttribute(minimum=0, null=True)
    total_records_failed = IntegerAttribute(minimum=0, null=True)
    input_data_size_bytes = IntegerAttribute(minimum=0, null=True)
    output_data_size_bytes = IntegerAttribute(minimum=0, null=True)
    spark_application_id = TextAttribute(null=True)
    cpu_hours = DecimalAttribute(minimum=0, null=True)
    memory_usage_gb = DecimalAttribute(minimum=0, null=True)
    data_quality_results = RecordListAttribute(DataQualityResult, null=True)
    data_quality_passed = FlagAttribute(null=True)
    error_message = TextAttribute(null=True)
    error_stack_trace = TextAttribute(null=True)
    attempt = IntegerAttribute(minimum=1, default_for_new=1)
    retry_of = IdAttribute(null=True)
    pipeline_version = TextAttribute(null=True)
    config_snapshot = DocumentAttribute(null=True)
    environment = IdAttribute(null=True)
    spark_version = TextAttribute(null=True)
    python_version = TextAttribute(null=True)
    input_tables = TextListAttribute(null=True)
    output_tables = TextListAttribute(null=True)
    log_level = TextAttribute(null=True)
    log_messages = DocumentListAttribute(null=True)
    monitoring_urls = TextMapAttribute(null=True)
    tags = TextMapAttribute(null=True)
    expires_at = ExpiryAttribute(null=True)
    owner = IdAttribute(null=True)
    lease_token = IntegerAttribute(minimum=1, null=True)
    lease_seconds = IntegerAttribute(minimum=1, maximum=MAX_LEASE_SECONDS, null=True)
    lease_expires_at = UTCInstantAttribute(null=True)
    heartbeat_at = UTCInstantAttribute(null=True)
    holds_slot = FlagAttribute(null=True)

    status_shard = TextAttribute(null=True)
    start_epoch = DecimalAttribute(null=True)

    pipeline_runs_index = PipelineRunsIndex()
    status_runs_index = StatusRunsIndex()
    lease_expiry_index = LeaseExpiryIndex()
    run_id_index = RunIdIndex()

    @classmethod
    def derived_sources(cls) -> frozenset[str]:
        """Return the names from which the shard and the duration are derived."""
        return frozenset({"status", "start_time", "end_time"})

    @classmethod
    def derived(cls, values: Mapping[str, Any]) -> dict[str, Any]:
        """Return the index shard, the start as a number and the duration; clear the lease unless the run is running.

        With `start_epoch`, DynamoDB can compute the duration in the request that ends a run.
        """
        derived: dict[str, Any] = {}
        if values.get("status") is not None:
            derived["status_shard"] = shard_of(str(values["status"]), values["run_id"])
            if values["status"] is not _RUNNING:
                derived["lease_expires_at"] = None
        start, end = values.get("start_time"), values.get("end_time")
        if "start_time" in values and "end_time" not in values:
            raise ValidationError.of("start_time", start, "changes together with end_time: set or clear that too")
        if "start_time" in values:
            derived["start_epoch"] = epoch_seconds(start) if start else None
            derived["duration_seconds"] = seconds_between(start, end) if start and end else None
        elif "end_time" in values:
            derived["duration_seconds"] = epoch_seconds(end) - cls.start_epoch if end else None
        return derived

    def rule_problems(self) -> list[Problem]:
        """Return the problems of the times, of a failure without an error message, and of the record counts."""
        value = self.attribute_values.get
        problems = time_problems(value("status"), value("start_time"), value("end_time"), value("error_message"))
        failed, processed = value("total_records_failed"), value("total_records_processed")
        if failed is not None and processed is not None and failed > processed:
            problems.append(Problem("total_records_failed", failed, f"exceeds total_records_processed ({processed})"))
        return problems
