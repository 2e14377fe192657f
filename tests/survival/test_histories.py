"""Concurrent histories of start, heartbeat, update, finish and reap, checked against one command at a time."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from typing import Any

import pytest

from pipemodels.errors import RunLimitError
from pipemodels.models.run import PipelineRunLog, RunStatus
from tests.helpers.backends import Backend
from tests.helpers.linearizability import check
from tests.helpers.racing import Racers, racers
from tests.helpers.workers import own_connection
from tests.survival.conftest import rounds
from tests.survival.histories import COMMANDS, Commands, history, seen
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


def planted(world: World, guard: AbstractContextManager[Any]) -> Commands:
    """Return the commands with a start that reads who runs and then writes, as if nobody else could."""

    def start(said: Operation, run: Any) -> Any:
        with guard:
            running = _running(world, said)
            if running and said.run_id not in {one.run_id for one in world.runs()}:
                raise RunLimitError("full", None, tuple(running))
            return COMMANDS["start"](said, run)

    return {**COMMANDS, "start": start}


def _running(world: World, said: Operation) -> list[PipelineRunLog]:
    """Return who runs, when the expired are reaped, as the index shows them sooner or later."""
    while True:
        COMMANDS["reap"](said, None)
        running = [one for one in world.runs() if one.status is RunStatus.RUNNING]
        if not any(seen(one).expired(said.now) for one in running):
            return running


def found(world: World, crowd: Racers, count: int, guard: AbstractContextManager[Any]) -> Iterator[bool]:
    """Yield for each history whether it is linearizable; the store allows more than the start has read."""
    for seed in range(count):
        calls = history(world, crowd, seed=seed, limit=WORKERS, calls=CALLS, said=planted(world, guard))
        yield check(calls, Pipeline(1), step).linearizable


def test_a_planted_bug_is_found(backend: Backend, world: World, crowd: Racers) -> None:
    """A start that reads and then writes is caught; the same start, one at a time, is not."""
    count = rounds(backend, embedded=25, elsewhere=10, nightly=100)
    assert not all(found(world, crowd, count, nullcontext()))
    assert all(found(world, crowd, count, threading.Lock()))
