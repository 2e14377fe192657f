"""Collects the entries of definition files, and refuses what cannot be applied whatever the store holds."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pipemodels.checks import MAX_ID_CHARACTERS
from pipemodels.errors import Problem
from pipemodels.interop.definitions.entries import SUFFIXES, BrokenFileError, Entry, read_entries
from pipemodels.interop.definitions.kinds import KINDS, Kind
from pipemodels.interop.definitions.spool import Spool
from pipemodels.interop.reports import Progress, Refusal
from pipemodels.interop.text.files import matching_files, named_paths, same_file

_Key = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Wanted:
    """One pipeline or table as a file has it."""

    file: str
    entry: Entry

    @property
    def kind(self) -> Kind:
        """Say whether it is a pipeline or a table."""
        return KINDS[self.entry.section]

    @property
    def id(self) -> Any:
        """Return its id, whatever stands there."""
        return self.entry.values.get(self.kind.key)

    @property
    def key(self) -> _Key | None:
        """Return what no two entries may share; None where there is no id."""
        return (self.entry.section, self.id) if isinstance(self.id, str) else None

    @property
    def place(self) -> str:
        """Return where it is, for people."""
        name = f" {self.id}" if isinstance(self.id, str) and len(self.id) <= MAX_ID_CHARACTERS else ""
        return f"{self.entry.place}{name} (line {self.entry.line})"

    def refusal(self, problems: Iterable[Problem]) -> Refusal:
        """Return the report that it is refused."""
        return Refusal(self.file, self.place, tuple(problems))


@dataclass
class Collection:
    """What is known of the entries once all files are read."""

    refused: list[Refusal] = field(default_factory=list)
    broken: set[str] = field(default_factory=set)
    first: dict[_Key, str] = field(default_factory=dict)
    """By key, where it was seen first."""
    again: dict[_Key, list[str]] = field(default_factory=dict)
    """Of keys that were seen more than once, every place."""

    def add(self, wanted: Wanted) -> None:
        """Note where an entry is."""
        if wanted.key is None:
            return
        place = f"{wanted.file}: {wanted.place}"
        if wanted.key in self.first:
            self.again.setdefault(wanted.key, [self.first[wanted.key]]).append(place)
        else:
            self.first[wanted.key] = place

    def problem(self, wanted: Wanted) -> Problem | None:
        """Return why an entry cannot be applied, whatever the store holds."""
        if wanted.key is None or wanted.key not in self.again:
            return None
        here = f"{wanted.file}: {wanted.place}"
        others = " and ".join(place for place in self.again[wanted.key] if place != here)
        return Problem(wanted.kind.key, wanted.id, f"is defined more than once: here and in {others}")


def collect(paths: Iterable[str | Path], spool: Spool[Wanted], progress: Progress) -> Collection:
    """Read all files to their ends, into the spool.

    Raises:
        ValidationError: a path is empty; or a file is YAML, and PyYAML is not installed.
    """
    found = Collection()
    for file in _files(named_paths(paths), found.refused):
        try:
            for entry in read_entries(file):
                if entry.problem is not None:
                    place = f"{entry.place} (line {entry.line})"
                    found.refused.append(Refusal(str(file), place, (entry.problem,)))
                    continue
                wanted = Wanted(str(file), entry)
                spool.add(wanted)
                found.add(wanted)
                progress(len(spool), None)
        except BrokenFileError as error:
            found.broken.add(str(file))
            place = f"line {error.line}" if error.line else "file"
            found.refused.append(Refusal(str(file), place, (error.problem,)))
    return found


def _files(paths: Iterable[str | Path], refused: list[Refusal]) -> Iterator[Path]:
    """Yield the files that are meant, each once, in the order of their mention."""
    seen: set[object] = set()
    for given in paths:
        found = matching_files(given, SUFFIXES)
        refused += [Refusal(place, "file", (Problem("file", place, reason),)) for place, reason in found.problems]
        for file in found.files:
            if (same := same_file(file)) not in seen:
                seen.add(same)
                yield file
