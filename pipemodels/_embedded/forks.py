"""Prevent a process that is forked inside the block from keeping the lock or server, and from saving or stopping."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_open: set[int] = set()
_handed: dict[int, tuple[int, ...]] = {}  # by id of the thread that is starting a program


@contextmanager
def unshared(descriptor: int) -> Iterator[int]:
    """Close the descriptor after the block, and immediately in every process that is forked inside the block."""
    _open.add(descriptor)
    try:
        yield descriptor
    finally:
        if descriptor in _open:
            _open.remove(descriptor)
            os.close(descriptor)


@contextmanager
def handing_over(*descriptors: int) -> Iterator[None]:
    """Pass these descriptors to a program that this thread starts inside the block.

    If the program is started with `os.fork()`, as by gevent's `subprocess`, the new process runs the handlers that
    are registered for forks. Without this exception, they would close the descriptors before the program starts.
    """
    thread = threading.get_ident()
    _handed[thread] = descriptors
    try:
        yield
    finally:
        del _handed[thread]


def only_here(act: Callable[[], object]) -> Callable[[], None]:
    """Return a function that calls `act` in this process, and does nothing in a forked process."""
    owner = os.getpid()

    def guarded() -> None:
        if os.getpid() == owner:
            act()

    return guarded


def _after_fork() -> None:
    handed = _handed.get(threading.get_ident(), ())
    while _open:
        if (descriptor := _open.pop()) not in handed:
            os.close(descriptor)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
