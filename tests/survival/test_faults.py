"""Whole lifecycles while requests and replies are lost, late, cut and refused: nothing is lost, nothing doubled."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest

from pipemodels import DynamoDBConfig
from tests.helpers.backends import Backend
from tests.helpers.faulty_proxy import FAULTS, Fault, FaultyProxy, faulty_proxy
from tests.helpers.workers import own_connection
from tests.survival.conftest import rounds
from tests.survival.lifecycles import THREADS, survive
from tests.survival.world import World, without_revisions

pytestmark = [pytest.mark.backends("embedded", "localstack"), pytest.mark.no_cover]
PATIENCE = 0.5
RATE = 0.3


@pytest.mark.parametrize("attempts", [1, 4])
def test_lifecycles(backend: Backend, world: World, attempts: int) -> None:
    """At three requests in ten struck by a fault, every run ends as on a calm day; botocore retries too, or not."""
    count = rounds(backend, embedded=24 // attempts, elsewhere=6, nightly=500)
    with beset(world, FAULTS, attempts) as (config, proxy):
        survive(world, config, count, amid=proxy.settled())


def test_late_requests(backend: Backend, world: World) -> None:
    """A request that comes late, when its worker has gone on, adds to the count of writes at the most."""
    count = rounds(backend, embedded=9, elsewhere=6, nightly=100)
    with beset(world, {Fault.LATE}, 1) as (config, proxy):
        survive(world, config, count, amid=proxy.settled(), but=without_revisions)


@contextmanager
def beset(world: World, faults: Collection[Fault], max_attempts: int) -> Iterator[tuple[DynamoDBConfig, FaultyProxy]]:
    """Yield the configuration of those whose requests are struck; hold that each fault struck."""
    target = str(world.config.endpoint_url)
    with faulty_proxy(target, seed=7, rate=RATE, faults=faults, patience=PATIENCE) as proxy:
        config = replace(
            world.config,
            endpoint_url=proxy.url,
            max_pool_connections=THREADS,
            read_timeout_seconds=PATIENCE,
            time_limit_seconds=120.0,
            max_attempts=max_attempts,
        )
        with own_connection(config):
            yield config, proxy
        assert set(proxy.struck) == set(faults), proxy.struck
