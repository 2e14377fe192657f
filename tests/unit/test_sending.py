"""Retries: requests that may succeed are sent again, until the time limit of the command."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from botocore.exceptions import (
    ClientError,
    EndpointConnectionError,
    ProxyConnectionError,
    ReadTimeoutError,
    SSLError,
)

from pipemodels import DynamoDBConfig, PipemodelsError, StorageError, ThrottledError, using
from pipemodels.connections import ConfiguredConnection
from pipemodels.storage.sending import back_off, send, with_deadline

URL = "http://127.0.0.1:1"


def answered(code: str) -> ClientError:
    """Return the error of a reply with this code."""
    return ClientError({"Error": {"Code": code, "Message": "m"}}, "UpdateItem")


@pytest.fixture
def patient(config: DynamoDBConfig) -> Iterator[DynamoDBConfig]:
    """Use a configuration with retries."""
    with using(replace(config, time_limit_seconds=30.0)) as one:
        yield one


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Return the list of the longest waits, without waiting."""
    longest: list[float] = []

    def uniform(least: float, most: float) -> float:
        assert least == 0
        longest.append(most)
        return 0.0

    monkeypatch.setattr("pipemodels.storage.sending.random.uniform", uniform)
    return longest


def dispatched(monkeypatch: pytest.MonkeyPatch, *outcomes: Any) -> list[dict[str, Any]]:
    """Give requests these outcomes, repeating the last; return the list of the requests."""
    sent: list[dict[str, Any]] = []

    def dispatch(_: Any, operation: str, request: dict[str, Any]) -> Any:
        sent.append({"operation": operation, **request})
        outcome = outcomes[min(len(sent), len(outcomes)) - 1]
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    monkeypatch.setattr(ConfiguredConnection, "dispatch", dispatch)
    return sent


@pytest.mark.parametrize(
    "error",
    [
        answered("ThrottlingException"),
        answered("TransactionConflictException"),
        answered("InternalServerError"),
        answered("503"),
        ReadTimeoutError(endpoint_url=URL),
    ],
    ids=str,
)
def test_what_may_succeed_is_sent_again(
    error: Exception, patient: DynamoDBConfig, waits: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same request is sent again, after waits that grow up to two seconds."""
    sent = dispatched(monkeypatch, *[error] * 8, {"Item": {}})
    assert send("UpdateItem", {"a": 1}, subject="it", table="t") == {"Item": {}}
    assert sent == [{"operation": "UpdateItem", "a": 1}] * 9
    assert waits == [0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 2.0, 2.0]


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (answered("ValidationException"), StorageError),
        (answered("UnrecognizedClientException"), StorageError),
        (EndpointConnectionError(endpoint_url=URL), StorageError),
        (SSLError(endpoint_url=URL, error="certificate verify failed"), StorageError),
        (ProxyConnectionError(proxy_url=URL, error="refused"), StorageError),
    ],
    ids=str,
)
def test_what_cannot_succeed_is_told_at_once(
    error: Exception, kind: type[PipemodelsError], patient: DynamoDBConfig, waits: list[float],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """An invalid request, wrong credentials, an unreachable endpoint or a bad certificate is an error at once."""
    sent = dispatched(monkeypatch, error)
    with pytest.raises(kind):
        send("UpdateItem", {}, subject="it", table="t")
    assert (len(sent), waits) == (1, [])


def test_the_time_limit_is_one_for_all_requests_of_a_command(
    patient: DynamoDBConfig, waits: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    """After the time limit the last error is raised, even for a second request that has just begun."""
    now = [100.0]
    monkeypatch.setattr("pipemodels.storage.sending.time.monotonic", lambda: now[0])
    sent = dispatched(monkeypatch, answered("ThrottlingException"))

    @with_deadline
    def command() -> None:
        now[0] += 29.5
        assert back_off(16)
        assert waits == [0.5], "never longer than what is left"
        now[0] += 0.5
        send("UpdateItem", {}, subject="it", table="t")

    with pytest.raises(ThrottledError, match="it: DynamoDB is busy"):
        command()
    assert (len(sent), waits) == (1, [0.5])
