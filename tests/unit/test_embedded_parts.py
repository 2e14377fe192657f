"""Unit tests of the embedded store: detection of writes, signal handling, and forks."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import botocore.session
import pytest

from pipemodels._embedded import child
from pipemodels._embedded.directory import SNAPSHOT, publish
from pipemodels._embedded.forks import only_here, unshared
from pipemodels._embedded.server import _environment
from pipemodels._embedded.signals import killing_signals_raise

_READING = ("Get", "BatchGet", "TransactGet", "Describe", "List", "Query", "Scan")
OPERATIONS = botocore.session.Session().get_service_model("dynamodb").operation_names


@pytest.mark.parametrize("name", [name for name in OPERATIONS if not name.startswith(_READING)])
def test_whatever_may_write_is_saved(name: str) -> None:
    """One write of any kind is enough: a block that only updates an item is saved."""
    assert served(name)._may_have_changed


@pytest.mark.parametrize("name", ["BatchGetItem", "DescribeTable", "GetItem", "ListTables", "Query", "Scan"])
def test_what_only_reads_is_not_saved(name: str) -> None:
    """A block that only reads does not save."""
    assert not served(name)._may_have_changed


def test_the_server_is_told_nothing_that_was_meant_for_others(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The server gets only the environment variables that a program needs to run."""
    theirs = {"AWS_PROFILE": "work", "MINISTACK_ACCOUNT_ID": "1", "USE_SSL": "1", "DOCKER_HOST": "unix:///x"}
    needed = {"PATH": "/usr/bin", "HOME": "/home/me", "TZ": "Asia/Tokyo", "LC_ALL": "C"}
    monkeypatch.setattr(os, "environ", theirs | needed)
    told = _environment(tmp_path, 5)
    assert {name: told[name] for name in needed} == needed
    assert theirs.keys() & told.keys() == {"DOCKER_HOST"}
    assert told["DOCKER_HOST"] == f"unix://{tmp_path}/no-docker"


@pytest.mark.skipif(sys.platform == "darwin", reason="its disks are synchronised by another call")
def test_a_saved_state_is_on_the_disk_before_and_after_it_is_renamed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file first, then its name: whenever the machine stops, one whole state is there."""
    session, directory = tmp_path / "session", tmp_path / "store"
    session.mkdir()
    directory.mkdir()
    (session / SNAPSHOT).write_text('{"payload": {"tables": {"data": {}}}}')
    file, folder = (session / SNAPSHOT).stat().st_ino, directory.stat().st_ino
    done: list[object] = []
    monkeypatch.setattr(os, "fsync", lambda descriptor: done.append(os.fstat(descriptor).st_ino))
    rename = os.replace

    def renamed(*paths: Path) -> None:
        done.append("renamed")
        rename(*paths)

    monkeypatch.setattr(os, "replace", renamed)
    publish(session, directory)
    assert done == [file, "renamed", folder]
    assert (directory / SNAPSHOT).stat().st_ino == file


def served(name: str) -> child._Server:
    """Return a server that has been asked for one operation."""
    server = child._Server(0)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        pass

    headers = [(b"host", b"x"), (b"x-amz-target", b"DynamoDB_20120810." + name.encode())]
    asyncio.run(server._tracked(app)({"type": "http", "headers": headers}, None, None))  # type: ignore[arg-type]
    return server


def test_the_users_own_handler_of_a_signal_stays() -> None:
    """A program's own SIGTERM handler is kept; without one, the default is restored after the block."""
    heard: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda number, frame: heard.append(number))
    hang_up = signal.signal(signal.SIGHUP, signal.SIG_DFL)  # an open store of another test may have its own
    try:
        with killing_signals_raise():
            signal.raise_signal(signal.SIGTERM)
            assert signal.getsignal(signal.SIGHUP) is not signal.SIG_DFL
        assert heard == [signal.SIGTERM]
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_DFL
    finally:
        signal.signal(signal.SIGTERM, before)
        signal.signal(signal.SIGHUP, hang_up)


def in_a_fork(act: Callable[[], object]) -> int:
    """Return the exit code of a child that acts so: 0 where nothing was raised."""
    pid = os.fork()
    if pid == 0:
        try:
            act()
        except BaseException:
            os._exit(1)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def test_a_fork_closes_what_is_its_parents_alone_and_once(tmp_path: Path) -> None:
    """A child that leaves the block does not close the descriptor again: it may be another file's by then."""
    block = unshared(os.open(tmp_path / "shared", os.O_RDWR | os.O_CREAT))
    descriptor = block.__enter__()

    def leave() -> None:
        own = os.open(tmp_path / "own", os.O_RDWR | os.O_CREAT)
        if own != descriptor:  # the fork has closed descriptors of another open store too
            own = os.dup2(own, descriptor)
        block.__exit__(None, None, None)
        os.fstat(own)

    assert in_a_fork(leave) == 0
    os.fstat(descriptor)
    block.__exit__(None, None, None)
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(descriptor)


def test_what_is_to_be_done_only_here_is_not_done_in_a_fork(tmp_path: Path) -> None:
    """The act of a parent is its own, also where the child inherits it."""
    act = only_here((tmp_path / "acted").touch)
    assert in_a_fork(act) == 0
    assert not (tmp_path / "acted").exists()
    act()
    assert (tmp_path / "acted").exists()
