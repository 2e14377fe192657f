"""Many whole lifecycles of runs at once, on a store of which one knows only that it is there."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import replace

from pipemodels import DynamoDBConfig, using
from tests.helpers.faulty_proxy import Fault, FaultyProxy, faulty_proxy
from tests.helpers.workers import own_connection
from tests.survival.scenarios import LIFECYCLES, Memory, Scenario
from tests.survival.world import Items, World, difference

THREADS = 16
RATE = 0.3
PATIENCE = 0.5
NOTHING = nullcontext()


def live(config: DynamoDBConfig, pipeline_id: str, scenario: Scenario) -> None:
    """Take a scenario's steps on a pipeline of its own."""
    memory = Memory(pipeline_id)
    with using(config):
        for step in scenario.steps:
            step.call(memory)


def calm_ends(world: World) -> list[Items]:
    """Return what each lifecycle leaves behind where nothing happens to it."""
    world.clear()
    for scenario in LIFECYCLES:
        world.configure(scenario.name, limit=scenario.limit)
        live(world.config, scenario.name, scenario)
    stories = world.stories()
    return [stories[scenario.name] for scenario in LIFECYCLES]


def survive(
    world: World,
    config: DynamoDBConfig,
    count: int,
    *,
    amid: AbstractContextManager[object] = NOTHING,
    but: Callable[[Items], Items] = dict,
) -> None:
    """Live so many lifecycles through a configuration, and hold that each leaves what it leaves on a calm day.

    Args:
        world: looks at the store, and is spared the faults.
        config: which meets them.
        count: how many lifecycles.
        but: leaves out what is not compared.
        amid: in which the faults are there, if not in the configuration.
    """
    wanted = calm_ends(world)
    world.clear()
    lives = {f"p-{n}": LIFECYCLES[n % len(LIFECYCLES)] for n in range(count)}
    for pipeline_id, scenario in lives.items():
        world.configure(pipeline_id, limit=scenario.limit)
    with amid:
        at_once(lambda pipeline_id: live(config, pipeline_id, lives[pipeline_id]), list(lives))
    stories = world.stories()
    assert sorted(stories) == sorted(lives)
    for n, (pipeline_id, story) in enumerate(sorted(stories.items(), key=lambda one: int(one[0].removeprefix("p-")))):
        found, calm = but(story), but(wanted[n % len(wanted)])
        assert found == calm, f"{pipeline_id}:\n{difference(found, calm)}"


def at_once(work: Callable[[str], object], pipelines: Sequence[str]) -> None:
    """Work on many pipelines, some at a time; fail where one fails."""
    with ThreadPoolExecutor(THREADS) as pool:
        ends = [pool.submit(work, pipeline_id) for pipeline_id in pipelines]
    for end in ends:
        end.result()


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
