"""Workers inside `recorded_run` that die at any of its requests, those of its heartbeats too."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from functools import partial

import pytest

from pipemodels import commands, queries
from pipemodels.commands import RecordedRun
from pipemodels.instants import utc_now
from pipemodels.models.run import RunStatus
from tests.helpers.embedded import wait_until
from tests.helpers.workers import Death, Worker
from tests.survival.world import LEASE, PIPELINE, World

pytestmark = [pytest.mark.backends("embedded", "localstack"), pytest.mark.no_cover]
KEY = {"pipeline_id": PIPELINE, "run_id": "first"}


def job(lease_seconds: int = LEASE) -> None:
    """Record a run with a stage."""
    with (
        commands.recorded_run(**KEY, lease_seconds=lease_seconds) as run,
        run.stage("extract"),
    ):
        run.record_metrics(total_records_processed=7)


@pytest.mark.parametrize("limit", [None, 1])
def test_every_crash_point(world: World, workers: tuple[Worker, ...], limit: int | None) -> None:
    """Wherever the worker dies, its run can be reaped and its slot is free; a whole life ends in success."""
    worker = workers[0]
    world.begin(limit=limit)
    assert worker.lives().does(job)
    (run,) = world.runs()
    assert run.status is RunStatus.SUCCESS
    for request in range(1, worker.sent + 1):
        for served in (False, True):
            world.begin(limit=limit)
            assert not worker.lives(Death(request, served)).does(job)
            world.judge(limit)
            world.goes_on(limit, soon=utc_now(), end=utc_now() + timedelta(hours=3))


def test_death_at_a_heartbeat(world: World, workers: tuple[Worker, ...]) -> None:
    """A worker that dies while its thread sends a heartbeat sends no other; its run expires and is reaped, once."""
    world.begin(limit=1)
    worker = workers[0]

    def work() -> None:
        with commands.recorded_run(**KEY, lease_seconds=3):
            sent = worker.sent
            worker.death = Death(sent + 1, served=True)
            wait_until(lambda: worker.dead)

    assert not worker.lives().does(work)
    (run,) = world.runs()
    assert (run.status, run.revision) == (RunStatus.RUNNING, 2)
    assert run.heartbeat_at is not None
    later = utc_now() + timedelta(minutes=1)
    with world.active():
        assert [one.run_id for one in queries.expired_runs(now=later)] == ["first"]
        assert [one.status for one in commands.reap_expired_runs(now=later)] == [RunStatus.FAILED]
        assert commands.reap_expired_runs(now=later) == []
    world.judge(1)


def test_a_living_run_is_never_reaped(world: World) -> None:
    """Reapers that look all the time leave a run alone whose worker works beyond its first lease."""
    world.begin(limit=1)
    with world.active():
        with commands.recorded_run(**KEY, lease_seconds=2) as recorded:
            end = recorded.run.lease_expires_at
            assert end is not None
            wait_until(partial(_renewed_while_reaped, world, end + timedelta(seconds=1)))
        assert queries.get_run(**KEY).status is RunStatus.SUCCESS
    world.judge(1)


def _renewed_while_reaped(world: World, end: datetime) -> bool:
    assert commands.reap_expired_runs() == []
    (run,) = world.runs()
    return run.lease_expires_at is not None and run.lease_expires_at > end


def test_stages_side_by_side(world: World) -> None:
    """Of tasks that report at once, each one's stage is kept, and the run is known as it was written last."""
    world.begin(limit=1)

    async def one(run: RecordedRun, name: str) -> None:
        async with run.stage(name):
            await asyncio.sleep(0.01)

    async def work() -> None:
        async with commands.recorded_run(**KEY) as run:
            await asyncio.gather(*(one(run, name) for name in "abc"))
            assert run.run == queries.get_run(**KEY)

    with world.active():
        asyncio.run(work())
    (stored,) = world.runs()
    assert sorted((stage.stage_name, stage.status) for stage in stored.stages) == [
        (name, RunStatus.SUCCESS) for name in "abc"
    ]
    world.judge(1)
