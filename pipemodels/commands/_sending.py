"""How the commands send: again where DynamoDB is busy or a reply is lost, as long as the time limit allows."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from pipemodels.config import connection_of, current_config
from pipemodels.errors import PipemodelsError, translated, worth_repeating

_P = ParamSpec("_P")
_T = TypeVar("_T")
_FIRST_WAIT = 0.05  # seconds; the wait before the n-th repeat is drawn from 0 to 2^n times this, at the most _LONGEST
_LONGEST_WAIT = 2.0

_deadline: ContextVar[float | None] = ContextVar("pipemodels_deadline", default=None)


@contextmanager
def _limited() -> Iterator[float]:
    """Yield the end of the time limit, by the monotonic clock: that of the command around, or one from now on."""
    if (deadline := _deadline.get()) is not None:
        yield deadline
        return
    token = _deadline.set(time.monotonic() + current_config().time_limit_seconds)
    try:
        yield _deadline.get() or 0.0
    finally:
        _deadline.reset(token)


def bounded(command: Callable[_P, _T]) -> Callable[_P, _T]:
    """Give all requests of a command one time limit, `time_limit_seconds` of the configuration."""

    @wraps(command)
    def within(*args: _P.args, **kwargs: _P.kwargs) -> _T:
        with _limited():
            return command(*args, **kwargs)

    return within


def waited(attempt: int) -> bool:
    """Wait before the next attempt, up to a random time that grows; False, at once, where no time is left."""
    with _limited() as deadline:
        left = deadline - time.monotonic()
        if left <= 0:
            return False
        # full jitter: who collided with others must not meet them again
        longest = min(_LONGEST_WAIT, _FIRST_WAIT * 2.0 ** min(attempt, 16), left)
        time.sleep(random.uniform(0, longest))  # noqa: S311  # no secret
        return True


def send(
    operation: str,
    request: dict[str, Any],
    *,
    subject: str,
    table: str,
    decode: Callable[[dict[str, Any]], Any] | None = None,
) -> dict[str, Any]:
    """Send a request, and again while that may help and there is time; translate errors, naming the subject.

    Raises:
        ThrottledError: DynamoDB was busy all the time.
        StorageError: no reply came, or it was none to go on from.
    """
    attempt, began = 0, time.monotonic()
    with _limited():
        while True:
            try:
                with translated(subject, table=table, decode=decode):
                    return dict(connection_of(current_config()).dispatch(operation, dict(request)))
            except PipemodelsError as error:
                if not worth_repeating(error, time.monotonic() - began) or not waited(attempt):
                    raise
                attempt += 1
