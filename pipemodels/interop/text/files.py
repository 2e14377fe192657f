"""Which files a user means: paths, globs and directories."""

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
    """The files that are meant, and what cannot be read, with the reason."""

    files: list[Path] = field(default_factory=list)
    problems: list[tuple[str, str]] = field(default_factory=list)


def named_paths(paths: Iterable[_T]) -> list[_T]:
    """Return the paths as a list; a single one is one path, and never meant as its letters.

    Raises:
        ValidationError: one is empty, or holds a null character. An empty one, mostly a variable that is not set,
            would mean the working directory.
    """
    one: Any = paths
    named: list[Any] = [one] if isinstance(one, str | Path) or hasattr(one, "read") else list(paths)
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
    return "must not hold a null character" if "\0" in path else None


def matching_files(given: str | Path, suffixes: frozenset[str]) -> Found:
    """Return the files that a path, a glob or a directory means, in the order of their names.

    A directory means all files below it that end in one of the suffixes, but for hidden ones; symbolic links to files
    are followed, and those to directories are not. A path that is there is taken as it is, also where its name holds
    the characters of a glob.
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
        if os.path.isdir(match):  # it may well hold nothing of interest
            below = _below(match, suffixes)
            found.files += below.files
            found.problems += below.problems
        else:
            _add(Path(match), found)
    if not matches or not (found.files or found.problems):
        found.problems.append((pattern, "matches no file"))
    return Found(list(dict.fromkeys(found.files)), list(dict.fromkeys(found.problems)))


def _expanded(pattern: str) -> set[str]:
    """Return what a glob matches; `**` does not follow symbolic links, which may lead back to where they are."""
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
    """Walk a directory, but for hidden ones; one that cannot be read is noted as such."""

    def note(error: OSError) -> None:
        found.problems.append((str(error.filename), f"cannot be read: {error.strerror or error}"))

    for place, directories, files in os.walk(directory, onerror=note):
        directories[:] = sorted(name for name in directories if not name.startswith("."))
        yield place, directories, files


def _add(file: Path, found: Found) -> None:
    """Take a file that was found and not named; to read from a pipe that nobody named might wait for ever."""
    try:
        is_file = stat.S_ISREG(file.stat().st_mode)
    except OSError as error:
        found.problems.append((str(file), f"cannot be read: {error.strerror or error}"))
        return
    if is_file:
        found.files.append(file)
    else:
        found.problems.append((str(file), "is a pipe, a socket or a device, and not a file"))


def same_file(file: Path) -> object:
    """Return what two names of one file have in common, be they symbolic or hard links."""
    try:
        found = file.stat()
    except OSError:  # whoever opens it is told why
        return os.path.realpath(file)
    return found.st_dev, found.st_ino
