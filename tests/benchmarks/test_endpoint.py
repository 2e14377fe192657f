"""The canned endpoint answers as DynamoDB would, so that clients do all their work on it."""

from __future__ import annotations

from typing import Any
from zlib import crc32

import boto3
import pytest
from botocore.config import Config

from benchmarks.corpus import Corpus
from benchmarks.worker import written

PAGE: dict[str, Any] = {
    "TableName": "bench",
    "KeyConditionExpression": "pipeline_id = :p",
    "ExpressionAttributeValues": {":p": {"S": "easy"}},
}


@pytest.fixture
def dynamodb(endpoint: str) -> Any:
    """Yield a client that checks the sum of every reply, and asks once."""
    client = boto3.client(
        "dynamodb", "us-east-1", endpoint_url=endpoint, aws_access_key_id="test", aws_secret_access_key="test",
        config=Config(retries={"total_max_attempts": 1}),
    )  # fmt: skip
    yield client
    client.close()


def test_each_partition_is_its_page(dynamodb: Any, items: Corpus) -> None:
    """By a query, or of the index; the get gives the first item."""
    assert dynamodb.query(**PAGE)["Items"] == items.easy
    hard = PAGE | {"ExpressionAttributeValues": {":p": {"S": "hard"}}}
    assert dynamodb.query(**hard)["Items"] == items.hard
    assert dynamodb.query(**PAGE, IndexName="PipelineRunsIndex")["Items"] == items.listed
    assert dynamodb.get_item(TableName="bench", Key={"run_id": {"S": "r"}})["Item"] == items.easy[0]


@pytest.mark.parametrize("index", [{}, {"IndexName": "PipelineRunsIndex"}])
def test_pages_follow_each_other_as_often_as_asked(dynamodb: Any, items: Corpus, index: dict[str, str]) -> None:
    """The partition's name says how many; the last has no key to go on with."""
    query = PAGE | {"ExpressionAttributeValues": {":p": {"S": "pages-4"}}} | index
    pages = list(dynamodb.get_paginator("query").paginate(**query))
    assert [len(page["Items"]) for page in pages] == [len(items.easy)] * 4


def test_a_wrong_sum_would_be_noticed(dynamodb: Any) -> None:
    """The reply's check sum is that of its body, which the client verifies."""
    seen: list[tuple[int, int]] = []

    def look(http_response: Any, **_: Any) -> None:
        seen.append((int(http_response.headers["x-amz-crc32"]), crc32(http_response.content)))

    dynamodb.meta.events.register("before-parse.dynamodb", lambda **_: None)
    dynamodb.meta.events.register("needs-retry.dynamodb", lambda response, **_: look(response[0]))
    dynamodb.query(**PAGE)
    assert len(seen) == 1
    assert seen[0][0] == seen[0][1]


def test_capacity_is_told_to_who_asks(dynamodb: Any) -> None:
    """As DynamoDB does: in a reading, and in a writing."""
    put = {"RequestItems": {"bench": [{"PutRequest": {"Item": {"run_id": {"S": "r"}}}}]}}
    assert "ConsumedCapacity" not in dynamodb.query(**PAGE)
    assert "ConsumedCapacity" in dynamodb.query(**PAGE, ReturnConsumedCapacity="TOTAL")
    assert "ConsumedCapacity" not in dynamodb.batch_write_item(**put)
    assert dynamodb.batch_write_item(**put, ReturnConsumedCapacity="TOTAL")["ConsumedCapacity"]


def test_what_was_written_can_be_looked_at_once(dynamodb: Any, endpoint: str) -> None:
    """By batches and by transactions, in order; then it is forgotten."""
    one, other = ({"run_id": {"S": name}} for name in ("one", "other"))
    dynamodb.batch_write_item(RequestItems={"bench": [{"PutRequest": {"Item": one}}]})
    dynamodb.transact_write_items(TransactItems=[{"Put": {"TableName": "bench", "Item": other}}])
    assert written(endpoint) == [one, other]
    assert written(endpoint) == []
