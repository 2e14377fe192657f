"""What one run costs: the requests that the documentation tells."""

from __future__ import annotations

import pytest

from benchmarks.lifecycle import Lifecycle
from tests.survival.world import World

pytestmark = [pytest.mark.backends("embedded", "localstack"), pytest.mark.no_cover]
ALIKE = {"`start_run`": 2, "`start_stage`": 2, "`heartbeat`": 1, "`record_metrics`": 1, "`finish_stage`": 2}


@pytest.mark.parametrize(("limit", "finish", "refused"), [(None, 1, 0), (1, 2, 1)])
def test_requests_of_a_lifecycle(world: World, limit: int | None, finish: int, refused: int) -> None:
    """A limit costs one request more in all, at the end, where the command does not know that the run has a slot."""
    with world.active():
        lines = Lifecycle(world.config, limit).by_commands()
    requests = {**ALIKE, "`finish_run`": finish}
    assert {one.command: one.bill.requests for one in lines} == {**requests, "in all": sum(requests.values())}
    assert [one.bill.refused for one in lines] == [0, 0, 0, 0, 0, refused, refused]
    assert all(one.bill.written > 0 for one in lines)


@pytest.mark.parametrize("limit", [None, 1])
def test_requests_of_a_recorded_run(world: World, limit: int | None) -> None:
    """Inside `recorded_run`, which knows the run, a limit costs no request more, and none is refused."""
    with world.active():
        (line,) = Lifecycle(world.config, limit).by_recorded_run()
    assert (line.bill.requests, line.bill.refused) == (8, 0)
