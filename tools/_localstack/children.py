"""Run another program, pass signals on to it, and return its exit code."""

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
"""The time between SIGTERM or SIGHUP and killing the program."""

_SIGNALS = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]


class Interrupted(BaseException):
    """A signal asked this process to end."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.exit_code = 128 + number


@contextmanager
def interruptible() -> Iterator[None]:
    """Raise `Interrupted` for a signal inside the block, so that every `finally` runs."""

    def interrupt(number: int, _frame: FrameType | None) -> None:
        raise Interrupted(number)

    with _handled(interrupt):
        yield


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Ignore signals inside the block, for short work that must be finished."""
    with _handled(lambda _number, _frame: None):
        yield


@contextmanager
def _handled(handler: "signal._HANDLER") -> Iterator[None]:
    # signals that the caller ignores (nohup, a background job of a shell) stay ignored
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
    """Run a program, pass signals on to it, and return its exit code as a shell does.

    The code is 127 if the program is not found, 126 if it cannot be run, and 128 + N if signal N ended it.
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
    """A signal handler that passes signals on to a child, including those from before the child started."""

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
            return  # the terminal sent it to the child, too
        child.send_signal(number)
        # a program may continue after SIGINT, as a shell does; the other signals mean that it must end
        if number != signal.SIGINT and self._killer is None:
            self._killer = threading.Timer(GRACE_SECONDS, child.kill)
            self._killer.daemon = True
            self._killer.start()


def _in_foreground() -> bool:
    try:
        return os.tcgetpgrp(sys.__stdin__.fileno()) == os.getpgrp() if sys.__stdin__ else False
    except (OSError, ValueError, AttributeError):  # there is no terminal, or the system has no process groups
        return False
