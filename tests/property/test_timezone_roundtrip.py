"""Instants through storage: whichever zone they come in, the same instant comes back, in the order of time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from zoneinfo import ZoneInfo

import pendulum
from hypothesis import example, given
from hypothesis import strategies as st

from pipemodels import PipelineConfig, PipelineRunLog, StageInfo, TableConfig, commands, queries
from pipemodels.testing.strategies import instants, nearby_instants
from tests.helpers.backends import Backend, fresh
from tests.helpers.items import pipeline_fields, raw_item, run_key, table_fields

BERLIN = ZoneInfo("Europe/Berlin")
HARD = (
    datetime(2026, 10, 25, 2, 30, tzinfo=BERLIN, fold=0),
    datetime(2026, 10, 25, 2, 30, tzinfo=BERLIN, fold=1),
    datetime(2024, 3, 10, 2, 30, tzinfo=ZoneInfo("America/New_York")),  # imaginary
    datetime(2004, 2, 1, 0, 0, 0, 542, tzinfo=UTC),  # float seconds lose it
    datetime(1, 1, 1, tzinfo=UTC),
    datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
    datetime(9999, 12, 31, 23, 59, 59, tzinfo=timezone(timedelta(hours=23, minutes=59))),
    pendulum.datetime(2026, 10, 25, 2, 30, tz="Europe/Berlin", fold=1),
)


def microseconds(value: datetime) -> int:
    """Return the instant as a number, by arithmetic of the standard library alone."""
    naive = datetime(*value.timetuple()[:6], value.microsecond)
    offset = value.utcoffset()
    assert offset is not None
    return (naive - datetime(1970, 1, 1) - offset) // timedelta(microseconds=1)


def text(value: datetime) -> str:
    """Return the 27 characters of the stored form, made of the number."""
    utc = datetime(1970, 1, 1) + timedelta(microseconds=microseconds(value))
    return f"{utc.year:04}-{utc.month:02}-{utc.day:02}T{utc:%H:%M:%S}.{utc.microsecond:06}Z"


def same(read: Any, given_: datetime) -> None:
    """Hold what was read against what was given: the instant, in UTC, as pendulum.DateTime."""
    assert type(read) is pendulum.DateTime
    assert read.utcoffset() == timedelta(0)
    assert microseconds(read) == microseconds(given_)


def with_hard_cases(test: Any) -> Any:
    """Add the known cases to a property of one instant."""
    for one in HARD:
        test = example(one)(test)
    return test


def test_any_instant_in_any_attribute_comes_back(store: Backend) -> None:
    """Stamps, index keys, nested stages and plain attributes hold the 27 characters and read as the same instant."""
    pipeline, table, run = fresh("p"), fresh("t"), run_key()

    @store.examples(100)
    @with_hard_cases
    @given(instants())
    def holds(value: datetime) -> None:
        stored = text(value)
        assert len(stored) == 27

        fields = pipeline_fields(pipeline_id=pipeline)
        PipelineConfig(created_at=value, updated_at=value, **fields)  # the ORM takes the same values
        commands.put_pipeline(**fields, now=value)
        raw = raw_item(store.config, "pipeline_config", pipeline_id=pipeline)
        assert raw["updated_at"] == {"S": stored}  # the range key of an index
        same(queries.get_pipeline(pipeline).updated_at, value)

        commands.put_table(**table_fields(table_id=table), last_updated_data=value)
        assert raw_item(store.config, "table_config", table_id=table)["last_updated_data"] == {"S": stored}
        same(queries.get_table(table).last_updated_data, value)

        stages = [StageInfo(stage_name="load", status="running", start_time=value)]  # type: ignore[arg-type]
        item = PipelineRunLog(
            **run, status="running", trigger_type="manual", start_time=value, end_time=value, stages=stages
        )
        item.revision = (found := queries.find_run(**run)) and found.revision
        item.save()
        raw = raw_item(store.config, "pipeline_run_logs", **run)
        assert (raw["start_time"], raw["end_time"]) == ({"S": stored}, {"S": stored})
        assert raw["stages"]["L"][0]["M"]["start_time"] == {"S": stored}
        assert raw["duration_seconds"] == {"N": "0"}
        read = queries.get_run(**run)
        same(read.start_time, value)
        same(read.stages[0].start_time, value)
        summary = queries.runs_of_pipeline(run["pipeline_id"]).first()
        assert summary is not None
        same(summary.start_time, value)

    holds()


def test_an_expiry_is_a_whole_second_and_never_early(store: Backend) -> None:
    """TTL is stored as seconds since 1970, rounded up; it reads as that instant in UTC."""
    key = run_key()
    commands.start_run(**key)

    @store.examples(50)
    @given(instants().filter(lambda value: microseconds(value) < microseconds(HARD[5]) - 10**6))
    @example(datetime(1969, 12, 31, 23, 59, 59, 1, tzinfo=UTC))
    @example(HARD[1])
    def holds(value: datetime) -> None:
        commands.record_metrics(**key, expires_at=value)
        seconds = -(-microseconds(value) // 10**6)
        raw = raw_item(store.config, "pipeline_run_logs", **key)["expires_at"]
        assert raw == {"N": str(seconds)}
        same(queries.get_run(**key).expires_at, datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds))

    holds()


def test_index_order_is_time_order_and_periods_are_exact(store: Backend) -> None:
    """Runs at most two seconds apart: newest first; `since` includes, `until` excludes, as on a list."""

    @store.examples(50)
    @given(nearby_instants(), st.data())
    def holds(starts: list[datetime], data: st.DataObject) -> None:
        pipeline_id = fresh("p")
        for n, start in enumerate(starts):
            commands.start_run(pipeline_id=pipeline_id, run_id=f"r{n}", start_time=start)
        ends = st.none() | st.sampled_from(starts) | st.sampled_from(starts).map(one_later)
        since, until = data.draw(ends), data.draw(ends)
        low = -(10**20) if since is None else microseconds(since)
        high = 10**20 if until is None else microseconds(until)
        numbers = {f"r{n}": microseconds(start) for n, start in enumerate(starts)}
        listing = queries.runs_of_pipeline(pipeline_id, since=since, until=until)
        found = [(run.run_id, microseconds(run.start_time)) for run in listing]
        expected = {(name, one) for name, one in numbers.items() if low <= one < high}
        assert set(found) == expected
        assert [one for _, one in found] == sorted((one for _, one in expected), reverse=True)
        assert listing.count() == len(expected)

    holds()


def one_later(value: datetime) -> datetime:
    """Return the next instant."""
    return value.astimezone(UTC) + timedelta(microseconds=1)


def test_statistics_count_days_of_the_users_zone(store: Backend) -> None:
    """A run an hour before Berlin's midnight in UTC belongs to Berlin's next day."""
    with store.fresh_tables(user_timezone="Europe/Berlin"):
        for n, hour in enumerate((21, 22, 23)):
            commands.start_run(pipeline_id="p", run_id=f"r{n}", start_time=datetime(2026, 7, 1, hour, 30, tzinfo=UTC))
        days = {str(day): runs for day, runs in queries.run_statistics("p").by_day.items()}
        assert days == {"2026-07-01": 1, "2026-07-02": 2}


def test_the_models_share_one_attribute(store: Backend) -> None:
    """Every instant of the three models is one kind of attribute: what is tested of one holds for all."""
    kinds = {
        (model.__name__, name): type(one).__name__
        for model in (PipelineConfig, TableConfig, PipelineRunLog)
        for name, one in model.get_attributes().items()
        if name.endswith(("_at", "_time", "_data")) and name not in {"partition_columns"}
    }
    assert {kind for (_, name), kind in kinds.items() if name != "expires_at"} == {"UTCInstantAttribute"}
