"""Find the files that paths, globs and directories name."""

from __future__ import annotations

import glob
import os
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from pipemodels.errors import Problem, ValidationError

_T = TypeVar("_T")
_DEEP = "**"


@dataclass
class Found:
    """The files found, and the paths that cannot be read, each with the reason."""

    files: list[Path] = field(default_factory=list)
    problems: list[tuple[str, str]] = field(default_factory=list)


def named_paths(paths: Iterable[_T]) -> list[_T]:
    """Return the paths as a list; a single string or stream counts as one path.

    Raises:
        ValidationError: a path is empty or contains a null character. An empty path, usually an unset variable,
            would mean the working directory.
    """
    given: Any = paths
    named: list[Any] = [given] if isinstance(given, str | Path) or hasattr(given, "read") else list(paths)
    problems = [
        Problem(f"paths[{position}]", path, reason)
        for position, path in enumerate(named)
        if isinstance(path, str) and (reason := _path_problem(path)) is not None
    ]
    if problems:
        raise ValidationError(problems)
    return named


def _path_problem(path: str) -> str | None:
    if not path.strip():
        return "is empty: name a file, a glob or a directory (. is the working directory)"
    return "must not contain a null character" if "\0" in path else None


def matching_files(given: str | Path, suffixes: frozenset[str]) -> Found:
    """Return the files that a path, a glob or a directory names, sorted by name.

    A directory stands for all files below it with one of the suffixes, except hidden files. Symbolic links to files
    are followed; links to directories are not. An existing path is taken literally, even if its name contains glob
    characters.
    """
    name = str(given)
    if os.path.isdir(name):
        found = _below(name, suffixes)
        if not found.files and not found.problems:
            found.problems.append((name, f"is a directory without a {', '.join(sorted(suffixes))} file"))
        return found
    if os.path.exists(name) or not glob.has_magic(name):
        return Found([Path(name)])
    return _matching(name, suffixes)


def _matching(pattern: str, suffixes: frozenset[str]) -> Found:
    found = Found()
    matches = sorted(_expanded(pattern))
    for match in matches:
        if os.path.isdir(match):  # it need not contain a matching file
            below = _below(match, suffixes)
            found.files += below.files
            found.problems += below.problems
        else:
            _add(Path(match), found)
    if not matches or not (found.files or found.problems):
        found.problems.append((pattern, "matches no file"))
    return Found(list(dict.fromkeys(found.files)), list(dict.fromkeys(found.problems)))


def _expanded(pattern: str) -> set[str]:
    """Return the matches of a glob; `**` does not follow symbolic links, which may form a cycle."""
    parts = Path(pattern).parts
    if _DEEP not in parts:
        return set(glob.glob(pattern))
    position = parts.index(_DEEP)
    start, rest = parts[:position], parts[position + 1 :]
    found: set[str] = set()
    for base in glob.glob(os.path.join(*start)) if start else [os.curdir]:
        for directory, _, files in _walked(base, Found()):
            if rest:
                found |= _expanded(os.path.join(glob.escape(directory), *rest))
            else:
                found |= {os.path.join(directory, file) for file in files if not file.startswith(".")}
    return {os.path.normpath(name) if not start else name for name in found}


def _below(directory: str, suffixes: frozenset[str]) -> Found:
    found = Found()
    names = [
        Path(place, name)
        for place, _, files in _walked(directory, found)
        for name in files
        if not name.startswith(".") and Path(name).suffix.lower() in suffixes
    ]
    for file in sorted(names):
        _add(file, found)
    return found


def _walked(directory: str, found: Found) -> Iterator[tuple[str, list[str], list[str]]]:
    """Walk a directory without hidden directories; add unreadable ones to the problems."""

    def note(error: OSError) -> None:
        found.problems.append((str(error.filename), f"cannot be read: {error.strerror or error}"))

    for place, directories, files in os.walk(directory, onerror=note):
        directories[:] = sorted(name for name in directories if not name.startswith("."))
        yield place, directories, files


def _add(file: Path, found: Found) -> None:
    """Add a file found in a directory or by a glob; refuse a pipe, because reading it might wait for ever."""
    try:
        is_file = stat.S_ISREG(file.stat().st_mode)
    except OSError as error:
        found.problems.append((str(file), f"cannot be read: {error.strerror or error}"))
        return
    if is_file:
        found.files.append(file)
    else:
        found.problems.append((str(file), "is a pipe, a socket or a device, not a file"))


def same_file(file: Path) -> object:
    """Return a value that is equal for all names of a file, including symbolic and hard links."""
    try:
        found = file.stat()
    except OSError:  # opening the file reports the error
        return os.path.realpath(file)
    return found.st_dev, found.st_ino
