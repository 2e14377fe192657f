"""A server that answers oddly, and a configuration that speaks to it without waiting."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from pipemodels import DynamoDBConfig, using
from tests.helpers.odd_replies import Answering, answering


@pytest.fixture(scope="package")
def server() -> Iterator[Answering]:
    """Yield a server; a test says what it answers."""
    with answering() as one:
        yield one


@pytest.fixture(scope="package")
def configs(server: Answering) -> dict[bool, DynamoDBConfig]:
    """Return configurations that send each request once, with the wire on and off."""
    impatient = {"max_attempts": 1, "time_limit_seconds": 0.0, "read_timeout_seconds": 5.0}
    return {on: DynamoDBConfig.for_local_development(server.url, wire=on, **impatient) for on in (True, False)}


@pytest.fixture(params=[True, False], ids=["wire", "no wire"])
def config(request: pytest.FixtureRequest, configs: dict[bool, DynamoDBConfig]) -> Iterator[DynamoDBConfig]:
    """Speak to the server, with the wire on and off."""
    with using(configs[request.param]) as one:
        yield one


@pytest.fixture(autouse=True)
def _nothing_before(server: Answering) -> None:
    server.requests.clear()
