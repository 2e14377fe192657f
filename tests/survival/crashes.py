"""Scenarios, lived through without a crash and with one."""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass

from pipemodels import using
from tests.helpers.workers import Death, Worker
from tests.survival.scenarios import Memory, Scenario
from tests.survival.world import Items, World, difference, revisions, without_revisions


@dataclass(frozen=True)
class Course:
    """What a scenario comes to where nobody dies.

    Attributes:
        states: all that is stored before the first request, and after each.
        stale: runs that were gone before, and may still stand among the holders of slots.
    """

    states: list[Items]
    stale: Set[str]

    @property
    def requests(self) -> int:
        """Return how many requests the scenario takes."""
        return len(self.states) - 1

    def deaths(self) -> list[Death]:
        """Return every point at which its worker may die."""
        return [Death(request, served) for request in range(1, self.requests + 1) for served in (False, True)]


@dataclass
class Progress:
    """A scenario on its way, whoever goes on with it.

    Attributes:
        step: the number of the next step.
        memory: what its worker knows, and leaves to a successor.
        written: how often everything had been written before that step.
        again: how often steps were written that are written again, because their worker died and nobody could know.
    """

    world: World
    scenario: Scenario
    memory: Memory
    step: int = 0
    written: int = 0
    again: int = 0

    def go_on(self) -> None:
        """Take the steps that are left."""
        while self.step < len(self.scenario.steps):
            if (step := self.scenario.steps[self.step]).counts_again:
                self.written = revisions(self.world.items())
            step.call(self.memory)
            self.step += 1

    def dies(self, worker: Worker, death: Death) -> bool:
        """Go on until the worker dies, if it does before all is done; say whether it did."""
        if worker.lives(death).does(self.go_on):
            return False
        if self.scenario.steps[self.step].counts_again:
            self.again += revisions(self.world.items()) - self.written
        return True

    def ended_like(self, course: Course) -> None:
        """Hold that all is stored as if nobody had died; only revisions count what was said again."""
        found, wanted = self.world.items(), course.states[-1]
        assert without_revisions(found) == without_revisions(wanted), difference(found, wanted)
        assert revisions(found) == revisions(wanted) + self.again


def prepared(world: World, scenario: Scenario) -> Progress:
    """Empty the store and do what comes before the scenario."""
    world.begin(limit=scenario.limit, max_attempts=2)
    progress = Progress(world, scenario, Memory())
    with using(world.config):
        for step in scenario.before:
            step.call(progress.memory)
    return progress


def course_of(world: World, scenario: Scenario, worker: Worker) -> Course:
    """Live through a scenario without a crash, and look at the store after each request."""
    progress = prepared(world, scenario)
    states, stale = [world.items()], world.holders().keys() - {run.run_id for run in world.runs()}
    worker.lives().watch = lambda _: states.append(world.items())
    try:
        assert worker.does(progress.go_on)
    finally:
        worker.watch = lambda _: None
    return Course(states, stale)
