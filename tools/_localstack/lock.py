"""A lock for `start`, so that only one of several calls starts the container."""

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
    """Hold this user's lock of that name; the system releases it if the process is killed.

    Raises:
        ToolError: Another call has held the lock for longer than `timeout` seconds.
    """
    try:
        import fcntl
    except ImportError:  # Windows: the engine refuses a second container of the same name
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
                say("another call is starting LocalStack: waiting")
                waiting = True
            if time.monotonic() > deadline:
                raise ToolError(
                    f"another call has been starting LocalStack for {timeout:g} seconds", "end it, then try again"
                )
            time.sleep(0.1)
        yield
    finally:
        os.close(descriptor)


def _open(path: Path) -> int:
    try:
        # O_NOFOLLOW: another user may have made it a symbolic link
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise ToolError(f"the lock file cannot be opened: {error}", "remove it, or set TMPDIR") from error
