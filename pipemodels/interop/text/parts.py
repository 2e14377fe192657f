"""Fragments of definition files and the errors of reading them, for both YAML and JSON."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from pipemodels.errors import Problem


class BrokenTextError(ValueError):
    """The text is not valid YAML or JSON, so the rest of the file cannot be read reliably."""

    def __init__(self, line: int, reason: str) -> None:
        super().__init__(f"line {line}: {reason}")
        self.line = line
        self.reason = reason


class UnusableError(ValueError):
    """The value is valid YAML, but not allowed in a definition."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(str(problem))
        self.problem = problem


@dataclass(frozen=True, slots=True)
class Part:
    """A fragment of a file.

    An `entry` is an element of a section's list. A `section` is the value of a section that is not read element by
    element. A `document` is a whole document that is not a mapping. `problem` says why there is no value.
    """

    kind: Literal["document", "section", "entry"]
    section: str
    position: int
    line: int
    value: Any
    problem: Problem | None = None


def key_twice(name: str, line: int, first: int) -> BrokenTextError:
    """Return the error for a duplicate key of a document."""
    return BrokenTextError(line, f"has the key {name!r} a second time, after line {first}")
