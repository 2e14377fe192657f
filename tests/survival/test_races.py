"""Thirty-two workers at once: of those who want what only one can have, one has it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from pipemodels import commands
from pipemodels.commands import reap_expired_runs
from pipemodels.errors import LeaseLostError, RunLimitError
from pipemodels.models.run import PipelineRunLog, RunStatus
from tests.helpers.backends import Backend
from tests.helpers.items import plain
from tests.helpers.racing import Handicap, Racers, of_type, racers
from tests.helpers.workers import own_connection
from tests.survival.conftest import rounds
from tests.survival.world import LATE, LEASE, PIPELINE, SOON, START, World

pytestmark = [pytest.mark.backends("embedded", "localstack"), pytest.mark.no_cover]
WORKERS = 32
ENOUGH = 8  # rounds, for either side of a race to have won one
KEY: dict[str, Any] = {"pipeline_id": PIPELINE, "run_id": "first"}


@pytest.fixture(scope="module")
def crowd(world: World) -> Iterator[Racers]:
    """Yield thirty-two workers."""
    # none gives up while all the others are at it
    config = replace(world.config, max_pool_connections=WORKERS, time_limit_seconds=120.0)
    with own_connection(config), racers(config, WORKERS) as crowd:
        yield crowd


def times(backend: Backend) -> range:
    """Return the rounds of one race."""
    return range(rounds(backend, embedded=8, elsewhere=2, nightly=200))


def begin(run_id: str = "first") -> PipelineRunLog:
    """Start a run with a lease."""
    return commands.start_run(pipeline_id=PIPELINE, run_id=run_id, owner="w", lease_seconds=LEASE, now=START)


@pytest.mark.parametrize("limit", [1, 3])
def test_starts(backend: Backend, world: World, crowd: Racers, limit: int) -> None:
    """Of thirty-two who start a limited pipeline, as many win as may, and the others are told by whom they lost."""
    for _ in times(backend):
        world.begin(limit=limit)
        outcomes = crowd.race([partial(begin, f"run-{n}") for n in range(WORKERS)])
        won = of_type(outcomes, PipelineRunLog)
        lost = of_type(outcomes, RunLimitError)
        assert (len(won), len(lost)) == (limit, WORKERS - limit), outcomes
        assert [plain(run) for run in world.runs()] == sorted(map(plain, won), key=lambda run: run["run_id"])
        assert world.holders() == {run.run_id: run.lease_token for run in won}
        assert len({run.lease_token for run in won}) == limit
        for error in lost:
            assert {run.run_id for run in error.holders} == {run.run_id for run in won}


@pytest.mark.parametrize("limit", [None, 1])
def test_the_same_start(backend: Backend, world: World, crowd: Racers, limit: int | None) -> None:
    """Thirty-two who start the same run get the same run, started once, in one slot."""
    for _ in times(backend):
        world.begin(limit=limit)
        outcomes = crowd.race([begin] * WORKERS)
        (stored,) = map(plain, world.runs())
        assert [plain(run) for run in of_type(outcomes, PipelineRunLog)] == [stored] * WORKERS, outcomes
        assert stored["revision"] == 1
        assert world.holders() == ({} if limit is None else {"first": stored["lease_token"]})


def test_retries(backend: Backend, world: World, crowd: Racers) -> None:
    """Thirty-two who retry the same run get the same new run."""
    for _ in times(backend):
        world.begin(limit=1, max_attempts=2)
        begin_and_fail(world)
        outcomes = crowd.race([partial(commands.retry_run, **KEY, now=SOON)] * WORKERS)
        _, new = map(plain, world.runs())
        assert [plain(run) for run in of_type(outcomes, PipelineRunLog)] == [new] * WORKERS, outcomes
        assert (new["retry_of"], new["attempt"], new["revision"]) == ("first", 2, 1)


def begin_and_fail(world: World) -> None:
    """Leave a run that has failed."""
    with world.active():
        begin()
        commands.fail_run(**KEY, error_message="disk full", now=START)


@pytest.mark.parametrize("limit", [None, 1])
def test_reapers_and_heartbeats(backend: Backend, world: World, crowd: Racers, limit: int | None) -> None:
    """An expired run is either reaped, by one reaper, or revived, for good: all heartbeats agree with its state."""
    ends, handicap = set(), Handicap()
    for _ in times(backend):
        world.begin(limit=limit)
        with world.active():
            run = begin()
        reapers = [partial(reap_expired_runs, now=LATE)] * (WORKERS // 2)
        beating = [handicap.on(partial(commands.heartbeat, run, now=LATE))] * (WORKERS // 2)
        outcomes = crowd.race([*beating, *reapers])
        beaten, reaped = outcomes[: WORKERS // 2], outcomes[WORKERS // 2 :]
        (stored,) = world.runs()
        ends.add(stored.status)
        handicap.adjust(won=stored.status is RunStatus.RUNNING)
        world.judge(limit)
        if stored.status is RunStatus.FAILED:
            assert sorted(map(len, reaped)) == [0] * (WORKERS // 2 - 1) + [1], reaped
            assert len(of_type(beaten, LeaseLostError)) == WORKERS // 2, beaten
        else:
            assert reaped == [[]] * (WORKERS // 2)
            assert stored.status is RunStatus.RUNNING
            assert {one.lease_expires_at for one in beaten} == {stored.lease_expires_at}
    assert ends == {RunStatus.FAILED, RunStatus.RUNNING} or len(times(backend)) < ENOUGH


@pytest.mark.parametrize("limit", [None, 1])
def test_reapers_and_a_finish(backend: Backend, world: World, crowd: Racers, limit: int | None) -> None:
    """An expired run is either reaped or finished: once, and who comes second is told so."""
    ends, handicap = set(), Handicap()
    for _ in times(backend):
        world.begin(limit=limit)
        with world.active():
            run = begin()
        finish = partial(commands.finish_run, **KEY, lease_token=run.lease_token, now=LATE)
        reapers = [partial(reap_expired_runs, now=LATE)] * (WORKERS // 2)
        outcomes = crowd.race([*[handicap.on(finish)] * (WORKERS // 2), *reapers])
        finished, reaped = outcomes[: WORKERS // 2], outcomes[WORKERS // 2 :]
        (stored,) = world.runs()
        ends.add(stored.status)
        handicap.adjust(won=stored.status is RunStatus.SUCCESS)
        world.judge(limit)
        assert stored.revision == 2
        if stored.status is RunStatus.FAILED:
            assert sorted(map(len, reaped)) == [0] * (WORKERS // 2 - 1) + [1], reaped
            assert len(of_type(finished, LeaseLostError)) == WORKERS // 2, finished
        else:
            assert reaped == [[]] * (WORKERS // 2)
            assert [plain(one) for one in finished] == [plain(stored)] * (WORKERS // 2)
            assert stored.status is RunStatus.SUCCESS
    assert ends == {RunStatus.FAILED, RunStatus.SUCCESS} or len(times(backend)) < ENOUGH


def test_starts_in_place_of_the_expired(backend: Backend, world: World, crowd: Racers) -> None:
    """Of thirty-two who find the slot held by an expired run, one has it, and the expired run has failed once."""
    for _ in times(backend):
        world.begin(limit=1)
        with world.active():
            begin("dead")
        outcomes = crowd.race(
            [
                partial(commands.start_run, pipeline_id=PIPELINE, run_id=f"run-{n}", owner="w", now=LATE)
                for n in range(WORKERS)
            ]
        )
        (won,) = of_type(outcomes, PipelineRunLog)
        lost = of_type(outcomes, RunLimitError)
        assert len(lost) == WORKERS - 1, outcomes
        assert {run.run_id for error in lost for run in error.holders} == {won.run_id}
        dead, alive = world.runs()
        assert (dead.status, dead.revision) == (RunStatus.FAILED, 2)
        assert plain(alive) == plain(won)
        world.judge(1)


def test_everybody_in_turn(world: World, crowd: Racers) -> None:
    """Where each of thirty-two tries until it has had its turn, each has it, and no more at once than may."""
    world.begin(limit=2)

    def turn(n: int) -> tuple[float, float]:
        while True:
            with suppress(RunLimitError):
                run = commands.start_run(pipeline_id=PIPELINE, run_id=f"run-{n}", owner=f"w-{n}", now=START)
                break
        held = time.monotonic()
        key: dict[str, Any] = {"pipeline_id": PIPELINE, "run_id": f"run-{n}", "lease_token": run.lease_token}
        commands.record_metrics(**key, total_records_processed=n, now=SOON)
        end = time.monotonic()
        commands.finish_run(**key, now=SOON)
        return held, end

    turns = of_type(outcomes := crowd.race([partial(turn, n) for n in range(WORKERS)]), tuple)
    assert len(turns) == WORKERS, outcomes
    assert max(sum(held <= moment < end for held, end in turns) for moment, _ in turns) <= 2
    runs = world.runs()
    assert len({run.lease_token for run in runs}) == WORKERS
    assert {(run.status, run.revision) for run in runs} == {(RunStatus.SUCCESS, 3)}
    world.judge(2)
