"""The heartbeats of a recorded run where they do not come through, and what its worker is told."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from pipemodels import LeaseLostError, PipelineRunLog, StorageError, ThrottledError, commands, queries
from pipemodels.commands.leases import heartbeat

BEATING = "pipemodels.commands._heartbeats.heartbeat"


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


@pytest.mark.parametrize("error", [ThrottledError("busy"), StorageError("away")], ids=["busy", "away"])
def test_a_heartbeat_that_does_not_come_through_is_sent_again(
    error: Exception, unique: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One bad moment of DynamoDB costs nobody his run."""
    sent: list[PipelineRunLog] = []

    def beat(run: PipelineRunLog) -> PipelineRunLog:
        sent.append(run)
        if len(sent) == 1:
            raise error
        return heartbeat(run)

    monkeypatch.setattr(BEATING, beat)
    with commands.recorded_run(pipeline_id=unique("beating"), lease_seconds=1) as recorded:
        key = (recorded.run.pipeline_id, recorded.run_id)
        wait_for(lambda: queries.get_run(*key).heartbeat_at is not None)


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
        assert told(recorded).endswith("no heartbeat came through for 1 s; stop the work")


def test_a_worker_is_told_who_took_its_run(unique: Callable[[str], str]) -> None:
    """By the next heartbeat, with what became of the run: not only that its own clock ran out."""
    pipeline_id = unique("taken")

    def job() -> None:
        with commands.recorded_run(pipeline_id=pipeline_id, run_id="a", lease_seconds=1) as recorded:
            commands.cancel_run(pipeline_id=pipeline_id, run_id="a", error_message="not needed")
            wait_for(lambda: "is cancelled (not needed): lease" in told(recorded))

    with pytest.raises(LeaseLostError, match=r"is cancelled \(not needed\): lease \d+ no longer holds"):
        job()
