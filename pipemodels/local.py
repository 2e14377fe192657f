"""The embedded store: DynamoDB in a local directory, without AWS, Docker or Java.

The store is a ministack server, which runs as a child process on the loopback interface until the block ends. It
needs Linux or macOS, and the extra: `pip install "pipemodels[local]"`. While it runs, every program on this machine
can reach it, as any port of the loopback interface.
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
_BYTES_PER_SECOND = 2_000_000  # the speed at which the server loads its saved state on startup
_LEAST_START_SECONDS = 3.0  # a time limit of 0 means no retries; the server still needs time to start
_START_VARIABLE = "PIPEMODELS_STORE_START_SECONDS"
_ADVICE = f"try again, or allow more time with {_START_VARIABLE} or start_timeout_seconds"


@contextmanager
def embedded_store(
    directory: str | os.PathLike[str],
    *,
    lock_timeout_seconds: float = 10.0,
    start_timeout_seconds: float | None = None,
    ready_timeout_seconds: float | None = None,
    **changes: Any,
) -> Iterator[DynamoDBConfig]:
    """Open the store in a directory and yield the configuration for it; create the directory if it is missing.

    All writes of the block are on disk once the block has ended without a StorageError, even if an exception,
    Ctrl-C, or (in the main thread) SIGTERM or SIGHUP ended it. SIGTERM and SIGHUP raise SystemExit inside the
    block unless the program handles them. If this process is killed or the machine stops before the end of the
    block, the store keeps its state from before the block.

    Args:
        directory: the directory of the store; only one process at a time can open it.
        lock_timeout_seconds: how long to wait for another process that has the directory open.
        start_timeout_seconds: how long the server may take to start, in addition to the time for loading the
            saved state. The default is the environment variable `PIPEMODELS_STORE_START_SECONDS`, else the
            configuration's `time_limit_seconds`, but at least 3 seconds. Fails at once if the server exits.
        ready_timeout_seconds: the former name of `start_timeout_seconds`.
        **changes: fields of `DynamoDBConfig`, such as `table_prefix`, `environment`, `user_timezone`.

    Raises:
        ValidationError: a field of the configuration or a timeout is invalid; nothing was started.
        StorageError: ministack is not installed; the directory is in use or unusable; the saved state is
            damaged; or the server failed to start or to save. The last saved state is kept.
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
    """Return the start timeout: the argument, the environment variable, or the time limit of the configuration."""
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
