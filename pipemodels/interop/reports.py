"""The reports that `apply_definitions` and `ingest_events` return."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from pipemodels.errors import Problem

Progress = Callable[[int, int | None], None]


def silent(done: int, total: int | None) -> None:
    """Ignore the progress."""


@dataclass(frozen=True, slots=True)
class FieldChange:
    """A field that a definition changes; `before` and `after` are None where there is no value."""

    field: str
    before: Any
    after: Any


@dataclass(frozen=True)
class Refusal:
    """An entry of a file that was not applied, and the reasons.

    `entry` is its place in the file, such as `pipelines[3] orders_daily (line 12)`.
    """

    file: str
    entry: str
    problems: tuple[Problem, ...]


@dataclass(frozen=True)
class ApplyReport:
    """The ids of the pipelines and tables that were created, updated or unchanged, and the refused entries.

    A dry run lists what would be created and updated. `changes` maps ids to the fields that differ; it lists the
    fields of created items in a dry run only.
    """

    created: list[str] = field(default_factory=list)
    updated: list[str] = field(default_factory=list)
    unchanged: list[str] = field(default_factory=list)
    refused: list[Refusal] = field(default_factory=list)
    changes: dict[str, list[FieldChange]] = field(default_factory=dict)


@dataclass(frozen=True)
class LineRefusal:
    """An event that was refused, the line on which it begins (0 for the whole file), and the reason."""

    file: str
    line: int
    reason: str


@dataclass(frozen=True)
class IngestReport:
    """The number of recorded events, the number of their distinct runs and pipelines, and the refused events."""

    events: int
    runs: int
    pipelines: int
    refused: list[LineRefusal]
