"""Workers die before and after every request of every scenario, and others go on."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.helpers.backends import Backend
from tests.helpers.workers import Death, Worker
from tests.survival.conftest import rounds
from tests.survival.crashes import Course, course_of, prepared
from tests.survival.scenarios import SCENARIOS, Scenario
from tests.survival.world import World, difference

pytestmark = [pytest.mark.backends("embedded", "localstack"), pytest.mark.no_cover]
Workers = tuple[Worker, Worker, Worker]
_courses: dict[tuple[str, str], Course] = {}


def course(world: World, scenario: Scenario, worker: Worker) -> Course:
    """Return a scenario's course, found once on each store."""
    key = world.config.table_prefix, scenario.name
    if key not in _courses:
        _courses[key] = course_of(world, scenario, worker)
    return _courses[key]


def points(backend: Backend, deaths: list[Death]) -> list[Death]:
    """Return all of them on the embedded store and at night, else every fourth, the last one among them."""
    every = rounds(backend, embedded=1, elsewhere=4, nightly=1)
    return deaths[::-1][::every]


@pytest.mark.parametrize("scenario", SCENARIOS, ids=str)
def test_every_crash_point(backend: Backend, world: World, workers: Workers, scenario: Scenario) -> None:
    """Whatever request a worker dies at, the store is as after whole requests, and others go on from there."""
    calm = course(world, scenario, workers[0])
    assert workers[0].lives().does(prepared(world, scenario).go_on)
    world.goes_on(scenario.limit, stale=calm.stale)
    for death in points(backend, calm.deaths()):
        assert prepared(world, scenario).dies(workers[0], death)
        found, wanted = world.items(), calm.states[death.request if death.served else death.request - 1]
        assert found == wanted, f"{death}\n{difference(found, wanted)}"
        world.judge(scenario.limit, stale=calm.stale)
        world.goes_on(scenario.limit, stale=calm.stale)


@pytest.mark.parametrize("scenario", SCENARIOS, ids=str)
def test_a_successor_ends_it(backend: Backend, world: World, workers: Workers, scenario: Scenario) -> None:
    """Who says again what a dead worker said last, and goes on, ends where the worker would have ended."""
    calm = course(world, scenario, workers[0])
    for death in points(backend, calm.deaths()):
        progress = prepared(world, scenario)
        assert progress.dies(workers[0], death)
        assert workers[2].lives().does(progress.go_on)
        progress.ended_like(calm)


def test_two_crashes(backend: Backend, world: World, workers: Workers) -> None:
    """The same after two deaths: of a worker and of its successor, wherever each of them dies."""

    @backend.examples(rounds(backend, embedded=60, elsewhere=40, nightly=60))
    @given(data=st.data(), scenario=st.sampled_from(SCENARIOS), ended=st.booleans())
    def die_twice(data: Any, scenario: Scenario, ended: bool) -> None:
        calm = course(world, scenario, workers[0])
        first, second = (data.draw(st.sampled_from(calm.deaths())) for _ in range(2))
        progress = prepared(world, scenario)
        assert progress.dies(workers[0], first)
        progress.dies(workers[1], second)
        world.judge(scenario.limit, stale=calm.stale)
        if ended:
            assert workers[2].lives().does(progress.go_on)
            progress.ended_like(calm)
        world.goes_on(scenario.limit, stale=calm.stale)

    die_twice()
