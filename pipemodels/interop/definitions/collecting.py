"""Collect the entries of definition files, and refuse those that no store could accept."""

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
    """The definition of a pipeline or table, and the file that it is in."""

    file: str
    entry: Entry

    @property
    def kind(self) -> Kind:
        """Return the kind of item: pipeline or table."""
        return KINDS[self.entry.section]

    @property
    def id(self) -> Any:
        """Return the id as written, which may have any type."""
        return self.entry.values.get(self.kind.key)

    @property
    def key(self) -> _Key | None:
        """Return the section and id, which must be unique among all entries; None if there is no id."""
        return (self.entry.section, self.id) if isinstance(self.id, str) else None

    @property
    def place(self) -> str:
        """Return a readable description of the place in the file."""
        name = f" {self.id}" if isinstance(self.id, str) and len(self.id) <= MAX_ID_CHARACTERS else ""
        return f"{self.entry.place}{name} (line {self.entry.line})"

    def refusal(self, problems: Iterable[Problem]) -> Refusal:
        """Return the report that refuses this entry."""
        return Refusal(self.file, self.place, tuple(problems))


@dataclass
class Collection:
    """The refused entries, the broken files, and the place of every id."""

    refused: list[Refusal] = field(default_factory=list)
    broken: set[str] = field(default_factory=set)
    first: dict[_Key, str] = field(default_factory=dict)
    """The first place of each key."""
    again: dict[_Key, list[str]] = field(default_factory=dict)
    """All places of each key that occurs more than once."""

    def add(self, wanted: Wanted) -> None:
        """Record the place of an entry."""
        if wanted.key is None:
            return
        place = f"{wanted.file}: {wanted.place}"
        if wanted.key in self.first:
            self.again.setdefault(wanted.key, [self.first[wanted.key]]).append(place)
        else:
            self.first[wanted.key] = place

    def problem(self, wanted: Wanted) -> Problem | None:
        """Return a problem if other entries have the same id."""
        if wanted.key is None or wanted.key not in self.again:
            return None
        here = f"{wanted.file}: {wanted.place}"
        others = " and ".join(place for place in self.again[wanted.key] if place != here)
        return Problem(wanted.kind.key, wanted.id, f"is defined more than once: here and in {others}")


def collect(paths: Iterable[str | Path], spool: Spool[Wanted], progress: Progress) -> Collection:
    """Read all files completely, and add their entries to the spool.

    Raises:
        ValidationError: a path is empty, or a file is YAML and PyYAML is not installed.
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
    """Yield each file once, in the order in which the paths name them."""
    seen: set[object] = set()
    for given in paths:
        found = matching_files(given, SUFFIXES)
        refused += [Refusal(place, "file", (Problem("file", place, reason),)) for place, reason in found.problems]
        for file in found.files:
            if (same := same_file(file)) not in seen:
                seen.add(same)
                yield file
