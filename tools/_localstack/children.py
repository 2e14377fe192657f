"""Running another program as if it had been called itself: its signals, its exit code."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import FrameType

from _localstack.console import say

GRACE_SECONDS = 10.0
"""What a program gets to end after SIGTERM or SIGHUP before it is killed."""

_SIGNALS = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]


class Interrupted(BaseException):
    """A signal has asked this process to end."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.exit_code = 128 + number


@contextmanager
def interruptible() -> Iterator[None]:
    """Within it a signal raises, so that every `finally` runs."""

    def interrupt(number: int, _frame: FrameType | None) -> None:
        raise Interrupted(number)

    with _handled(interrupt):
        yield


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Within it signals count for nothing: for work that must be finished, and that ends in bounded time."""
    with _handled(lambda _number, _frame: None):
        yield


@contextmanager
def _handled(handler: "signal._HANDLER") -> Iterator[None]:
    # what the caller ignores (nohup, a background job of a shell) stays ignored
    before = {number: signal.getsignal(number) for number in _SIGNALS}
    changed = {number: old for number, old in before.items() if old is not signal.SIG_IGN}
    try:
        for number in changed:
            signal.signal(number, handler)
        yield
    finally:
        for number, old in changed.items():
            signal.signal(number, old)


def run(arguments: Sequence[str], environment: Mapping[str, str], cwd: str | None = None) -> int:
    """Runs it to its end, passing signals on, and returns its exit code as a shell would.

    127 is for a program that is not found, 126 for one that cannot be run, 128 + N for the end by signal N.
    """
    forwarder = _Forwarder()
    with _handled(forwarder):
        try:
            child = subprocess.Popen(arguments, env=environment, cwd=cwd)
        except FileNotFoundError:
            say(f"error: {arguments[0]}: not found\n  what to do: check its name and PATH")
            return 127
        except (OSError, ValueError) as error:
            say(f"error: {arguments[0]}: {error}\n  what to do: make it executable")
            return 126
        code = forwarder.wait(child)
    return code if code >= 0 else 128 - code


class _Forwarder:
    """A signal handler that passes what it gets on to a child, also what came before there was one."""

    def __init__(self) -> None:
        self._child: subprocess.Popen[bytes] | None = None
        self._early: list[int] = []
        self._killer: threading.Timer | None = None

    def __call__(self, number: int, _frame: FrameType | None) -> None:
        if self._child is None:
            self._early.append(number)
        else:
            self._pass_on(self._child, number)

    def wait(self, child: "subprocess.Popen[bytes]") -> int:
        self._child = child
        try:
            for number in self._early:
                self._pass_on(child, number)
            return child.wait()
        finally:
            if self._killer:
                self._killer.cancel()

    def _pass_on(self, child: "subprocess.Popen[bytes]", number: int) -> None:
        if number == signal.SIGINT and _in_foreground():
            return  # the terminal has sent it to the child as well
        child.send_signal(number)
        # an interruption is the program's own affair (a shell goes on after it), the others are orders
        if number != signal.SIGINT and self._killer is None:
            self._killer = threading.Timer(GRACE_SECONDS, child.kill)
            self._killer.daemon = True
            self._killer.start()


def _in_foreground() -> bool:
    try:
        return os.tcgetpgrp(sys.__stdin__.fileno()) == os.getpgrp() if sys.__stdin__ else False
    except (OSError, ValueError, AttributeError):  # no terminal, or a system without process groups
        return False
