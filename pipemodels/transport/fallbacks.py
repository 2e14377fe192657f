"""Fallbacks: how often the fast path left a task to PynamoDB or botocore, and why.

A fallback costs only time, so nobody would notice if it happened every time. Each fallback is counted, and the first
of each kind is logged at DEBUG. If PynamoDB or botocore fails too, the error is the caller's and is not counted.
"""

from __future__ import annotations

import logging
import traceback
from collections import Counter
from contextvars import ContextVar


class DeclinedError(Exception):
    """The fast path does not handle this value; the fallback does."""


_log = logging.getLogger("pipemodels.fast_path")

counted: Counter[tuple[str, str, str]] = Counter()
"""The number of fallbacks by task, subject and type of error."""

refused: ContextVar[bool] = ContextVar("pipemodels_fallbacks_refused", default=False)
"""Whether errors of the fast path are raised, as the gate needs while it compares."""

DECLINED = DeclinedError.__name__
"""The type of error counted for values that the fast path does not handle; other errors are bugs of the fast path."""


class Fallback:
    """An error of the fast path, for which the fallback is used.

    Raises:
        Exception: the error itself, if fallbacks are refused.
    """

    def __init__(self, task: str, of: str, error: Exception) -> None:
        if refused.get():
            raise error
        declines = isinstance(error, DeclinedError) or type(error).__module__.partition(".")[0] == "msgspec"
        self._key = task, of, DECLINED if declines else type(error).__name__
        self._told = ""
        if self._key not in counted and _log.isEnabledFor(logging.DEBUG):
            self._told = "".join(traceback.format_exception(error))

    def happened(self) -> None:
        """Count the fallback, after it has succeeded."""
        counted[self._key] += 1
        if counted[self._key] == 1:
            _log.debug("%s of %s uses the fallback: %s\n%s", *self._key, self._told)


class Off(Fallback):
    """The fast path is off; there was no error."""

    def __init__(self) -> None:
        pass

    def happened(self) -> None:
        """Count nothing."""


OFF = Off()
