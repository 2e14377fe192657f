"""Fallbacks: how often the fast way has left something to the ordinary way, and why.

A fallback costs time and nothing else, and so nobody would notice one that always happens. Each is counted; the first
of each kind is logged at DEBUG. What the ordinary way refuses too is an error of the caller, and no fallback.
"""

from __future__ import annotations

import logging
import traceback
from collections import Counter
from contextvars import ContextVar


class IrregularError(Exception):
    """What is given or stored is not in the form that was expected: the ordinary way takes it."""


_log = logging.getLogger("pipemodels.fast_path")

counted: Counter[tuple[str, str, str]] = Counter()
"""Fallbacks by what was to be done, for what, and the kind of error that was met."""

refused: ContextVar[bool] = ContextVar("pipemodels_fallbacks_refused", default=False)
"""Whether what is met is raised: the gate wants to know of it."""

DECLINED = IrregularError.__name__
"""The kind of error by which the fast way says that a value is not for it; any other is a fault of the fast way."""


class Fallback:
    """What the fast way has met, and left to the ordinary way.

    Raises:
        Exception: what was met, where fallbacks are refused.
    """

    def __init__(self, task: str, of: str, error: Exception) -> None:
        if refused.get():
            raise error
        declines = isinstance(error, IrregularError) or type(error).__module__.partition(".")[0] == "msgspec"
        self._key = task, of, DECLINED if declines else type(error).__name__
        self._told = ""
        if self._key not in counted and _log.isEnabledFor(logging.DEBUG):
            self._told = "".join(traceback.format_exception(error))

    def happened(self) -> None:
        """Count it: the ordinary way has done what the fast way did not."""
        counted[self._key] += 1
        if counted[self._key] == 1:
            _log.debug("%s of %s falls back to the ordinary way: %s\n%s", *self._key, self._told)


class Off(Fallback):
    """The fast way is off, and nothing was met."""

    def __init__(self) -> None:
        pass

    def happened(self) -> None:
        """Count nothing."""


OFF = Off()
