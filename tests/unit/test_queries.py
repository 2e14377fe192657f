"""Queries: the items and the order that each returns, and the arguments that it refuses; statistics; time zones."""

from __future__ import annotations

import copy
import decimal
import pickle
import random
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from pipemodels import (
    ItemNotFoundError,
    NaiveDateTimeError,
    PipelineRunLog,
    RunStatus,
    StageInfo,
    TableConfig,
    ValidationError,
    commands,
    current_config,
    parse_instant,
    queries,
    using,
)
from pipemodels.queries.statistics import nearest_rank
from tests.unit.test_checks import Colour
from tests.unit.test_results import ids, write

Unique = Callable[[str], str]
AT = datetime(2026, 11, 22, 6, tzinfo=UTC)
NAIVE = datetime(2026, 1, 1)


def pipeline(pipeline_id: str, **more: Any) -> Any:
    """Create a pipeline."""
    return commands.create_pipeline(
        **{"pipeline_id": pipeline_id, "pipeline_name": "n", "source_type": "s", "destination_type": "d", **more}
    )


def table(table_id: str, **more: Any) -> Any:
    """Create a table."""
    return commands.create_table(
        **{"table_id": table_id, "pipeline_id": "p", "table_name": "t", "table_type": "source", "data_format": "csv",
           "location": "x", **more}
    )  # fmt: skip


def run(pipeline_id: str, number: int | str, **more: Any) -> PipelineRunLog:
    """Return a run without storing it."""
    start = AT + timedelta(seconds=number if isinstance(number, int) else 0)
    fields: dict[str, Any] = {"status": "running", "trigger_type": "m", "start_time": start} | more
    return PipelineRunLog(pipeline_id=pipeline_id, run_id=f"{pipeline_id}-{number}", **fields)


# -- single items --------------------------------------------------------------------------------------------


def test_get_and_find_a_pipeline(unique: Unique, requests: list[str]) -> None:
    """Each makes one strongly consistent read; for a missing pipeline, `get` raises and `find` returns None."""
    item = pipeline(unique("one"))
    requests.clear()
    assert queries.get_pipeline(item.pipeline_id) == queries.find_pipeline(item.pipeline_id) == item
    gone = unique("gone")
    assert queries.find_pipeline(gone) is None
    with pytest.raises(ItemNotFoundError, match=f"^there is no pipeline '{gone}'$"):
        queries.get_pipeline(gone)
    assert requests == ["GetItem"] * 4


def test_get_and_find_a_table(unique: Unique) -> None:
    """For a missing table, `get` raises and `find` returns None."""
    item = table(unique("one"))
    assert queries.get_table(item.table_id) == queries.find_table(item.table_id) == item
    gone = unique("gone")
    assert queries.find_table(gone) is None
    with pytest.raises(ItemNotFoundError, match=f"^there is no table '{gone}'$"):
        queries.get_table(gone)


def test_get_and_find_a_run(unique: Unique, requests: list[str]) -> None:
    """With both ids it takes one request, with run_id alone two; both return the whole run."""
    item = commands.start_run(pipeline_id=unique("p"), run_id=unique("r"), config_snapshot={"a": 1})
    requests.clear()
    assert queries.get_run(item.pipeline_id, item.run_id) == queries.find_run(item.pipeline_id, item.run_id) == item
    assert requests == ["GetItem"] * 2
    requests.clear()
    assert queries.find_run(run_id=item.run_id) == item
    assert requests == ["Query", "GetItem"]
    assert queries.find_run(run_id=unique("gone")) is None
    assert queries.find_run(item.pipeline_id, unique("gone")) is None
    with pytest.raises(ItemNotFoundError, match=f"^there is no run '{item.pipeline_id}' / 'x'$"):
        queries.get_run(item.pipeline_id, "x")


def test_a_run_id_that_several_pipelines_use(unique: Unique) -> None:
    """A run_id alone is refused if several pipelines have a run with it."""
    run_id = unique("shared")
    for name in ("a", "b", "c"):
        commands.start_run(pipeline_id=unique(name), run_id=run_id)
    with pytest.raises(
        ValidationError,
        match=r"belongs to runs of several pipelines, such as '[abc]-.*' and '[abc]-.*': give pipeline_id too",
    ):
        queries.find_run(run_id=run_id)


@pytest.mark.parametrize(
    "work",
    [
        lambda: queries.get_pipeline(""),
        lambda: queries.find_pipeline(5),  # type: ignore[arg-type]
        lambda: queries.get_table(" x"),
        lambda: queries.get_run("p", ""),
        lambda: queries.find_run("", "r"),
        lambda: queries.find_run(),
        lambda: queries.find_run("p"),
        lambda: queries.active_pipelines(""),
        lambda: queries.pipelines_by_environment(None),  # type: ignore[arg-type]
        lambda: queries.pipelines_by_environment("dev", is_active="yes"),  # type: ignore[arg-type]
        lambda: queries.tables_of_pipeline(""),
        lambda: queries.tables_of_pipeline("p", "sink"),
        lambda: queries.tables_by_type("sink"),
        lambda: queries.tables_by_type(None),  # type: ignore[arg-type]
        lambda: queries.runs_of_pipeline("p", status="done"),
        lambda: queries.runs_of_pipeline("p", since=NAIVE),
        lambda: queries.runs_of_pipeline("p", until=NAIVE),
        lambda: queries.runs_by_status("done"),
        lambda: queries.runs_by_status("failed", since="2026-01-01T00:00:00Z"),  # type: ignore[arg-type]
        lambda: queries.failed_runs(NAIVE),
        lambda: queries.find_latest_run("p", "done"),
        lambda: queries.run_statistics("p", NAIVE),
        lambda: queries.run_statistics(""),
    ],
)
def test_bad_arguments_are_refused_before_any_request(work: Callable[[], Any], requests: list[str]) -> None:
    """An invalid id, status or time is an error when the query is created."""
    with pytest.raises(ValidationError):
        work()
    assert requests == []


def test_all_bad_parts_of_a_key_are_told_together(requests: list[str]) -> None:
    """One error names all invalid key attributes."""
    with pytest.raises(ValidationError) as caught:
        queries.get_run("", " x")
    assert [problem.field for problem in caught.value.problems] == ["pipeline_id", "run_id"]
    assert requests == []


# -- listings ------------------------------------------------------------------------------------------------


def test_active_pipelines(unique: Unique) -> None:
    """Active pipelines of all environments or of one are returned, last changed first."""
    environment = unique("env")
    first, second, third = (
        pipeline(unique("a"), environment=environment, now=AT + timedelta(seconds=n)) for n in range(3)
    )
    pipeline(unique("a"), environment=environment, is_active=False)
    other = pipeline(unique("a"), environment="other", now=AT)
    commands.update_pipeline(pipeline_id=first.pipeline_id, changes={"description": "x"}, now=AT + timedelta(days=9))
    expected = ids([first, third, second])
    assert ids(queries.active_pipelines(environment)) == expected
    assert queries.active_pipelines(environment).count() == 3
    everywhere = ids(queries.active_pipelines())
    assert [one for one in everywhere if one in expected] == expected
    assert other.pipeline_id in everywhere
    commands.deactivate_pipelines([third.pipeline_id])
    assert ids(queries.active_pipelines(environment)) == ids([first, second])


def test_tables_of_a_pipeline_and_of_a_type(unique: Unique) -> None:
    """Tables of a pipeline are sorted by type, tables of a type by pipeline."""
    pipeline_id = unique("tables")
    items = [
        table(unique(kind), pipeline_id=pipeline_id, table_type=kind) for kind in ("source", "lookup", "destination")
    ]
    assert ids(queries.tables_of_pipeline(pipeline_id)) == ids([items[2], items[1], items[0]])
    assert ids(queries.tables_of_pipeline(pipeline_id, "lookup")) == ids([items[1]])
    other = table(unique("lookup"), pipeline_id=pipeline_id + "0", table_type="lookup")
    found = [item for item in queries.tables_by_type("lookup") if item.pipeline_id.startswith(pipeline_id)]
    assert ids(found) == ids([items[1], other])
    more = [table(unique("t"), pipeline_id=f"p{n % 7}", table_type="lookup") for n in range(12)]
    assert len({one.table_type_shard for one in more}) == 4
    pipelines = [one.pipeline_id for one in queries.tables_by_type("lookup")]
    assert pipelines == sorted(pipelines)
    assert sorted(
        queries.tables_by_type("lookup").in_full(), key=lambda one: one.pipeline_id + one.table_id
    ) == sorted(TableConfig.scan(TableConfig.table_type == "lookup"), key=lambda one: one.pipeline_id + one.table_id)


def test_runs_of_a_pipeline(unique: Unique) -> None:
    """Runs are returned latest first, in a half-open period, of one status if given."""
    pipeline_id = unique("runs")
    items = write([run(pipeline_id, n, status=["running", "success"][n % 2]) for n in range(10)])
    at = [item.start_time for item in items]
    cases: list[tuple[dict[str, Any], list[PipelineRunLog]]] = [
        ({}, items[::-1]),
        ({"since": at[3]}, items[:2:-1]),
        ({"until": at[3]}, items[2::-1]),
        ({"since": at[3], "until": at[5]}, [items[4], items[3]]),
        ({"since": at[3], "until": at[3] + timedelta(microseconds=1)}, [items[3]]),
        ({"since": at[3] + timedelta(microseconds=1), "until": at[4]}, []),
        ({"since": at[3], "until": at[3]}, []),
        ({"since": at[5], "until": at[3]}, []),
        ({"status": "success"}, items[::-2]),
        (
            {"status": RunStatus.RUNNING, "since": at[4].astimezone(ZoneInfo("Asia/Tokyo"))},
            [items[8], items[6], items[4]],
        ),
    ]
    for arguments, expected in cases:
        results = queries.runs_of_pipeline(pipeline_id, **arguments)
        assert ids(results) == ids(expected), arguments
        assert results.count() == len(expected)
        assert list(results.in_full()) == expected
        assert ids(results.page(100)) == ids(expected)


def test_an_empty_period_asks_nothing(requests: list[str]) -> None:
    """An empty period makes no request."""
    results = queries.runs_by_status("failed", since=AT, until=AT)
    assert (list(results), results.count(), results.first(), results.page(5).cursor) == ([], 0, None, None)
    assert requests == []


def test_runs_of_a_status(unique: Unique) -> None:
    """Running and failed runs of all pipelines are returned, latest first."""
    long_ago = datetime(2001, 1, 1, tzinfo=UTC)
    items = write([run(unique("s"), n, start_time=long_ago + timedelta(days=n)) for n in range(6)])
    failed = write(
        [
            run(unique("f"), n, status="failed", error_message="e", start_time=long_ago + timedelta(days=n))
            for n in range(6)
        ]
    )
    period = {"since": long_ago, "until": long_ago + timedelta(days=30)}
    assert ids(queries.runs_by_status("running", **period)) == ids(items[::-1])
    assert ids(queries.runs_by_status(RunStatus.FAILED, **period)) == ids(failed[::-1])
    assert set(ids(items)) <= set(ids(queries.running_runs()))
    assert ids(queries.failed_runs(long_ago + timedelta(days=3)))[-3:] == ids(failed[:2:-1])


def test_the_latest_run(unique: Unique) -> None:
    """The latest run, of one status if given, is returned as a whole item, or None."""
    pipeline_id = unique("latest")
    items = write([run(pipeline_id, n, status=["running", "success"][n % 2], tags={"n": str(n)}) for n in range(4)])
    assert queries.find_latest_run(pipeline_id) == items[3]
    assert queries.find_latest_run(pipeline_id, "running") == items[2]
    assert queries.find_latest_run(pipeline_id, "failed") is None
    assert queries.find_latest_run(unique("nobody")) is None


def test_ids_of_enums_find_what_they_stored(unique: Unique) -> None:
    """A `StrEnum` member is accepted as its value, in commands and in queries."""
    item = pipeline(unique("enum"), environment=Colour.RED)
    assert item.environment_shard.startswith("red#")
    assert item.pipeline_id in ids(queries.pipelines_by_environment(Colour.RED))
    commands.start_run(pipeline_id=Colour.RED, run_id=unique("r"))
    assert queries.runs_of_pipeline(Colour.RED).count() == queries.runs_of_pipeline("red").count() > 0


# -- statistics ----------------------------------------------------------------------------------------------


def test_statistics(unique: Unique) -> None:
    """Success rate and durations cover successful and failed runs; days are those of the user's zone."""
    pipeline_id = unique("statistics")
    midnight = datetime(2026, 3, 1, tzinfo=ZoneInfo("America/New_York"))
    seconds = {"success": [1, 2, 3, 4], "failed": [10], "cancelled": [1000], "skipped": [0]}
    items = [
        run(pipeline_id, f"{status}{number}", status=status, start_time=midnight + timedelta(minutes=number),
            end_time=midnight + timedelta(minutes=number, seconds=second), error_message="e")
        for status, durations in seconds.items()
        for number, second in enumerate(durations)
    ]  # fmt: skip
    items += [run(pipeline_id, 99, start_time=midnight - timedelta(microseconds=1))]
    items += [run(pipeline_id, 98, status="pending", start_time=midnight - timedelta(days=1, microseconds=1))]
    items += [run(pipeline_id, 97, start_time=midnight - timedelta(days=3))]
    write(items)
    with using(replace(current_config(), user_timezone="America/New_York")):
        found = queries.run_statistics(pipeline_id, since=midnight - timedelta(days=2))
    assert found == queries.RunStatistics(
        pipeline_id=pipeline_id,
        since=midnight - timedelta(days=2),
        runs=9,
        by_status={"pending": 1, "running": 1, "success": 4, "failed": 1, "cancelled": 1, "skipped": 1},
        success_rate=0.8,
        mean_seconds=Decimal(4),
        p50_seconds=Decimal(3),
        p95_seconds=Decimal(10),
        by_day={date(2026, 2, 27): 1, date(2026, 2, 28): 1, date(2026, 3, 1): 7},
        timezone="America/New_York",
    )
    assert list(found.by_status) == [status.value for status in RunStatus]
    assert list(found.by_day) == sorted(found.by_day)


def test_statistics_of_nothing(unique: Unique) -> None:
    """Without successful or failed runs, rate and durations are None."""
    pipeline_id = unique("nothing")
    write([run(pipeline_id, 1)])
    for name, runs in ((pipeline_id, 1), (unique("nobody"), 0)):
        found = queries.run_statistics(name)
        assert (found.runs, found.success_rate, found.mean_seconds, found.p50_seconds, found.p95_seconds) == (
            runs, None, None, None, None,
        )  # fmt: skip


def test_statistics_do_not_depend_on_the_decimal_context(unique: Unique) -> None:
    """The mean does not depend on the precision of the caller's decimal context."""
    pipeline_id = unique("context")
    ends = [AT + timedelta(microseconds=microseconds) for microseconds in (123_456_789_012, 123_456_789_013, 1)]
    write([run(pipeline_id, n, status="success", start_time=AT, end_time=end) for n, end in enumerate(ends)])
    with decimal.localcontext(prec=3):
        found = queries.run_statistics(pipeline_id)
    assert (found.mean_seconds, found.p95_seconds) == (Decimal("82304.526009"), Decimal("123456.789013"))


@pytest.mark.parametrize("percent", [1, 50, 95, 99, 100])
def test_percentiles_by_brute_force(percent: int) -> None:
    """The percentile is the smallest value that this percentage of the values does not exceed."""
    rng = random.Random(percent)
    for size in [*range(1, 40), 100, 101, 1000]:
        ordered = sorted(Decimal(rng.randrange(50)) for _ in range(size))
        expected = next(one for one in ordered if sum(other <= one for other in ordered) * 100 >= percent * size)
        assert nearest_rank(ordered, percent) == expected
    assert nearest_rank([], percent) is None


# -- times in a zone -----------------------------------------------------------------------------------------


def test_in_timezone(unique: Unique) -> None:
    """A view returns all times of an item and its stages in the zone; the item itself does not change."""
    item = run("p", 0, stages=[StageInfo(stage_name="s", status=RunStatus.RUNNING, start_time=AT)])
    view = queries.in_timezone(item, "Asia/Tokyo")
    assert (view.start_time.isoformat(), view.start_time == AT) == ("2026-11-22T15:00:00+09:00", True)
    assert view.stages[0].start_time.isoformat() == "2026-11-22T15:00:00+09:00"
    assert (view.run_id, view.end_time, view.stages[0].stage_name) == (item.run_id, None, "s")
    assert item.start_time.isoformat() == "2026-11-22T06:00:00+00:00"
    assert queries.in_timezone(AT, ZoneInfo("Asia/Tokyo")).isoformat() == "2026-11-22T15:00:00+09:00"
    assert [one.hour for one in queries.in_timezone([AT, AT], "Asia/Tokyo")] == [15, 15]
    with pytest.raises(ValidationError, match="cannot be set on a view in a time zone"):
        view.status = "failed"
    with pytest.raises(AttributeError):
        _ = view.nothing


@pytest.mark.parametrize(
    ("at", "zone", "shown"),
    [
        ("0001-01-01T00:00:00Z", "America/New_York", "0001-01-01T00:00:00+00:00"),
        ("9999-12-31T23:59:59.999999Z", "Pacific/Kiritimati", "9999-12-31T23:59:59.999999+00:00"),
    ],
)
def test_the_ends_of_the_calendar_in_a_zone(unique: Unique, at: str, zone: str, shown: str) -> None:
    """Views, stages and statistics use UTC for an instant that has no local time in the zone."""
    pipeline_id, instant = unique("stats"), parse_instant(at)
    stage = StageInfo(stage_name="s", status=RunStatus.SUCCESS, start_time=instant, end_time=instant)
    item = run(pipeline_id, 0, start_time=instant, end_time=instant, status="success", stages=[stage])
    write([item, run(pipeline_id, 1, status="success", start_time=AT, end_time=AT + timedelta(seconds=2))])
    view = queries.in_timezone(item, zone)
    assert (view.start_time.isoformat(), view.stages[0].end_time.isoformat()) == (shown, shown)
    assert queries.in_timezone(datetime.fromisoformat(at), ZoneInfo(zone)).isoformat() == shown
    with using(replace(current_config(), user_timezone=zone)):
        found = queries.run_statistics(pipeline_id)
    days = {instant.date(): 1, AT.astimezone(ZoneInfo(zone)).date(): 1}
    assert (found.by_day, found.mean_seconds, found.p95_seconds) == (days, Decimal(1), Decimal(2))
    assert len(list(queries.runs_of_pipeline(pipeline_id, since=parse_instant("0001-01-01T00:00:00Z")))) == 2
    period = parse_instant("0001-01-01T00:00:00Z"), parse_instant("9999-12-31T23:59:59.999999Z")
    assert len(list(queries.runs_of_pipeline(pipeline_id, *period))) == (1 if instant == period[1] else 2)


def test_a_view_can_be_copied() -> None:
    """Copying and pickling give an equal view."""
    view = queries.in_timezone(run("p", 0), "Asia/Tokyo")
    for one in (copy.copy(view), copy.deepcopy(view), pickle.loads(pickle.dumps(view))):
        assert one.start_time.isoformat() == "2026-11-22T15:00:00+09:00"


@pytest.mark.parametrize("zone", ["Mars/Base", "", "../UTC"])
def test_unknown_zones_are_refused(zone: str) -> None:
    """The error shows an example of a zone name."""
    with pytest.raises(ValidationError, match=r"timezone: .* is not an IANA time zone name"):
        queries.in_timezone(AT, zone)


def test_a_naive_time_has_no_zone_to_leave() -> None:
    """A naive time is refused: it cannot be converted."""
    with pytest.raises(NaiveDateTimeError):
        queries.in_timezone(NAIVE, "Asia/Tokyo")
