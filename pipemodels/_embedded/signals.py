"""Delay signals that end the process until the store is saved."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_NAMES = ("SIGTERM", "SIGHUP")
_KILLING = tuple(getattr(signal, name) for name in _NAMES if hasattr(signal, name))  # Windows has only SIGTERM


def _exit(number: int, _frame: FrameType | None) -> None:
    raise SystemExit(128 + number)


def _in_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()


@contextmanager
def killing_signals_raise() -> Iterator[None]:
    """Make SIGTERM and SIGHUP raise SystemExit (143 and 129) inside the block, so that `finally` clauses run.

    This applies in the main thread only, because Python allows signal handlers only there, and only to signals
    without another handler.
    """
    taken = [n for n in _KILLING if _in_main_thread() and signal.getsignal(n) is signal.SIG_DFL]
    for number in taken:
        signal.signal(number, _exit)
    try:
        yield
    finally:
        for number in taken:
            if signal.getsignal(number) is _exit:
                signal.signal(number, signal.SIG_DFL)


@contextmanager
def signals_deferred() -> Iterator[None]:
    """Defer Ctrl-C, SIGTERM and SIGHUP; raise each again after the block, unless the block failed."""
    arrived: list[int] = []
    previous = {
        number: handler
        for number in (signal.SIGINT, *_KILLING)
        if _in_main_thread() and (handler := signal.getsignal(number)) not in (None, signal.SIG_IGN)
    }
    for number in previous:
        signal.signal(number, lambda arriving, _frame: arrived.append(arriving))
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
    for arrival in dict.fromkeys(arrived):
        signal.raise_signal(arrival)
