"""Where the embedded store cannot do its work, it says why and what to do, and keeps what it has."""

from __future__ import annotations

import errno
import importlib.metadata
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from pipemodels._embedded import child
from pipemodels.config import DynamoDBConfig
from pipemodels.errors import StorageError, ValidationError
from pipemodels.local import embedded_store
from tests.helpers import embedded


def test_without_the_extra_it_gives_the_line_to_install_it(tmp_path: Path) -> None:
    """Nothing is made when ministack is not there."""
    code = (
        "import sys; sys.modules['ministack'] = None\n"
        "from pipemodels.local import embedded_store\n"
        "with embedded_store(sys.argv[1]): pass"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "store")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert 'StorageError: the embedded store is not installed: pip install "pipemodels[local]"' in done.stderr
    assert not (tmp_path / "store").exists()


def test_an_old_ministack_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An installer may have gone back to one that lacks what the store needs."""
    monkeypatch.setattr(importlib.metadata, "version", lambda _name: "1.5.32")
    with pytest.raises(StorageError, match=r"1\.5\.32 is too old.*pip install"), embedded_store(tmp_path):
        pass


def test_a_wrong_configuration_starts_nothing(tmp_path: Path) -> None:
    """The fields are checked before the directory is made."""
    with (
        pytest.raises(ValidationError, match="table_prefix"),
        embedded_store(tmp_path / "a", table_prefix="ä"),
    ):
        pass
    assert not (tmp_path / "a").exists()


@pytest.mark.parametrize("below", ["", "store"])
def test_a_directory_that_cannot_be_is_named(tmp_path: Path, below: str) -> None:
    """A file is no directory, and none can be made below it."""
    file = tmp_path / "file"
    file.write_text("theirs")
    with (
        pytest.raises(StorageError, match=f"cannot keep a store in {file / below}"),
        embedded_store(file / below),
    ):
        pass
    assert file.read_text() == "theirs"


DAMAGED: dict[str, Any] = {
    "empty": lambda whole: b"",
    "cut": lambda whole: whole[: len(whole) // 2],
    "not JSON": lambda whole: b"\xff" + whole,
    "another document": lambda whole: b"[]",
    "no tables": lambda whole: b'{"payload": {}}',
}


@pytest.mark.parametrize("damage", DAMAGED)
def test_a_damaged_saved_state_is_named_and_left_as_it_is(tmp_path: Path, damage: str) -> None:
    """The store does not start empty in its place."""
    embedded.keep(tmp_path, "a")
    snapshot = tmp_path / "dynamodb.json"
    damaged = DAMAGED[damage](snapshot.read_bytes())
    snapshot.write_bytes(damaged)
    with (
        pytest.raises(StorageError, match=f"{snapshot} is damaged .* left as it is"),
        embedded.opened(tmp_path),
    ):
        pass
    assert snapshot.read_bytes() == damaged


def test_a_saved_state_that_the_server_does_not_load_is_left_as_it_is(tmp_path: Path) -> None:
    """One that a newer ministack has saved is refused by an older one, which would go on without it."""
    embedded.keep(tmp_path, "a")
    snapshot = tmp_path / "dynamodb.json"
    newer = json.dumps(json.loads(snapshot.read_bytes()) | {"__ministack_format__": 1000})
    snapshot.write_text(newer)
    with (
        pytest.raises(StorageError, match=r"did not load the saved state.*\n.*format v1000"),
        embedded.opened(tmp_path),
    ):
        pass
    assert snapshot.read_text() == newer


@pytest.mark.parametrize("key", ["__bytes__", "__scoped__", "__account_region_scoped__"])
def test_an_item_that_could_not_be_loaded_is_not_saved(tmp_path: Path, key: str) -> None:
    """The server takes these keys for its own when it loads; saved, they would make the store unreadable."""
    embedded.keep(tmp_path, "a")
    item = {"id": {"S": f'"{key}": {{'}, "config": {"M": {key: {"S": "AAAA"}}}}

    def put(config: DynamoDBConfig) -> None:
        with embedded.client(config) as dynamodb:
            dynamodb.put_item(TableName=embedded.TABLE, Item=item)

    with pytest.raises(StorageError, match=f'was not saved.*"{key}"'):
        embedded.block(tmp_path, put)
    assert embedded.kept(tmp_path) == {"a"}


def test_a_full_disk_fails_the_block_and_keeps_the_last_state(tmp_path: Path) -> None:
    """Here a limit on the size of files stands for the disk: the server cannot write what it holds."""
    embedded.keep(tmp_path, "a")
    with embedded.writer(tmp_path, "new", "full") as process:
        errors = process.errors()
        assert process.end() == 1
    assert "ended without saving" in errors
    assert os.strerror(errno.EFBIG) in errors
    assert embedded.kept(tmp_path) == {"a"}


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_a_disk_that_fails_fails_the_block(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str) -> None:
    """Neither an error of the sync nor one of the rename passes for a save."""
    embedded.keep(tmp_path, "a")

    def fail(*_args: object) -> None:
        raise OSError(errno.EIO, "the disk is on fire")

    steps = (lambda config: embedded.write(config, "new"), lambda _: monkeypatch.setattr(os, call, fail))
    with pytest.raises(StorageError, match=r"was not saved.*disk is on fire"):
        embedded.block(tmp_path, *steps)
    monkeypatch.undo()
    assert embedded.kept(tmp_path) == {"a"}


@embedded.linux_only
def test_a_server_that_dies_fails_the_block(tmp_path: Path) -> None:
    """What it held is lost and the block says so; the last saved state is kept."""
    embedded.keep(tmp_path, "a")

    def kill_the_server(config: DynamoDBConfig) -> None:
        os.kill(embedded.server_pid(str(config.endpoint_url)), signal.SIGKILL)

    with pytest.raises(StorageError, match=r"ended without saving \(status -9\)"):
        embedded.block(tmp_path, lambda config: embedded.write(config, "new"), kill_the_server)
    assert embedded.kept(tmp_path) == {"a"}


def test_a_server_that_ends_at_once_is_reported_with_its_last_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error shows the end of the log."""
    program = tmp_path / "child.py"
    program.write_text("raise SystemExit('no luck today')")
    monkeypatch.setattr(child, "__file__", str(program))
    with (
        pytest.raises(StorageError, match=r"did not start(.|\n)*no luck today"),
        embedded.opened(tmp_path / "store"),
    ):
        pass


def test_a_server_that_hangs_is_given_up_in_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And killed: the store can be opened right after."""
    program = tmp_path / "child.py"
    program.write_text("import threading; threading.Event().wait()")
    monkeypatch.setattr(child, "__file__", str(program))
    hasty = embedded_store(tmp_path / "store", ready_timeout_seconds=0.3)
    with pytest.raises(StorageError, match=r"not ready within 0\.3 s"), hasty:
        pass
    monkeypatch.undo()
    embedded.keep(tmp_path / "store", "a")
