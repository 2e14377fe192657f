"""Whole lifecycles while requests and replies are lost, late, cut and refused: nothing is lost, nothing doubled."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.helpers.backends import Backend
from tests.helpers.faulty_proxy import FAULTS, Fault, faulty_proxy
from tests.helpers.workers import own_connection
from tests.survival.conftest import rounds
from tests.survival.lifecycles import THREADS, survive
from tests.survival.world import World

pytestmark = [pytest.mark.backends("embedded", "localstack"), pytest.mark.no_cover]
PATIENCE = 0.5
RATE = 0.3


@pytest.mark.parametrize("faults", [FAULTS, {Fault.THROTTLE: 1.0}], ids=["every fault", "throttling"])
def test_lifecycles(backend: Backend, world: World, faults: dict[Fault, float]) -> None:
    """At three requests in ten struck by a fault, every run ends as on a calm day."""
    count = rounds(backend, embedded=48, elsewhere=24, nightly=500)
    target = str(world.config.endpoint_url)
    with faulty_proxy(target, seed=7, rate=RATE, faults=faults, patience=PATIENCE) as proxy:
        config = replace(
            world.config,
            endpoint_url=proxy.url,
            max_pool_connections=THREADS,
            read_timeout_seconds=PATIENCE,
            time_limit_seconds=120.0,
        )
        with own_connection(config):
            survive(world, config, count)
        assert all(proxy.struck[fault] for fault in faults)
