"""Stored items that a model cannot read: errors name them, and other items stay readable."""

from __future__ import annotations

import itertools
import logging
import pickle
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from pynamodb.attributes import NumberAttribute, UnicodeAttribute, UTCDateTimeAttribute

from pipemodels import (
    DynamoDBConfig,
    PipelineRunLog,
    Problem,
    StorageError,
    UnreadableItem,
    UnreadableItemError,
    create_tables,
    current_config,
    queries,
    using,
)
from pipemodels.connections import connection_of
from pipemodels.models import ConfiguredTable, Model
from pipemodels.queries.partitions import Query
from pipemodels.queries.results import Results
from tests.unit.test_results import by_pages, ids, pipelines, write

Unique = Callable[[str], str]
AT = datetime(2026, 11, 22, 6, tzinfo=UTC)
NO_INSTANT = "is not in the stored format of an instant, e.g. 2026-11-22T06:04:09.937580Z"
_names = (f"unreadable{number}." for number in itertools.count())


@pytest.fixture(params=[True, False], ids=["wire", "plain"])
def either_way(request: pytest.FixtureRequest, config: DynamoDBConfig) -> Iterator[DynamoDBConfig]:
    """Use the compiled decoders, and the fallback."""
    with using(replace(config, wire=request.param)) as chosen:
        yield chosen


@pytest.fixture
def tables(either_way: DynamoDBConfig) -> Iterator[DynamoDBConfig]:
    """Use empty tables."""
    with using(replace(either_way, table_prefix=next(_names))) as chosen:
        create_tables()
        yield chosen


def run(number: int, pipeline_id: str = "p") -> PipelineRunLog:
    """Return a run that started this many seconds after the first."""
    return PipelineRunLog(
        pipeline_id=pipeline_id,
        run_id=f"r{number}",
        status="running",
        trigger_type="m",
        start_time=AT + timedelta(seconds=number),
    )


def put(config: DynamoDBConfig, item: dict[str, Any], table: str = "pipeline_run_logs") -> None:
    """Store an item without the package."""
    connection_of(config).client.put_item(TableName=config.table_name(table), Item=item)


def spoil(config: DynamoDBConfig, item: PipelineRunLog, **stored: Any) -> None:
    """Store a run without the package, with values that the package would not store; None leaves a field out."""
    item.revision = 1
    raw = item.serialize() | stored
    put(config, {name: value for name, value in raw.items() if value is not None})


ODD: list[tuple[str, dict[str, Any], str, Any, str]] = [
    ("end_time", {"S": "2026-11-30T01:00:00Z"}, "end_time", "2026-11-30T01:00:00Z", NO_INSTANT),
    ("end_time", {"S": "2026-11-30T01:00:00.000000"}, "end_time", "2026-11-30T01:00:00.000000", NO_INSTANT),
    (
        "end_time", {"S": "2026-11-30T01:00:00.000000+02:00"}, "end_time", "2026-11-30T01:00:00.000000+02:00",
        NO_INSTANT,
    ),
    (
        "end_time", {"S": "0000-11-30T01:00:00.000000Z"}, "end_time", "0000-11-30T01:00:00.000000Z",
        "is stored, but is not an existing date and time",
    ),
    ("end_time", {"N": "5"}, "end_time", {"N": "5"}, "is not stored as type S"),
    (
        "status", {"S": "done"}, "status", "done",
        "must be one of: pending, running, success, failed, cancelled, skipped",
    ),
    ("status", {"N": "1"}, "status", {"N": "1"}, "is not stored as type S"),
    ("attempt", {"N": "1.5"}, "attempt", "1.5", "is stored, but is not a whole number"),
    ("attempt", {"S": "1"}, "attempt", {"S": "1"}, "is not stored as type N"),
    ("duration_seconds", {"S": "1"}, "duration_seconds", {"S": "1"}, "is not stored as type N"),
    ("owner", {"N": "5"}, "owner", {"N": "5"}, "is not stored as type S"),
    ("owner", {"B": b"x"}, "owner", {"B": b"x"}, "is not stored as type S"),
    ("data_quality_passed", {"S": "yes"}, "data_quality_passed", {"S": "yes"}, "is not stored as type BOOL"),
    ("error_message", {"SS": ["x"]}, "error_message", {"SS": ["x"]}, "is not stored as type S"),
]  # fmt: skip
ODD_IN_FULL: list[tuple[str, dict[str, Any], str, Any, str]] = [
    ("tags", {"S": "x"}, "tags", {"S": "x"}, "is not stored as type M"),
    ("input_tables", {"SS": ["x"]}, "input_tables", {"SS": ["x"]}, "is not stored as type L"),
    ("expires_at", {"N": "0.5"}, "expires_at", "0.5", "is stored, but is not a whole number of seconds since 1970"),
    ("stages", {"L": [{"S": "x"}]}, "stages[0]", {"S": "x"}, "is not stored as type M"),
    ("stages", {"M": {}}, "stages", {"M": {}}, "is not stored as type L"),
    (
        "stages", {"L": [{"M": {}}, {"M": {"start_time": {"S": "noon"}}}]}, "stages[1].start_time", "noon",
        NO_INSTANT,
    ),
    (
        "data_quality_results", {"L": [{"M": {"passed": {"S": "yes"}}}]}, "data_quality_results[0].passed",
        {"S": "yes"}, "is not stored as type BOOL",
    ),
]  # fmt: skip


odd_values = pytest.mark.parametrize(("name", "stored", "field", "value", "reason"), ODD)
odd_in_full = pytest.mark.parametrize(("name", "stored", "field", "value", "reason"), ODD_IN_FULL)
any_odd_values = pytest.mark.parametrize(("name", "stored", "field", "value", "reason"), ODD + ODD_IN_FULL)


def unreadable(key: str, problem: Problem) -> UnreadableItem:
    """Return the run `r1` of a pipeline, which cannot be read."""
    table = current_config().table_name("pipeline_run_logs")
    return UnreadableItem(table, {"pipeline_id": key, "run_id": "r1"}, (problem,))


@odd_values
def test_a_listing_goes_on(
    either_way: DynamoDBConfig, unique: Unique, name: str, stored: Any, field: str, value: Any, reason: str
) -> None:
    """It has all other items, in full too, and says which item it skipped; so do the statistics."""
    key = unique("listed")
    write([run(0, key), run(2, key)])
    spoil(either_way, run(1, key), **{name: stored})
    odd = unreadable(key, Problem(field, value, reason))
    for listing in (queries.runs_of_pipeline(key), queries.runs_of_pipeline(key).in_full()):
        assert (ids(listing), listing.unreadable) == (["r2", "r0"], (odd,))
    found = queries.run_statistics(key)
    assert (found.runs, found.by_status, found.by_day) == (2, {"running": 2}, {date(2026, 11, 22): 2})
    assert found.unreadable == (odd,)


def test_every_way_of_reading_a_listing_goes_on(tables: DynamoDBConfig, caplog: pytest.LogCaptureFixture) -> None:
    """Iteration, pages, `first()` and truth, over one partition and many; the item is logged once per read."""
    write([run(0), run(2)])
    spoil(tables, run(1), attempt={"S": "one"})
    odd = unreadable("p", Problem("attempt", {"S": "one"}, "is not stored as type N"))
    message = (
        f"skipped an item that cannot be read: table {odd.table_name!r}, {dict(odd.key)!r}: "
        "attempt is not stored as type N"
    )
    for results in (queries.runs_of_pipeline("p"), queries.all_runs(), queries.running_runs()):
        for listing in (results, results.in_full()):
            caplog.clear()
            assert (ids(listing), listing.unreadable) == (["r2", "r0"], (odd,))
            assert caplog.record_tuples == [("pipemodels.queries", logging.WARNING, message)]
            assert vars(caplog.records[0])["unreadable"] is listing.unreadable[0]
            first, second = listing.page(1), listing.page(1, listing.page(1).cursor)
            assert (ids(first), first.unreadable, ids(second), second.unreadable) == (["r2"], (), ["r0"], (odd,))
            assert (second.cursor, ids([listing.first()]), bool(listing)) == (None, ["r2"], True)
    assert queries.runs_of_pipeline("p").count() == 3


@any_odd_values
def test_to_get_such_an_item_is_an_error(
    either_way: DynamoDBConfig, unique: Unique, name: str, stored: Any, field: str, value: Any, reason: str
) -> None:
    """It names the table, the key, the field, the value and the reason; it can be pickled."""
    key = unique("got")
    spoil(either_way, run(1, key), **{name: stored})
    odd = unreadable(key, Problem(field, value, reason))
    with pytest.raises(UnreadableItemError) as raised:
        queries.get_run(key, "r1")
    assert isinstance(raised.value, StorageError)
    text = f"table {odd.table_name!r}, pipeline_id {key!r}, run_id 'r1': {field}: {value!r} {reason}; mend the item"
    for error in (raised.value, pickle.loads(pickle.dumps(raised.value))):
        assert (error.item, error.problems, str(error)) == (odd, odd.problems, f"{text} or delete it")
        assert (error.item.field, error.item.reason) == (field, reason)


def test_to_find_such_an_item_is_an_error(tables: DynamoDBConfig) -> None:
    """The item exists: None would be wrong."""
    spoil(tables, run(1), attempt={"S": "one"})
    for key in ({"pipeline_id": "p", "run_id": "r1"}, {"run_id": "r1"}):
        with pytest.raises(UnreadableItemError, match=r"attempt: \{'S': 'one'\} is not stored as type"):
            queries.find_run(**key)


@odd_in_full
def test_what_only_the_whole_item_holds(
    either_way: DynamoDBConfig, unique: Unique, name: str, stored: Any, field: str, value: Any, reason: str
) -> None:
    """An item with a readable summary is listed, and skipped when it is read in full."""
    key = unique("whole")
    write([run(0, key)])
    spoil(either_way, run(1, key), **{name: stored})
    results = queries.runs_of_pipeline(key)
    assert (ids(results), results.unreadable) == (["r1", "r0"], ())
    whole = results.in_full()
    assert (ids(whole), whole.unreadable) == (["r0"], (unreadable(key, Problem(field, value, reason)),))
    assert queries.find_latest_run(key) == queries.get_run(key, "r0")


def test_every_field_that_cannot_be_read_is_named(tables: DynamoDBConfig) -> None:
    """A user who repairs one item learns of the others too."""
    spoil(tables, run(1), attempt={"S": "x"}, end_time={"S": "noon"}, tags={"L": []})
    with pytest.raises(UnreadableItemError) as raised:
        queries.get_run("p", "r1")
    assert sorted(problem.field for problem in raised.value.problems) == ["attempt", "end_time", "tags"]


@pytest.mark.parametrize("limit", [1, 3, 50])
def test_pages_stay_full_and_cursors_right(tables: DynamoDBConfig, limit: int) -> None:
    """Each item is returned once, and each page except the last is full; so for the unreadable items."""
    write([run(n) for n in range(0, 18, 3)])
    for n in range(18):
        if n % 3:
            spoil(tables, run(n), attempt={"S": "x"})
    expected = [f"r{n}" for n in range(15, -1, -3)]
    for results in (queries.runs_of_pipeline("p"), queries.running_runs(), queries.running_runs().in_full()):
        assert by_pages(results, limit) == expected
        assert (ids(results), len(results.unreadable)) == (expected, 12)
        cursor: str | None = None
        odd: list[Any] = []
        while True:
            page = results.page(limit, cursor)
            odd += [one.key["run_id"] for one in page.unreadable]
            cursor = page.cursor
            if cursor is None:
                break
        assert sorted(odd) == sorted(f"r{n}" for n in range(18) if n % 3)


def test_a_sort_key_that_cannot_be_read(tables: DynamoDBConfig) -> None:
    """It is sorted by its text, and a page may end after it."""
    write([run(0), run(1)])
    spoil(tables, run(2), start_time={"S": "2026-11-22T06:00:00Z"})
    spoil(tables, run(3), start_time={"S": "yesterday"})
    for results in (queries.runs_of_pipeline("p"), queries.all_runs()):
        for limit in (1, 2, 5):
            assert by_pages(results, limit) == ["r1", "r0"]
        assert ids(results) == ["r1", "r0"]
        assert [one.key["run_id"] for one in results.unreadable] == ["r3", "r2"]


def test_a_listing_of_nothing_readable_is_empty(tables: DynamoDBConfig) -> None:
    """It has no items, is false, and counts the stored items."""
    spoil(tables, run(1), attempt={"S": "x"})
    results = queries.running_runs()
    page = results.page(1)
    assert (page.items, page.cursor, len(page.unreadable)) == ([], None, 1)
    assert (list(results), results.first(), bool(results), results.count()) == ([], None, False, 1)


def test_a_scan_names_what_it_passes_over(tables: DynamoDBConfig) -> None:
    """A table is read in the same way without an index."""
    known = pipelines(lambda stem: stem, 1, "prod")
    put(tables, {"pipeline_id": {"S": "odd"}, "version": {"N": "1"}, "is_active": {"S": "yes"}}, "pipeline_config")
    results = queries.all_pipelines()
    assert (list(results), [(one.key, one.field) for one in results.unreadable]) == (
        known, [({"pipeline_id": "odd"}, "is_active")],
    )  # fmt: skip


def test_what_lacks_attributes_is_read(tables: DynamoDBConfig) -> None:
    """Required fields, null inside a record, and values that this version does not know are named."""
    stages = {"L": [{"M": {"stage_name": {"S": "load"}, "status": {"NULL": True}, "new": {"S": "x"}}}]}
    spoil(tables, run(1), status=None, trigger_type={"NULL": True}, stages=stages, new={"SS": ["x"]})
    listed: Any
    (listed,) = queries.runs_of_pipeline("p")
    whole: Any = queries.get_run("p", "r1")
    assert (listed.status, listed.trigger_type, whole.status, whole.trigger_type) == (None, None, None, None)
    assert [(stage.stage_name, stage.status) for stage in whole.stages] == [("load", None)]
    found = queries.run_statistics("p")
    assert (found.runs, found.by_status, found.by_day, found.unreadable) == (1, {}, {date(2026, 11, 22): 1}, ())


def test_each_reading_of_a_listing_has_its_own_list(tables: DynamoDBConfig) -> None:
    """Items that were repaired meanwhile are no longer named."""
    spoil(tables, run(1), attempt={"S": "x"})
    results = queries.running_runs()
    assert (ids(results), len(results.unreadable)) == ([], 1)
    spoil(tables, run(1))
    assert (ids(results), results.unreadable) == (["r1"], ())


def test_a_mean_of_durations_that_nobody_can_have(tables: DynamoDBConfig) -> None:
    """Any number that DynamoDB stores can be a duration; statistics have it."""
    spoil(tables, run(1), status={"S": "success"}, duration_seconds={"N": "9E+125"})
    found = queries.run_statistics("p")
    assert (found.mean_seconds, found.p50_seconds) == (Decimal("9E+125"), Decimal("9E+125"))


class Reading(Model):
    """A user's own model, of PynamoDB's attributes."""

    class Meta(ConfiguredTable):
        base_name = "readings"

    sensor = UnicodeAttribute(hash_key=True)
    number = NumberAttribute(range_key=True)
    at = UTCDateTimeAttribute(null=True)


def test_a_model_of_a_user(tables: DynamoDBConfig) -> None:
    """PynamoDB's attributes may raise any error; the field and the value are named all the same."""
    create_tables([Reading])
    Reading("s", 1, at=AT).save()
    put(tables, {"sensor": {"S": "s"}, "number": {"N": "2"}, "at": {"S": "noon"}}, "readings")
    results: Results[Reading] = Results(Query(model=Reading, name="readings", arguments={}, partitions=("s",)))
    assert [one.number for one in results] == [1]
    table = tables.table_name("readings")
    problem = Problem("at", "noon", "cannot be read as UTCDateTimeAttribute (ValueError)")
    assert results.unreadable == (UnreadableItem(table, {"sensor": "s", "number": 2}, (problem,)),)


def test_the_table_is_that_of_the_listing(tables: DynamoDBConfig, other_config: DynamoDBConfig) -> None:
    """This holds wherever the listing is read."""
    spoil(tables, run(1), attempt={"S": "x"})
    results = queries.running_runs()
    with using(other_config):
        assert list(results) == []
    assert [one.table_name for one in results.unreadable] == [tables.table_name("pipeline_run_logs")]
