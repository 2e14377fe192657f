"""What a process forked inside the block must neither keep (the lock, the server) nor do (save, stop)."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_open: set[int] = set()


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


def only_here(act: Callable[[], object]) -> Callable[[], None]:
    """Return the act as one that a process forked from this one does not perform."""
    owner = os.getpid()

    def guarded() -> None:
        if os.getpid() == owner:
            act()

    return guarded


def _after_fork() -> None:
    while _open:
        os.close(_open.pop())


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
