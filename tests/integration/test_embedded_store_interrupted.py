"""Whatever ends the process, the embedded store opens again and holds what was saved before."""

from __future__ import annotations

import os
import shutil
import signal
import time
from pathlib import Path

import pytest

from pipemodels.errors import StorageError
from tests.helpers import embedded
from tests.helpers.embedded_writer import POINTS

MANY = [f"old-{number}" for number in range(2000)]
"""Enough items for saving to take a while."""


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a store of many items, to be copied."""
    directory = tmp_path_factory.mktemp("full")
    embedded.keep(directory, *MANY)
    return directory


@pytest.fixture
def store(full: Path, tmp_path: Path) -> Path:
    """Return the directory of a store of many items."""
    return Path(shutil.copytree(full, tmp_path / "store"))


ENDINGS = {signal.SIGINT: -signal.SIGINT, signal.SIGTERM: 143, signal.SIGHUP: 129}
"""The signals that end a process, and the status that it has then."""


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_signal_inside_the_block_ends_in_a_saved_store(tmp_path: Path, ending: signal.Signals) -> None:
    """Ctrl-C (a terminal sends it to the whole group), SIGTERM and SIGHUP end the process, its data saved."""
    with embedded.writer(tmp_path, "a", "wait") as process:
        endpoint = process.wait_for("open")
        process.wait_for("written")
        os.killpg(process.process.pid, ending)
        assert process.end() == ENDINGS[ending]
    assert not embedded.answers(endpoint)
    assert embedded.kept(tmp_path) == {"a"}


@pytest.mark.parametrize(
    ("point", "ending"),
    [
        ("before-save", signal.SIGINT),
        ("before-sync", signal.SIGTERM),
        ("before-rename", signal.SIGINT),
        ("after-rename", signal.SIGHUP),
        ("after-kill", signal.SIGINT),
    ],
)
def test_signals_while_it_saves_wait_until_it_has(tmp_path: Path, point: str, ending: signal.Signals) -> None:
    """Also a second and a third signal; the process still ends by the signal."""
    with embedded.writer(tmp_path, "a", f"wait:{point}") as process:
        process.wait_for(point)
        for _ in range(3):
            process.process.send_signal(ending)
        process.go_on()
        assert process.end() == ENDINGS[ending], process.errors()
    assert embedded.kept(tmp_path) == {"a"}


@embedded.linux_only
def test_a_signal_to_every_process_saves_too(tmp_path: Path) -> None:
    """A supervisor that stops a service signals the server as well, which leaves it to the parent."""
    with embedded.writer(tmp_path, "a", "wait") as process:
        server = embedded.server_pid(process.wait_for("open"))
        process.wait_for("written")
        os.kill(server, signal.SIGTERM)
        process.process.terminate()
        assert process.end() == 143
    assert embedded.kept(tmp_path) == {"a"}


@embedded.linux_only
def test_nobody_opens_the_store_while_the_server_of_a_killed_process_is_there(tmp_path: Path) -> None:
    """It shares the lock, for it might still be saving; here it is stopped, so that it cannot end."""
    embedded.keep(tmp_path, "old")
    with embedded.writer(tmp_path, "new", "wait") as process:
        server = embedded.server_pid(process.wait_for("open"))
        process.wait_for("written")
        os.kill(server, signal.SIGSTOP)
        process.process.kill()
        process.end()
    try:
        with (
            pytest.raises(StorageError, match="is in use by pid"),
            embedded.opened(tmp_path, lock_timeout_seconds=0.2),
        ):
            pass
    finally:
        os.kill(server, signal.SIGCONT)
    assert embedded.kept(tmp_path) == {"old"}


@pytest.mark.parametrize("point", POINTS)
def test_a_kill_while_it_saves_loses_nothing_older(tmp_path: Path, point: str) -> None:
    """The store opens with the old state or with the new one, whole, and the orphaned server is gone."""
    embedded.keep(tmp_path, "old")
    with embedded.writer(tmp_path, "new", f"kill:{point}") as process:
        endpoint = process.wait_for("open")
        assert process.end() == -signal.SIGKILL
    published = list(POINTS).index(point) > list(POINTS).index("before-rename")
    assert embedded.kept(tmp_path) == ({"old", "new"} if published else {"old"})
    embedded.wait_until(lambda: not embedded.answers(endpoint))
    assert not list(tmp_path.glob(".pipemodels-session-*"))


@pytest.mark.parametrize("milliseconds", [200, 400, 600, 800, 1000])
def test_a_kill_at_any_time_loses_nothing_older(store: Path, milliseconds: int) -> None:
    """Killed while it starts, opens, writes or saves: what was there before is there."""
    with embedded.writer(store, "new") as process:
        time.sleep(milliseconds / 1000)
        process.process.kill()
        closed = "closed" in process.stdout.read()
    keys = embedded.kept(store)
    assert keys - {"new"} == set(MANY)
    assert "new" in keys or not closed


@pytest.mark.parametrize("milliseconds", [0, 30, 90])
def test_a_kill_while_the_server_saves_loses_nothing_older(store: Path, milliseconds: int) -> None:
    """The server dies with its parent, whatever it was writing."""
    with embedded.writer(store, "new", "wait:before-save") as process:
        endpoint = process.wait_for("open")
        process.wait_for("before-save")
        process.go_on()
        time.sleep(milliseconds / 1000)
        process.process.kill()
    assert embedded.kept(store) - {"new"} == set(MANY)
    embedded.wait_until(lambda: not embedded.answers(endpoint))


def test_a_kill_after_the_end_of_the_block_loses_nothing(tmp_path: Path) -> None:
    """What a finished block wrote is there, block after block."""
    for number in range(2):
        with embedded.writer(tmp_path, f"key-{number}") as process:
            process.wait_for("closed")
            process.process.kill()
    assert embedded.kept(tmp_path) == {"key-0", "key-1"}


def test_a_forked_child_leaves_the_store_to_its_parent(tmp_path: Path) -> None:
    """A child that ends inside the block neither saves nor stops the store."""
    with embedded.writer(tmp_path, "a", "fork") as process:
        assert process.wait_for("sessions") == "1"
        assert process.end() == 0, process.errors()
    assert embedded.kept(tmp_path) == {"a", "a-after-fork"}


def test_a_forked_child_that_outlives_its_parent_does_not_hold_the_store(tmp_path: Path) -> None:
    """Neither the lock nor the server lives on in it."""
    embedded.keep(tmp_path, "old")
    with embedded.writer(tmp_path, "new", "fork-kill") as process:
        endpoint = process.wait_for("open")
        assert process.end() == -signal.SIGKILL
        assert embedded.kept(tmp_path) == {"old"}
        assert not embedded.answers(endpoint)
