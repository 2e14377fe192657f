"""The exception hierarchy, and the translation of PynamoDB's and botocore's exceptions."""

import pickle
from typing import Any

import pytest
from botocore.exceptions import (
    ClientError,
    ConnectTimeoutError,
    EndpointConnectionError,
    NoCredentialsError,
    NoRegionError,
    PartialCredentialsError,
    ReadTimeoutError,
)
from pynamodb.exceptions import (
    DoesNotExist,
    GetError,
    PutError,
    TableDoesNotExist,
    TransactWriteError,
    UpdateError,
    VerboseClientError,
)

from pipemodels import PipelineConfig, errors
from pipemodels.errors import (
    AlreadyExistsError,
    ConflictError,
    IllegalTransitionError,
    ItemNotFoundError,
    ItemTooLargeError,
    NaiveDateTimeError,
    PipemodelsError,
    Problem,
    StaleRevisionError,
    StorageError,
    SummaryError,
    TableMissingError,
    ThrottledError,
    ValidationError,
)
from pipemodels.translation import failed_conditions, translating_errors, worth_repeating
from pipemodels.transport.errors import LostReplyError


def client_error(code: str, message: str = "said DynamoDB", **more: Any) -> ClientError:
    """Return an error as botocore raises it."""
    return ClientError({"Error": {"Code": code, "Message": message}, **more}, "PutItem")


def wrapped(code: str, kind: type = PutError, **more: Any) -> Exception:
    """Return an error as PynamoDB raises it: its own error, caused by a verbose one, caused by botocore's."""
    cause = client_error(code, **more)
    verbose = VerboseClientError(cause.response, "PutItem", {"request_id": "1", "table_name": "t"})
    verbose.__cause__ = cause
    error: Exception = kind("failed to put", verbose)
    return error


def translate(error: BaseException, **settings: Any) -> PipemodelsError:
    """Return the translation of an error, and check that its cause is that error."""
    with pytest.raises(PipemodelsError) as caught, translating_errors("pipeline 'p'", **settings):
        raise error
    assert caught.value.__cause__ is error
    return caught.value


@pytest.mark.parametrize(
    ("child", "parents"),
    [
        (ValidationError, (PipemodelsError, ValueError)),
        (NaiveDateTimeError, (ValidationError,)),
        (ItemTooLargeError, (ValidationError,)),
        (ItemNotFoundError, (PipemodelsError, LookupError)),
        (SummaryError, (PipemodelsError, AttributeError)),
        (ConflictError, (PipemodelsError,)),
        (AlreadyExistsError, (ConflictError,)),
        (StaleRevisionError, (ConflictError,)),
        (IllegalTransitionError, (ConflictError,)),
        (ThrottledError, (PipemodelsError,)),
        (TableMissingError, (PipemodelsError,)),
        (StorageError, (PipemodelsError,)),
    ],
)
def test_the_error_tree(child: type, parents: tuple[type, ...]) -> None:
    """Each exception has exactly the base classes by which callers catch it."""
    assert child.__bases__ == parents


@pytest.mark.parametrize(
    "code",
    [
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "ThrottlingException",
        "TransactionConflictException",
        "TransactionInProgressException",
    ],
)
def test_load_is_a_throttled_error(code: str) -> None:
    """If DynamoDB is overloaded, the error says that a retry is safe, and when to retry."""
    error = translate(wrapped(code))
    assert type(error) is ThrottledError
    assert error.retry_after == 1.0
    assert str(error) == f"pipeline 'p': DynamoDB is busy ({code}); safe to try again"


@pytest.mark.parametrize(
    "code", ["UnrecognizedClientException", "InvalidSignatureException", "ExpiredTokenException"]
)
def test_wrong_credentials_are_named(code: str) -> None:
    """The error for rejected credentials differs from that for other failures."""
    error = translate(wrapped(code))
    assert type(error) is StorageError
    assert str(error) == f"pipeline 'p': DynamoDB refused the AWS credentials ({code}): said DynamoDB"


@pytest.mark.parametrize("kind", [PutError, UpdateError, GetError])
def test_a_failed_condition_is_a_conflict_with_the_current_item(kind: type) -> None:
    """The item that DynamoDB returns with a failed condition is decoded into `current`."""
    item = {"pipeline_id": {"S": "p"}, "pipeline_name": {"S": "Orders"}}
    error = translate(
        wrapped("ConditionalCheckFailedException", kind, Item=item), decode=PipelineConfig.from_raw_data
    )
    assert type(error) is ConflictError
    assert error.current == PipelineConfig.from_raw_data(item)
    assert str(error) == "pipeline 'p': the condition failed"


def test_a_failed_condition_without_an_item_knows_no_current_one() -> None:
    """`current` is None if the item does not exist."""
    error = translate(wrapped("ConditionalCheckFailedException"), decode=PipelineConfig.from_raw_data)
    assert isinstance(error, ConflictError)
    assert error.current is None


def test_a_missing_table_is_named_with_the_command_that_creates_it() -> None:
    """The errors for ResourceNotFoundException and PynamoDB's TableDoesNotExist name the command to run."""
    for cause in (wrapped("ResourceNotFoundException"), TableDoesNotExist("dev_t")):
        error = translate(cause, table="dev_t")
        assert isinstance(error, TableMissingError)
        assert error.table_name == "dev_t"
        assert str(error) == "table 'dev_t' does not exist; create it with: pipemodels tables create"


def test_a_missing_item_is_not_found() -> None:
    """PynamoDB's DoesNotExist becomes the error that names the item."""
    error = translate(DoesNotExist())
    assert type(error) is ItemNotFoundError
    assert str(error) == "there is no pipeline 'p'"


@pytest.mark.parametrize(
    ("reasons", "kind"),
    [
        (["None", "ConditionalCheckFailed"], ConflictError),
        (["None", "TransactionConflict"], ThrottledError),
        (["ProvisionedThroughputExceeded", "ConditionalCheckFailed"], ThrottledError),
        (["ThrottlingError"], ThrottledError),
        (["None", "ValidationError"], StorageError),
    ],
)
def test_a_cancelled_transaction_becomes_its_first_real_reason(reasons: list[str], kind: type) -> None:
    """A reason `None` belongs to an operation that did not fail."""
    listed = [{"Code": code, "Message": f"because of {code}"} for code in reasons]
    error = translate(wrapped("TransactionCanceledException", TransactWriteError, CancellationReasons=listed))
    assert type(error) is kind


def test_the_failed_conditions_of_a_cancelled_transaction_are_told_by_position() -> None:
    """Operations that did not fail or that conflicted with another transaction are not included."""
    codes = ["None", "ConditionalCheckFailed", "TransactionConflict", "ConditionalCheckFailed"]
    listed = [{"Code": code} for code in codes]
    error = translate(wrapped("TransactionCanceledException", TransactWriteError, CancellationReasons=listed))
    assert isinstance(error, ConflictError)
    assert failed_conditions(error) == [1, 3]


def test_a_cancelled_transaction_shows_the_message_of_its_reason() -> None:
    """The error shows the message of the reason, not the list of all reasons."""
    listed = [{"Code": "None"}, {"Code": "ValidationError", "Message": "key too long"}]
    error = translate(wrapped("TransactionCanceledException", TransactWriteError, CancellationReasons=listed))
    assert str(error) == "pipeline 'p': ValidationError: key too long"


def test_a_cancelled_transaction_without_reasons_stays_a_storage_error() -> None:
    """The message of a stand-in that returns no reasons is shown."""
    error = translate(wrapped("TransactionCanceledException", TransactWriteError))
    assert str(error) == "pipeline 'p': TransactionCanceledException: said DynamoDB"


@pytest.mark.parametrize("reasons", [None, [], [{}], [None, 7], [{"Code": None}]])
def test_reasons_that_are_none_are_no_reasons(reasons: Any) -> None:
    """An error with malformed cancellation reasons is translated."""
    error = translate(wrapped("TransactionCanceledException", TransactWriteError, CancellationReasons=reasons))
    assert type(error) is StorageError
    assert str(error) == "pipeline 'p': TransactionCanceledException: said DynamoDB"
    conflict = ConflictError("x")
    conflict.__cause__ = client_error("TransactionCanceledException", CancellationReasons=reasons)
    assert failed_conditions(conflict) == []


def test_a_current_item_that_cannot_be_read_is_no_missing_one() -> None:
    """If the item of a failed condition is unreadable, the error says so, and not that the item is missing."""
    item = {"pipeline_id": {"S": "p"}, "created_at": {"S": "yesterday"}}
    error = translate(wrapped("ConditionalCheckFailedException", Item=item), decode=PipelineConfig.from_raw_data)
    assert type(error) is StorageError
    assert str(error).startswith("pipeline 'p': the condition failed, and the stored item cannot be read: ")


def test_an_error_without_a_message_is_translated() -> None:
    """A null message does not break the translation."""
    error = translate(client_error("ValidationException", None))  # type: ignore[arg-type]  # as a reply may have it
    assert str(error) == "pipeline 'p': ValidationException: "


def lost(*, is_foreign: bool) -> LostReplyError:
    """Return the error of a reply that is not DynamoDB's."""
    return LostReplyError(operation="PutItem", endpoint_url="http://h:1", reason="it is empty", is_foreign=is_foreign)


def test_a_lost_reply_names_operation_and_endpoint() -> None:
    """The error also survives pickling, like botocore's errors."""
    error = translate(PutError("failed to put", lost(is_foreign=False)))
    assert type(error) is StorageError
    assert str(error) == (
        "pipeline 'p': PutItem at http://h:1: the reply is not DynamoDB's: it is empty. "
        "Check the endpoint and any proxy in between."
    )
    copy = pickle.loads(pickle.dumps(lost(is_foreign=True)))
    assert (type(copy), str(copy), copy.is_foreign) == (LostReplyError, str(lost(is_foreign=True)), True)


@pytest.mark.parametrize(
    ("is_foreign", "seconds", "worth"), [(False, 1e9, True), (True, 4.9, True), (True, 5.0, False)]
)
def test_a_lost_reply_is_worth_repeating(is_foreign: bool, seconds: float, worth: bool) -> None:
    """If another service answered, the request is repeated for five seconds only."""
    assert worth_repeating(translate(lost(is_foreign=is_foreign)), seconds) is worth


def test_what_was_asked_for_is_named_where_no_answer_came() -> None:
    """The operation that the sender stored in botocore's error is shown."""
    cause = ReadTimeoutError(endpoint_url="http://127.0.0.1:9")
    cause.kwargs["operation"] = "PutItem"
    assert str(translate(cause)).startswith("pipeline 'p': PutItem: no answer from DynamoDB: ")


@pytest.mark.parametrize(
    ("cause", "message"),
    [
        (NoCredentialsError(), "no usable AWS credentials"),
        (PartialCredentialsError(provider="env", cred_var="secret_key"), "no usable AWS credentials"),
        (EndpointConnectionError(endpoint_url="http://127.0.0.1:9"), "no answer from DynamoDB: .*http://127.0.0.1:9"),
        (ConnectTimeoutError(endpoint_url="http://127.0.0.1:9"), "no answer from DynamoDB: .*http://127.0.0.1:9"),
        (ReadTimeoutError(endpoint_url="http://127.0.0.1:9"), "no answer from DynamoDB: .*http://127.0.0.1:9"),
        (NoRegionError(), "You must specify a region"),
        (client_error("InternalServerError"), "InternalServerError: said DynamoDB"),
        (PutError("failed", NoCredentialsError()), "no usable AWS credentials"),
        (PutError("no cause at all"), "no cause at all"),
    ],
)
def test_the_rest_is_a_storage_error(cause: Exception, message: str) -> None:
    """Any other failure becomes a StorageError with the subject and the original message."""
    error = translate(cause)
    assert type(error) is StorageError
    assert str(error).startswith("pipeline 'p': ")
    with pytest.raises(StorageError, match=message):
        raise error


def test_other_errors_pass_through() -> None:
    """Only exceptions of PynamoDB and botocore are translated."""
    with pytest.raises(ZeroDivisionError), translating_errors("x"):
        raise ZeroDivisionError


@pytest.mark.parametrize(
    "error",
    [
        ValidationError.of("version", "x", "is not a semantic version"),
        NaiveDateTimeError([Problem("start_time", 1, "has no offset")]),
        ItemTooLargeError([Problem("item", 500_000, "bytes")]),
        ItemNotFoundError("there is no pipeline 'p'"),
        SummaryError("not held"),
        ConflictError("conflict", PipelineConfig(pipeline_id="p")),
        AlreadyExistsError("taken", None),
        ThrottledError("busy", 2.5),
        TableMissingError("dev_t"),
        StorageError("down"),
    ],
)
def test_errors_survive_pickling(error: PipemodelsError) -> None:
    """Errors survive pickling with type, message, attributes and `done`, as a process pool needs."""
    error.done = ("a", "b")
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is type(error)
    assert str(copy) == str(error)
    assert vars(copy) == vars(error)
    assert copy.done == ("a", "b")


def test_a_problem_shows_the_value_shortened() -> None:
    """A huge value is shortened in the message; the problem still holds the whole value."""
    problem = Problem("config", "x" * 10_000, "is too long")
    assert str(problem) == f"config: '{'x' * 198}… is too long"
    assert problem.value == "x" * 10_000


def test_a_problem_shows_what_has_no_repr() -> None:
    """An int with more digits than Python prints, or an object with a broken repr, can be shown."""

    class Broken:
        def __repr__(self) -> str:
            raise RuntimeError("no repr")

    assert str(Problem("n", 10**5000, "is large")) == "n: <int> is large"
    assert str(Problem("n", Broken(), "is odd")) == "n: <Broken> is odd"


def test_every_public_error_is_exported() -> None:
    """All exceptions can be imported from the package."""
    import pipemodels

    tree = {name for name, one in vars(errors).items() if isinstance(one, type) and issubclass(one, PipemodelsError)}
    assert tree <= set(pipemodels.__all__)
