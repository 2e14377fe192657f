"""What a process forked inside the block must neither keep (the lock, the server) nor do (save, stop)."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_open: set[int] = set()
_handed: dict[int, tuple[int, ...]] = {}  # by the thread that is starting a program


@contextmanager
def unshared(descriptor: int) -> Iterator[int]:
    """Close the descriptor after the block, and at once in every process that is forked inside the block."""
    _open.add(descriptor)
    try:
        yield descriptor
    finally:
        if descriptor in _open:
            _open.remove(descriptor)
            os.close(descriptor)


@contextmanager
def handing_over(*descriptors: int) -> Iterator[None]:
    """Let a program that this thread starts inside the block have these descriptors.

    Where a program is started by `os.fork()` (gevent's `subprocess` does it), the new process runs what is to be
    done after a fork, and would close them before the program begins.
    """
    thread = threading.get_ident()
    _handed[thread] = descriptors
    try:
        yield
    finally:
        del _handed[thread]


def only_here(act: Callable[[], object]) -> Callable[[], None]:
    """Return the act as one that a process forked from this one does not perform."""
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
