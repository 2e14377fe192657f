"""Leases, slots and reaping, on moto: what each command stores, refuses and says."""

import io
import json
import logging
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from pipemodels import (
    AlreadyExistsError,
    AttemptLimitError,
    ItemNotFoundError,
    LeaseLostError,
    PipelineRunLog,
    RunLimitError,
    RunStatus,
    StaleRevisionError,
    StorageError,
    UnreapedRunsError,
    ValidationError,
    commands,
    current_config,
    queries,
)
from pipemodels.commands import leases
from pipemodels.connections import connection_of
from pipemodels.interop import ingest_events
from pipemodels.lifecycle import reading
from pipemodels.models import RunSlots
from tests.unit.leased import WORK, Limited, holders

pytestmark = pytest.mark.usefixtures("counted_tokens")
AT = datetime(2026, 11, 22, 6, tzinfo=UTC)
EXPIRED = AT + timedelta(seconds=305, microseconds=1)
"""The first microsecond at which a lease of 300 s has expired, the allowance for clocks included."""


def start(pipeline_id: str, run_id: str, **facts: Any) -> PipelineRunLog:
    """Start a run at AT."""
    return commands.start_run(pipeline_id=pipeline_id, run_id=run_id, **{"now": AT, **facts})


def test_a_start_takes_a_slot_in_two_requests(limited: Limited, requests: list[str]) -> None:
    """One read of limit, slots and run together; one transaction. What is returned is what is stored."""
    pipeline_id = limited(2)
    requests.clear()
    run = start(pipeline_id, "a")
    assert requests == ["BatchGetItem", "TransactWriteItems"]
    assert queries.get_run(pipeline_id, "a") == run
    assert (run.lease_token, run.holds_slot, run.lease_expires_at) == (1, True, AT + timedelta(seconds=300))
    assert start(pipeline_id, "b").lease_token == 2
    assert holders(pipeline_id) == {"a": 1, "b": 2}


def test_a_full_pipeline_names_who_holds_it(limited: Limited) -> None:
    """The error shows run, owner and end of the lease, and carries the runs; nothing is stored."""
    pipeline_id = limited(1)
    run = start(pipeline_id, "a", owner="ann")
    with pytest.raises(RunLimitError, match=r"\(1\): 'a' of ann until 2026-11-22 06:05:00\+00:00$") as caught:
        start(pipeline_id, "b")
    assert caught.value.holders == (run,)
    assert queries.find_run(pipeline_id, "b") is None


def test_the_same_start_takes_one_slot(limited: Limited) -> None:
    """Said again it returns the run; with another owner it is refused, and no slot is taken."""
    pipeline_id = limited(2)
    run = start(pipeline_id, "a", owner="ann")
    assert start(pipeline_id, "a", now=AT + timedelta(seconds=9)) == run
    with pytest.raises(AlreadyExistsError, match="owner is 'ann', not 'bob'"):
        start(pipeline_id, "a", owner="bob")
    assert holders(pipeline_id) == {"a": 1}


def test_a_run_that_starts_between_two_reads_is_no_other_run(
    limited: Limited, monkeypatch: pytest.MonkeyPatch
) -> None:
    """BatchGetItem is no snapshot: the slot that it shows may be of the very run that it does not show yet."""
    pipeline_id = limited(1)
    run = start(pipeline_id, "a")
    original, torn = reading.read_context, [True]

    def read(target: Any) -> Any:
        found = original(target)
        return replace(found, run=None) if torn.pop() else found

    torn.insert(0, False)
    monkeypatch.setattr(reading, "read_context", read)
    assert start(pipeline_id, "a") == run
    assert holders(pipeline_id) == {"a": 1}


def test_a_queued_run_keeps_what_it_was_queued_with(limited: Limited) -> None:
    """Its start in a slot is like its start without one."""
    pipeline_id = limited(1)
    queued = commands.queue_run(
        pipeline_id=pipeline_id, run_id="a", trigger_type="schedule", attempt=2, by="ann", now=AT, tags={"a": "b"}
    )
    run = start(pipeline_id, "a", now=EXPIRED, by="bob")
    assert queries.get_run(pipeline_id, "a") == run
    kept = ("trigger_type", "attempt", "created_by", "created_at", "tags")
    assert [getattr(run, name) for name in kept] == [getattr(queued, name) for name in kept]
    assert (run.status, run.revision, run.updated_by, run.start_time) == (RunStatus.RUNNING, 2, "bob", EXPIRED)


@pytest.mark.parametrize("end", [commands.finish_run, commands.cancel_run])
def test_an_end_frees_the_slot(end: Any, limited: Limited, requests: list[str]) -> None:
    """In the transaction that ends the run; the token goes on growing."""
    pipeline_id = limited(1)
    start(pipeline_id, "a")
    requests.clear()
    ended = end(pipeline_id=pipeline_id, run_id="a", now=AT + timedelta(seconds=1))
    assert requests == ["UpdateItem", "TransactWriteItems"]
    assert queries.get_run(pipeline_id, "a") == ended
    assert [ended.holds_slot, ended.lease_expires_at, ended.duration_seconds] == [None, None, 1]
    assert end(pipeline_id=pipeline_id, run_id="a", now=AT) == ended
    assert start(pipeline_id, "b").lease_token == 2


def test_a_slot_removed_by_hand_keeps_no_run_from_ending(limited: Limited) -> None:
    """The run ends all the same."""
    pipeline_id = limited(1)
    start(pipeline_id, "a")
    RunSlots.get(pipeline_id).delete()
    assert commands.finish_run(pipeline_id=pipeline_id, run_id="a").status is RunStatus.SUCCESS


def test_a_deleted_run_frees_its_slot(limited: Limited) -> None:
    """Also at an expected revision; at another one nothing happens."""
    pipeline_id = limited(1)
    run = start(pipeline_id, "a")
    with pytest.raises(StaleRevisionError):
        commands.delete_run(pipeline_id=pipeline_id, run_id="a", expected_revision=2)
    assert holders(pipeline_id) == {"a": 1}
    assert commands.delete_run(pipeline_id=pipeline_id, run_id="a", expected_revision=1) == run
    assert (queries.find_run(pipeline_id, "a"), holders(pipeline_id)) == (None, {})


def test_a_start_leaves_a_lease_alone_within_the_allowance_for_clocks(limited: Limited) -> None:
    """Up to the last microsecond; after it the slot is the next one's."""
    pipeline_id = limited(1)
    run = start(pipeline_id, "a")
    with pytest.raises(RunLimitError):
        start(pipeline_id, "b", now=EXPIRED - timedelta(microseconds=1))
    assert queries.get_run(pipeline_id, "a") == run
    start(pipeline_id, "b", now=EXPIRED)
    assert holders(pipeline_id) == {"b": 2}


def test_a_start_takes_back_stale_slots(limited: Limited) -> None:
    """Of a run that is gone, of one that ended past the commands, and of one whose lease has expired."""
    pipeline_id = limited(3)
    for run_id in ("gone", "ended", "expired"):
        start(pipeline_id, run_id)
    queries.get_run(pipeline_id, "gone").delete()
    ended = queries.get_run(pipeline_id, "ended")
    ended.update([PipelineRunLog.status.set("cancelled")])
    assert start(pipeline_id, "new", now=EXPIRED).lease_token == 4
    assert holders(pipeline_id) == {"new": 4}
    expired = queries.get_run(pipeline_id, "expired")
    assert (expired.status, expired.end_time) == (RunStatus.FAILED, AT + timedelta(seconds=300))


def test_an_ingested_end_frees_the_slot(unique: Callable[[str], str]) -> None:
    """An OpenLineage event that ends a run which holds a slot does what a command does."""
    pipeline_id = f"shop/{unique('orders')}"
    fields: dict[str, Any] = {
        "pipeline_name": "n",
        "source_type": "s",
        "destination_type": "d",
        "max_concurrent_runs": 1,
    }
    commands.create_pipeline(pipeline_id=pipeline_id, **fields)
    run = start(pipeline_id, "a")
    event = {
        "eventType": "COMPLETE",
        "eventTime": "2026-11-22T06:00:07Z",
        "run": {"runId": "a"},
        "job": {"namespace": "shop", "name": pipeline_id.removeprefix("shop/")},
    }
    assert ingest_events([io.BytesIO(json.dumps(event).encode())], by="ci").refused == []
    ended = queries.get_run(pipeline_id, "a")
    found = [ended.status, ended.duration_seconds, ended.updated_by, ended.revision]
    assert found == [RunStatus.SUCCESS, 7, "ci", run.revision + 1]
    assert [ended.holds_slot, ended.lease_expires_at] == [None, None]
    assert holders(pipeline_id) == {}


def test_heartbeats_renew_and_never_shorten(limited: Limited, requests: list[str]) -> None:
    """One request; counted as a write; a clock that runs behind changes nothing."""
    run = start(limited(None), "a", lease_seconds=60)
    requests.clear()
    beat = commands.heartbeat(run, now=AT + timedelta(seconds=20), by="ann")
    assert requests == ["UpdateItem"]
    assert (beat.lease_expires_at, beat.heartbeat_at) == (AT + timedelta(seconds=80), AT + timedelta(seconds=20))
    assert (beat.revision, beat.updated_by) == (2, "ann")
    assert commands.heartbeat(run, now=AT) == beat == queries.get_run(run.pipeline_id, "a")


def test_a_heartbeat_needs_a_lease(limited: Limited, requests: list[str]) -> None:
    """A run that was started without one, or only queued, has none; nothing is sent."""
    pipeline_id = limited(None)
    runs = [start(pipeline_id, "a", lease_seconds=None), commands.queue_run(pipeline_id=pipeline_id, run_id="b")]
    requests.clear()
    for run in runs:
        with pytest.raises(ValidationError, match="was started without a lease"):
            commands.heartbeat(run)
    assert requests == []


@pytest.mark.parametrize("work", WORK)
@pytest.mark.parametrize("limit", [None, 1])
def test_who_lost_the_lease_changes_nothing(work: Any, limit: int | None, limited: Limited) -> None:
    """After a reaper came, everything said under the old token is refused with the run as it is."""
    pipeline_id = limited(limit)
    run = start(pipeline_id, "a")
    (reaped,) = [one for one in commands.reap_expired_runs(now=EXPIRED) if one.pipeline_id == pipeline_id]
    key = {"pipeline_id": pipeline_id, "run_id": "a", "lease_token": run.lease_token}
    with pytest.raises(LeaseLostError, match=r"is failed .*lease expired.*: lease 1 no longer holds") as caught:
        work(key)
    assert caught.value.current == reaped == queries.get_run(pipeline_id, "a")
    with pytest.raises(LeaseLostError):
        commands.heartbeat(run)


def test_a_wrong_token_is_refused_while_the_run_goes_on(limited: Limited) -> None:
    """A token of another lease; and one that is no token at all."""
    run = start(limited(None), "a")
    key: dict[str, Any] = {"pipeline_id": run.pipeline_id, "run_id": "a"}
    with pytest.raises(LeaseLostError):
        commands.record_metrics(**key, lease_token=2, total_records_processed=1)
    with pytest.raises(ValidationError, match="lease_token: 0 must be at least 1"):
        commands.finish_run(**key, lease_token=0)
    assert queries.get_run(**key) == run


def test_reaping(limited: Limited) -> None:
    """What has expired becomes failed with the story of its lease; what is renewed or not leased stays."""
    pipeline_id = limited(None)
    runs = [start(pipeline_id, name, owner="ann", lease_seconds=300) for name in ("silent", "beating", "alive")]
    start(pipeline_id, "for ever", lease_seconds=None)
    commands.heartbeat(runs[1], now=AT)
    commands.heartbeat(runs[2], now=AT + timedelta(seconds=1))
    own = [run for run in queries.expired_runs(EXPIRED) if run.pipeline_id == pipeline_id]
    assert {run.run_id for run in own} == {"silent", "beating"}
    at_the_edge = EXPIRED - timedelta(microseconds=1)
    assert [run for run in commands.reap_expired_runs(now=at_the_edge) if run.pipeline_id == pipeline_id] == []
    reaped = [run for run in commands.reap_expired_runs(now=EXPIRED, by="reaper") if run.pipeline_id == pipeline_id]
    assert {run.run_id: run.error_message for run in reaped} == {
        "silent": "lease expired at 2026-11-22 06:05:00+00:00; no heartbeat ever; owner ann",
        "beating": "lease expired at 2026-11-22 06:05:00+00:00; last heartbeat 2026-11-22 06:00:00+00:00; owner ann",
    }
    assert all(queries.get_run(pipeline_id, run.run_id) == run for run in reaped)
    assert {run.status for run in queries.runs_of_pipeline(pipeline_id)} == {RunStatus.FAILED, RunStatus.RUNNING}


def test_reaping_goes_on_behind_the_first_page(limited: Limited, monkeypatch: pytest.MonkeyPatch) -> None:
    """A shard that holds more than one reply is read to its end."""
    monkeypatch.setattr("pipemodels.commands.leases._PAGE", 1)
    pipeline_id = limited(None)
    for name in "abcdefghi":
        start(pipeline_id, name)
    reaped = [run.run_id for run in commands.reap_expired_runs(now=EXPIRED) if run.pipeline_id == pipeline_id]
    assert sorted(reaped) == list("abcdefghi")


def test_reaping_at_the_most_so_many(limited: Limited) -> None:
    """A limit ends the round early; one that is none is refused."""
    pipeline_id = limited(None)
    for name in "abc":
        start(pipeline_id, name)
    assert len(commands.reap_expired_runs(now=EXPIRED, limit=1)) == 1
    for wrong in (0, True, "1"):
        with pytest.raises(ValidationError, match=r"limit: .* must be a whole number above 0"):
            commands.reap_expired_runs(now=EXPIRED, limit=wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize("limit", [None, 1])
def test_a_run_that_is_renewed_meanwhile_is_not_reaped(
    limit: int | None, limited: Limited, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its heartbeat comes after the reaper has found it expired: the lease as it was found is in the condition."""
    commands.reap_expired_runs(now=EXPIRED)  # what other tests have left
    pipeline_id = limited(limit)
    run = start(pipeline_id, "a")
    found, renewed = leases._expired, []

    def renewing(now: Any) -> Any:
        for expired in found(now):
            renewed.append(commands.heartbeat(run, now=EXPIRED))
            yield expired

    monkeypatch.setattr(leases, "_expired", renewing)
    assert commands.reap_expired_runs(now=EXPIRED) == []
    assert [queries.get_run(pipeline_id, "a")] == renewed
    assert limit is None or holders(pipeline_id) == {"a": 1}


def test_a_run_that_breaks_a_rule_keeps_no_other_from_being_reaped(limited: Limited) -> None:
    """It is named once all others are reaped, and goes once it is mended."""
    commands.reap_expired_runs(now=EXPIRED)  # what other tests have left
    broken, other = limited(1), limited(1)
    for pipeline_id in (broken, other):
        start(pipeline_id, "a")
    facts = PipelineRunLog.total_records_processed, PipelineRunLog.total_records_failed
    PipelineRunLog(broken, "a").update([one.set(value) for one, value in zip(facts, (1, 2), strict=True)])
    message = rf"^run '{broken}' / 'a': total_records_failed: 2 exceeds total_records_processed \(1\)$"
    with pytest.raises(ValidationError, match=message):
        commands.reap_expired_runs(now=EXPIRED)
    assert (holders(broken), holders(other)) == ({"a": 1}, {})
    with pytest.raises(ValidationError, match=message):
        start(broken, "b", now=EXPIRED)
    PipelineRunLog(broken, "a").update([PipelineRunLog.total_records_processed.set(2)])
    assert [run.pipeline_id for run in commands.reap_expired_runs(now=EXPIRED)] == [broken]
    assert holders(broken) == {}


def put_odd(pipeline_id: str, **values: dict[str, Any]) -> None:
    """Store a running run as another tool would have."""
    item = {
        "pipeline_id": {"S": pipeline_id},
        "run_id": {"S": "odd"},
        "status": {"S": "running"},
        "status_shard": {"S": "running#0"},
        "trigger_type": {"S": "m"},
        "start_time": {"S": "2026-11-22T06:00:00.000000Z"},
        "lease_expires_at": {"S": "2026-11-22T06:00:01.000000Z"},
    }
    client = connection_of(current_config()).client
    client.put_item(TableName=PipelineRunLog.Meta.table_name, Item={**item, **values})


ODD: dict[str, tuple[dict[str, dict[str, Any]], str]] = {
    "another form": (
        {"lease_expires_at": {"S": "2026-11-22T06:00:01Z"}},
        "lease_expires_at: '2026-11-22T06:00:01Z' is not in the stored format of an instant",
    ),
    "another status": ({"status": {"S": "done"}}, "status: 'done' must be one of: pending, running"),
    "another type": ({"attempt": {"S": "first"}}, "attempt: "),
    "no number": ({"attempt": {"N": "1.5"}}, "attempt: "),
}


@pytest.mark.parametrize("limit", [None, 1])
@pytest.mark.parametrize("odd", ODD)
def test_a_run_that_cannot_be_read_keeps_no_other_from_being_reaped(
    odd: str, limit: int | None, limited: Limited, caplog: pytest.LogCaptureFixture
) -> None:
    """It is logged with table, key, field and reason, and named once all others are reaped; `done` holds those."""
    commands.reap_expired_runs(now=EXPIRED)  # what other tests have left
    values, reason = ODD[odd]
    pipeline_id, others = limited(None), sorted(limited(limit) for _ in range(6))
    for other in others:
        start(other, "a")
    put_odd(pipeline_id, **values)
    try:
        with pytest.raises(UnreapedRunsError) as caught:
            commands.reap_expired_runs(now=EXPIRED)
        name = f"run {pipeline_id!r} / 'odd'"
        assert str(caught.value).startswith(f"{name}: {reason}")
        assert sorted(caught.value.done) == [f"{other}/a" for other in others]
        key = {"pipeline_id": pipeline_id, "run_id": "odd"}
        (problem,) = caught.value.problems
        warning = (
            f"skipped an item that cannot be read: table 'unit.pipeline_run_logs', {key!r}: "
            f"{problem.field.removeprefix(f'{name}: ')} {problem.reason}"
        )
        assert caplog.record_tuples == [("pipemodels.commands.leases", logging.WARNING, warning)]
        reaped = sorted(caught.value.reaped, key=lambda run: run.pipeline_id)
        assert reaped == [queries.get_run(other, "a") for other in others]
        assert {run.status for run in reaped} == {RunStatus.FAILED}
        if limit is not None:
            assert [holders(other) for other in others] == [{}] * 6
    finally:
        PipelineRunLog._get_connection().delete_item(pipeline_id, range_key="odd")


def test_a_run_with_which_dynamodb_cannot_do_the_same_keeps_no_other_from_being_reaped(limited: Limited) -> None:
    """What counts its writes is a text: it is named, in DynamoDB's words."""
    commands.reap_expired_runs(now=EXPIRED)  # what other tests have left
    pipeline_id, other = limited(None), limited(None)
    start(other, "a")
    put_odd(pipeline_id, start_epoch={"S": "x"})
    try:
        with pytest.raises(UnreapedRunsError) as caught:
            commands.reap_expired_runs(now=EXPIRED)
        (problem,) = caught.value.problems
        assert problem.field.startswith(f"run {pipeline_id!r} / 'odd': ")
        assert caught.value.reaped == (queries.get_run(other, "a"),)
    finally:
        PipelineRunLog._get_connection().delete_item(pipeline_id, range_key="odd")


def test_what_is_not_for_one_run_ends_the_reaping(limited: Limited, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where DynamoDB is away, that is told at once."""
    start(limited(None), "a")

    def away(*_: Any, **__: Any) -> None:
        raise StorageError("away")

    monkeypatch.setattr(leases, "expire_run", away)
    with pytest.raises(StorageError, match=r"^away$") as caught:
        commands.reap_expired_runs(now=EXPIRED)
    assert caught.value.done == ()
    monkeypatch.undo()
    commands.reap_expired_runs(now=EXPIRED)


@pytest.mark.parametrize("form", ["+0000", "+00:00"])
def test_a_lease_that_pynamodb_wrote_is_reaped(form: str, limited: Limited) -> None:
    """Its end is stored in a form that can be read, but is not the text that a condition compares."""
    commands.reap_expired_runs(now=EXPIRED)  # what other tests have left
    pipeline_id = limited(None)
    put_odd(pipeline_id, lease_expires_at={"S": f"2026-11-22T06:00:01.000000{form}"})
    (reaped,) = commands.reap_expired_runs(now=EXPIRED)
    assert reaped == queries.get_run(pipeline_id, "odd")
    assert (reaped.status, reaped.end_time) == (RunStatus.FAILED, AT + timedelta(seconds=1))
    assert reaped.error_message == "lease expired at 2026-11-22 06:00:01+00:00; no heartbeat ever; owner None"
    assert commands.reap_expired_runs(now=EXPIRED) == []


def test_a_run_that_lacks_what_a_duration_is_computed_from_is_reaped(limited: Limited) -> None:
    """Another tool stores no `start_epoch`: the duration follows from the start."""
    commands.reap_expired_runs(now=EXPIRED)  # what other tests have left
    pipeline_id, other = limited(None), limited(None)
    put_odd(pipeline_id)
    start(other, "a")
    reaped = commands.reap_expired_runs(now=EXPIRED)
    assert sorted((run.pipeline_id, run.duration_seconds) for run in reaped) == [
        (pipeline_id, Decimal(1)),
        (other, Decimal(300)),
    ]
    assert all(queries.get_run(run.pipeline_id, run.run_id) == run for run in reaped)


@pytest.mark.parametrize("holds_slot", [{"BOOL": False}, {"NULL": True}])
def test_a_run_that_holds_no_slot_in_so_many_words_ends(holds_slot: dict[str, Any], limited: Limited) -> None:
    """What another tool wrote in place of nothing keeps no run from ending."""
    pipeline_id = limited(None)
    put_odd(pipeline_id, holds_slot=holds_slot)
    ended = commands.finish_run(pipeline_id=pipeline_id, run_id="odd", now=AT + timedelta(seconds=3))
    assert ended == queries.get_run(pipeline_id, "odd")
    assert [ended.status, ended.duration_seconds, ended.holds_slot] == [RunStatus.SUCCESS, 3, None]


def give_slot(pipeline_id: str, run_id: str, token: int) -> None:
    """Write a holder past the commands."""
    RunSlots(pipeline_id).update([RunSlots.holders[run_id].set(token), RunSlots.last_token.set(token)])


def test_a_slot_under_another_token_is_stale(limited: Limited) -> None:
    """A run that runs, but not under the token of the slot, does not hold it: the next start takes it."""
    pipeline_id = limited(1)
    run = start(pipeline_id, "a")
    give_slot(pipeline_id, "a", 7)
    assert start(pipeline_id, "b").lease_token == 8
    assert holders(pipeline_id) == {"b": 8}
    assert queries.get_run(pipeline_id, "a") == run


@pytest.mark.parametrize("other", [7, 2])
def test_a_run_frees_the_slot_of_its_own_token_alone(other: int, limited: Limited) -> None:
    """A slot that was given under its id to another life of it stays, whichever token is the greater."""
    pipeline_id = limited(2)
    for run_id in ("x", "y", "a"):
        start(pipeline_id, run_id)
        if run_id != "a":
            commands.finish_run(pipeline_id=pipeline_id, run_id=run_id, now=AT)
    give_slot(pipeline_id, "a", other)
    ended = commands.finish_run(pipeline_id=pipeline_id, run_id="a", now=AT)
    assert [ended.status, ended.lease_token, ended.holds_slot] == [RunStatus.SUCCESS, 3, None]
    assert holders(pipeline_id) == {"a": other}


def test_attempts_are_limited(limited: Limited) -> None:
    """Up to `max_attempts` of the pipeline, the first included."""
    pipeline_id = limited(None, max_attempts=2)
    start(pipeline_id, "a")
    commands.fail_run(pipeline_id=pipeline_id, run_id="a", error_message="boom")
    second = commands.retry_run(pipeline_id=pipeline_id, run_id="a")
    assert commands.retry_run(pipeline_id=pipeline_id, run_id="a") == second
    failed = commands.fail_run(pipeline_id=pipeline_id, run_id=second.run_id, error_message="boom")
    with pytest.raises(AttemptLimitError, match="was attempt 2, and its pipeline allows 2") as caught:
        commands.retry_run(pipeline_id=pipeline_id, run_id=second.run_id)
    assert caught.value.current == failed


def test_limits_are_checked(limited: Limited) -> None:
    """From 1 to 100 runs at once, at least one attempt; a lease of a second to a week."""
    for name, value in (("max_concurrent_runs", 0), ("max_concurrent_runs", 101), ("max_attempts", 0)):
        with pytest.raises(ValidationError, match=f"{name}: {value} must be at"):
            commands.update_pipeline(pipeline_id="p", changes={name: value})
    for seconds in (0, 604_801):
        with pytest.raises(ValidationError, match=f"lease_seconds: {seconds} must be at"):
            commands.start_run(pipeline_id="p", lease_seconds=seconds)
    pipeline_id = limited(100, max_attempts=1)
    for seconds in (1, 604_800):
        run = commands.start_run(pipeline_id=pipeline_id, lease_seconds=seconds)
        assert run.lease_seconds == seconds


def test_a_recorded_run_beats_and_knows_when_it_is_lost(limited: Limited) -> None:
    """Heartbeats come by themselves; who is reaped is told inside the block and at its end."""
    pipeline_id = limited(1)

    def job() -> None:
        with commands.recorded_run(pipeline_id=pipeline_id, run_id="a", lease_seconds=1) as recorded:
            wait_for(lambda: queries.get_run(pipeline_id, "a").heartbeat_at is not None)
            commands.current_run.raise_if_lost()
            commands.cancel_run(pipeline_id=pipeline_id, run_id="a")
            wait_for(lambda: is_lost(recorded))
            with pytest.raises(LeaseLostError):
                commands.current_run.raise_if_lost()

    with pytest.raises(LeaseLostError, match="lease 1 no longer holds"):
        job()
    assert queries.get_run(pipeline_id, "a").status is RunStatus.CANCELLED
    with pytest.raises(AttributeError, match="no run is being recorded here"):
        commands.current_run.raise_if_lost()


def is_lost(recorded: Any) -> bool:
    """Say whether a recorded run knows that it is lost."""
    try:
        recorded.raise_if_lost()
    except LeaseLostError:
        return True
    return False


def wait_for(condition: Callable[[], bool]) -> None:
    """Wait until something is so, but not for ever."""
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, "it never came"
        time.sleep(0.02)


def test_a_run_of_another_is_not_run_twice(limited: Limited) -> None:
    """A scheduler that fires twice: the second block is not entered while the first one's lease may hold."""
    pipeline_id = limited(None)
    with (
        commands.recorded_run(pipeline_id=pipeline_id, run_id="a", owner="ann"),
        pytest.raises(AlreadyExistsError, match=r"its owner is ann, whose lease ends at .* unless it is renewed"),
        commands.recorded_run(pipeline_id=pipeline_id, run_id="a"),
    ):
        pytest.fail("the block ran")


def test_a_missing_run_has_no_heartbeat(limited: Limited) -> None:
    """A run that was deleted is not found."""
    run = start(limited(None), "a")
    commands.delete_run(pipeline_id=run.pipeline_id, run_id="a")
    with pytest.raises(ItemNotFoundError, match="there is no run"):
        commands.heartbeat(run)
