"""Which files a user means: paths, globs and directories."""

from __future__ import annotations

import glob
from collections.abc import Iterable
from pathlib import Path
from typing import Any, TypeVar

_T = TypeVar("_T")


def one_or_more(paths: Iterable[_T]) -> list[_T]:
    """Return the paths as a list; a single one is one path, and never meant as its letters."""
    one: Any = paths
    return [one] if isinstance(one, str | Path) or hasattr(one, "read") else list(paths)


def matching_files(given: str | Path, suffixes: frozenset[str]) -> list[Path]:
    """Return the files that a path, a glob or a directory means, in the order of their names.

    A directory means all files below it that end in one of the suffixes, but for hidden ones. A path that is there
    is taken as it is, also where its name holds the characters of a glob.

    Raises:
        FileNotFoundError: there is none; the message says what was looked for.
    """
    path = Path(given)
    if path.is_dir():
        files = (file for file in sorted(path.rglob("*")) if file.suffix.lower() in suffixes)
        found = [file for file in files if _is_shown(file, path)]
        if not found:
            raise FileNotFoundError(f"is a directory without a {', '.join(sorted(suffixes))} file")
        return found
    if path.exists() or not glob.has_magic(str(given)):
        return [path]
    matches = [Path(name) for name in sorted(glob.glob(str(given), recursive=True))]
    found = [file for match in matches for file in (_below(match, suffixes) if match.is_dir() else [match])]
    if not found:
        raise FileNotFoundError("matches no file")
    return list(dict.fromkeys(found))


def _below(directory: Path, suffixes: frozenset[str]) -> list[Path]:
    try:
        return matching_files(directory, suffixes)
    except FileNotFoundError:  # a glob may well match a directory that holds nothing of interest
        return []


def _is_shown(file: Path, directory: Path) -> bool:
    return file.is_file() and not any(part.startswith(".") for part in file.relative_to(directory).parts)
