"""Signals that end a process, made to wait until the store is saved."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_NAMES = ("SIGTERM", "SIGHUP")
_KILLING = tuple(getattr(signal, name) for name in _NAMES if hasattr(signal, name))  # Windows has one of them


def _exit(number: int, _frame: FrameType | None) -> None:
    raise SystemExit(128 + number)


def _in_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()


@contextmanager
def killing_signals_raise() -> Iterator[None]:
    """Inside, SIGTERM and SIGHUP raise SystemExit(143 and 129), so that `finally` runs.

    Only in the main thread (Python allows it nowhere else) and only where nobody else handles them.
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
    """Inside, Ctrl-C, SIGTERM and SIGHUP wait; each is raised again after the block, unless that failed."""
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
