"""Sending: again where DynamoDB is busy or a reply is lost, and all of it within the time limit."""

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
_FIRST_WAIT = 0.05  # seconds; the wait before the n-th repeat is drawn from 0 to 2^n times this, at the most _LONGEST
_LONGEST_WAIT = 2.0


class within:  # read as a preposition; a generator would cost every request its steps
    """Gives all requests inside at most so many seconds together, and no more than the limits around leave them.

    Those are `time_limit_seconds` of the configuration, if it is above 0, and a block like this one around it.

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


class limited:  # read as a participle
    """Gives all requests inside one time limit: that of the command or query around, or one from now on."""

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
    """Give all requests of a command or a query one time limit, `time_limit_seconds` of the configuration."""

    @wraps(work)
    def within_the_limit(*args: _P.args, **kwargs: _P.kwargs) -> _T:
        with limited():
            return work(*args, **kwargs)

    return within_the_limit


def back_off(attempt: int) -> bool:
    """Wait before the next attempt, up to a random time that grows; False, at once, where no time is left."""
    with limited():
        left = deadlines.seconds_left()
        if left is None or left <= 0 or not current_config().time_limit_seconds:
            return False
        # full jitter: who collided with others must not meet them again
        longest = min(_LONGEST_WAIT, _FIRST_WAIT * 2.0 ** min(attempt, 16), left)
        time.sleep(random.uniform(0, longest))  # noqa: S311  # no secret
        return (deadlines.seconds_left() or 0) > 0


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
    """Return what `work` does with a request, done again like `send`; what it does twice must be the same as once.

    Raises:
        ThrottledError: DynamoDB was busy all the time.
        StorageError: no reply came, or it was none to go on from.
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
                # one that was not sent any more tells less than the one before
                last = last if last and is_too_late(error) else error
                _log.info("%s; attempt %d, trying again", error, attempt + 1)
                if not back_off(attempt):
                    raise out_of_time(last, subject) from last.__cause__
    raise AssertionError("counted to infinity")


def is_too_late(error: PipemodelsError) -> bool:
    """Say whether a request was not sent, because no time was left for it."""
    return isinstance(raised_below(error), TimeIsUpError)


def _hung(error: PipemodelsError) -> bool:
    """Say whether this is what cutting off a request looked like, as where a proxy hangs."""
    left = deadlines.seconds_left()
    return left is not None and left <= 0 and isinstance(raised_below(error), ConnectionError | HTTPClientError)


def out_of_time(error: PipemodelsError, subject: str) -> PipemodelsError:
    """Return the error that says how long was tried, and where; without a time limit, the error as it is."""
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
