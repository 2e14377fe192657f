"""The heartbeats of a recorded run where they do not come through, and what its worker is told."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest

from pipemodels import (
    ConflictError,
    ItemNotFoundError,
    LeaseLostError,
    PipelineRunLog,
    StorageError,
    ThrottledError,
    ValidationError,
    commands,
    queries,
)
from pipemodels.commands.leases import heartbeat
from pipemodels.instants import utc_now
from pipemodels.lifecycle.error_texts import error_text
from pipemodels.storage.sending import within

BEATING = "pipemodels.commands.heartbeats.heartbeat"


def wait_for(condition: Callable[[], bool]) -> None:
    """Wait until something is so, but not for ever."""
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, "it never came"
        time.sleep(0.02)


def told(run: Any) -> str:
    """Return what the worker is told when it asks whether the run is still its own; nothing where it is."""
    try:
        run.raise_if_lost()
    except LeaseLostError as error:
        return str(error)
    return ""


class UnprintableError(Exception):
    """An error without a text."""

    def __str__(self) -> str:
        raise RuntimeError("no text")


@pytest.mark.parametrize(
    "error",
    [
        ThrottledError("busy"),
        StorageError("away"),
        ConflictError("refused, and nobody says why"),
        ValidationError.of("tags", 7, "is stored in no form of a map"),
        KeyError("Attributes"),
        AttributeError("'NoneType' object has no attribute 'get'"),
        UnicodeDecodeError("utf-8", b"\x8b", 0, 1, "invalid start byte"),
        MemoryError(),
        RecursionError("too deep"),
        UnprintableError(),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_heartbeat_that_does_not_come_through_is_sent_again(
    error: Exception,
    unique: Callable[[str], str],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Whatever it met: one bad moment costs nobody a run, and is logged as a warning."""
    sent: list[PipelineRunLog] = []

    def beat(run: PipelineRunLog) -> PipelineRunLog:
        sent.append(run)
        if len(sent) == 1:
            raise error
        return heartbeat(run)

    monkeypatch.setattr(BEATING, beat)
    with commands.recorded_run(pipeline_id=unique("beating"), run_id="r", lease_seconds=1) as recorded:
        key = (recorded.run.pipeline_id, recorded.run_id)
        wait_for(lambda: queries.get_run(*key).heartbeat_at is not None)
    told = f"run {key[0]!r} / 'r': a heartbeat failed and is sent again: {error_text(error)}"
    assert caplog.record_tuples == [("pipemodels.commands.heartbeats", logging.WARNING, told)]


def test_a_heartbeat_that_hangs_keeps_no_other_from_being_sent(
    unique: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A reply that never comes costs nobody a run, and its late arrival takes nothing back."""
    released = threading.Event()
    sent: list[PipelineRunLog] = []

    def beat(run: PipelineRunLog) -> PipelineRunLog:
        sent.append(run)
        if len(sent) == 1:
            wait_for(released.is_set)
        return heartbeat(run)

    monkeypatch.setattr(BEATING, beat)
    with commands.recorded_run(pipeline_id=unique("hanging"), lease_seconds=1) as recorded:
        key = (recorded.run.pipeline_id, recorded.run_id)
        wait_for(lambda: len(sent) > 3)
        assert told(recorded) == ""
        beaten = queries.get_run(*key)
        assert beaten.heartbeat_at is not None
        released.set()
        wait_for(lambda: len(sent) > 5)
        assert told(recorded) == ""
    assert recorded.run.revision is not None
    assert recorded.run.revision > (beaten.revision or 0)
    assert recorded.run == queries.get_run(*key)


def test_so_many_heartbeats_wait_at_once(unique: Callable[[str], str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no reply comes at all, threads do not pile up."""
    released = threading.Event()
    sent: list[PipelineRunLog] = []

    def beat(run: PipelineRunLog) -> PipelineRunLog:
        sent.append(run)
        wait_for(released.is_set)
        return run

    monkeypatch.setattr(BEATING, beat)
    monkeypatch.setattr("pipemodels.commands.heartbeats._PATIENCE_SECONDS", 0.0)
    monkeypatch.setattr("pipemodels.commands.heartbeats._AT_ONCE", 2)
    monkeypatch.setattr("pipemodels.commands.heartbeats.HEARTBEATS_IN_A_LEASE", 20)
    with commands.recorded_run(pipeline_id=unique("silent"), lease_seconds=1) as recorded:
        wait_for(lambda: len(sent) == 2)
        wait_for(lambda: bool(told(recorded)))
        assert len(sent) == 2
        released.set()
        wait_for(lambda: len(sent) > 2)


def test_a_lease_is_renewed_from_when_that_was_asked_for(
    unique: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A reply that comes late does not make the lease end later: it is counted from before the request."""
    clock = [0.0]
    sent: list[PipelineRunLog] = []

    def beat(run: PipelineRunLog) -> PipelineRunLog:
        sent.append(run)
        if len(sent) > 1:
            raise StorageError("away")
        renewed = heartbeat(run)
        clock[0] = 0.9
        return renewed

    monkeypatch.setattr(BEATING, beat)
    for module in ("heartbeats", "recording"):
        monkeypatch.setattr(f"pipemodels.commands.{module}.running_seconds", lambda: clock[0])
    with commands.recorded_run(pipeline_id=unique("late"), lease_seconds=1) as recorded:
        wait_for(lambda: len(sent) > 1)
        assert told(recorded) == ""
        clock[0] = 1.5
        assert told(recorded).endswith("no heartbeat succeeded for 1 s; stop the work")


def test_a_clock_that_is_set_back_shortens_no_lease(
    unique: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Heartbeats go on by the time that has passed: a live run is not reaped for its machine's clock."""
    asked: list[datetime | None] = []

    def beat(run: PipelineRunLog, *, now: datetime | None = None) -> PipelineRunLog:
        asked.append(now)
        return heartbeat(run, now=now)

    monkeypatch.setattr(BEATING, beat)
    with commands.recorded_run(pipeline_id=unique("back"), lease_seconds=1) as recorded:
        wait_for(lambda: bool(asked))
        assert asked[0] is None
        monkeypatch.setattr("pipemodels.commands.heartbeats.utc_now", lambda: utc_now() - timedelta(hours=1))
        wait_for(lambda: asked[-1] is not None)
        assert asked[-1] is not None
        assert abs(asked[-1] - utc_now()) < timedelta(seconds=20)
        assert told(recorded) == ""


def test_a_heartbeat_comes_without_a_thread_of_its_own(
    unique: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A machine that has no more threads costs nobody a run."""
    start = threading.Thread.start

    def refuse(self: threading.Thread) -> None:
        if threading.current_thread().name.startswith("heartbeats of"):
            raise RuntimeError("can't start new thread")
        start(self)

    monkeypatch.setattr(threading.Thread, "start", refuse)
    with commands.recorded_run(pipeline_id=unique("threads"), lease_seconds=1) as recorded:
        key = (recorded.run.pipeline_id, recorded.run_id)
        wait_for(lambda: queries.get_run(*key).heartbeat_at is not None)


def test_a_block_without_heartbeats_is_not_entered(
    unique: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where no thread can be started its run fails at once: nobody must wait for its lease."""
    pipeline_id = unique("threadless")

    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    with (
        pytest.raises(RuntimeError, match="can't start new thread"),
        commands.recorded_run(pipeline_id=pipeline_id, run_id="r"),
    ):
        pytest.fail("the block ran")
    run = queries.get_run(pipeline_id, "r")
    assert (run.status, run.error_message) == ("failed", "RuntimeError: can't start new thread")


def test_a_limit_around_the_block_is_not_that_of_its_heartbeats(unique: Callable[[str], str]) -> None:
    """They go on where it has passed: the run lives."""
    pipeline_id = unique("within")
    block = commands.recorded_run(pipeline_id=pipeline_id, run_id="r", lease_seconds=1)
    with within(0.2):
        block.__enter__()
        time.sleep(0.2)
    wait_for(lambda: queries.get_run(pipeline_id, "r").heartbeat_at is not None)
    block.__exit__(None, None, None)
    assert queries.get_run(pipeline_id, "r").status == "success"


def test_a_loss_is_told_by_dynamodb_alone(unique: Callable[[str], str], monkeypatch: pytest.MonkeyPatch) -> None:
    """A refusal that shows no item, which a proxy may have made, is not taken for a run that is gone."""
    run = commands.start_run(pipeline_id=unique("there"), run_id="r")

    def refuse(target: Any, *_: Any, **__: Any) -> None:
        raise ConflictError(f"{target.name}: the condition failed", None)

    monkeypatch.setattr("pipemodels.storage.writes.update", refuse)
    with pytest.raises(ConflictError) as caught:
        commands.heartbeat(run)
    assert type(caught.value) is ConflictError
    assert queries.get_run(run.pipeline_id, "r") == run
    commands.delete_run(pipeline_id=run.pipeline_id, run_id="r")
    with pytest.raises(ItemNotFoundError, match="there is no run"):
        commands.heartbeat(run)


def test_a_run_that_is_gone_ends_its_heartbeats(
    unique: Callable[[str], str], caplog: pytest.LogCaptureFixture
) -> None:
    """Its worker is told, and the log says so once."""
    pipeline_id = unique("gone")

    def job() -> None:
        with commands.recorded_run(pipeline_id=pipeline_id, run_id="r", lease_seconds=1) as recorded:
            commands.delete_run(pipeline_id=pipeline_id, run_id="r")
            wait_for(lambda: "there is no run" in told(recorded))
            wait_for(lambda: not any(thread.name == "heartbeats of r" for thread in threading.enumerate()))

    with pytest.raises(ItemNotFoundError):
        job()
    name = f"run {pipeline_id!r} / 'r'"
    assert [record.getMessage() for record in caplog.records] == [
        f"{name} is lost: ItemNotFoundError: there is no {name}"
    ]


def test_after_a_failure_the_next_heartbeat_comes_soon(
    unique: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bad moment may last for most of the lease: after one a heartbeat is sent ten times as often."""
    original = threading.Event.wait
    pauses: list[float] = []

    def wait(self: threading.Event, timeout: float | None = None) -> bool:
        if timeout is None or not threading.current_thread().name.startswith("heartbeats of"):
            return original(self, timeout)
        pauses.append(timeout)
        return len(pauses) == 3

    def away(_: PipelineRunLog) -> PipelineRunLog:
        raise StorageError("away")

    monkeypatch.setattr(BEATING, away)
    monkeypatch.setattr(threading.Event, "wait", wait)
    with commands.recorded_run(pipeline_id=unique("soon"), lease_seconds=600):
        wait_for(lambda: len(pauses) == 3)
    assert pauses == [200, 20, 20]


def test_heartbeats_come_at_a_third_of_the_lease(
    unique: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that two may be lost before the lease is."""
    original = threading.Event.wait
    pauses: list[float | None] = []

    def wait(self: threading.Event, timeout: float | None = None) -> bool:
        if threading.current_thread().name.startswith("heartbeats of"):
            pauses.append(timeout)
        return original(self, timeout)

    monkeypatch.setattr(threading.Event, "wait", wait)
    with commands.recorded_run(pipeline_id=unique("thirds"), lease_seconds=600):
        wait_for(lambda: bool(pauses))
    assert pauses == [200]


def test_a_lease_without_a_heartbeat_is_lost(unique: Callable[[str], str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Where DynamoDB is away the worker is told by its own clock: somebody else may have the run by now."""

    def away(_: PipelineRunLog) -> PipelineRunLog:
        raise StorageError("away")

    monkeypatch.setattr(BEATING, away)
    with commands.recorded_run(pipeline_id=unique("away"), lease_seconds=1) as recorded:
        wait_for(lambda: bool(told(recorded)))
        assert told(recorded).endswith("no heartbeat succeeded for 1 s; stop the work")


def test_a_worker_is_told_who_took_its_run(unique: Callable[[str], str]) -> None:
    """By the next heartbeat, with what became of the run: not only that its own clock ran out."""
    pipeline_id = unique("taken")

    def job() -> None:
        with commands.recorded_run(pipeline_id=pipeline_id, run_id="a", lease_seconds=1) as recorded:
            commands.cancel_run(pipeline_id=pipeline_id, run_id="a", error_message="not needed")
            wait_for(lambda: "is cancelled (not needed): lease" in told(recorded))

    with pytest.raises(LeaseLostError, match=r"is cancelled \(not needed\): lease \d+ no longer holds"):
        job()
