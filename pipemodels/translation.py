"""Translation of the exceptions of PynamoDB and botocore into those of this package."""

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

# A reply that is not from DynamoDB is retried for this long: the error page of a proxy may be temporary.
_FOREIGN_SECONDS = 5.0


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


class translating_errors:  # named as a verb; a class is faster than a generator-based context manager
    """Translates exceptions of PynamoDB and botocore in the block into those of this package, keeping the cause.

    Args:
        subject: the subject of the message, e.g. `pipeline 'orders_daily'`.
        table: the name of the table, for `TableMissingError`.
        decode: decodes the item that a failed condition returns, for `ConflictError.current`.
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
        return StorageError(f"{subject}: {cause}. Check the endpoint and any proxy in between.")
    if isinstance(cause, ConnectionError | HTTPClientError):
        asked = f"{cause.kwargs['operation']}: " if "operation" in cause.kwargs else ""
        return StorageError(f"{subject}: {asked}no answer from DynamoDB: {cause} Check the endpoint and the network.")
    return StorageError(f"{subject}: {error}")


def worth_repeating(error: PipemodelsError, seconds: float = 0.0) -> bool:
    """Return whether to repeat the request, because DynamoDB was busy or its reply was lost.

    A refused connection is not repeated, so that a wrong endpoint is reported at once. An endpoint where another
    service answers is reported after a few seconds.

    Args:
        error: the error that the request raised.
        seconds: how long the request has been repeated so far.
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
    """Return whether DynamoDB rejected a value in the request, e.g. the start key of a page."""
    cause = _cause(error.__cause__) if isinstance(error.__cause__, Exception) else None
    return isinstance(cause, ClientError) and cause.response["Error"].get("Code") == "ValidationException"


def failed_conditions(error: ConflictError) -> list[int]:
    """Return the positions, in a cancelled transaction, of the operations whose condition failed."""
    cause = _cause(error.__cause__) if isinstance(error.__cause__, Exception) else None
    reasons = _reasons(cause.response) if isinstance(cause, ClientError) else []
    return [n for n, reason in enumerate(reasons) if reason.get("Code") == "ConditionalCheckFailed"]


def _reasons(response: Any) -> list[dict[str, Any]]:
    """Return the reasons of a cancelled transaction by position of the operation."""
    return [reason if isinstance(reason, dict) else {} for reason in response.get("CancellationReasons") or ()]


def raised_below(error: PipemodelsError) -> Exception | None:
    """Return the botocore exception from which the error was made, or None."""
    return _cause(error.__cause__) if isinstance(error.__cause__, Exception) else None


def _cause(error: Exception) -> Exception:
    """Return the exception inside PynamoDB's wrapper, because only it has the complete response."""
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
    except Exception as error:  # a model may raise anything for an item that it did not write
        return StorageError(f"{failed}, and the stored item cannot be read: {type(error).__name__}: {error}")
