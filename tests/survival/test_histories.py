"""Concurrent histories of start, heartbeat, update, finish and reap, checked against one command at a time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from pipemodels import commands
from pipemodels.config import connection_of
from pipemodels.errors import RunLimitError
from pipemodels.models.run import PipelineRunLog
from tests.helpers.backends import Backend
from tests.helpers.linearizability import check
from tests.helpers.racing import Racers, racers
from tests.helpers.workers import own_connection
from tests.survival.conftest import rounds
from tests.survival.histories import COMMANDS, history
from tests.survival.run_model import Operation, Pipeline, step
from tests.survival.world import World

pytestmark = [pytest.mark.backends("embedded", "localstack"), pytest.mark.no_cover]
WORKERS = 4
CALLS = 6


@pytest.fixture(scope="module")
def crowd(world: World) -> Iterator[Racers]:
    """Yield a few workers: enough to get in each other's way, few enough for the search."""
    config = replace(world.config, max_pool_connections=WORKERS)
    with own_connection(config), racers(config, WORKERS) as crowd:
        yield crowd


@pytest.mark.parametrize("limit", [None, 1, 2])
def test_histories_are_linearizable(backend: Backend, world: World, crowd: Racers, limit: int | None) -> None:
    """Whatever workers say at once, what they are answered is what one at a time would have been."""
    for seed in range(rounds(backend, embedded=25, elsewhere=8, nightly=400)):
        calls = history(world, crowd, seed=seed, limit=limit, calls=CALLS)
        verdict = check(calls, Pipeline(limit), step)
        assert verdict.linearizable, f"limit {limit}, seed {seed}: {verdict}"
        world.judge(limit)
