"""Deadlines: the time limit of the requests of the current command or query."""

from __future__ import annotations

import time
from contextvars import ContextVar, Token
from dataclasses import dataclass

_LEAST_WAIT = 0.001  # seconds; 0 would make a socket non-blocking


@dataclass(slots=True)
class Deadline:
    """The start and end, in seconds of the monotonic clock, of the time allowed for requests and replies."""

    started: float
    ends: float
    around: Deadline | None = None

    @property
    def seconds(self) -> float:
        """The allowed time in seconds."""
        return self.ends - self.started


_current: ContextVar[Deadline | None] = ContextVar("pipemodels_deadline", default=None)


def current() -> Deadline | None:
    """Return the deadline of this thread or task, or None if there is none."""
    return _current.get()


def begin(deadline: Deadline | None) -> Token[Deadline | None]:
    """Set or clear the deadline of this thread or task; return the token for `end`."""
    if deadline is not None:
        deadline.around = _current.get()
    return _current.set(deadline)


def postpone(seconds: float) -> None:
    """Move the current deadline and those around it, because they do not cover the work that took these seconds."""
    deadline = _current.get()
    while deadline is not None:
        deadline.started += seconds
        deadline.ends += seconds
        deadline = deadline.around


def end(token: Token[Deadline | None]) -> None:
    """Restore the deadline from before `begin`."""
    _current.reset(token)


def seconds_left() -> float | None:
    """Return the seconds until the deadline, 0 or less once it has passed; None if there is no deadline."""
    deadline = _current.get()
    return None if deadline is None else deadline.ends - time.monotonic()


def shortened(timeout: float | None) -> float | None:
    """Return `timeout` (None: wait forever), shortened so that the wait ends at the deadline."""
    left = seconds_left()
    if left is None or (timeout is not None and timeout <= left):
        return timeout
    return max(left, _LEAST_WAIT)
