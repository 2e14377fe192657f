"""Listings: order across shards, full pages, ties, cursors, counts, whole items, and requests."""

from __future__ import annotations

import base64
import hashlib
import json
import time
import zlib
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest
from botocore.exceptions import ClientError
from pynamodb.connection import TableConnection
from pynamodb.exceptions import QueryError

from pipemodels import (
    DynamoDBConfig,
    PipelineConfig,
    PipelineRunLog,
    StorageError,
    SummaryError,
    TableConfig,
    ThrottledError,
    ValidationError,
    create_tables,
    current_config,
    queries,
    using,
)
from pipemodels.connections import ConfiguredConnection, connection_of
from pipemodels.models.sharding import shard_of
from pipemodels.queries import Results, partitions
from pipemodels.queries.cursors import decode_cursor, encode_cursor, is_position

Unique = Callable[[str], str]
AT = datetime(2026, 11, 22, 6, tzinfo=UTC)


def write(items: list[Any]) -> list[Any]:
    """Store new items in batches: moto copies all its tables for each transaction."""
    connection = type(items[0])._get_connection()
    for item in items:
        item.revision = 1
    stored = [item.serialize() for item in items]
    for start in range(0, len(stored), 25):
        connection.batch_write_item(put_items=stored[start : start + 25])
    return items


def pipelines(unique: Unique, count: int, environment: str, **more: Any) -> list[PipelineConfig]:
    """Store pipelines of one environment, created one second apart."""
    return write(
        [
            PipelineConfig(
                **{
                    "pipeline_id": unique("listed"),
                    "pipeline_name": f"n{n}",
                    "source_type": "s",
                    "destination_type": "d",
                    "environment": environment,
                    "created_at": AT + timedelta(seconds=n),
                    **more,
                }
            )
            for n in range(count)
        ]
    )


def ids(items: Any) -> list[str]:
    """Return the ids of items, in order."""
    return [getattr(item, "run_id", None) or getattr(item, "table_id", None) or item.pipeline_id for item in items]


def by_pages(results: Results[Any], limit: int) -> list[str]:
    """Read all pages, and check that only the last may be short and has no cursor."""
    found: list[str] = []
    cursor = None
    while True:
        page = results.page(limit, cursor)
        found += ids(page)
        cursor = page.cursor
        if cursor is None:
            assert len(page) <= limit
            return found
        assert len(page) == limit


@pytest.fixture
def environment(unique: Unique) -> str:
    """Return an environment without pipelines."""
    return unique("environment")


def test_items_come_in_order_across_shards(unique: Unique, environment: str) -> None:
    """Items in four partitions are listed newest first."""
    items = pipelines(unique, 23, environment)
    assert len({item.environment_shard for item in items}) == 4
    results = queries.pipelines_by_environment(environment)
    expected = ids(reversed(items))
    assert ids(results) == expected
    assert ids(results) == expected, "reading again asks anew"
    assert results.count() == 23
    assert ids([results.first()]) == expected[:1]
    for limit in (1, 2, 3, 7, 11, 22, 23, 24, 1000):
        assert by_pages(results, limit) == expected, limit


def runs(unique: Unique, count: int, status: str) -> list[PipelineRunLog]:
    """Store runs of one status, started one second apart."""
    return write(
        [
            PipelineRunLog(
                pipeline_id="p",
                run_id=unique("listed"),
                status=status,
                trigger_type="x",
                start_time=AT + timedelta(seconds=n),
                lease_expires_at=AT if status == "running" else None,
                error_message="boom" if status == "failed" else None,
            )
            for n in range(count)
        ]
    )


def tables(unique: Unique, count: int) -> list[TableConfig]:
    """Store tables of one type, each of a different pipeline."""
    fields: dict[str, Any] = {"table_name": "n", "table_type": "lookup", "data_format": "csv", "location": "x"}
    return write([TableConfig(table_id=unique("listed"), pipeline_id=f"p{n:02}", **fields) for n in range(count)])


def test_no_shard_is_left_out(unique: Unique) -> None:
    """Every listing over shards returns the items of each shard."""
    with using(replace(current_config(), table_prefix="shards.")):
        create_tables()
        configured, described = pipelines(unique, 20, "e"), tables(unique, 20)
        running, failed = runs(unique, 20, "running"), runs(unique, 20, "failed")
        for shards in (
            {one.active_shard for one in configured},
            {one.environment_shard for one in configured},
            {one.table_type_shard for one in described},
            {one.status_shard for one in running},
            {one.status_shard for one in failed},
        ):
            assert len(shards) == 4
        assert sorted(ids(queries.active_pipelines())) == sorted(ids(configured))
        assert sorted(ids(queries.pipelines_by_environment("e"))) == sorted(ids(configured))
        assert ids(queries.tables_by_type("lookup")) == ids(described)
        assert ids(queries.running_runs()) == ids(reversed(running))
        assert ids(queries.failed_runs(AT)) == ids(reversed(failed))
        assert sorted(ids(queries.expired_runs())) == sorted(ids(running))
        assert sorted(ids(queries.all_runs())) == sorted(ids(running + failed))


@pytest.mark.parametrize("limit", [1, 7, 49, 50, 51])
def test_ties_are_neither_missed_nor_repeated(limit: int, unique: Unique) -> None:
    """Of fifty items with one sort key, pages of any size return each once, in the same order."""
    environment = f"ties-{limit}"
    items = pipelines(unique, 50, environment, created_at=AT)
    results = queries.pipelines_by_environment(environment)
    found = by_pages(results, limit)
    assert sorted(found) == sorted(ids(items))
    assert found == ids(results)


def test_runs_of_one_status_at_one_instant(unique: Unique) -> None:
    """Runs that started at the same instant are listed once, across shards and at the ends of a period."""
    pipeline_id, at = unique("ties"), AT + timedelta(days=400)
    items = write(
        [
            PipelineRunLog(
                pipeline_id=pipeline_id,
                run_id=f"{pipeline_id}-{n}",
                status="skipped",
                trigger_type="x",
                start_time=at,
            )
            for n in range(50)
        ]
    )
    results = queries.runs_by_status("skipped", since=at, until=at + timedelta(microseconds=1))
    assert sorted(by_pages(results, 7)) == sorted(ids(items))
    assert queries.runs_by_status("skipped", since=at + timedelta(microseconds=1)).count() == 0
    assert queries.runs_by_status("skipped", since=AT + timedelta(days=399), until=at).count() == 0


@pytest.mark.parametrize("least", [100, 1])
def test_pages_are_full_behind_a_filter(
    unique: Unique, environment: str, least: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One in ten passes the filter: pages are full all the same, and the last one ends.

    Also where a reply holds nothing that passes, and more follows.
    """
    monkeypatch.setattr(partitions, "_LEAST_FILTERED", least)
    items = pipelines(unique, 10, environment, is_active=True)
    for n in range(9):
        pipelines(unique, 10, environment, is_active=False, created_at=AT + timedelta(minutes=n))
    results = queries.pipelines_by_environment(environment, is_active=True)
    expected = ids(reversed(items))
    assert ids(results) == expected
    for limit in (1, 3, 5, 9, 10, 11):
        assert by_pages(results, limit) == expected
    assert results.page(10).cursor is None
    assert results.count() == 10
    assert queries.pipelines_by_environment(environment, is_active=False).count() == 90


def test_the_requests_of_a_page_are_bounded(unique: Unique, environment: str, requests: list[str]) -> None:
    """A first page makes one request for each shard; creating the listing makes none."""
    pipelines(unique, 40, environment)
    requests.clear()
    results = queries.pipelines_by_environment(environment)
    repr(results)
    assert requests == []
    page = results.page(5)
    assert requests == ["Query"] * 4
    requests.clear()
    results.page(5, page.cursor)
    assert requests == ["Query"] * 4
    requests.clear()
    assert len(list(results)) == 40
    assert requests == ["Query"] * 4
    requests.clear()
    assert results.count() == 40
    assert requests == ["Query"] * 4


def test_a_partition_that_has_ended_is_not_asked_again(unique: Unique, environment: str, requests: list[str]) -> None:
    """A cursor records which shards have ended."""
    pipelines(unique, 2, environment)
    results = queries.pipelines_by_environment(environment)
    page = results.page(1)
    requests.clear()
    assert len(results.page(1, page.cursor)) == 1
    assert 1 <= len(requests) <= 2


def test_a_page_asks_for_little_more_than_it_gives(unique: Unique, environment: str) -> None:
    """A page of five reads at most six items of each shard."""
    pipelines(unique, 60, environment)
    limits: list[Any] = []

    def note(params: Any, **_: Any) -> None:
        limits.append(json.loads(params["body"])["Limit"])

    events = connection_of(current_config()).client.meta.events
    events.register("before-call.dynamodb.Query", note)
    queries.pipelines_by_environment(environment).page(5)
    queries.pipelines_by_environment(environment, is_active=True).page(5)
    queries.pipelines_by_environment(environment, is_active=True).page(200)
    events.unregister("before-call.dynamodb.Query", note)
    assert limits == [6] * 4 + [100] * 4 + [201] * 4


def test_summaries_and_whole_items(unique: Unique, environment: str, requests: list[str]) -> None:
    """A listing returns summaries; `in_full()` returns whole items in the same order, 100 for each request."""
    items = pipelines(unique, 120, environment, config={"a": 1})
    results = queries.pipelines_by_environment(environment)
    summary = results.first()
    assert summary is not None
    with pytest.raises(SummaryError):
        _ = summary.config
    requests.clear()
    whole = list(results.in_full())
    assert requests.count("BatchGetItem") == 2
    assert whole == items[::-1]
    assert by_pages(results.in_full(), 50) == ids(whole)
    assert results.in_full().count() == 120
    whole[0].save()


def test_a_deleted_item_is_left_out_and_the_page_still_full(
    unique: Unique, environment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`in_full()` leaves out an item that only the index still has, and the next item takes its place."""
    items = pipelines(unique, 6, environment)
    original = ConfiguredConnection.dispatch

    def without_newest(self: Any, operation: str, request: dict[str, Any]) -> Any:
        for wanted in request.get("RequestItems", {}).values():
            wanted["Keys"] = [key for key in wanted["Keys"] if key["pipeline_id"]["S"] != items[-1].pipeline_id]
        return original(self, operation, request)

    monkeypatch.setattr(ConfiguredConnection, "dispatch", without_newest)
    page = queries.pipelines_by_environment(environment).in_full().page(3)
    assert ids(page) == ids(items[4:1:-1])


def test_unprocessed_keys_are_asked_for_again(
    config: DynamoDBConfig, unique: Unique, environment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Unprocessed keys are requested until they come, or reported as throttled."""
    waits: list[float] = []
    monkeypatch.setattr(time, "sleep", waits.append)
    items = pipelines(unique, 5, environment)
    original = ConfiguredConnection.dispatch

    def one_at_a_time(self: Any, operation: str, request: dict[str, Any]) -> Any:
        if operation != "BatchGetItem":
            return original(self, operation, request)
        ((table, wanted),) = request["RequestItems"].items()
        first, left = wanted["Keys"][:1], wanted["Keys"][1:]
        answer = dict(original(self, operation, request | {"RequestItems": {table: wanted | {"Keys": first}}}))
        return answer | {"UnprocessedKeys": {table: wanted | {"Keys": left}} if left else {}}

    monkeypatch.setattr(ConfiguredConnection, "dispatch", one_at_a_time)
    results = queries.pipelines_by_environment(environment).in_full()
    assert list(results) == items[::-1]
    assert waits == [], "what came is followed by the next, though nothing is repeated"
    with using(replace(config, time_limit_seconds=30.0)):
        assert list(queries.pipelines_by_environment(environment).in_full()) == items[::-1]
    assert len(waits) == 4
    assert all(0 <= wait <= 0.05 * 2**attempt for attempt, wait in enumerate(waits))

    def none_at_all(self: Any, operation: str, request: dict[str, Any]) -> Any:
        if operation != "BatchGetItem":
            return original(self, operation, request)
        return {"Responses": {}, "UnprocessedKeys": request["RequestItems"]}

    monkeypatch.setattr(ConfiguredConnection, "dispatch", none_at_all)
    with pytest.raises(ThrottledError, match="DynamoDB is busy and left items out; safe to try again"):
        list(results)


@pytest.mark.parametrize("limit", [0, -1, 1001, 1.0, "5", None, True])
def test_limits_that_are_refused(limit: Any, requests: list[str]) -> None:
    """A page holds 1 to 1,000 items."""
    with pytest.raises(ValidationError, match=r"limit: .* must be a whole number from 1 to 1000"):
        queries.all_pipelines().page(limit)
    assert requests == []


def test_a_cursor_is_bound_to_its_query(unique: Unique, environment: str, other_config: DynamoDBConfig) -> None:
    """A cursor of another query, other arguments or another table is refused before any request."""
    pipelines(unique, 8, environment)
    cursor = queries.pipelines_by_environment(environment).page(3).cursor
    assert cursor is not None
    with using(other_config):
        elsewhere = queries.pipelines_by_environment(environment)
    others: list[Results[Any]] = [
        queries.pipelines_by_environment(environment + "x"),
        queries.pipelines_by_environment(environment, is_active=True),
        queries.active_pipelines(),
        queries.all_pipelines(),
        queries.tables_of_pipeline(environment),
        queries.runs_of_pipeline("p"),
        elsewhere,
    ]
    for other in others:
        with pytest.raises(
            ValidationError,
            match=r"cursor: .* is not a cursor of this query: use the cursor that the previous page returned",
        ):
            other.page(3, cursor)
    assert len(queries.pipelines_by_environment(environment).page(3, cursor)) == 3
    assert len(queries.pipelines_by_environment(environment).in_full().page(3, cursor)) == 3


def test_no_two_queries_share_a_cursor(config: DynamoDBConfig) -> None:
    """The canonical text differs for each query and each argument."""
    later = AT + timedelta(days=1)
    listings: list[Results[Any]] = [
        queries.active_pipelines(),
        queries.active_pipelines("e"),
        *(queries.pipelines_by_environment("e", active) for active in (None, True, False)),
        queries.all_pipelines(),
        *(queries.tables_of_pipeline("p", kind) for kind in (None, "source", "lookup")),
        *(queries.tables_by_type(kind) for kind in ("source", "lookup")),
        queries.all_tables(),
        *(queries.runs_of_pipeline("p", status=status) for status in (None, "failed", "success")),
        *(queries.runs_by_status(status) for status in ("failed", "success")),
        *(
            listing(since=since, until=until)
            for listing in (
                queries.all_runs,
                partial(queries.runs_of_pipeline, "q"),
                partial(queries.runs_by_status, "running"),
            )
            for since, until in ((None, None), (AT, None), (later, None), (None, later), (AT, later))
        ),
        queries.expired_runs(),
        queries.expired_runs(AT),
        queries.expired_runs(later),
    ]
    assert len({one._query.canonical(config) for one in listings}) == len(listings)


def test_an_altered_cursor_is_refused(unique: Unique, environment: str, requests: list[str]) -> None:
    """A cut, extended, altered or malformed cursor is refused before any request."""
    pipelines(unique, 8, environment)
    results = queries.pipelines_by_environment(environment)
    cursor = results.page(3).cursor
    assert cursor is not None
    requests.clear()
    altered = [cursor[:n] for n in range(len(cursor))] + [cursor + "A", cursor + "=", " " + cursor, cursor.lower()]
    altered += [cursor[:n] + ("A" if cursor[n] != "A" else "B") + cursor[n + 1 :] for n in range(len(cursor))]
    for wrong in [*altered, "", "end", "ü", "A" * 2_000_000, 5, b"x", True, [cursor]]:
        with pytest.raises(ValidationError, match="is not a cursor of this query"):
            results.page(3, wrong)  # type: ignore[arg-type]  # what is tested
    assert requests == []


def test_a_cursor_of_more_shards_is_refused() -> None:
    """A cursor of more shards than configured is refused: a page would miss items."""
    eight = encode_cursor("q", [None] * 8)
    with pytest.raises(ValidationError):
        decode_cursor("q", eight, 4)
    assert decode_cursor("q", eight, 8) == [None] * 8


def packed(body: bytes, query: str) -> str:
    """Return a cursor with this body and a valid digest."""
    raw = hashlib.sha256(query.encode() + b"\0" + body).digest()[:12] + body
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


ODD_TAGS: list[Any] = [
    *("r", None, [], {}, {"S": 5}, {"S": None}, {"S": ""}, {"S": ["r"]}, {"S": {"S": "r"}}, {"s": "r"}),
    *({"N": "5"}, {"B": "cg=="}, {"BOOL": True}, {"S": "r", "N": "5"}, {"S": "x" * 2049}, {"S": "\ud800"}),
]
GOOD_KEY: dict[str, Any] = {
    "pipeline_id": {"S": "p"},
    "run_id": {"S": "r"},
    "start_time": {"S": "2026-11-22T06:00:00.000000Z"},
}
FORGED: list[Any] = [
    *(5, 1.5, True, "end", {}, GOOD_KEY, [[]], [[GOOD_KEY]], [5], [True], ["END"], [""], [{}], [GOOD_KEY, GOOD_KEY]),
    [GOOD_KEY | {"extra": {"S": "x"}}],
    [{name: value for name, value in GOOD_KEY.items() if name != "start_time"}],
    [{"table_id": {"S": "t"}, "pipeline_id": {"S": "p"}}],
    *([GOOD_KEY | {"run_id": tagged}] for tagged in ODD_TAGS),
    [GOOD_KEY | {"pipeline_id": {"S": "another"}}],
]


@pytest.mark.parametrize("positions", FORGED, ids=lambda one: repr(one)[:80])
def test_a_forged_cursor_is_refused(positions: Any, config: DynamoDBConfig, requests: list[str]) -> None:
    """With a valid digest, a value that is not a position of this query is refused before any request."""
    results = queries.runs_of_pipeline("p")
    body = zlib.compress(json.dumps(positions).encode())
    with pytest.raises(ValidationError, match="is not a cursor of this query"):
        results.page(3, packed(body, results._query.canonical(config)))
    assert requests == []
    fine = packed(zlib.compress(json.dumps([GOOD_KEY]).encode()), results._query.canonical(config))
    assert results.page(3, fine).items == []


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"no zlib",
        zlib.compress(b""),
        zlib.compress(b"\xff"),
        zlib.compress(b"[1"),
        zlib.compress(b"[]")[:-6],
        zlib.compress(b"[" * 200_000),
        zlib.compress(b"[" * 200_000 + b"]" * 200_000),
        zlib.compress(b"[" + b"1" * 5_000 + b"]"),
        zlib.compress(b"[NaN]"),
        zlib.compress(b'["' + b"x" * 20_000_000 + b'"]'),
    ],
    ids=lambda body: f"{len(body)} bytes",
)
def test_a_forged_cursor_of_no_list_is_refused(body: bytes, config: DynamoDBConfig, requests: list[str]) -> None:
    """Errors of zlib and JSON and oversized bodies become a refused cursor."""
    results = queries.runs_of_pipeline("p")
    with pytest.raises(ValidationError, match="is not a cursor of this query"):
        results.page(3, packed(body, results._query.canonical(config)))
    assert requests == []


@pytest.mark.parametrize(
    ("text", "is_one"),
    [
        *(("5", True), ("-1.50", True), ("9.9E+125", True), ("1E-130", True), ("0", True)),
        *(("1E+126", False), ("1E-131", False), ("1" * 39, False), ("NaN", False), ("Infinity", False), ("", False)),
        *(
            ("1_0", False),
            (" 1", False),
            ("\u0661", False),
            ("1E+9999999999", False),
            ("0x1", False),
            ("9" * 99, False),
        ),
    ],
)
def test_a_number_in_a_forged_cursor(text: str, is_one: bool) -> None:
    """A number in a key is accepted only if DynamoDB accepts it."""
    assert is_position({"n": {"N": text}}, {"n": "N"}, {}) is is_one


def test_a_cursor_that_dynamodb_refuses_is_no_cursor(config: DynamoDBConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cursor that only DynamoDB can refuse is a bad cursor; without a cursor, the error is passed on."""
    results = queries.runs_of_pipeline("p", since=AT)
    words = "The provided starting key is outside query boundaries based on provided conditions"
    response: Any = {"Error": {"Code": "ValidationException", "Message": words}}

    def refused(*_: Any, **__: Any) -> Any:
        raise QueryError(words, ClientError(response, "Query"))

    monkeypatch.setattr(TableConnection, "query", refused)
    with pytest.raises(ValidationError, match="is not a cursor of this query") as raised:
        results.page(3, encode_cursor(results._query.canonical(config), [GOOD_KEY]))
    assert isinstance(raised.value.__cause__, StorageError)
    with pytest.raises(StorageError, match=words):
        results.page(3)


def test_a_cursor_is_plain_text_for_an_address() -> None:
    """A cursor contains only URL-safe characters, and no padding."""
    cursor = encode_cursor("q", [{"k": {"S": "ü" * 50}}, None, "end"])
    assert base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
    assert set(cursor) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")
    assert decode_cursor("q", cursor, 3) == [{"k": {"S": "ü" * 50}}, None, "end"]


def test_growing_the_shards(unique: Unique, environment: str) -> None:
    """With eight shards, all items of four are still found, and a cursor made with four is still valid."""
    old = pipelines(unique, 20, environment)
    page = queries.pipelines_by_environment(environment).page(7)
    with using(replace(current_config(), index_shards=8)):
        new = pipelines(unique, 20, environment, created_at=AT - timedelta(days=1))
        assert len({item.environment_shard for item in new}) > 4
        results = queries.pipelines_by_environment(environment)
        assert sorted(ids(results)) == sorted(ids(old + new))
        rest = results.page(1000, page.cursor)
    assert sorted(ids(page) + ids(rest)) == sorted(ids(old + new))
    assert ids(page) == ids(old[:-8:-1])


def test_a_cursor_of_all_runs_goes_on_where_the_shards_have_grown(unique: Unique) -> None:
    """New shards of every status come after the partitions that an older cursor covers."""
    with using(replace(current_config(), table_prefix="grown.")) as config:
        create_tables()
        items = runs(unique, 10, "pending") + runs(unique, 10, "failed")
        page = queries.all_runs().page(7)
        with using(replace(config, index_shards=8)):
            rest = queries.all_runs().page(1000, page.cursor)
    assert sorted(ids(page) + ids(rest)) == sorted(ids(items))


def test_a_listing_that_is_empty(unique: Unique) -> None:
    """An empty listing has no items, no cursor, no first item and a count of zero."""
    results = queries.pipelines_by_environment(unique("nobody"))
    page = results.page(5)
    assert (page.items, page.cursor, list(page), len(page)) == ([], None, [], 0)
    assert (results.first(), results.count(), list(results), list(results.in_full())) == (None, 0, [], [])


def test_a_listing_is_true_if_there_is_an_item_in_it(
    unique: Unique, environment: str, requests: list[str], config: DynamoDBConfig
) -> None:
    """`bool()` reads the partitions until one has an item; there is no `len()`, which `list()` would call."""
    nobody = unique("nobody")
    for results in (queries.runs_of_pipeline(nobody), queries.pipelines_by_environment(nobody)):
        for one in (results, results.in_full()):
            requests.clear()
            assert (bool(one), requests) == (False, ["Query"] * len(results._query.partitions))
            assert list(one) == []
    listing = queries.pipelines_by_environment(environment)
    second = listing._query.partitions[1]
    there = next(key for n in range(99) if shard_of(environment, key := f"{environment}-{n}") == second)
    (item,) = pipelines(lambda _: there, 1, environment)
    requests.clear()
    assert bool(listing)
    assert requests == ["Query"] * 2
    requests.clear()
    assert bool(listing.in_full())
    assert requests == ["Query"] * 2 + ["BatchGetItem"]
    assert not queries.runs_of_pipeline("p", AT, AT), "an empty period asks nothing"
    item.delete()
    assert not listing
    with pytest.raises(TypeError):
        len(listing)  # type: ignore[arg-type]  # what is tested


def test_a_filter_does_not_make_a_listing_untrue(unique: Unique, environment: str) -> None:
    """A listing is true even if its only item follows many that the filter drops."""
    pipelines(unique, 3, environment, is_active=False)
    assert not queries.pipelines_by_environment(environment, is_active=True)
    pipelines(unique, 1, environment, is_active=True, created_at=AT - timedelta(days=1))
    assert queries.pipelines_by_environment(environment, is_active=True)


def test_scans(unique: Unique, other_config: DynamoDBConfig) -> None:
    """All pipelines and tables are returned whole and once, with any page size, and counted without being sent."""
    with using(replace(current_config(), table_prefix="scan.")):
        create_tables()
        items = pipelines(unique, 12, "e", config={"a": 1})
        results = queries.all_pipelines()
        assert sorted(ids(results)) == sorted(ids(items))
        assert {item.pipeline_id: item for item in results} == {item.pipeline_id: item for item in items}
        for limit in (1, 5, 11, 12, 13):
            assert sorted(by_pages(results, limit)) == sorted(ids(items))
        assert (results.count(), queries.all_tables().count()) == (12, 0)
        assert sorted(by_pages(results.in_full(), 5)) == sorted(ids(items))
        table = TableConfig(
            table_id="t", pipeline_id="p", table_name="t", table_type="source", data_format="csv", location="x"
        )
        table.save()
        assert list(queries.all_tables()) == [table]


def test_counting_goes_on_behind_a_megabyte(unique: Unique, environment: str, requests: list[str]) -> None:
    """Scans, queries and counts continue after each megabyte."""
    with using(replace(current_config(), table_prefix="large.")):
        create_tables()
        pipelines(unique, 8, environment, config={"x": "y" * 350_000})
        requests.clear()
        assert queries.all_pipelines().count() == 8
        assert len(list(queries.all_pipelines())) == 8


def test_a_repr_names_the_query() -> None:
    """The `repr()` names the query and makes no request."""
    assert repr(queries.active_pipelines("prod")) == "<Results active_pipelines {'environment': 'prod'}>"
