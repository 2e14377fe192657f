"""Workers that die: before a request leaves them, or when its reply comes, and who never send anything afterwards."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from pipemodels import DynamoDBConfig, using
from pipemodels.connections import _connections, connection_of


class WorkerDied(BaseException):
    """What stands for the end of a process: no `except Exception` holds it up."""


@dataclass(frozen=True, order=True)
class Death:
    """Where a worker dies: at its n-th request, before that is sent or, served, when its reply comes."""

    request: int
    served: bool

    def __str__(self) -> str:
        return f"{'after' if self.served else 'before'} request {self.request}"


class Worker:
    """A worker with a connection of its own, which counts requests and ends with its life.

    Attributes:
        sent: how many requests it has sent in this life.
        dead: nothing leaves it any more, whatever its code or its threads do.
        watch: called after each reply, with the number of the request.
    """

    def __init__(self, config: DynamoDBConfig) -> None:
        self.config = config
        self.sent = 0
        self.dead = False
        self.death: Death | None = None
        self.watch: Callable[[int], None] = lambda _: None
        events = connection_of(config).client.meta.events
        events.register("before-send.dynamodb", self._before)
        events.register("response-received.dynamodb", self._after)

    def lives(self, death: Death | None = None) -> Worker:
        """Begin a life, which ends as it is told; return the worker."""
        self.sent, self.dead, self.death = 0, False, death
        return self

    def does(self, work: Callable[[], object]) -> bool:
        """Do the work in this life; say whether the worker outlives it."""
        with using(self.config), _quiet_threads():
            try:
                work()
            except WorkerDied:
                assert self.dead
        # what holds the death up, e.g. by its own exception, has not outlived it either
        return not self.dead

    def _before(self, **_: Any) -> None:
        if not self.dead:
            self.sent += 1
            self.dead = self.death == Death(self.sent, served=False)
        if self.dead:
            raise WorkerDied

    def _after(self, **_: Any) -> None:
        if self.dead or self.death == Death(self.sent, served=True):
            self.dead = True
            raise WorkerDied
        self.watch(self.sent)


@contextmanager
def worker_on(config: DynamoDBConfig, number: int) -> Iterator[Worker]:
    """Yield a worker.

    A connection belongs to a configuration, and so to all who work with the same one: this one's differs from others'
    in what changes nothing.
    """
    own = replace(config, max_pool_connections=config.max_pool_connections + number)
    with own_connection(own):
        yield Worker(own)


@contextmanager
def own_connection(config: DynamoDBConfig) -> Iterator[DynamoDBConfig]:
    """Close the configuration's connection after the block, and forget it."""
    try:
        yield config
    finally:
        if connection := _connections.pop(config, None):
            connection.client.close()


@contextmanager
def _quiet_threads() -> Iterator[None]:
    """Let a thread of a dead worker die without a word."""
    before = threading.excepthook

    def hook(failed: threading.ExceptHookArgs) -> None:
        if failed.exc_type is not WorkerDied:
            before(failed)

    threading.excepthook = hook
    try:
        yield
    finally:
        threading.excepthook = before
