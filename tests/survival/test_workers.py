"""The workers that die, themselves: what they do reaches the store until their death, and never after it."""

from __future__ import annotations

import threading
from contextlib import suppress
from contextvars import copy_context

import pytest

from pipemodels import commands, queries
from tests.helpers.backends import Backend, fresh
from tests.helpers.items import pipeline_fields
from tests.helpers.workers import Death, WorkerDied, worker_on

pytestmark = [pytest.mark.backends("embedded", "localstack"), pytest.mark.no_cover]


def create(pipeline_id: str) -> None:
    """Send one request that leaves a trace."""
    commands.create_pipeline(**pipeline_fields(pipeline_id=pipeline_id))


@pytest.mark.parametrize(("served", "stored"), [(False, [True, False, False]), (True, [True, True, False])])
def test_death(store: Backend, served: bool, stored: list[bool]) -> None:
    """A worker dies at the request that is told, before it is sent or when it is served, and sends nothing more."""
    ids = [fresh("p") for _ in range(3)]
    with worker_on(store.config, 1) as worker:
        death = Death(2, served=served)
        assert not worker.lives(death).does(lambda: list(map(create, ids)))
        assert worker.sent == 2
        assert [queries.find_pipeline(one) is not None for one in ids] == stored


def test_cleaning_up_is_part_of_life(store: Backend) -> None:
    """What a dead worker's code still tries, by `finally`, by `except` or on a thread, reaches nobody."""
    ids = [fresh("p") for _ in range(3)]

    def work() -> None:
        try:
            create(ids[0])
        finally:
            thread = threading.Thread(target=copy_context().run, args=(create, ids[1]))
            thread.start()
            thread.join()
            with suppress(WorkerDied):
                create(ids[2])

    with worker_on(store.config, 1) as worker:
        assert not worker.lives(Death(1, served=False)).does(work)
        assert [queries.find_pipeline(one) for one in ids] == [None] * 3
        assert worker.lives().does(work)
        assert [queries.find_pipeline(one) is not None for one in ids] == [True] * 3


def test_each_dies_alone(store: Backend) -> None:
    """Another worker, on the same tables, lives on; its requests are its own."""
    first, second = fresh("p"), fresh("p")
    with worker_on(store.config, 1) as one, worker_on(store.config, 2) as other:
        assert not one.lives(Death(1, served=False)).does(lambda: create(first))
        assert other.lives().does(lambda: create(second))
        assert (one.sent, other.sent) == (1, 1)
        assert (queries.find_pipeline(first), queries.get_pipeline(second).pipeline_id) == (None, second)
