"""What a definition file is made of, whichever language it is written in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from pipemodels.errors import Problem


class BrokenTextError(ValueError):
    """The text is not in the language that it should be; what follows cannot be trusted."""

    def __init__(self, line: int, reason: str) -> None:
        super().__init__(f"line {line}: {reason}")
        self.line = line
        self.reason = reason


class UnusableError(ValueError):
    """A value that is well written, but that no definition may hold."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(str(problem))
        self.problem = problem


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a file, in order.

    An `entry` is one element of a section's list. A `section` is a section that is no list, and a `document` a whole
    document that is no mapping. `problem` says why there is no value.
    """

    kind: Literal["document", "section", "entry"]
    section: str
    position: int
    line: int
    value: Any
    problem: Problem | None = None


def key_twice(name: str, line: int, first: int) -> BrokenTextError:
    """Return the error of a document that has a key twice."""
    return BrokenTextError(line, f"has the key {name!r} a second time, after line {first}")
