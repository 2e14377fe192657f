"""Many whole lifecycles of runs at once, on a store of which one knows only that it is there."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext

from pipemodels import DynamoDBConfig, using
from tests.survival.scenarios import LIFECYCLES, Memory, Scenario
from tests.survival.world import Items, World, difference

THREADS = 16
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
    with amid, ThreadPoolExecutor(THREADS) as pool:
        ends = [pool.submit(live, config, *one) for one in lives.items()]
    for end in ends:
        end.result()
    stories = world.stories()
    assert sorted(stories) == sorted(lives)
    for n, (pipeline_id, story) in enumerate(sorted(stories.items(), key=lambda one: int(one[0].removeprefix("p-")))):
        found, calm = but(story), but(wanted[n % len(wanted)])
        assert found == calm, f"{pipeline_id}:\n{difference(found, calm)}"
