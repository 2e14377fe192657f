"""One start at a time, so that of two calls only one has started the container."""

import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from _localstack.console import say
from _localstack.errors import ToolError


@contextmanager
def one_at_a_time(name: str, timeout: float) -> Iterator[None]:
    """Holds this user's lock of that name; the system takes it back from a process that is killed.

    Raises:
        ToolError: Another call has held it for longer than `timeout` seconds.
    """
    try:
        import fcntl
    except ImportError:  # Windows: the engine's refusal of a second container of the name has to do
        yield
        return
    descriptor = _open(Path(tempfile.gettempdir()) / f"{name}-{os.getuid()}.lock")
    try:
        deadline = time.monotonic() + timeout
        waiting = False
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                pass
            if not waiting:
                say("another call is starting it: waiting")
                waiting = True
            if time.monotonic() > deadline:
                raise ToolError(
                    f"another call has been starting it for {timeout:g} seconds", "end it, then try again"
                )
            time.sleep(0.1)
        yield
    finally:
        os.close(descriptor)


def _open(path: Path) -> int:
    try:
        # never through another user's symbolic link
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise ToolError(f"the lock file cannot be opened: {error}", "remove it, or set TMPDIR") from error
