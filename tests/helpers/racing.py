"""Many threads that do something at the same moment."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from pipemodels import DynamoDBConfig, using

PATIENCE_SECONDS = 60.0


@dataclass(frozen=True)
class Racers:
    """Threads that wait for each other before each race."""

    config: DynamoDBConfig
    count: int
    pool: ThreadPoolExecutor

    def race(self, works: Sequence[Callable[[], Any]]) -> list[Any]:
        """Do these works at once, one a thread; return what each returned or raised, in their order."""
        assert len(works) == self.count
        barrier = threading.Barrier(self.count)

        def run(work: Callable[[], Any]) -> Any:
            with using(self.config):  # a new thread starts without one
                barrier.wait(PATIENCE_SECONDS)
                try:
                    return work()
                except Exception as error:
                    return error

        return list(self.pool.map(run, works))


@dataclass
class Handicap:
    """How long one side of a race waits after the start: found by trying, so that either side wins about as often.

    Without one, whoever needs fewer requests wins every round, and the others never come between.
    """

    seconds: float = 0.05

    def on(self, work: Callable[[], Any]) -> Callable[[], Any]:
        """Return the work as the side with the handicap does it."""
        seconds = self.seconds

        def late() -> Any:
            time.sleep(seconds)
            return work()

        return late

    def adjust(self, *, won: bool) -> None:
        """Make the next round harder for the side if it won this one, and easier if it lost."""
        self.seconds *= 2.0 if won else 0.4


@contextmanager
def racers(config: DynamoDBConfig, count: int) -> Iterator[Racers]:
    """Yield as many threads; the configuration should have a connection for each."""
    with ThreadPoolExecutor(count) as pool:
        yield Racers(config, count, pool)


def of_type(outcomes: Sequence[Any], kind: type) -> list[Any]:
    """Return the outcomes of this type, exactly."""
    return [outcome for outcome in outcomes if type(outcome) is kind]
