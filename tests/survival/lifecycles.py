"""Many whole lifecycles of runs at once, on a store of which one knows only that it is there."""

from __future__ import annotations

from collections.abc import Sequence
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
    world: World, config: DynamoDBConfig, count: int, *, amid: AbstractContextManager[object] = NOTHING
) -> None:
    """Live so many lifecycles through a configuration, and hold that each leaves what it leaves on a calm day.

    Args:
        world: looks at the store, and is spared the faults.
        config: which meets them.
        count: how many lifecycles.
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
    ended_like(world.stories(), wanted, list(lives))


def ended_like(stories: dict[str, Items], wanted: Sequence[Items], pipelines: Sequence[str]) -> None:
    """Hold that nothing was lost and nothing doubled: every item, whole, its revision too."""
    assert sorted(stories) == sorted(pipelines)
    for n, pipeline_id in enumerate(pipelines):
        calm = wanted[n % len(wanted)]
        assert stories[pipeline_id] == calm, f"{pipeline_id}:\n{difference(stories[pipeline_id], calm)}"
