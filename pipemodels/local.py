"""The embedded store: DynamoDB without AWS, Docker or Java, in a directory of this machine.

It is ministack, run as a child process on the loopback interface for as long as a block runs. It needs Linux
or macOS, and the extra: `pip install "pipemodels[local]"`. While it runs, every program on this machine can
reach it, as with any port of the loopback interface.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from pipemodels._embedded.directory import (
    SNAPSHOT,
    check_saved_state,
    locked,
    prepared,
    publish,
    saved_tables,
    session,
)
from pipemodels._embedded.forks import only_here
from pipemodels._embedded.server import Server, library, running_server
from pipemodels._embedded.signals import killing_signals_raise, signals_deferred
from pipemodels.config import DynamoDBConfig, checked_seconds, number_in
from pipemodels.errors import StorageError

_log = logging.getLogger("pipemodels.local")
_BYTES_PER_SECOND = 2_000_000  # of saved state, which the server loads before it answers
_LEAST_START_SECONDS = 3.0  # a time limit of 0 says not to repeat requests, and no server starts in no time
_START_VARIABLE = "PIPEMODELS_STORE_START_SECONDS"
_ADVICE = f"try again, or give it longer by {_START_VARIABLE} or start_timeout_seconds"


@contextmanager
def embedded_store(
    directory: str | os.PathLike[str],
    *,
    lock_timeout_seconds: float = 10.0,
    start_timeout_seconds: float | None = None,
    ready_timeout_seconds: float | None = None,
    **changes: Any,
) -> Iterator[DynamoDBConfig]:
    """Open the store in this directory, made if there is none, and yield the configuration to reach it with.

    What the block writes is on the disk when the block has been left without a StorageError, also where an
    exception, Ctrl-C, or (in the main thread) SIGTERM or SIGHUP ended it. These two raise SystemExit inside
    the block if nobody else handles them. If this process is killed or the machine stops before that, then
    the store holds what it held before the block.

    Args:
        directory: one process at a time can have it open.
        lock_timeout_seconds: how long to wait for a process that has it open.
        start_timeout_seconds: how long the server may take to start, beside the time to load what is saved.
            Without it, the environment variable `PIPEMODELS_STORE_START_SECONDS`; without that, the
            configuration's `time_limit_seconds`, at least 3 seconds. A server that ends is not waited for.
        ready_timeout_seconds: the same, under its former name.
        **changes: fields of `DynamoDBConfig`, e.g. `table_prefix`, `environment`, `user_timezone`.

    Raises:
        ValidationError: a field of the configuration or a time is wrong; nothing was started.
        StorageError: ministack is not installed; the directory is in use or cannot be used; its saved state
            is damaged; the server did not start or has not saved. What was saved before is kept.
    """
    config = DynamoDBConfig.for_local_development(**changes)
    if sys.platform == "win32":
        raise StorageError("the embedded store needs Linux or macOS; on Windows use WSL")
    given = ready_timeout_seconds if start_timeout_seconds is None else start_timeout_seconds
    start_seconds = _start_seconds(given, config)
    found = library()
    path = prepared(directory)
    check_saved_state(path)
    with (
        killing_signals_raise(),
        locked(path, lock_timeout_seconds) as lock,
        session(path) as workplace,
        running_server(workplace, lock=lock, log=path / "server.log", library=found) as server,
    ):
        tables = saved_tables(path)  # read while the server starts
        size = (path / SNAPSHOT).stat().st_size if tables else 0
        server.wait_until_ready(tables, start_seconds + size / _BYTES_PER_SECOND, _ADVICE)
        _log.info("the embedded store of %s is served at %s", path, server.endpoint_url)
        save = only_here(partial(_save, server, workplace, path))
        try:
            yield replace(config, endpoint_url=server.endpoint_url)
        finally:
            save()


def _start_seconds(given: float | None, config: DynamoDBConfig) -> float:
    """Return how long the server may take to start: as given, as the environment says, or as for a command."""
    if given is not None:
        return checked_seconds("start_timeout_seconds", given)
    if text := os.environ.get(_START_VARIABLE):
        return checked_seconds(_START_VARIABLE, number_in(text))
    return max(config.time_limit_seconds, _LEAST_START_SECONDS)


def _save(server: Server, workplace: Path, directory: Path) -> None:
    with signals_deferred():
        if server.save():
            publish(workplace, directory)
            _log.info("saved the embedded store of %s", directory)
