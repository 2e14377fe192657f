"""The one place that translates the errors of PynamoDB and botocore into those of this package."""

from __future__ import annotations

from collections.abc import Callable
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

from pipemodels.errors import (
    ConflictError,
    ItemNotFoundError,
    ItemTooLargeError,
    PipemodelsError,
    Problem,
    StorageError,
    TableMissingError,
    ThrottledError,
    UnreadableItemError,
)
from pipemodels.transport.errors import LostReplyError

_FOREIGN_SECONDS = 5.0  # after which an endpoint where somebody else answers is told: a page in between may pass


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


class translating_errors:  # read as a verb; a generator would cost every request its steps
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
