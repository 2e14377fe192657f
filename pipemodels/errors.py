"""The error tree, and the one place that translates PynamoDB's errors into it.

Everything that the commands and queries raise is a `PipemodelsError`. The plain ORM (`PipelineConfig.get(...)`,
`save()`, ...) raises `ValidationError` before a request and PynamoDB's own errors after one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionError,
    EndpointConnectionError,
    HTTPClientError,
    NoCredentialsError,
    PartialCredentialsError,
    ProxyConnectionError,
    SSLError,
)
from pynamodb.exceptions import DoesNotExist, PynamoDBException, TableDoesNotExist, VerboseClientError

_FOREIGN_SECONDS = 5.0  # after which an endpoint where somebody else answers is told: a page in between may pass
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


class LostReplyError(HTTPClientError):  # type: ignore[misc]  # botocore carries no types
    """What came back is not a whole reply of DynamoDB's; inside, and under PynamoDB's own errors after a request.

    `is_foreign` says that it is whole, and somebody else's: a web server's, or a login page.
    """

    fmt = "{operation} at {endpoint_url}: the reply is not DynamoDB's: {reason}"

    @property
    def is_foreign(self) -> bool:
        """Say whether somebody else has answered."""
        return bool(self.kwargs.get("is_foreign"))


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


_THROTTLED = {
    "ProvisionedThroughputExceededException",
    "ProvisionedThroughputExceeded",
    "RequestLimitExceeded",
    "ThrottlingException",
    "ThrottlingError",
    "TransactionConflict",
    "TransactionConflictException",
    "TransactionInProgressException",
}
_BROKEN = {"InternalServerError", "InternalFailure", "ServiceUnavailable", "ServiceUnavailableException"}
_CREDENTIALS = {
    "UnrecognizedClientException",
    "InvalidSignatureException",
    "IncompleteSignatureException",
    "MissingAuthenticationTokenException",
    "InvalidClientTokenId",
    "ExpiredTokenException",
    "SignatureDoesNotMatch",
}
_Decode = Callable[[dict[str, Any]], Any]


class translated:  # read as a verb; a generator would cost every request its steps
    """Turns what PynamoDB or botocore raises inside into an error of this package, the cause kept.

    Args:
        subject: what the work is about, for the message, e.g. `pipeline 'orders_daily'`.
        table: the table's name, for the error that says that it is missing.
        decode: makes the item that a failed condition reports into `ConflictError.current`.
    """

    def __init__(self, subject: str, *, table: str = "", decode: _Decode | None = None) -> None:
        self._subject, self._table, self._decode = subject, table, decode

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: Any) -> None:
        if isinstance(error, PynamoDBException | BotoCoreError | ClientError):
            raise _translate(error, self._subject, self._table, self._decode) from error


def _translate(error: Exception, subject: str, table: str, decode: _Decode | None) -> PipemodelsError:
    if isinstance(error, TableDoesNotExist):
        return TableMissingError(table)
    if isinstance(error, DoesNotExist):
        return ItemNotFoundError(f"there is no {subject}")
    cause = _cause(error)
    if isinstance(cause, ClientError):
        return _from_service(cause.response, subject, table, decode)
    if isinstance(cause, NoCredentialsError | PartialCredentialsError):
        return StorageError(f"{subject}: no usable AWS credentials: {cause} Set AWS_PROFILE or the AWS_… keys.")
    if isinstance(cause, LostReplyError):
        return StorageError(f"{subject}: {cause}. Check the endpoint and what stands between.")
    if isinstance(cause, ConnectionError | HTTPClientError):
        asked = f"{cause.kwargs['operation']}: " if "operation" in cause.kwargs else ""
        return StorageError(f"{subject}: {asked}no answer from DynamoDB: {cause} Check the endpoint and the network.")
    return StorageError(f"{subject}: {error}")


def worth_repeating(error: PipemodelsError, seconds: float = 0.0) -> bool:
    """Say whether the same request may succeed a moment later: DynamoDB was busy, or its reply was lost.

    A connection that was refused is none of these: a wrong endpoint must be told at once; and an endpoint where
    somebody else answers, soon.

    Args:
        error: what the request came to.
        seconds: for how long it has been repeated already.
    """
    if isinstance(error, ThrottledError):
        return True
    cause = _cause(error.__cause__) if isinstance(error.__cause__, Exception) else None
    if isinstance(cause, LostReplyError):
        return not cause.is_foreign or seconds < _FOREIGN_SECONDS
    if isinstance(cause, ClientError):
        return str(cause.response["Error"].get("Code")) in _BROKEN | {"500", "502", "503", "504"}
    return isinstance(cause, ConnectionError | HTTPClientError) and not isinstance(
        cause, EndpointConnectionError | SSLError | ProxyConnectionError
    )


def is_invalid_request(error: PipemodelsError) -> bool:
    """Say whether DynamoDB refused a value of the request, e.g. the key from which a listing was to go on."""
    cause = _cause(error.__cause__) if isinstance(error.__cause__, Exception) else None
    return isinstance(cause, ClientError) and cause.response["Error"].get("Code") == "ValidationException"


def failed_conditions(error: ConflictError) -> list[int]:
    """Return the positions in a cancelled transaction of the items whose condition failed."""
    cause = _cause(error.__cause__) if isinstance(error.__cause__, Exception) else None
    reasons = _reasons(cause.response) if isinstance(cause, ClientError) else []
    return [n for n, reason in enumerate(reasons) if reason.get("Code") == "ConditionalCheckFailed"]


def _reasons(response: Any) -> list[dict[str, Any]]:
    """Return why each action of a transaction was refused, by position."""
    return [reason if isinstance(reason, dict) else {} for reason in response.get("CancellationReasons") or ()]


def raised_below(error: PipemodelsError) -> Exception | None:
    """Return what botocore raised, of which this error was made; None where it was made of nothing."""
    return _cause(error.__cause__) if isinstance(error.__cause__, Exception) else None


def _cause(error: Exception) -> Exception:
    """Find what botocore raised under PynamoDB's wrapping: only there is the service's whole answer."""
    cause: BaseException | None = error
    if isinstance(cause, PynamoDBException):
        cause = cause.cause
    if isinstance(cause, VerboseClientError):
        cause = cause.__cause__
    return cause if isinstance(cause, Exception) else error


def _from_service(response: Any, subject: str, table: str, decode: _Decode | None) -> PipemodelsError:
    code, item = response["Error"].get("Code", "Unknown"), response.get("Item")
    message = response["Error"].get("Message") or ""
    if code == "TransactionCanceledException":
        reason: dict[str, Any] = next((r for r in _reasons(response) if r.get("Code") not in (None, "None")), {})
        code, item = reason.get("Code", code), reason.get("Item")
        message = reason.get("Message") or message
    if code in {"ConditionalCheckFailedException", "ConditionalCheckFailed"}:
        return _conflict(subject, item, decode)
    if code == "ResourceNotFoundException":
        return TableMissingError(table)
    if code in {"ValidationException", "ValidationError"} and "exceeded the maximum allowed size" in message:
        return ItemTooLargeError([Problem(subject, None, "would exceed the 409,600 bytes of a DynamoDB item")])
    if code in _THROTTLED:
        return ThrottledError(f"{subject}: DynamoDB is busy ({code}); safe to try again")
    if code in _CREDENTIALS:
        return StorageError(f"{subject}: DynamoDB refused the AWS credentials ({code}): {message}")
    return StorageError(f"{subject}: {code}: {message}")


def _conflict(subject: str, item: Any, decode: _Decode | None) -> PipemodelsError:
    failed = f"{subject}: the condition failed"
    try:
        return ConflictError(failed, decode(item) if decode and item else None)
    except UnreadableItemError as error:
        return UnreadableItemError(error.item, f"{failed}, and the stored item cannot be read: {error}")
    except Exception as error:  # whatever a model makes of an item that was written past it
        return StorageError(f"{failed}, and the stored item cannot be read: {type(error).__name__}: {error}")
