"""Deadlines: by when the requests of the current command or query must have ended."""

from __future__ import annotations

import time
from contextvars import ContextVar, Token
from dataclasses import dataclass

_LEAST_WAIT = 0.001  # seconds; 0 would make a socket non-blocking


@dataclass(slots=True)
class Deadline:
    """A period of the monotonic clock, in seconds, within which requests are sent and their replies read."""

    started: float
    ends: float
    around: Deadline | None = None

    @property
    def seconds(self) -> float:
        """How long the period is."""
        return self.ends - self.started


_current: ContextVar[Deadline | None] = ContextVar("pipemodels_deadline", default=None)


def current() -> Deadline | None:
    """Return the deadline in force in this thread or task, or None."""
    return _current.get()


def begin(deadline: Deadline | None) -> Token[Deadline | None]:
    """Put a deadline, or none, in force; returns the token that `end` takes."""
    if deadline is not None:
        deadline.around = _current.get()
    return _current.set(deadline)


def postpone(seconds: float) -> None:
    """Move the deadline in force, and those around it, by the time that something took which they do not cover."""
    deadline = _current.get()
    while deadline is not None:
        deadline.started += seconds
        deadline.ends += seconds
        deadline = deadline.around


def end(token: Token[Deadline | None]) -> None:
    """Put in force again what was in force before `begin`."""
    _current.reset(token)


def seconds_left() -> float | None:
    """Return the seconds until the deadline, 0 or less once it has passed; None where there is no deadline."""
    deadline = _current.get()
    return None if deadline is None else deadline.ends - time.monotonic()


def shortened(timeout: float | None) -> float | None:
    """Return how long a wait may take that may otherwise take `timeout` (None: for ever): it ends at the deadline."""
    left = seconds_left()
    if left is None or (timeout is not None and timeout <= left):
        return timeout
    return max(left, _LEAST_WAIT)
