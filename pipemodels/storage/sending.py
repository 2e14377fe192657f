"""How a request is sent: retried if DynamoDB is busy or a reply is lost, until the time limit passes."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable
from contextvars import Token
from functools import wraps
from itertools import count
from typing import Any, ParamSpec, TypeVar

from botocore.exceptions import ClientError, ConnectionError, HTTPClientError

from pipemodels.config import current_config
from pipemodels.connections import connection_of
from pipemodels.errors import PipemodelsError, StorageError, ThrottledError
from pipemodels.translation import raised_below, translating_errors, worth_repeating
from pipemodels.transport import deadlines
from pipemodels.transport.deadlines import Deadline
from pipemodels.transport.errors import LostReplyError, TimeIsUpError

_log = logging.getLogger("pipemodels.storage")
_P = ParamSpec("_P")
_T = TypeVar("_T")
_FIRST_WAIT = 0.05  # seconds; the wait before retry n is random, from 0 to 2^n times this, at most _LONGEST_WAIT
_LONGEST_WAIT = 2.0


class within:  # lower case: read as a preposition; a class is faster than a generator
    """A block whose requests have this many seconds altogether.

    The block ends earlier if `time_limit_seconds` of the configuration is above 0 and less, or if an enclosing block
    ends earlier.

        with within(run.lease_seconds / 3):
            heartbeat(run)
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._token: Token[Deadline | None] | None = None

    def __enter__(self) -> None:
        now, around = time.monotonic(), deadlines.current()
        ends = now + min(self._seconds, current_config().time_limit_seconds or self._seconds)
        if around is None or ends < around.ends:
            self._token = deadlines.begin(Deadline(now, ends))

    def __exit__(self, *_: object) -> None:
        if self._token is not None:
            deadlines.end(self._token)


class limited:  # lower case: read as `with limited()`
    """A block with one time limit for all its requests: that of the enclosing command or query, or a new one."""

    def __init__(self) -> None:
        self._token: Token[Deadline | None] | None = None

    def __enter__(self) -> None:
        if deadlines.current() is None and (seconds := current_config().time_limit_seconds):
            now = time.monotonic()
            self._token = deadlines.begin(Deadline(now, now + seconds))

    def __exit__(self, *_: object) -> None:
        if self._token is not None:
            deadlines.end(self._token)


def with_deadline(work: Callable[_P, _T]) -> Callable[_P, _T]:
    """Give all requests of a command or query one time limit, `time_limit_seconds` of the configuration."""

    @wraps(work)
    def within_the_limit(*args: _P.args, **kwargs: _P.kwargs) -> _T:
        with limited():
            return work(*args, **kwargs)

    return within_the_limit


def back_off(attempt: int) -> bool:
    """Wait before the next attempt, for a random time that grows; return whether time is left for it."""
    with limited():
        left = deadlines.seconds_left()
        if left is None or left <= 0 or not current_config().time_limit_seconds:
            return False
        # full jitter: writers that collided must not retry at the same time
        longest = min(_LONGEST_WAIT, _FIRST_WAIT * 2.0 ** min(attempt, 16), left)
        time.sleep(random.uniform(0, longest))  # noqa: S311  # not a secret
        return (deadlines.seconds_left() or 0) > 0


def send(
    operation: str,
    request: dict[str, Any],
    *,
    subject: str,
    table: str,
    decode: Callable[[dict[str, Any]], Any] | None = None,
) -> dict[str, Any]:
    """Send a request, with retries within the time limit, and return the reply.

    Args:
        operation: DynamoDB's name of the operation.
        request: its parameters.
        subject: the name of the item or items in error messages.
        table: the name of the table in error messages.
        decode: returns the object of a stored item, which errors of failed conditions hold.

    Raises:
        ThrottledError: DynamoDB was busy for the whole time limit.
        StorageError: no reply came, or the reply cannot be used.
    """
    return sent(
        lambda: dict(connection_of(current_config()).dispatch(operation, dict(request))),
        subject=subject,
        table=table,
        decode=decode,
    )


def sent(
    work: Callable[[], _T],
    *,
    subject: str,
    table: str,
    decode: Callable[[dict[str, Any]], Any] | None = None,
) -> _T:
    """Return the result of `work`, which sends a request; retry it and translate its errors as `send` does.

    `work` must be idempotent.

    Raises:
        ThrottledError: DynamoDB was busy for the whole time limit.
        StorageError: no reply came, or the reply cannot be used.
    """
    last: PipemodelsError | None = None
    began = time.monotonic()
    with limited():
        for attempt in count():
            try:
                with translating_errors(subject, table=table, decode=decode):
                    return work()
            except PipemodelsError as error:
                if not worth_repeating(error, time.monotonic() - began) and not _hung(error):
                    raise
                # the error of a request that was not sent says less than the error before it
                last = last if last and is_too_late(error) else error
                _log.info("%s; attempt %d, trying again", error, attempt + 1)
                if not back_off(attempt):
                    raise out_of_time(last, subject) from last.__cause__
    raise AssertionError("unreachable")


def is_too_late(error: PipemodelsError) -> bool:
    """Return whether a request was not sent because no time was left for it."""
    return isinstance(raised_below(error), TimeIsUpError)


def _hung(error: PipemodelsError) -> bool:
    """Return whether the time limit interrupted a request, for example because a proxy hung."""
    left = deadlines.seconds_left()
    return left is not None and left <= 0 and isinstance(raised_below(error), ConnectionError | HTTPClientError)


def out_of_time(error: PipemodelsError, subject: str) -> PipemodelsError:
    """Return the error with the time limit and the endpoint; without a time limit, return the error unchanged."""
    if (deadline := deadlines.current()) is None:
        return error
    cause, tried = raised_below(error), f"{round(deadline.seconds, 3):g} s"
    endpoint = connection_of(current_config()).client.meta.endpoint_url
    if isinstance(error, ThrottledError):
        return ThrottledError(f"{error}; tried for {tried} at {endpoint}", error.retry_after)
    if isinstance(cause, ClientError):
        return StorageError(f"{error}; tried for {tried} at {endpoint}")
    if is_too_late(error):
        return StorageError(f"{subject}: no time was left to ask {endpoint}: all of {tried} was spent before")
    if isinstance(cause, LostReplyError):
        return StorageError(f"{subject}: {cause}; tried for {tried}. Check the endpoint and what stands between.")
    operation = getattr(cause, "kwargs", {}).get("operation")
    problem = f"{f'{operation}: ' if operation else ''}no answer from {endpoint} within {tried}: {cause}"
    return StorageError(f"{subject}: {problem} Check the endpoint and the network.")
