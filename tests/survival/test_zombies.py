"""Workers that wake up when others have taken them for dead: whatever they say then changes nothing."""

from __future__ import annotations

from datetime import timedelta

import pytest

from pipemodels import commands
from pipemodels.errors import LeaseLostError
from tests.survival.scenarios import FAIL, FINISH, WORK, Memory, Step, at, delete, heartbeat, reap, start, work
from tests.survival.world import LATE, PIPELINE, World, difference

pytestmark = [pytest.mark.backends("embedded", "localstack"), pytest.mark.no_cover]
SAID = [*WORK, heartbeat(LATE + timedelta(seconds=9)), FINISH, FAIL, work("cancel_run", at(130))]


def says(step: Step, memory: Memory, world: World) -> None:
    """Let a zombie say something, and hold that it is told so and all stays as it is."""
    before = world.items()
    with pytest.raises(LeaseLostError):
        step.call(memory)
    assert world.items() == before, difference(world.items(), before)


@pytest.mark.parametrize("limit", [None, 1])
def test_a_zombie_changes_nothing(world: World, limit: int | None) -> None:
    """A worker whose run was reaped is refused every command, also when another run has its slot."""
    world.begin(limit=limit)
    memory = Memory()
    with world.active():
        start().call(memory)
        WORK[0].call(memory)
        reap().call(memory)
        for step in SAID:
            says(step, memory, world)
        other = commands.start_run(pipeline_id=PIPELINE, run_id="second", owner="other", now=LATE)
        for step in SAID:
            says(step, memory, world)
        commands.finish_run(pipeline_id=PIPELINE, run_id="second", lease_token=other.lease_token, now=LATE)
    world.judge(limit)


def test_the_token_of_another_run_opens_nothing(world: World) -> None:
    """A token is its own run's: a worker that lost its slot is not let in by the holder's run either."""
    world.begin(limit=1)
    first, second = Memory(), Memory()
    with world.active():
        start().call(first)
        reap().call(first)
        start(LATE, run_id="second").call(second)
        second.run.lease_token, kept = first.run.lease_token, second.run.lease_token
        for step in SAID:
            says(step, second, world)
        second.run.lease_token = kept
        FINISH.call(second)
    world.judge(1)


@pytest.mark.parametrize("limit", [None, 1])
def test_a_run_that_begins_anew_is_another(world: World, limit: int | None) -> None:
    """Of a run that was deleted and started again under its id, a worker of the first has nothing."""
    world.begin(limit=limit)
    first, second = Memory(), Memory()
    with world.active():
        start().call(first)
        delete().call(first)
        start(LATE).call(second)
        for step in SAID:
            says(step, first, world)
        FINISH.call(second)
    world.judge(limit)
