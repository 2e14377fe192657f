"""The directory of the embedded store: used by one process at a time, with a state file that is replaced atomically.

- `dynamodb.json`: the last saved state, always complete and on disk;
- `lock`: locked by the process that has the store open; contains its process id and command;
- `server.log`: the output of the server since its last start;
- `.pipemodels-session-…`: the directory into which the server of a session saves; removed when the session ends.

Only the current user can read these files, even in a directory that existed before. None of them may be a symbolic
link: saving would replace the link, or overwrite a file that is used elsewhere.
"""

from __future__ import annotations

import ast
import errno
import json
import os
import shlex
import shutil
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

from pipemodels._embedded.forks import only_here, unshared
from pipemodels.errors import StorageError, ValidationError, shown

SNAPSHOT = "dynamodb.json"
_SESSION = ".pipemodels-session-"
_SHOWN = 200  # characters of the command line in the lock file
# Keys of stored maps that ministack mistakes for its own markers when it loads a snapshot.
_MISREAD = (b'"__bytes__": {', b'"__scoped__": {', b'"__account_region_scoped__": {')

# The parts of ministack's snapshot whose errors would lose data or would show only at a request.
_PARTS = {"tables", "tags", "ttl_settings"}
_MEMBERS = {"KeySchema": list, "AttributeDefinitions": list, "pk_name": str, "items": dict}
_LISTS = ("KeySchema", "AttributeDefinitions", "GlobalSecondaryIndexes", "LocalSecondaryIndexes")
# The errors of invalid text, and the errors that parsers raise for text that is nested too deeply.
_UNREADABLE = (OSError, ValueError, SyntaxError, LookupError, TypeError, AttributeError, RecursionError, MemoryError)

Tables = dict[tuple[str, str], set[str]]
"""Table names by account and region."""


def prepared(directory: str | os.PathLike[str]) -> Path:
    """Return the absolute path of the directory; create it, private and ignored by git, if it is missing.

    Raises:
        ValidationError: the name is blank, which would mean the working directory, or contains a null character.
        StorageError: the directory cannot be created or used.
    """
    name = os.fspath(directory)
    if not name.strip() or "\0" in name:
        raise ValidationError.of("directory", name, "does not name a directory: write . for the working directory")
    try:
        path = Path(name).expanduser().absolute()
    except RuntimeError as error:  # an unknown user in ~user
        raise StorageError(f"cannot keep a store in {shown(name)}: {error}") from error
    try:
        missing = [part for part in (path, *path.parents) if not part.exists()]
        for part in reversed(missing):
            part.mkdir(mode=0o700, exist_ok=True)
            _sync_directory(part.parent)
        if missing:
            with open(_opened_private(path / ".gitignore", os.O_WRONLY), "wb") as file:
                file.write(b"*\n")
        if not path.is_dir():
            raise NotADirectoryError(f"it is not a directory: {os.fspath(path)!r}")
    except OSError as error:
        raise StorageError(f"cannot keep a store in {path}: {error}") from error
    return path


def _opened_private(path: Path, flags: int) -> int:
    """Open a file of the store, or create it; only the current user may read it."""
    if path.is_symlink():
        raise OSError(errno.ELOOP, "a file of the store must not be a symbolic link", os.fspath(path))
    descriptor = os.open(path, flags | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    with suppress(OSError):  # another user's file, or a file system without modes
        os.fchmod(descriptor, 0o600)
    return descriptor


def opened_log(path: Path) -> IO[bytes]:
    """Open the log of the server and truncate it."""
    return open(_opened_private(path, os.O_WRONLY | os.O_TRUNC), "wb")


@contextmanager
def locked(directory: Path, timeout_seconds: float) -> Iterator[int]:
    """Hold the lock of the directory, which ends with the last process that has this descriptor open.

    Raises:
        StorageError: another process, which the message names, held the lock until the timeout.
    """
    with ExitStack() as stack:
        try:
            opened = _opened_private(directory / "lock", os.O_RDWR)
            descriptor = stack.enter_context(unshared(opened))
            if not _lock(descriptor, time.monotonic() + timeout_seconds):
                raise StorageError(_in_use(directory, descriptor, timeout_seconds))
            _write_holder(descriptor)
        except OSError as error:
            raise StorageError(f"cannot keep a store in {directory}: {error}") from error
        yield descriptor


def _lock(descriptor: int, deadline: float) -> bool:
    while not _try_lock(descriptor):
        if time.monotonic() >= deadline:
            return False
        time.sleep(0.02)
    return True


def _try_lock(descriptor: int) -> bool:
    import fcntl  # not on Windows

    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _write_holder(descriptor: int) -> None:
    holder = {
        "pid": os.getpid(),
        "command": shlex.join(sys.orig_argv)[:_SHOWN],
        "since": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, json.dumps(holder).encode(), 0)


def _in_use(directory: Path, descriptor: int, waited: float) -> str:
    try:
        holder = json.loads(os.pread(descriptor, 8192, 0))
        who = f"pid {holder['pid']} ({holder['command']}) since {holder['since']}"
    except (ValueError, KeyError, TypeError):  # the other process is writing the file
        who = "another process"
    return (
        f"the store in {directory} is in use by {who}; waited {waited:g} s. "
        "One process at a time: let it end, or use another directory"
    )


@contextmanager
def session(directory: Path) -> Iterator[Path]:
    """Create a directory from which the server loads, and into which it saves; the lock must be held."""
    try:
        for stale in directory.glob(f"{_SESSION}*"):
            shutil.rmtree(stale)
        path = Path(tempfile.mkdtemp(prefix=_SESSION, dir=directory))
        # When the server saves, it replaces the link, not the file behind it.
        (path / SNAPSHOT).symlink_to(directory / SNAPSHOT)
    except OSError as error:
        raise StorageError(f"cannot keep a store in {directory}: {error}") from error
    with ExitStack() as stack:
        stack.callback(only_here(lambda: shutil.rmtree(path, ignore_errors=True)))
        yield path


def is_saved(session: Path) -> bool:
    """Say whether the server has saved: it renames the complete file to the name of the snapshot."""
    path = session / SNAPSHOT
    return path.exists() and not path.is_symlink()


def check_saved_state(directory: Path) -> None:
    """Check that the saved state, if there is one, is a regular file.

    Raises:
        StorageError: the path is a symbolic link, a directory, or another kind of file.
    """
    path = directory / SNAPSHOT
    if path.is_symlink():
        raise StorageError(
            f"{path} is a symbolic link to {os.fspath(path.readlink())!r}, and saving would replace it with a file: "
            "open the store in the directory that the file is in, or move the file here"
        )
    if path.exists() and not path.is_file():
        raise StorageError(f"{path} is not a file: move it away to start with an empty store")


def saved_tables(directory: Path) -> Tables:
    """Return the tables in the last saved state.

    Raises:
        StorageError: the saved state is damaged. It is not changed.
    """
    path = directory / SNAPSHOT
    if not path.exists():
        return {}
    try:
        return _tables(path.read_bytes())
    except _UNREADABLE as error:
        raise StorageError(
            f"{path} is damaged ({_reason(error)}) and was left as it is. "
            "Restore it from a copy, or move it away to start with an empty store"
        ) from error


def _reason(error: Exception) -> str:
    if isinstance(error, RecursionError | MemoryError):
        return "it is nested too deeply"
    if isinstance(error, LookupError | TypeError | AttributeError):
        return f"it does not have the structure of a saved store: {error}"
    return str(error)


def _tables(snapshot: bytes) -> Tables:
    payload: dict[str, Any] = json.loads(snapshot.decode("utf-8"))["payload"]
    for part in _PARTS & payload.keys():
        _check_kind(payload[part]["data"], dict, part)
    tables: Tables = defaultdict(set)
    for key, table in payload["tables"]["data"].items():
        account, region, name = key.split("\0")
        tables[account, region].add(_name_of(table, ast.literal_eval(name)))
    return dict(tables)


def _name_of(table: dict[str, Any], name: object) -> str:
    """Return the name of a table, after checking that its key and structure are valid."""
    if not isinstance(name, str) or table["TableName"] != name:
        raise ValueError(f"a table is stored under a name other than its own: {shown(name)}")
    for member, kind in _MEMBERS.items():
        _check_kind(table[member], kind, f"{member} of table {name!r}")
    for member in _LISTS:
        for entry in table.get(member) or ():
            _check_kind(entry, dict, f"{member} of table {name!r}")
    for items in table["items"].values():
        for item in items.values():
            if not isinstance(item, dict) or not all(isinstance(value, dict) for value in item.values()):
                raise TypeError(f"an item of table {name!r} has the wrong type")
    return name


def _check_kind(value: object, kind: type, what: str) -> None:
    if not isinstance(value, kind):
        raise TypeError(f"{what} has the wrong type")


def publish(session: Path, directory: Path) -> None:
    """Replace the last saved state atomically with the state that the server has saved, and sync it to disk."""
    saved = session / SNAPSHOT
    try:
        with saved.open("rb+") as file:
            _check(file.read())
            _sync(file.fileno())
        os.replace(saved, directory / SNAPSHOT)
        _sync_directory(directory)
    except _UNREADABLE as error:
        raise StorageError(
            f"the store in {directory} was not saved, its last saved state is kept: {_reason(error)}"
        ) from error


def _check(snapshot: bytes) -> None:
    _tables(snapshot)
    for key in _MISREAD:
        if key in snapshot:
            raise ValueError(f"an item has the key {key[:-3].decode()}, which the embedded store cannot keep")


def _sync(descriptor: int) -> None:
    import fcntl

    full_sync = getattr(fcntl, "F_FULLFSYNC", None)  # macOS: fsync does not flush the cache of the drive
    if full_sync is not None:
        fcntl.fcntl(descriptor, full_sync)
    else:
        os.fsync(descriptor)


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
