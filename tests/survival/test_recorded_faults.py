"""`recorded_run` while its requests, its heartbeats among them, are lost, late, cut and refused."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest

from pipemodels import DynamoDBConfig, commands, queries, using
from pipemodels.models.run import PipelineRunLog
from tests.helpers.backends import Backend
from tests.helpers.embedded import wait_until
from tests.helpers.faulty_proxy import FAULTS
from tests.helpers.items import plain
from tests.survival.conftest import rounds
from tests.survival.lifecycles import at_once, beset
from tests.survival.world import World

pytestmark = [pytest.mark.backends("embedded", "localstack"), pytest.mark.no_cover]
CLOCKED = {
    "created_at", "updated_at", "start_time", "start_epoch", "end_time", "duration_seconds", "heartbeat_at",
    "revision", "owner", "lease_token",
}  # fmt: skip


def job(world: World, config: DynamoDBConfig, pipeline_id: str) -> None:
    """Record a run with a stage, until a heartbeat has come through."""
    key = {"pipeline_id": pipeline_id, "run_id": "first"}

    def beaten() -> bool:
        with world.active():
            return queries.get_run(**key).heartbeat_at is not None

    with using(config), commands.recorded_run(**key, lease_seconds=1) as run, run.stage("extract"):
        run.record_metrics(total_records_processed=7)
        wait_until(beaten)


def timeless(run: PipelineRunLog) -> dict[str, Any]:
    """Return a run but for its name and what the clock and the number of heartbeats make of it."""
    kept = {name: value for name, value in plain(run).items() if name not in CLOCKED | {"pipeline_id"}}
    stages = [{name: value for name, value in one.items() if name not in CLOCKED} for one in kept["stages"]]
    return {**kept, "stages": stages}


@pytest.mark.parametrize("limit", [None, 1])
def test_recorded_runs(backend: Backend, world: World, limit: int | None) -> None:
    """What a worker reports while its thread sends heartbeats, both struck by faults, is as on a calm day."""
    pipelines = [f"p-{n}" for n in range(rounds(backend, embedded=8, elsewhere=6, nightly=100))]
    world.clear()
    for pipeline_id in ["calm", *pipelines]:
        world.configure(pipeline_id, limit=limit)
    job(world, world.config, "calm")
    with beset(world, FAULTS, 1) as (config, proxy), proxy.settled():
        at_once(partial(job, world, config), pipelines)
    runs = {run.pipeline_id: timeless(run) for run in world.runs()}
    assert runs == dict.fromkeys(["calm", *pipelines], runs["calm"])
    assert world.holders() == {}
