"""Read definition files one pipeline or table at a time, so that their size does not matter."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from pipemodels.errors import Problem, ValidationError
from pipemodels.interop.definitions.jsonparts import json_parts
from pipemodels.interop.text.parts import BrokenTextError, Part
from pipemodels.records import unknown_fields

SUFFIXES = frozenset({".yaml", ".yml", ".json"})
SECTIONS = ("pipelines", "tables")
_EXTENSION = "x-"


class BrokenFileError(ValueError):
    """The file cannot be read completely, so none of it is applied."""

    def __init__(self, problem: Problem, line: int = 0) -> None:
        super().__init__(str(problem))
        self.problem = problem
        self.line = line


@dataclass(frozen=True, slots=True)
class Entry:
    """The definition of a pipeline or table, or a problem in a file."""

    section: str
    place: str
    """A readable place in the file, such as `pipelines[3]` or `document`."""
    line: int
    values: dict[str, Any]
    problem: Problem | None = None


def read_entries(path: Path) -> Iterator[Entry]:
    """Yield the entries of a definition file, which is JSON if its name ends in `.json`, and YAML if not.

    Raises:
        BrokenFileError: the file cannot be opened, or is not valid YAML or JSON.
        ValidationError: the file is YAML and PyYAML is not installed.
    """
    try:
        with path.open("rb") as stream:
            for part in _parts(path, stream):
                if (entry := _entry(part)) is not None:
                    yield entry
    except OSError as error:
        raise BrokenFileError(Problem("file", str(path), f"cannot be read: {error.strerror or error}")) from error
    except BrokenTextError as error:
        reason = f"{error.reason} (line {error.line}); nothing in this file was applied"
        raise BrokenFileError(Problem("file", str(path), reason), error.line) from error


def _parts(path: Path, stream: BinaryIO) -> Iterator[Part]:
    if path.suffix.lower() == ".json":
        return json_parts(stream, SECTIONS)
    try:
        from pipemodels.interop.definitions.yamlparts import yaml_parts
    except ImportError as error:
        reason = 'is YAML, which needs PyYAML: pip install "pipemodels[cli]"'
        raise ValidationError.of("file", str(path), reason) from error
    return yaml_parts(stream, SECTIONS)


def _entry(part: Part) -> Entry | None:
    """Return the entry of a fragment; None if the fragment is empty."""
    problem = part.problem or _problem(part)
    place = f"{part.section}[{part.position}]" if part.kind == "entry" else part.section or "document"
    if problem is not None:
        return Entry(part.section, place, part.line, part.value if isinstance(part.value, dict) else {}, problem)
    return Entry(part.section, place, part.line, part.value) if part.kind == "entry" else None


def _problem(part: Part) -> Problem | None:
    if part.kind == "entry":
        if isinstance(part.value, dict):
            return None
        return Problem(part.section, part.value, "must be a mapping of field names to values")
    if part.kind == "document":
        if part.value is None:  # the document holds comments only
            return None
        return Problem("document", part.value, "must be a mapping with pipelines: and tables:")
    if part.section.startswith(_EXTENSION):  # room for anchors
        return None
    if part.section not in SECTIONS:
        (unknown,) = unknown_fields({part.section: part.value}, list(SECTIONS))
        _, semicolon, suggestion = unknown.reason.partition(";")
        return Problem(part.section, part.value, f"is not a section of a definition{semicolon}{suggestion}")
    return None if part.value is None else Problem(part.section, part.value, "must be a list")
