"""Whole lifecycles while requests and replies are lost, late, cut and refused: nothing is lost, nothing doubled."""

from __future__ import annotations

import pytest

from tests.helpers.backends import Backend
from tests.helpers.faulty_proxy import FAULTS, Fault
from tests.survival.conftest import rounds
from tests.survival.lifecycles import beset, survive
from tests.survival.world import World, without_revisions

pytestmark = [pytest.mark.backends("embedded", "localstack"), pytest.mark.no_cover]


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
