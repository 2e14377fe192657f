"""The exception hierarchy.

Commands and queries raise only subclasses of `PipemodelsError`. The plain ORM (`PipelineConfig.get(...)`,
`save()`, ...) raises `ValidationError` before a request, and PynamoDB's own errors after it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

_SHOWN = 200  # characters of a value that an error message shows


def shown(value: object) -> str:
    """Return a shortened `repr` of a value for an error message. Never raises."""
    try:
        text = repr(value)
    except Exception:  # a broken __repr__, or an int with more digits than Python prints
        text = f"<{type(value).__name__}>"
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}…"


@dataclass(frozen=True, slots=True)
class Problem:
    """A fault in one input: the field, the given value, and the reason with a way to fix it."""

    field: str
    value: object
    reason: str

    def __str__(self) -> str:
        return f"{self.field}: {shown(self.value)} {self.reason}"


class PipemodelsError(Exception):
    """Base class of all exceptions of this package; never raised itself.

    `done` holds the ids of the items that a command on many items had finished before the error.
    """

    done: tuple[str, ...] = ()


class ValidationError(PipemodelsError, ValueError):
    """The input is invalid; nothing was changed. `problems` lists each field with its value and the reason."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("; ".join(str(problem) for problem in self.problems))

    @classmethod
    def of(cls, field: str, value: object, reason: str) -> ValidationError:
        """Return an error with a single problem."""
        return cls([Problem(field, value, reason)])

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.problems,), vars(self)


class NaiveDateTimeError(ValidationError):
    """A date and time has no UTC offset, so the instant that it means is unknown."""


class ItemTooLargeError(ValidationError):
    """The item is larger than DynamoDB's 400 KB, or the update would make it so; nothing was changed."""


def joined(problems: Iterable[Problem], causes: Iterable[ValidationError] = ()) -> ValidationError:
    """Return one error for all problems of an input: a `NaiveDateTimeError` if all of them are naive datetimes."""
    problems, causes = list(problems), list(causes)
    naive = [cause for cause in causes if isinstance(cause, NaiveDateTimeError)]
    only_naive = bool(naive) and sum(len(cause.problems) for cause in naive) == len(problems)
    return NaiveDateTimeError(problems) if only_naive else ValidationError(problems)


class UnreapedRunsError(ValidationError):
    """Some runs whose lease has expired could not be reaped; `reaped` holds the runs that were.

    Each of `problems` names a run. Repair or delete those items. `done` holds the ids of the runs in `reaped`.
    """

    def __init__(self, problems: Iterable[Problem], reaped: Iterable[Any] = ()) -> None:
        super().__init__(problems)
        self.reaped = tuple(reaped)


class ItemNotFoundError(PipemodelsError, LookupError):
    """The item does not exist. Check the id, the table prefix and the store."""


class SummaryError(PipemodelsError, AttributeError):
    """Only part of the item was read, e.g. through an index. Fetch the whole item with `get_…` or `.in_full()`."""


class ConflictError(PipemodelsError):
    """The item is not in the state that the command requires; nothing was changed.

    `current` is the stored item, if DynamoDB returned it. Look at it and decide what to do.
    """

    def __init__(self, message: str, current: Any = None) -> None:
        super().__init__(message)
        self.current = current


class AlreadyExistsError(ConflictError):
    """An item with this key already exists, as `current`. Update it, or choose another id."""


class StaleRevisionError(ConflictError):
    """The item was changed after it was read; `current` is the newer item. Read it again, then repeat the change."""


class IllegalTransitionError(ConflictError):
    """The run cannot change from its state to the requested one; `current` is the run."""


class RunLimitError(ConflictError):
    """The pipeline has reached its limit of running runs; `holders` lists those runs. Wait, or raise the limit."""

    def __init__(self, message: str, current: Any = None, holders: tuple[Any, ...] = ()) -> None:
        super().__init__(message, current)
        self.holders = holders


class LeaseLostError(ConflictError):
    """This worker no longer holds the run's lease: it was reaped, taken over or ended. Stop the work."""


class AttemptLimitError(ConflictError):
    """The run has had as many attempts as its pipeline's `max_attempts` allows."""


class ThrottledError(PipemodelsError):
    """DynamoDB is overloaded, and the retries are used up. Try again after `retry_after` seconds."""

    def __init__(self, message: str, retry_after: float = 1.0) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class TableMissingError(PipemodelsError):
    """The table does not exist. Create it with `pipemodels tables create` or `create_tables()`."""

    def __init__(self, table_name: str) -> None:
        super().__init__(f"table {table_name!r} does not exist; create it with: pipemodels tables create")
        self.table_name = table_name

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.table_name,), vars(self)


class StorageError(PipemodelsError):
    """Any other failure of DynamoDB or of the connection to it; `__cause__` is the original exception."""


@dataclass(frozen=True, slots=True)
class UnreadableItem:
    """A stored item that the model cannot read, because it was not written by this package.

    Attributes:
        table_name: the full name of the table, with its prefix.
        key: the item's key values by stored attribute name.
        problems: the fields that cannot be read, each with its stored value and the reason; at least one.
    """

    table_name: str
    key: Mapping[str, object]
    problems: tuple[Problem, ...]

    @property
    def field(self) -> str:
        """The first field that cannot be read."""
        return self.problems[0].field

    @property
    def reason(self) -> str:
        """Why that field cannot be read."""
        return self.problems[0].reason

    def __str__(self) -> str:
        key = ", ".join(f"{name} {shown(value)}" for name, value in self.key.items())
        return f"table {self.table_name!r}, {key}: {'; '.join(map(str, self.problems))}"


class UnreadableItemError(StorageError):
    """The item exists, but the model cannot read it; `item` holds its key and each unreadable field with the reason.

    The item was not written by this package. Repair it where it was written, or delete it. If `done` contains its id,
    the write succeeded, and only its result cannot be returned.
    """

    def __init__(self, item: UnreadableItem, message: str | None = None) -> None:
        self.item = item
        super().__init__(f"{item}; mend the item or delete it" if message is None else message)

    @property
    def problems(self) -> tuple[Problem, ...]:
        """The fields that cannot be read, each with its stored value and the reason."""
        return self.item.problems

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.item, str(self)), vars(self)
