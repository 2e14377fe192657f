"""Runs whose item is full to the last byte: they end all the same, and their slots are free."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from pipemodels import IllegalTransitionError, ItemTooLargeError, commands, queries
from pipemodels.connections import connection_of
from pipemodels.errors import StorageError
from pipemodels.lifecycle.error_texts import error_text
from pipemodels.lifecycle.fitting import SPARED, stored_bytes
from pipemodels.translation import translating_errors
from tests.survival.scenarios import at
from tests.survival.world import LATE, LEASE, PIPELINE, START, World, difference

pytestmark = [pytest.mark.backends("embedded", "localstack"), pytest.mark.no_cover]
KEY: dict[str, Any] = {"pipeline_id": PIPELINE, "run_id": "full"}
FULL_AT_THE_MOST = 410_000  # characters: more than an item holds


def filled(world: World, *, less: int = 0) -> None:
    """Fill the run's item up to so many bytes less: one byte more than that, and DynamoDB refuses it."""
    fits, too_many = 0, FULL_AT_THE_MOST
    while too_many - fits > 1:
        middle = (fits + too_many) // 2
        fits, too_many = (middle, too_many) if holds(world, middle) else (fits, middle)
    assert holds(world, fits)
    assert not holds(world, fits + 1)
    assert holds(world, fits - less)


def holds(world: World, characters: int) -> bool:
    """Say whether the run's item has room for a text of so many characters, and put it there if so."""
    request: dict[str, Any] = {
        "TableName": world.config.table_name("pipeline_run_logs"),
        "Key": {name: {"S": value} for name, value in KEY.items()},
        "UpdateExpression": "SET config_snapshot = :config",
        "ExpressionAttributeValues": {":config": {"M": {"much": {"S": "x" * characters}}}},
    }
    try:
        with translating_errors("the run"):
            connection_of(world.config).dispatch("UpdateItem", request)
    except ItemTooLargeError:
        return False
    except StorageError as error:
        raise AssertionError("refused for another reason") from error
    return True


@pytest.mark.parametrize("limit", [None, 1])
@pytest.mark.parametrize("beats", [False, True])
def test_a_full_item_is_reaped(world: World, limit: int | None, beats: bool) -> None:
    """In the fewest words, and everything that was recorded stays."""
    world.begin(limit=limit)
    with world.active():
        run = commands.start_run(**KEY, owner="a", by="a", now=START)
        if beats:
            run = commands.heartbeat(run, now=START + timedelta(microseconds=123_456))
        filled(world)
        before = world.items()
        (reaped,) = commands.reap_expired_runs(now=LATE, by="reaper")
        assert (reaped.run_id, reaped.status, reaped.error_message) == ("full", "failed", "lease expired")
        assert commands.start_run(pipeline_id=PIPELINE, run_id="next", now=LATE).status == "running"
        commands.finish_run(pipeline_id=PIPELINE, run_id="next", now=LATE)
    world.judge(limit)
    key = f"pipeline_run_logs/{PIPELINE}/full"
    was, became = before[key], world.items()[key]
    spared = {"owner", "lease_token", "lease_seconds", "lease_expires_at", "heartbeat_at", "holds_slot"}
    spared |= {"start_epoch"}  # but where the slot gives room enough
    changed = {"status", "status_shard", "revision", "updated_at"}
    new = {"end_time", "duration_seconds", "error_message"}
    assert {name: was[name] for name in was.keys() - spared - changed} == {
        name: became[name] for name in became.keys() - changed - new - {"start_epoch"}
    }
    assert became.keys() - was.keys() == new
    assert became["duration_seconds"] == {"N": f"{LEASE}.123456" if beats else f"{LEASE}"}


ENDS: dict[str, Callable[[], Any]] = {
    "success": lambda: commands.finish_run(**KEY, now=at(9), by="somebody else"),
    "failed": lambda: commands.fail_run(**KEY, error_message="boom " * 20, error_stack_trace="x" * 99, now=at(9)),
    "huge": lambda: commands.fail_run(**KEY, error_message="錯" * 600_000, now=at(9)),
    "cancelled": lambda: commands.cancel_run(**KEY, error_message="not needed " * 9, now=at(9)),
    "silent": lambda: commands.cancel_run(**KEY, now=at(9)),
}
SAID = {"failed": "boom " * 20, "huge": "錯" * 600_000, "cancelled": "not needed " * 9}


@pytest.mark.parametrize("limit", [None, 1])
@pytest.mark.parametrize("lease_seconds", [None, LEASE])
@pytest.mark.parametrize("end", ENDS)
def test_a_full_item_ends(world: World, limit: int | None, lease_seconds: int | None, end: str) -> None:
    """However its worker ends it, with a lease and without: with the start of the message, as far as there is room.

    All that was recorded stays, but what an ended run can do without; said again, it is the same end.
    """
    world.begin(limit=limit)
    with world.active():
        commands.start_run(**KEY, owner="host:1", lease_seconds=lease_seconds, now=START)
        filled(world)
        before = world.items()[f"pipeline_run_logs/{PIPELINE}/full"]
        ended = ENDS[end]()
        assert queries.get_run(**KEY) == ended
        assert ENDS[end]() == ended
        assert commands.start_run(pipeline_id=PIPELINE, run_id="next", now=LATE).status == "running"
        commands.finish_run(pipeline_id=PIPELINE, run_id="next", now=LATE)
    world.judge(limit)
    assert ended.status == {"huge": "failed", "silent": "cancelled"}.get(end, end)
    assert ended.error_message is None or SAID[end].startswith(ended.error_message.removesuffix("…"))
    assert ended.error_message or ended.status != "failed"
    after = world.items()[f"pipeline_run_logs/{PIPELINE}/full"]
    spared = {*SPARED, "lease_expires_at", "holds_slot"}
    new = {"end_time", "duration_seconds", "error_message", "error_stack_trace"}
    changed = {"status", "status_shard", "revision", "updated_at", *new, *spared}
    assert {name: before[name] for name in before.keys() - changed} == {
        name: after[name] for name in after.keys() - changed
    }
    assert (before["config_snapshot"], ended.end_time) == (after["config_snapshot"], at(9))


@pytest.mark.parametrize("limit", [None, 1])
@pytest.mark.parametrize("text", ["boom ", "錯", "😀"])
@pytest.mark.parametrize("free", [300, 3_000, 30_000])
def test_an_end_fills_what_room_there_is(world: World, limit: int | None, text: str, free: int) -> None:
    """The message comes first, then the end of the stack trace: the item is full then, by its bytes."""
    world.begin(limit=limit)
    message, trace = text * 2_000, text * 10_000
    with world.active():
        commands.start_run(**KEY, owner="host:1", now=START)
        filled(world, less=free)
        ended = commands.fail_run(**KEY, error_message=message, error_stack_trace=trace, now=at(9))
        assert queries.get_run(**KEY) == ended
        assert ended.owner == "host:1"
        assert ended.duration_seconds == 9
        again = commands.fail_run(**KEY, error_message=message, error_stack_trace=trace, now=at(10))
        with pytest.raises(IllegalTransitionError, match="failed already, and error_message is"):
            commands.fail_run(**KEY, error_message=f"another {message}", now=at(10))
        assert again == ended == queries.get_run(**KEY)
    world.judge(limit)
    assert message.startswith(ended.error_message.removesuffix("…"))
    assert ended.error_stack_trace is None or trace.endswith(ended.error_stack_trace.removeprefix("…"))
    told = len(ended.error_message.encode()) + len((ended.error_stack_trace or "").encode())
    whole = len(message.encode()) + len(trace.encode())
    assert min(whole, free - 300) <= told <= min(whole, free + 100)


def test_a_report_without_room_is_refused(world: World) -> None:
    """What a run reports is nothing that could be shortened: the error names it, and nothing is changed."""
    world.begin(limit=1)
    with world.active():
        commands.start_run(**KEY, now=START)
        filled(world, less=300)
        before = world.items()
        with pytest.raises(ItemTooLargeError, match=r"tags: .* has no room in the run's 400 KB"):
            commands.fail_run(**KEY, error_message="boom", tags={"much": "x" * 10_000}, now=at(9))
        assert world.items() == before, difference(world.items(), before)


@pytest.mark.parametrize("room", [5_000, 300])
def test_a_stage_fails_in_a_full_item(world: World, room: int) -> None:
    """With as much of its message as leaves room for the end of the run; said again, it is the same end."""
    world.begin(limit=1)
    message = "錯" * 2_000
    with world.active():
        commands.start_run(**KEY, owner="host:1", now=START)
        commands.start_stage(**KEY, stage_name="load", now=START)
        filled(world, less=room)
        stage: dict[str, Any] = {**KEY, "stage_name": "load", "status": "failed", "error_message": message}
        run = commands.finish_stage(**stage, now=at(1))
        assert commands.finish_stage(**stage, now=at(2)) == run == queries.get_run(**KEY)
        (told,) = run.stages
        assert (told.status, told.end_time) == ("failed", at(1))
        assert told.error_message is not None
        assert message.startswith(told.error_message.removesuffix("…"))
        assert (room == 300) is (len(told.error_message.encode()) <= 40)
        ended = commands.fail_run(**KEY, error_message="boom", now=at(3))
        assert (ended.error_message, ended.stages) == ("boom", [told])
    world.judge(1)


def test_a_recorded_run_ends_in_a_full_item(world: World) -> None:
    """With the block's own error, its stage too, and without a note."""
    world.begin(limit=1)
    error = ValueError("錯" * 3_000)

    def job() -> None:
        with commands.recorded_run(**KEY) as run, run.stage("load"):
            filled(world, less=4_000)
            raise error

    with world.active(), pytest.raises(ValueError, match="錯") as caught:
        job()
    assert caught.value is error
    assert not hasattr(error, "__notes__")
    (run,) = world.runs()
    assert (run.status, run.stages[0].status, world.holders()) == ("failed", "failed", {})
    assert run.error_message.startswith("ValueError: 錯錯")
    world.judge(1)


@pytest.mark.parametrize(
    ("error", "lease_seconds", "filled_with"),
    [("E" * 60_000, LEASE, 380_000), ("錯" * 60_000, LEASE, 300_000), ("😀" * 60_000, None, 300_000)],
    ids=["ASCII", "three bytes", "four bytes"],
)
def test_an_error_without_room_is_shortened(
    world: World, error: str, lease_seconds: int | None, filled_with: int
) -> None:
    """Beside much configuration the run still ends failed, with its message and the end of its stack trace."""
    world.begin(limit=None)
    failure = ValueError(error)
    configuration = {"much": "x" * filled_with}
    with world.active():
        with (
            pytest.raises(ValueError, match=error[:9]),
            commands.recorded_run(**KEY, lease_seconds=lease_seconds, config_snapshot=configuration),
        ):
            raise failure
        run = queries.get_run(**KEY)
    assert not hasattr(failure, "__notes__")
    assert (run.status, run.error_message, run.config_snapshot) == ("failed", error_text(failure), configuration)
    assert run.error_stack_trace.startswith("…")
    assert run.error_stack_trace.endswith(f"{error[-100:]}\n")
    assert 409_600 - 4 <= stored_bytes(run) <= 409_600


def test_a_start_takes_the_slot_of_a_full_item(world: World) -> None:
    """No reaper has to come first."""
    world.begin(limit=1)
    with world.active():
        commands.start_run(**KEY, now=START)
        filled(world)
        run = commands.start_run(pipeline_id=PIPELINE, run_id="next", now=LATE)
        assert world.holders() == {"next": run.lease_token}
        commands.finish_run(pipeline_id=PIPELINE, run_id="next", now=LATE)
    world.judge(1)
