"""Where the embedded store cannot do its work, it says why and what to do, and keeps what it has."""

from __future__ import annotations

import errno
import importlib.metadata
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
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


@pytest.mark.parametrize("name", ["", " ", "\t\n", "a\0b"])
def test_a_name_that_names_no_directory_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """An empty one, mostly a variable that is not set, would mean the working directory; nothing is made there."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValidationError) as error, embedded_store(name):
        pass
    reason = "does not name a directory: write . for the working directory"
    assert (str(error.value), list(tmp_path.iterdir())) == (f"directory: {name!r} {reason}", [])


def test_the_home_of_nobody_is_named() -> None:
    """A user that there is not has no directory."""
    with pytest.raises(StorageError) as error, embedded_store("~nobody-of-this-name/store"):
        pass
    assert str(error.value).startswith("cannot keep a store in '~nobody-of-this-name/store': ")


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
    "cut by one": lambda whole: whole[:-1],
    "more behind it": lambda whole: whole + b"\0",
    "UTF-16": lambda whole: whole.decode().encode("utf-16"),
    "with a byte order mark": lambda whole: b"\xef\xbb\xbf" + whole,
    "nested brackets": lambda whole: b"[" * 200_000,
    "nested in an item": lambda whole: whole.replace(b'{"S": "a"}', b"[" * 100_000 + b"]" * 100_000, 1),
    "a nested name": lambda whole: whole.replace(b"'things'", b"-" * 100_000 + b"1", 1),
    "another name": lambda whole: whole.replace(b"'things'", b"'other'", 1),
    "a name that is none": lambda whole: whole.replace(b"'things'", b"(1, 2)", 1),
    "a table of a wrong type": lambda whole: with_table(whole, None),
    "a key schema of a wrong type": lambda whole: with_table(whole, {"KeySchema": [5]}),
    "items of a wrong type": lambda whole: with_table(whole, {"items": []}),
    "an item of a wrong type": lambda whole: with_table(whole, {"items": {"a": {"__no_sort__": 5}}}),
    "a value of a wrong type": lambda whole: with_table(whole, {"items": {"a": {"__no_sort__": {"id": 5}}}}),
    "settings of a wrong type": lambda whole: whole.replace(b'"ttl_settings": {', b'"ttl_settings": 5, "_": {', 1),
}


def with_table(whole: bytes, changes: dict[str, Any] | None) -> bytes:
    """Return the saved state with another table in the place of its one."""
    state = json.loads(whole)
    ((key, table),) = state["payload"]["tables"]["data"].items()
    state["payload"]["tables"]["data"] = {key: changes and table | changes}
    return json.dumps(state).encode()


@pytest.mark.parametrize("damage", DAMAGED)
def test_a_damaged_saved_state_is_named_and_left_as_it_is(tmp_path: Path, damage: str) -> None:
    """The store does not start empty in its place."""
    embedded.keep(tmp_path, "a")
    snapshot = tmp_path / "dynamodb.json"
    damaged = DAMAGED[damage](snapshot.read_bytes())
    assert damaged != snapshot.read_bytes()
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
    assert "exited without saving" in errors
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

    with pytest.raises(StorageError, match=r"exited without saving \(status -9\)"):
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


def test_a_server_that_ends_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where its socket lives on in another process: it is its end that is told."""
    program = tmp_path / "child.py"
    program.write_text(
        "import os, sys, time\n"
        "if os.fork() == 0:\n"
        "    os.close(1), os.close(2)\n"
        "    os.read(0, 1)\n"  # until the parent is gone, or has given up
        "    os._exit(0)\n"
        "sys.exit('no luck today')"
    )
    monkeypatch.setattr(child, "__file__", str(program))
    patient = embedded_store(tmp_path / "store", start_timeout_seconds=600)
    with pytest.raises(StorageError, match=r"did not start \(it exited with status 1\)(.|\n)*no luck today"), patient:
        pass


def never_ready(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have servers started that never answer."""
    program = directory / "child.py"
    program.write_text("import threading; threading.Event().wait()")
    monkeypatch.setattr(child, "__file__", str(program))


@pytest.mark.parametrize(
    ("given", "variable", "waited"),
    [
        ({"start_timeout_seconds": 0.1, "time_limit_seconds": 60}, None, "0.1"),
        ({"ready_timeout_seconds": 0.1}, None, "0.1"),
        ({"start_timeout_seconds": 0.1}, "60", "0.1"),
        ({}, "0.2", "0.2"),
        ({"time_limit_seconds": 3.1}, None, "3.1"),
        ({"time_limit_seconds": 0}, "", "3.0"),
    ],
)
def test_how_long_a_server_may_take_to_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: dict[str, Any], variable: str | None, waited: str
) -> None:
    """As given, else as the variable says, else as long as a command may take, and never less than it needs."""
    monkeypatch.delenv("PIPEMODELS_STORE_START_SECONDS", raising=False)
    if variable is not None:
        monkeypatch.setenv("PIPEMODELS_STORE_START_SECONDS", variable)
    never_ready(tmp_path, monkeypatch)
    advice = "try again, or allow more time with PIPEMODELS_STORE_START_SECONDS or start_t"
    says = rf"was not ready within {waited} s: {advice}"
    with pytest.raises(StorageError, match=says), embedded_store(tmp_path / "store", **given):
        pass


@pytest.mark.parametrize("text", ["soon", "0", "-1", "1e3", "3601"])
def test_a_wrong_time_to_start_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    """The variable or the argument, before anything is made."""
    monkeypatch.setenv("PIPEMODELS_STORE_START_SECONDS", text)
    says = rf"PIPEMODELS_STORE_START_SECONDS: '?{text}'? must be a number of seconds from 0.001 to 3600"
    with pytest.raises(ValidationError, match=says), embedded_store(tmp_path / "store"):
        pass
    given: Any = text
    with (
        pytest.raises(ValidationError, match=r"start_timeout_seconds: .* must be a number of seconds"),
        embedded_store(tmp_path / "store", start_timeout_seconds=given),
    ):
        pass
    assert not (tmp_path / "store").exists()


@pytest.mark.parametrize("target", ["state.json", "nowhere", "dynamodb.json"])
def test_a_link_in_the_place_of_the_saved_state_is_refused(tmp_path: Path, target: str) -> None:
    """It is not replaced by a file, and what it leads to stays; also where that is not there, or the link itself."""
    store = tmp_path / "store"
    embedded.keep(store, "a")
    state = (store / "dynamodb.json").read_bytes()
    (store / "dynamodb.json").rename(store / "state.json")
    (store / "dynamodb.json").symlink_to(target)
    with (
        pytest.raises(
            StorageError, match=rf"{store}/dynamodb.json is a symbolic link to '{target}', .* open the store"
        ),
        embedded.opened(store),
    ):
        pass
    assert os.readlink(store / "dynamodb.json") == target
    assert (store / "state.json").read_bytes() == state


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir])
def test_what_is_no_file_is_no_saved_state(tmp_path: Path, make: Callable[[Path], None]) -> None:
    """A pipe would be waited for for ever."""
    make(tmp_path / "dynamodb.json")
    with (
        pytest.raises(StorageError, match=f"{tmp_path}/dynamodb.json is not a file: move it"),
        embedded.opened(tmp_path),
    ):
        pass


@pytest.mark.parametrize("name", ["server.log", "lock"])
def test_the_other_files_are_no_links_either(tmp_path: Path, name: str) -> None:
    """What a link leads to is not emptied."""
    theirs = tmp_path / "theirs"
    theirs.write_text("theirs")
    store = tmp_path / "store"
    store.mkdir()
    (store / name).symlink_to(theirs)
    with pytest.raises(StorageError, match=f"must not be a symbolic link: '{store}/{name}'"), embedded.opened(store):
        pass
    assert theirs.read_text() == "theirs"


def test_a_server_that_hangs_is_given_up_in_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And killed: the store can be opened right after."""
    never_ready(tmp_path, monkeypatch)
    hasty = embedded_store(tmp_path / "store", start_timeout_seconds=0.3)
    with pytest.raises(StorageError, match=r"not ready within 0\.3 s"), hasty:
        pass
    monkeypatch.undo()
    embedded.keep(tmp_path / "store", "a")
