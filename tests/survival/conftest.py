"""Stores that tests of survival have for themselves: what reaps, reaps every run that it finds."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import settings

from tests.helpers.backends import Backend
from tests.helpers.workers import Worker, worker_on
from tests.survival.world import World


@pytest.fixture(scope="session")
def world(backend: Backend) -> Iterator[World]:
    """Yield tables of their own, and who looks at them."""
    with backend.fresh_tables() as config:
        yield World(config)


@pytest.fixture(scope="session")
def workers(world: World) -> Iterator[tuple[Worker, Worker, Worker]]:
    """Yield three workers with a connection each: two that may die, and one who goes on."""
    with worker_on(world.config, 1) as one, worker_on(world.config, 2) as two, worker_on(world.config, 3) as three:
        yield one, two, three


def rounds(backend: Backend, *, embedded: int, elsewhere: int, nightly: int) -> int:
    """Return how often a test repeats itself: as often as its share of the time allows, and at night in full."""
    profile = settings.default
    assert profile is not None, "conftest.py has loaded a profile"
    if profile.max_examples > 100:
        return nightly
    return embedded if backend.name == "embedded" else elsewhere
