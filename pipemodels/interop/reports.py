"""What applying definitions and ingesting events report."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from pipemodels.errors import Problem

Progress = Callable[[int, int | None], None]


def silent(done: int, total: int | None) -> None:
    """Take note of progress and tell nobody."""


@dataclass(frozen=True, slots=True)
class FieldChange:
    """One field that a definition changes; None where there is no value."""

    field: str
    before: Any
    after: Any


@dataclass(frozen=True)
class Refusal:
    """A part of a file that was not applied, and why; `entry` says where: `pipelines[3] orders_daily (line 12)`."""

    file: str
    entry: str
    problems: tuple[Problem, ...]


@dataclass(frozen=True)
class ApplyReport:
    """What was done, by ids of pipelines and tables, or would be done.

    `changes` holds by id the fields that differ. Of created items it holds fields in a dry run only.
    """

    created: list[str] = field(default_factory=list)
    updated: list[str] = field(default_factory=list)
    unchanged: list[str] = field(default_factory=list)
    refused: list[Refusal] = field(default_factory=list)
    changes: dict[str, list[FieldChange]] = field(default_factory=dict)


@dataclass(frozen=True)
class LineRefusal:
    """An event that was not taken, the line on which it begins (0: the whole file), and why."""

    file: str
    line: int
    reason: str


@dataclass(frozen=True)
class IngestReport:
    """How many events were taken, of how many different runs and pipelines, and what was not taken."""

    events: int
    runs: int
    pipelines: int
    refused: list[LineRefusal]
