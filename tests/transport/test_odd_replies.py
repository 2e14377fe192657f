"""Every public command and query, at an endpoint that answers oddly: nothing is claimed, no other error leaves."""

from __future__ import annotations

import re

import pytest
from hypothesis import settings

from pipemodels import DynamoDBConfig, commands, queries
from pipemodels.errors import PipemodelsError, StorageError, UnreadableItemError
from tests.helpers.asking import ASKING, COMMANDS, QUERIES
from tests.helpers.odd_replies import KINDS, LOST, SAID, Answering, members, reply

OPERATION = re.compile(
    r"\b(GetItem|PutItem|UpdateItem|DeleteItem|Query|Scan|BatchGetItem|TransactWriteItems|DescribeTable)\b"
)
EACH_OPERATION = {
    "get_run", "create_table", "update_table", "delete_run", "tables_by_type", "all_pipelines", "running_runs",
    "start_run", "activate_tables", "table_status",
}  # fmt: skip
ORDER = list(KINDS)


def asked(kind: str, config: DynamoDBConfig) -> list[str]:
    """Return who meets a kind of reply: one for each operation, and of the others a fourth, another each time.

    At night all do.
    """
    profile = settings.default
    if profile is not None and profile.max_examples > 1_000:
        return list(ASKING)
    turn = (ORDER.index(kind) + 2 * config.wire) % 4
    return [name for number, name in enumerate(ASKING) if number % 4 == turn or name in EACH_OPERATION]


def outcome(name: str) -> PipemodelsError | str:
    """Return the error of the package, or else what happened instead."""
    try:
        given = ASKING[name]()
    except PipemodelsError as error:
        return error
    except Exception as error:  # which it must not be
        return f"{type(error).__name__}: {error}"
    return f"returned {given!r}"


def test_the_tables_are_complete() -> None:
    """Every public function of commands and queries is called, or is listed as one that asks for nothing."""
    assert set(COMMANDS) == set(commands.__all__)
    assert set(QUERIES) == set(queries.__all__)
    assert set(ASKING) > EACH_OPERATION


@pytest.mark.parametrize("kind", LOST)
def test_what_is_no_reply_of_dynamodbs_is_a_storage_error(
    kind: str, server: Answering, config: DynamoDBConfig
) -> None:
    """No command claims to have written, no query that there is nothing; the error names endpoint and operation."""
    server.replies = [LOST[kind]]
    for name in asked(kind, config):
        error = outcome(name)
        assert type(error) is StorageError, (name, error)
        assert server.url in str(error), (name, error)
        assert OPERATION.search(str(error)), (name, error)


@pytest.mark.parametrize("kind", SAID)
def test_what_dynamodb_may_say_ends_in_an_answer_or_an_error_of_the_package(
    kind: str, server: Answering, config: DynamoDBConfig
) -> None:
    """Also where it does not fit what was asked, and where no model reads the item."""
    server.replies = [SAID[kind]]
    for name in asked(kind, config):
        given = outcome(name)
        assert isinstance(given, PipemodelsError) or given.startswith("returned "), (name, given)


def test_an_empty_object_says_that_there_is_no_item(server: Answering, config: DynamoDBConfig) -> None:
    """It is DynamoDB's whole answer to GetItem; a page of somebody else's, an empty one and half a head are not."""
    server.replies = [SAID["an empty object"]]
    assert queries.find_run("p", "r") is None
    server.replies = [SAID["an empty object, packed"]]
    assert queries.find_run("p", "r") is None
    for kind in ("200 with JSON of another service", "200 without a body", "a head cut after 75 bytes"):
        server.replies = [LOST[kind]]
        with pytest.raises(StorageError, match=f"GetItem at {server.url}: the reply is not DynamoDB's: "):
            queries.find_run("p", "r")


def test_a_reply_whose_item_cannot_be_read_names_the_field(server: Answering, config: DynamoDBConfig) -> None:
    """Also where a command returns what it has written, or deleted."""
    unreadable = reply(members({"pipeline_id": {"S": "p"}, "run_id": {"S": "r"}, "revision": {"N": "x"}}))
    server.replies, server.kept_open = [unreadable], {unreadable}
    for name in ("record_metrics", "heartbeat", "delete_run"):
        error = outcome(name)
        assert type(error) is UnreadableItemError, (name, error)
        assert [problem.field for problem in error.problems] == ["revision"]
