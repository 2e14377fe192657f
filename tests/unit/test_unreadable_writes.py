"""Commands that meet an unreadable item: the error names it, and other work is still done."""

from __future__ import annotations

import json
import logging
import pickle
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from pipemodels import (
    DynamoDBConfig,
    PipelineRunLog,
    Problem,
    RunLimitError,
    RunStatus,
    UnreadableItemError,
    commands,
    current_config,
    queries,
    using,
)
from pipemodels.commands import heartbeats as _heartbeats
from pipemodels.connections import connection_of
from pipemodels.interop import Refusal, apply_definitions, ingest_events
from pipemodels.models.unreadable import read_part
from tests.unit.leased import Limited, holders

pytestmark = pytest.mark.usefixtures("counted_tokens", "either_way")
AT = datetime(2026, 11, 22, 6, tzinfo=UTC)
EXPIRED = AT + timedelta(seconds=305, microseconds=1)
FORM = "is not in the stored format of an instant, e.g. 2026-11-22T06:04:09.937580Z"
FRACTION = "attempt: '1.5' is stored, but is not a whole number"


@pytest.fixture(params=[True, False], ids=["wire", "plain"])
def either_way(request: pytest.FixtureRequest, config: DynamoDBConfig) -> Iterator[DynamoDBConfig]:
    """Use the compiled decoders, and the fallback."""
    with using(replace(config, wire=request.param)) as chosen:
        yield chosen


def stored(pipeline_id: str, run_id: str = "a") -> dict[str, Any]:
    """Return a run as DynamoDB stores it."""
    key = {"pipeline_id": {"S": pipeline_id}, "run_id": {"S": run_id}}
    table = current_config().table_name("pipeline_run_logs")
    found: dict[str, Any] = connection_of(current_config()).client.get_item(TableName=table, Key=key)["Item"]
    return found


def put(item: dict[str, Any], table: str = "pipeline_run_logs") -> None:
    """Store an item without the package."""
    name = current_config().table_name(table)
    connection_of(current_config()).client.put_item(TableName=name, Item=item)


def start(pipeline_id: str, run_id: str = "a", **facts: Any) -> PipelineRunLog:
    """Start a run at AT."""
    return commands.start_run(pipeline_id=pipeline_id, run_id=run_id, **{"now": AT, "owner": "ann", **facts})


def spoiled(pipeline_id: str, **values: dict[str, Any]) -> dict[str, Any]:
    """Make the run `a` unreadable and return it as it is stored now."""
    item = stored(pipeline_id) | values
    put(item)
    return item


def named(pipeline_id: str, problem: str, run_id: str = "a") -> str:
    """Return how a message names an unreadable run."""
    return f"table 'unit.pipeline_run_logs', pipeline_id {pipeline_id!r}, run_id {run_id!r}: {problem}"


def test_an_expired_run_of_which_a_part_cannot_be_read_gives_its_slot_back(
    limited: Limited, caplog: pytest.LogCaptureFixture
) -> None:
    """It fails in the same request, unreadable fields keep their values, and a warning names it."""
    pipeline_id = limited(1)
    start(pipeline_id)
    before = spoiled(pipeline_id, attempt={"N": "1.5"})
    started = start(pipeline_id, "b", now=EXPIRED, by="bob")
    assert (holders(pipeline_id), queries.get_run(pipeline_id, "b")) == ({"b": 2}, started)
    after = stored(pipeline_id)
    changed = {
        "status": {"S": "failed"},
        "status_shard": {"S": before["status_shard"]["S"].replace("running", "failed")},
        "end_time": {"S": "2026-11-22T06:05:00.000000Z"},
        "duration_seconds": {"N": "300"},
        "error_message": {
            "S": "lease expired at 2026-11-22 06:05:00+00:00; a part of the item cannot be read",
        },
        "updated_at": {"S": "2026-11-22T06:05:05.000001Z"},
        "updated_by": {"S": "bob"},
        "revision": {"N": "2"},
        "write_id": after["write_id"],
    }
    gone = {"holds_slot", "lease_expires_at"}
    assert after == {name: value for name, value in (before | changed).items() if name not in gone}
    assert caplog.record_tuples == [
        (
            "pipemodels.commands.starting",
            logging.WARNING,
            "skipped an item that cannot be read: table 'unit.pipeline_run_logs', "
            f"{ {'pipeline_id': pipeline_id, 'run_id': 'a'}!r}: attempt is stored, but is not a whole number",
        )
    ]


def test_a_slot_of_an_ended_run_that_cannot_be_read_is_free(limited: Limited) -> None:
    """A run that another tool ended does not have to be repaired before others can start."""
    pipeline_id = limited(1)
    start(pipeline_id)
    before = spoiled(pipeline_id, attempt={"N": "1.5"}, status={"S": "failed"})
    start(pipeline_id, "b")
    assert (holders(pipeline_id), stored(pipeline_id)) == ({"b": 2}, before)


def test_a_slot_of_a_run_without_a_revision_is_free_once_it_has_ended(limited: Limited) -> None:
    """An older tool may have written it."""
    pipeline_id = limited(1)
    start(pipeline_id)
    item = stored(pipeline_id) | {"status": {"S": "failed"}}
    del item["revision"]
    put(item)
    start(pipeline_id, "b")
    assert (holders(pipeline_id), stored(pipeline_id)) == ({"b": 2}, item)


def test_a_live_run_of_which_a_part_cannot_be_read_keeps_its_slot(limited: Limited) -> None:
    """The error names its owner if that can be read; the run and the slots do not change."""
    pipeline_id = limited(1)
    start(pipeline_id)
    before = spoiled(pipeline_id, attempt={"N": "1.5"})
    full = f"pipeline {pipeline_id!r} has reached its limit of running runs (1): "
    with pytest.raises(RunLimitError) as caught:
        start(pipeline_id, "b")
    assert str(caught.value) == f"{full}'a' of ann until 2026-11-22 06:05:00+00:00"
    (holder,) = caught.value.holders
    assert (holder.owner, holder._is_unread("attempt")) == ("ann", True)
    spoiled(pipeline_id, owner={"N": "5"})
    with pytest.raises(RunLimitError) as caught:
        start(pipeline_id, "b")
    assert str(caught.value) == f"{full}'a' of an owner that cannot be read"
    assert (stored(pipeline_id), holders(pipeline_id)) == (before | {"owner": {"N": "5"}}, {"a": 1})


@pytest.mark.parametrize(
    ("name", "value", "problem"),
    [
        ("lease_expires_at", "2026-11-22T06:05:00Z", f"lease_expires_at: '2026-11-22T06:05:00Z' {FORM}"),
        (
            "status", "done",
            "status: 'done' must be one of: pending, running, success, failed, cancelled, skipped",
        ),
        ("start_time", "noon", f"start_time: 'noon' {FORM}"),
    ],
)  # fmt: skip
def test_a_run_whose_lease_cannot_be_judged_keeps_its_slot(
    name: str, value: str, problem: str, limited: Limited
) -> None:
    """A start that finds no free slot names it in the error and changes nothing; free slots can be taken."""
    pipeline_id = limited(2)
    start(pipeline_id)
    start(pipeline_id, "dead")
    before = spoiled(pipeline_id, **{name: {"S": value}})
    start(pipeline_id, "b", now=EXPIRED)
    assert holders(pipeline_id) == {"a": 1, "b": 3}
    with pytest.raises(UnreadableItemError) as caught:
        start(pipeline_id, "c", now=EXPIRED)
    assert str(caught.value) == (
        f"pipeline {pipeline_id!r} has reached its limit of running runs (2), and the lease of a run cannot be read: "
        f"{named(pipeline_id, problem)}; mend the item or delete it"
    )
    assert caught.value.done == ()
    assert (stored(pipeline_id), holders(pipeline_id)) == (before, {"a": 1, "b": 3})


def test_a_start_names_what_it_needs_and_cannot_read(limited: Limited) -> None:
    """The unreadable item is the run itself, or its pipeline."""
    pipeline_id = limited(1)
    start(pipeline_id)
    spoiled(pipeline_id, attempt={"N": "1.5"})
    with pytest.raises(UnreadableItemError) as caught:
        start(pipeline_id)
    assert str(caught.value) == f"{named(pipeline_id, FRACTION)}; mend the item or delete it"
    put({"pipeline_id": {"S": pipeline_id}, "max_concurrent_runs": {"S": "one"}}, "pipeline_config")
    with pytest.raises(UnreadableItemError) as caught:
        start(pipeline_id, "b")
    assert str(caught.value) == (
        f"table 'unit.pipeline_config', pipeline_id {pipeline_id!r}: "
        "max_concurrent_runs: {'S': 'one'} is not stored as type N; mend the item or delete it"
    )


def test_a_write_that_was_done_says_so(limited: Limited) -> None:
    """If another field of the item cannot be read, the message and `done` say that the write was done."""
    pipeline_id = limited(None)
    start(pipeline_id)
    before = spoiled(pipeline_id, attempt={"N": "1.5"})
    with pytest.raises(UnreadableItemError) as caught:
        commands.finish_run(pipeline_id=pipeline_id, run_id="a", now=AT + timedelta(seconds=1))
    item = named(pipeline_id, FRACTION)
    error = pickle.loads(pickle.dumps(caught.value))
    for one in (caught.value, error):
        message = f"run {pipeline_id!r} / 'a' has been updated, but the returned item cannot be read: {item}"
        assert (str(one), one.done, one.item) == (message, (f"{pipeline_id}/a",), caught.value.item)
    after = stored(pipeline_id)
    assert (after["status"], after["attempt"]) == ({"S": "success"}, before["attempt"])
    with pytest.raises(UnreadableItemError) as caught:
        commands.finish_run(pipeline_id=pipeline_id, run_id="a", now=AT + timedelta(seconds=1))
    assert str(caught.value) == (
        f"run {pipeline_id!r} / 'a': the condition failed, and the stored item cannot be read: {item}; "
        "mend the item or delete it"
    )
    assert (caught.value.done, stored(pipeline_id)) == ((), after)


def test_a_pipeline_that_cannot_be_read_is_deleted(unique: Any) -> None:
    """It is deleted, and the error says so."""
    pipeline_id = unique("gone")
    put({"pipeline_id": {"S": pipeline_id}, "is_active": {"S": "yes"}}, "pipeline_config")
    with pytest.raises(UnreadableItemError) as caught:
        commands.delete_pipeline(pipeline_id=pipeline_id)
    assert str(caught.value) == (
        f"pipeline {pipeline_id!r} has been deleted, but the returned item cannot be read: table "
        f"'unit.pipeline_config', pipeline_id {pipeline_id!r}: is_active: {{'S': 'yes'}} "
        "is not stored as type BOOL"
    )
    assert (caught.value.done, queries.find_pipeline(pipeline_id)) == ((pipeline_id,), None)


def test_to_put_a_pipeline_mends_it(unique: Any) -> None:
    """A put replaces the unreadable item; the new item has no `created_by`."""
    pipeline_id = unique("mended")
    put({"pipeline_id": {"S": pipeline_id}, "is_active": {"S": "yes"}}, "pipeline_config")
    fields: dict[str, Any] = {"pipeline_name": "n", "source_type": "s", "destination_type": "d"}
    mended = commands.put_pipeline(pipeline_id=pipeline_id, by="ann", **fields)
    assert mended == queries.get_pipeline(pipeline_id)
    assert [mended.created_by, mended.updated_by] == [None, "ann"]


def test_a_heartbeat_whose_result_cannot_be_read_keeps_the_run(limited: Limited) -> None:
    """The lease is renewed all the same: the worker does not lose its run."""
    run = start(limited(None))
    spoiled(run.pipeline_id, attempt={"N": "1.5"})
    beats = _heartbeats.Heartbeats(run, asked=_heartbeats.running_seconds() - 1_000)
    beats._send(_heartbeats.running_seconds())
    beats.raise_if_lost()
    assert stored(run.pipeline_id)["revision"] == {"N": "2"}


def event(pipeline_id: str, run_id: str) -> str:
    """Return the end of a run as an OpenLineage event."""
    return json.dumps(
        {
            "eventType": "COMPLETE",
            "eventTime": "2026-11-22T06:00:05Z",
            "run": {"runId": run_id},
            "job": {"namespace": "n", "name": pipeline_id},
        }
    )


def test_an_event_of_a_run_that_cannot_be_read_is_refused(unique: Any, tmp_path: Path) -> None:
    """Each is reported by line, with the item; all other events are ingested, even for an unreadable pipeline."""
    name = unique("told")
    file = tmp_path / "events.ndjson"
    file.write_text(event(name, "a") + "\n")
    assert ingest_events([file]).refused == []
    (listed,) = [one for one in queries.all_pipelines() if name in one.pipeline_id]
    pipeline_id = listed.pipeline_id
    before = spoiled(pipeline_id, attempt={"N": "1.5"}, status={"S": "running"})
    put({"pipeline_id": {"S": pipeline_id}, "is_active": {"S": "yes"}}, "pipeline_config")
    file.write_text("\n".join(event(name, run_id) for run_id in "bac"))
    report = ingest_events([file])
    (refusal,) = report.refused
    assert (report.events, report.runs, refusal.line) == (2, 2, 2)
    assert refusal.reason == f"{named(pipeline_id, FRACTION)}; mend the item or delete it"
    assert [queries.get_run(pipeline_id, run_id).status for run_id in "bc"] == [RunStatus.SUCCESS] * 2
    assert stored(pipeline_id) == before


@pytest.mark.parametrize("dry_run", [False, True])
def test_an_entry_of_an_item_that_cannot_be_read_is_refused(dry_run: bool, unique: Any, tmp_path: Path) -> None:
    """The error names the stored field; all other definitions are applied."""
    odd, good = unique("odd"), unique("good")
    put({"pipeline_id": {"S": odd}, "is_active": {"S": "yes"}}, "pipeline_config")
    fields = {"pipeline_name": "n", "source_type": "s", "destination_type": "d"}
    file = tmp_path / "all.json"
    file.write_text(json.dumps({"pipelines": [{"pipeline_id": one, **fields} for one in (odd, good)]}))
    report = apply_definitions([file], dry_run=dry_run)
    reason = "is not stored as type BOOL; repair the stored item or delete it"
    problem = Problem("stored is_active", {"S": "yes"}, reason)
    assert report.refused == [Refusal(str(file), report.refused[0].entry, (problem,))]
    assert odd in report.refused[0].entry
    assert (report.created, report.updated) == ([good], [])
    assert (queries.find_pipeline(good) is None) == dry_run


def test_what_can_be_read_of_an_item_is_a_summary() -> None:
    """A needed field that cannot be read raises."""
    item = {"run_id": {"S": "a"}, "pipeline_id": {"S": "p"}, "attempt": {"N": "1.5"}, "owner": {"S": "ann"}}
    part = read_part(PipelineRunLog, item, frozenset({"owner"}))
    assert [part.owner, part.tags, part._is_unread("attempt"), part._is_unread("tags")] == ["ann", None, True, False]
    with pytest.raises(UnreadableItemError) as caught:
        read_part(PipelineRunLog, item, frozenset({"attempt"}))
    assert str(caught.value) == f"{named('p', FRACTION)}; mend the item or delete it".replace(
        "unit.pipeline_run_logs", current_config().table_name("pipeline_run_logs")
    )
