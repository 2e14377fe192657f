"""Hypothesis strategies for the values that the package accepts, with an emphasis on edge cases.

    from hypothesis import given
    from pipemodels.testing import strategies as pm

    @given(pm.run_histories())
    def test_my_report_copes_with_any_run(history): ...

The package accepts every value that these strategies draw.
"""

from __future__ import annotations

import zoneinfo
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

try:
    from hypothesis import strategies as st
    from hypothesis.strategies import SearchStrategy
except ImportError as error:
    raise ImportError('pipemodels.testing.strategies needs hypothesis: pip install "pipemodels[test]"') from error

import pendulum

from pipemodels import commands
from pipemodels.checks import MAX_ID_BYTES, MAX_ID_CHARACTERS, id_problem
from pipemodels.models import DataFormat, PipelineRunLog, RunStatus, TableType

_ZONES = ("UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Pacific/Apia", "Asia/Kathmandu")
_ENDED = (RunStatus.SUCCESS, RunStatus.FAILED, RunStatus.CANCELLED, RunStatus.SKIPPED)


def _in_pendulum(value: datetime, zone: str) -> datetime:
    return pendulum.instance(value.replace(tzinfo=UTC)).in_timezone(zone)


def _has_instant(value: datetime) -> bool:
    try:
        return datetime.astimezone(value, UTC).year > 0
    except OverflowError:  # outside the years 1 to 9999 in UTC
        return False


def instants() -> SearchStrategy[datetime]:
    """Draw aware datetimes from year 1 on: any zone or offset, both folds, imaginary times, pendulum datetimes."""
    minutes = st.integers(-24 * 60 + 1, 24 * 60 - 1)
    offsets = st.builds(lambda m: timezone(timedelta(minutes=m)), minutes)
    zoned = st.datetimes(timezones=st.timezones() | offsets | st.just(UTC), allow_imaginary=True)
    folded = st.builds(lambda value, fold: value.replace(fold=fold), zoned, st.sampled_from((0, 1)))
    plain = st.datetimes(datetime(2, 1, 1), datetime(9998, 12, 31))  # noqa: DTZ001  # _in_pendulum adds the zone
    return (folded | st.builds(_in_pendulum, plain, st.sampled_from(_ZONES))).filter(_has_instant)


def nearby_instants(size: int = 8) -> SearchStrategy[list[datetime]]:
    """Draw lists of equal instants and instants at most two seconds apart, to test ordering."""
    steps = st.lists(st.integers(-1_000_000, 1_000_000) | st.integers(-2, 2), min_size=2, max_size=size)
    middle = instants().filter(lambda value: 2 < value.year < 9998)
    zones = st.sampled_from(_ZONES).map(zoneinfo.ZoneInfo)

    def around(start: datetime, microseconds: list[int], zone: zoneinfo.ZoneInfo) -> list[datetime]:
        utc = datetime.astimezone(start, UTC)
        # pendulum's arithmetic would replace the standard library's UTC
        utc = datetime(*utc.timetuple()[:6], utc.microsecond, tzinfo=UTC)
        moved = [utc + timedelta(microseconds=step) for step in microseconds]
        return [instant.astimezone(zone) if n % 2 else instant for n, instant in enumerate(moved)]

    return st.builds(around, middle, steps, zones)


def ids() -> SearchStrategy[str]:
    """Draw valid ids: 1 to 255 characters of any script, at most 1,024 bytes."""
    simple = st.from_regex(r"[a-z][a-z0-9_]{0,20}", fullmatch=True)
    characters = st.characters(codec="utf-8", exclude_categories=["Cc"])
    wild = st.text(characters, min_size=1, max_size=MAX_ID_CHARACTERS).filter(lambda text: id_problem(text) is None)
    longest = st.sampled_from(("a" * MAX_ID_CHARACTERS, "\U0001f600" * (MAX_ID_BYTES // 4 - 1)))
    return simple | wild | longest


def texts(max_size: int = 50) -> SearchStrategy[str]:
    """Draw texts that DynamoDB can store: any Unicode, including control characters and the empty text."""
    return st.text(st.characters(codec="utf-8"), max_size=max_size)


def numbers() -> SearchStrategy[int | Decimal]:
    """Draw integers and decimals with up to 38 digits, over the whole range that DynamoDB stores."""

    def decimal(negative: bool, digits: int, exponent: int) -> Decimal:
        # `exponent` is that of the first digit, whose range DynamoDB limits
        return Decimal((negative, tuple(map(int, str(digits))), exponent - len(str(digits)) + 1))

    digits = st.integers(0, 10**38 - 1)
    decimals = st.builds(decimal, st.booleans(), digits, st.integers(-130, 125))
    everyday = st.decimals(-(10**9), 10**9, allow_nan=False, allow_infinity=False, places=3)
    return st.integers(-(10**38) + 1, 10**38 - 1) | decimals | everyday


def values(*, max_leaves: int = 12) -> SearchStrategy[Any]:
    """Draw values that documents may contain: None, bool, exact numbers, text, and lists and dicts of them."""
    leaves = st.none() | st.booleans() | numbers() | texts()

    def nested(children: SearchStrategy[Any]) -> SearchStrategy[Any]:
        return st.lists(children, max_size=4) | st.dictionaries(_keys(), children, max_size=4)

    return st.recursive(leaves, nested, max_leaves=max_leaves)


def documents(*, max_leaves: int = 12) -> SearchStrategy[dict[str, Any]]:
    """Draw documents, as for `config` or `schema_definition`."""
    return st.dictionaries(_keys(), values(max_leaves=max_leaves), max_size=5)


def _keys() -> SearchStrategy[str]:
    return st.text(st.characters(codec="utf-8"), min_size=1, max_size=20)


def tags() -> SearchStrategy[dict[str, str]]:
    """Draw tags, which map names to texts."""
    return st.dictionaries(_keys(), texts(20), max_size=3)


def schedules() -> SearchStrategy[str]:
    """Draw schedule expressions: cron and rate."""
    minute, hour = st.integers(0, 59), st.integers(0, 23)
    cron = st.builds(lambda m, h: f"{m} {h} * * 1-5", minute, hour)
    return cron | st.integers(2, 99).map(lambda n: f"rate({n} hours)") | st.just("*/5 * * * *")


def versions() -> SearchStrategy[str]:
    """Draw semantic versions."""
    number = st.integers(0, 99)
    return st.builds(lambda *parts: ".".join(map(str, parts)), number, number, number) | st.just("1.0.0-rc.1+build.5")


def _some(
    required: Mapping[str, Any], optional: Mapping[str, Any], fixed: Mapping[str, Any]
) -> SearchStrategy[dict[str, Any]]:
    def others(strategies: Mapping[str, Any]) -> dict[str, Any]:
        return {name: strategy for name, strategy in strategies.items() if name not in fixed}

    given = {name: st.just(value) for name, value in fixed.items()}
    return st.fixed_dictionaries(others(required) | given, optional=others(optional))


def pipeline_fields(**fixed: Any) -> SearchStrategy[dict[str, Any]]:
    """Draw the arguments of `create_pipeline` and `put_pipeline`; pass a field to fix its value.

    Args:
        fixed: fields that have this value in every draw.
    """
    required = {
        "pipeline_id": ids(), "pipeline_name": texts(), "source_type": texts(10), "destination_type": texts(10),
    }  # fmt: skip
    optional = {
        "description": texts(), "config": documents(), "source_config": documents(),
        "destination_config": documents(),
        "schedule_expression": schedules(),
        "schedule_timezone": st.sampled_from(("UTC", "Europe/Berlin", "America/New_York")),
        "is_active": st.booleans(), "environment": ids(), "version": versions(),
        "spark_config": documents(), "cpu_cores": st.integers(1, 10**6),
        "memory_gb": st.decimals(0, 10**6, allow_nan=False, allow_infinity=False, places=3), "tags": tags(),
    }  # fmt: skip
    return _some(required, optional, fixed)


def table_fields(**fixed: Any) -> SearchStrategy[dict[str, Any]]:
    """Draw the arguments of `create_table` and `put_table`; pass a field to fix its value."""
    required = {
        "table_id": ids(), "pipeline_id": ids(), "table_name": texts(), "table_type": st.sampled_from(TableType),
        "data_format": st.sampled_from(DataFormat), "location": texts(),
    }  # fmt: skip
    count = st.integers(0, 10**15)
    optional = {
        "schema_definition": documents(), "partition_columns": st.lists(texts(10), max_size=3),
        "primary_key_columns": st.lists(texts(10), max_size=3), "connection_config": documents(),
        "read_options": documents(), "write_options": documents(), "validation_rules": documents(),
        "data_quality_checks": st.lists(documents(max_leaves=4), max_size=2), "caching_enabled": st.booleans(),
        "cache_level": texts(10), "retention_days": st.integers(1000, 9999),
        "archive_after_days": st.integers(0, 999), "environment": ids(), "is_active": st.booleans(),
        "description": texts(), "tags": tags(), "last_updated_data": instants(), "record_count": count,
        "size_bytes": count,
    }  # fmt: skip
    return _some(required, optional, fixed)


def metrics() -> SearchStrategy[dict[str, Any]]:
    """Draw the arguments of `record_metrics` and of the commands that end a run; at least one."""
    count = st.integers(0, 10**15)
    hours = st.decimals(0, 10**6, allow_nan=False, allow_infinity=False, places=3)
    optional = {
        "total_records_processed": st.integers(1000, 10**15), "total_records_failed": st.integers(0, 1000),
        "input_data_size_bytes": count, "output_data_size_bytes": count, "spark_application_id": texts(20),
        "cpu_hours": hours, "memory_usage_gb": hours, "input_tables": st.lists(texts(20), max_size=3),
        "output_tables": st.lists(texts(20), max_size=3), "log_level": st.sampled_from(("INFO", "ERROR")),
        "log_messages": st.lists(documents(max_leaves=4), max_size=2), "monitoring_urls": tags(),
        "spark_version": versions(), "python_version": versions(), "tags": tags(),
    }  # fmt: skip
    return st.fixed_dictionaries({}, optional=optional).filter(bool)


def run_fields(**fixed: Any) -> SearchStrategy[dict[str, Any]]:
    """Draw the arguments of `start_run` and `queue_run`; pass an argument to fix its value."""
    required = {"pipeline_id": ids(), "run_id": ids()}
    optional = {
        "trigger_type": st.sampled_from(("manual", "schedule", "event")), "environment": ids(),
        "pipeline_version": versions(), "config_snapshot": documents(), "spark_version": versions(),
        "python_version": versions(), "input_tables": st.lists(texts(20), max_size=3), "tags": tags(),
        "expires_at": instants(),
    }  # fmt: skip
    return _some(required, optional, fixed)


@dataclass(frozen=True)
class RunHistory:
    """The history of a run: the commands in order, each with its arguments and its `now`."""

    steps: tuple[tuple[str, dict[str, Any]], ...]

    def record(self) -> PipelineRunLog:
        """Record the history in the active store, and return the final stored run."""
        for name, arguments in self.steps:
            run: PipelineRunLog = getattr(commands, name)(**arguments)
        return run


@st.composite
def run_histories(draw: Any, *, pipeline_id: str | None = None, run_id: str | None = None) -> RunHistory:
    """Draw histories: queued or not, with or without stages, metrics and quality results, ended or still running.

    The commands of a history are valid in this order, at instants that do not decrease.
    """
    fields = draw(run_fields(**{k: v for k, v in {"pipeline_id": pipeline_id, "run_id": run_id}.items() if v}))
    key = {name: fields[name] for name in ("pipeline_id", "run_id")}
    clock = draw(st.datetimes(datetime(1970, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001
    steps: list[tuple[str, dict[str, Any]]] = []

    def add(name: str, **arguments: Any) -> None:
        nonlocal clock
        clock += timedelta(microseconds=draw(st.integers(0, 10**7)))
        steps.append((name, key | arguments | {"now": clock}))

    message = st.text(st.characters(codec="utf-8"), min_size=1, max_size=40)
    if draw(st.booleans()):
        add("queue_run", **fields)
        ending = draw(st.sampled_from((None, "start_run", "start_run", "cancel_run", "skip_run")))
        if ending:
            add(ending)
        if ending != "start_run":
            return RunHistory(tuple(steps))
    else:
        add("start_run", **fields)
    for stage in draw(st.lists(ids(), max_size=3, unique=True)):
        add("start_stage", stage_name=stage)
        status = draw(st.sampled_from((None, *_ENDED)))
        if status:
            error = {"error_message": draw(message)} if status is RunStatus.FAILED else {}
            add("finish_stage", stage_name=stage, status=status, **error)
    if draw(st.booleans()):
        add("record_metrics", **draw(metrics()))
    if draw(st.booleans()):
        check = st.fixed_dictionaries(
            {"check_name": texts(20), "passed": st.booleans()}, optional={"expected_value": values(max_leaves=3)}
        )
        add("record_quality", results=draw(st.lists(check, max_size=3)))
    ending = draw(st.sampled_from((None, "finish_run", "fail_run", "cancel_run")))
    if ending:
        add(ending, **({"error_message": draw(message)} if ending == "fail_run" else {}))
    return RunHistory(tuple(steps))
