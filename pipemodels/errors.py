"""The error tree.

Everything that the commands and queries raise is a `PipemodelsError`. The plain ORM (`PipelineConfig.get(...)`,
`save()`, ...) raises `ValidationError` before a request and PynamoDB's own errors after one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

_SHOWN = 200  # characters of a value that an error message shows


def shown(value: object) -> str:
    """Return a value as an error message shows it: shortened, and never failing."""
    try:
        text = repr(value)
    except Exception:  # a repr of somebody else, or an int of more digits than Python prints
        text = f"<{type(value).__name__}>"
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}…"


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with one input: the field, the value that was given and what to do about it."""

    field: str
    value: object
    reason: str

    def __str__(self) -> str:
        return f"{self.field}: {shown(self.value)} {self.reason}"


class PipemodelsError(Exception):
    """Base of every error of this package; never raised itself.

    `done` holds the ids that a command on many items had finished before the error.
    """

    done: tuple[str, ...] = ()


class ValidationError(PipemodelsError, ValueError):
    """The input is wrong and nothing was changed. `problems` holds each field, value and reason."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("; ".join(str(problem) for problem in self.problems))

    @classmethod
    def of(cls, field: str, value: object, reason: str) -> ValidationError:
        """Make the error of a single problem."""
        return cls([Problem(field, value, reason)])

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.problems,), vars(self)


class NaiveDateTimeError(ValidationError):
    """A date and time without a UTC offset: nobody can say which instant it means."""


class ItemTooLargeError(ValidationError):
    """The item is, or by this update would be, larger than the 400 KB that DynamoDB stores; nothing was changed."""


def joined(problems: Iterable[Problem], causes: Iterable[ValidationError] = ()) -> ValidationError:
    """Return one error for all problems of an input; naive date and times alone stay a `NaiveDateTimeError`."""
    problems, causes = list(problems), list(causes)
    naive = [cause for cause in causes if isinstance(cause, NaiveDateTimeError)]
    only_naive = bool(naive) and sum(len(cause.problems) for cause in naive) == len(problems)
    return NaiveDateTimeError(problems) if only_naive else ValidationError(problems)


class UnreapedRunsError(ValidationError):
    """Of the runs whose lease has expired, some could not be reaped; `reaped` are the others, which were.

    Each of `problems` names its run. Mend the items or delete them. `done` holds the ids of `reaped`.
    """

    def __init__(self, problems: Iterable[Problem], reaped: Iterable[Any] = ()) -> None:
        super().__init__(problems)
        self.reaped = tuple(reaped)


class ItemNotFoundError(PipemodelsError, LookupError):
    """There is no such item. Check the id, the prefix and the store."""


class SummaryError(PipemodelsError, AttributeError):
    """The item was read in part, by an index for example: fetch the whole item (`get_…` or `.in_full()`)."""


class ConflictError(PipemodelsError):
    """The item is not in the state that the command needs; nothing was changed.

    `current` is the item as it is stored, where DynamoDB told it. Read it and decide again.
    """

    def __init__(self, message: str, current: Any = None) -> None:
        super().__init__(message)
        self.current = current


class AlreadyExistsError(ConflictError):
    """An item with this key exists; `current` is it. Update it, or choose another id."""


class StaleRevisionError(ConflictError):
    """Somebody wrote the item since it was read; `current` is the newer one. Read again, then repeat."""


class IllegalTransitionError(ConflictError):
    """The run is in a state from which it cannot go where the command wants it; `current` is the run."""


class RunLimitError(ConflictError):
    """The pipeline has as many running runs as it may; `holders` are those. Wait, or raise the limit."""

    def __init__(self, message: str, current: Any = None, holders: tuple[Any, ...] = ()) -> None:
        super().__init__(message, current)
        self.holders = holders


class LeaseLostError(ConflictError):
    """The run is no longer this worker's: its lease was taken away, or somebody ended it. Stop the work."""


class AttemptLimitError(ConflictError):
    """The run has been attempted as often as its pipeline's `max_attempts` allows."""


class ThrottledError(PipemodelsError):
    """DynamoDB refused for load and the retries were used up. Try again after `retry_after` seconds."""

    def __init__(self, message: str, retry_after: float = 1.0) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class TableMissingError(PipemodelsError):
    """The table does not exist. Create it: `pipemodels tables create`, or `create_tables()`."""

    def __init__(self, table_name: str) -> None:
        super().__init__(f"table {table_name!r} does not exist; create it with: pipemodels tables create")
        self.table_name = table_name

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.table_name,), vars(self)


class StorageError(PipemodelsError):
    """Anything else that DynamoDB or the way to it answered; the cause is attached."""


@dataclass(frozen=True, slots=True)
class UnreadableItem:
    """A stored item that the model cannot read: something other than this package wrote it.

    Attributes:
        table_name: the table, with its prefix.
        key: the item's key, by stored name.
        problems: each field that cannot be read, with what is stored and the reason; there is at least one.
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
    """The item is there, but the model cannot read it; `item` has the key, each field, its value and the reason.

    Something other than this package wrote it. Mend it where it was written, or delete it. Where `done` has its id,
    the write was done, and only its result cannot be returned.
    """

    def __init__(self, item: UnreadableItem, message: str | None = None) -> None:
        self.item = item
        super().__init__(f"{item}; mend the item or delete it" if message is None else message)

    @property
    def problems(self) -> tuple[Problem, ...]:
        """Each field that cannot be read, with what is stored and the reason."""
        return self.item.problems

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.item, str(self)), vars(self)
