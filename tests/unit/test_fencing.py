"""What a worker says of a run that is no longer its own, and what is decided from what has changed since."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from time import time_ns
from typing import Any

import pytest

from pipemodels import (
    ConflictError,
    IllegalTransitionError,
    LeaseLostError,
    PipelineRunLog,
    RunLimitError,
    RunStatus,
    commands,
    queries,
)
from pipemodels.connections import ConfiguredConnection
from pipemodels.lifecycle import slots as _slots
from pipemodels.lifecycle.ending import end_as_read, expire_run
from pipemodels.lifecycle.rules import run_target
from pipemodels.storage import targets, writes
from tests.unit.leased import WORK, Limited, holders

AT = datetime(2026, 11, 22, 6, tzinfo=UTC)
EXPIRED = AT + timedelta(seconds=306)


@pytest.mark.parametrize("work", WORK)
@pytest.mark.parametrize("limit", [None, 1])
def test_a_token_of_another_lease_changes_nothing(work: Any, limit: int | None, limited: Limited) -> None:
    """While the run goes on under its own token, with a slot or without one."""
    pipeline_id = limited(limit)
    run = commands.start_run(pipeline_id=pipeline_id, run_id="a", now=AT)
    with pytest.raises(LeaseLostError, match="lease 2 no longer holds"):
        work({"pipeline_id": pipeline_id, "run_id": "a", "lease_token": 2})
    assert queries.get_run(pipeline_id, "a") == run


@pytest.mark.parametrize("limit", [None, 1])
def test_a_run_that_was_renewed_since_it_was_seen_is_not_reaped(limit: int | None, limited: Limited) -> None:
    """An index shows it a moment later: the lease must still end when the reaper saw it end."""
    run = commands.start_run(pipeline_id=limited(limit), run_id="a", now=AT)
    renewed = commands.heartbeat(run, now=EXPIRED)
    assert expire_run(run, by=None, now=EXPIRED) is None
    assert queries.get_run(run.pipeline_id, "a") == renewed


@pytest.mark.parametrize("limit", [None, 1])
def test_one_of_two_reapers_has_reaped_a_run(limit: int | None, limited: Limited) -> None:
    """Who was slower counts nothing, and changes nothing."""
    run = commands.start_run(pipeline_id=limited(limit), run_id="a", now=AT)
    reaped = expire_run(run, by="first", now=EXPIRED)
    assert reaped is not None
    assert expire_run(run, by="second", now=EXPIRED) is None
    assert queries.get_run(run.pipeline_id, "a") == reaped


def test_a_run_that_was_deleted_and_started_again_is_another(limited: Limited) -> None:
    """Also at the same revision: the worker of the first one does not end it, nor take its slot."""
    pipeline_id = limited(1)
    again: list[PipelineRunLog] = []

    def job() -> None:
        with commands.recorded_run(pipeline_id=pipeline_id, run_id="a") as recorded:
            commands.delete_run(pipeline_id=pipeline_id, run_id="a")
            again.append(commands.start_run(pipeline_id=pipeline_id, run_id="a", owner="another"))
            assert again[0].revision == recorded.run.revision

    with pytest.raises(LeaseLostError, match=r"lease \d+ no longer holds"):
        job()
    assert queries.get_run(pipeline_id, "a") == again[0]
    assert holders(pipeline_id) == {"a": again[0].lease_token}


@pytest.mark.parametrize("limit", [None, 1])
def test_a_heartbeat_keeps_nobody_elses_run_alive(limit: int | None, limited: Limited) -> None:
    """The worker of a run that was deleted and started again is told that it is not its own any more."""
    pipeline_id = limited(limit)
    first = commands.start_run(pipeline_id=pipeline_id, run_id="a", now=AT)
    commands.delete_run(pipeline_id=pipeline_id, run_id="a")
    again = commands.start_run(pipeline_id=pipeline_id, run_id="a", now=AT)
    with pytest.raises(LeaseLostError, match=f"lease {first.lease_token} no longer holds"):
        commands.heartbeat(first, now=AT + timedelta(seconds=1))
    assert queries.get_run(pipeline_id, "a") == again


@pytest.mark.parametrize("limit", [None, 1])
def test_a_run_that_was_skipped_is_not_started(limit: int | None, limited: Limited) -> None:
    """A scheduler that comes late is told so, and stores nothing; whether there is a limit or not."""
    pipeline_id = limited(limit)
    commands.queue_run(pipeline_id=pipeline_id, run_id="a")
    skipped = commands.skip_run(pipeline_id=pipeline_id, run_id="a")
    with pytest.raises(IllegalTransitionError, match="was skipped and cannot be started") as caught:
        commands.start_run(pipeline_id=pipeline_id, run_id="a")
    assert caught.value.current == skipped == queries.get_run(pipeline_id, "a")


def test_a_stage_is_not_written_into_a_run_that_became_anothers(
    limited: Limited, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The lease is part of the write's own condition: between read and write the run may change hands."""
    pipeline_id = limited(1)
    key: dict[str, Any] = {"pipeline_id": pipeline_id, "run_id": "a"}
    first = commands.start_run(pipeline_id=pipeline_id, run_id="a")
    again: list[PipelineRunLog] = []
    original = writes.read

    def read(target: targets.Target) -> Any:
        found = original(target)
        commands.delete_run(**key)
        again.append(commands.start_run(pipeline_id=pipeline_id, run_id="a"))
        return found

    monkeypatch.setattr(writes, "read", read)
    with pytest.raises(LeaseLostError, match=f"lease {first.lease_token} no longer holds"):
        commands.start_stage(**key, stage_name="load", lease_token=first.lease_token)
    assert queries.get_run(pipeline_id, "a") == again[0]


def test_what_the_plain_orm_wrote_meanwhile_is_not_overwritten(limited: Limited) -> None:
    """It counts the revision, and has no name of its own: a run that is ended as it was read is refused."""
    run = commands.start_run(pipeline_id=limited(1), run_id="a", now=AT)
    queries.get_run(run.pipeline_id, "a").update([PipelineRunLog.tags.set({"a": "b"})])
    written = queries.get_run(run.pipeline_id, "a")
    assert written.write_id == run.write_id
    target = run_target(run.pipeline_id, "a")
    with pytest.raises(ConflictError) as caught:
        end_as_read(target, run, {"status": RunStatus.CANCELLED, "end_time": run.start_time}, by=None)
    assert caught.value.current == written == queries.get_run(run.pipeline_id, "a")


def test_a_reply_that_leaves_items_out_is_no_answer(limited: Limited, monkeypatch: pytest.MonkeyPatch) -> None:
    """A limit, or a holder, that DynamoDB left out of its first reply is asked for again."""
    pipeline_id = limited(1)
    run = commands.start_run(pipeline_id=pipeline_id, run_id="a", now=AT)
    original = ConfiguredConnection.dispatch
    asked: list[dict[str, Any]] = []

    def dispatch(self: ConfiguredConnection, operation: str, request: dict[str, Any]) -> Any:
        if operation != "BatchGetItem":
            return original(self, operation, request)
        asked.append(request["RequestItems"])
        if len(asked) % 2:
            return {"Responses": {}, "UnprocessedKeys": request["RequestItems"]}
        return original(self, operation, request)

    monkeypatch.setattr("pipemodels.storage.batch_reads.back_off", lambda attempt: True)
    monkeypatch.setattr(ConfiguredConnection, "dispatch", dispatch)
    with pytest.raises(RunLimitError) as caught:
        commands.start_run(pipeline_id=pipeline_id, run_id="b", now=AT)
    assert caught.value.holders == (run,)
    assert asked[0] == asked[1]


@pytest.mark.parametrize("limit", [None, 1])
def test_tokens_grow_with_the_clock(limit: int | None, limited: Limited) -> None:
    """Microseconds, so that a run which is deleted and started again is another, with a limit or without one."""
    pipeline_id = limited(limit)
    key: dict[str, Any] = {"pipeline_id": pipeline_id, "run_id": "a"}
    before = time_ns() // 1000
    first = commands.start_run(**key, now=AT)
    commands.delete_run(**key)
    second = commands.start_run(**key, now=AT)
    assert before <= first.lease_token < second.lease_token <= time_ns() // 1000
    for work in WORK:
        with pytest.raises(LeaseLostError, match=f"lease {first.lease_token} no longer holds"):
            work({**key, "lease_token": first.lease_token})
    assert queries.get_run(**key) == second


def test_tokens_grow_against_the_clock(limited: Limited, monkeypatch: pytest.MonkeyPatch) -> None:
    """A clock that is set back gives no slot's token twice."""
    pipeline_id = limited(2)
    first = commands.start_run(pipeline_id=pipeline_id, run_id="a", now=AT)
    monkeypatch.setattr(_slots, "time_ns", lambda: 10**15)
    second = commands.start_run(pipeline_id=pipeline_id, run_id="b", now=AT)
    assert second.lease_token == first.lease_token + 1
    assert holders(pipeline_id) == {"a": first.lease_token, "b": second.lease_token}
