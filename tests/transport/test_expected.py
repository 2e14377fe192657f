"""What a whole reply holds, by operation: each member that is taken away, or is of another type, is missed."""

from __future__ import annotations

import json
from typing import Any

import botocore.session
import pytest
from botocore.awsrequest import HeadersDict
from botocore.parsers import JSONParser

from pipemodels import PipelineConfig
from pipemodels.codecs import facade
from pipemodels.transport.asked import NOTHING, Asked, asked_of
from pipemodels.transport.expected import fault
from pipemodels.transport.parsing import FastParser
from pipemodels.transport.refusals import fault_of_refusal
from pipemodels.transport.replies import GuardedParser, LostReply
from pipemodels.transport.typed_values import is_item
from tests.helpers.odd_replies import JSON

MODEL = botocore.session.get_session().get_service_model("dynamodb")
ITEM: dict[str, Any] = {"pipeline_id": {"S": "p"}}
OTHER: dict[str, Any] = {"pipeline_id": {"S": "q"}}
KEY = [{"AttributeName": "pipeline_id", "KeyType": "HASH"}]
TABLE: dict[str, Any] = {
    "TableName": "t",
    "TableStatus": "ACTIVE",
    "KeySchema": KEY,
    "AttributeDefinitions": [{"AttributeName": "pipeline_id", "AttributeType": "S"}],
}
INDEX: dict[str, Any] = {"IndexName": "i", "KeySchema": KEY, "Projection": {"ProjectionType": "ALL"}}
COUNTS = {"Count": 1, "ScannedCount": 1}
UNITS = {"ConsumedCapacity": {"TableName": "t", "CapacityUnits": 1.0}}
DESCRIBED = {"TableDescription": {"TableName": "t", "TableStatus": "CREATING"}}


def parsed(operation: str, body: bytes, *, request: dict[str, Any] | None = None, model: Any = None) -> Any:
    """Return why a reply is not whole, by botocore's parser or, for a model, by the wire's; None: it is."""
    parser = JSONParser() if model is None else FastParser()
    response = {"status_code": 200, "headers": HeadersDict({}), "body": body, "context": {}}
    with facade.reading(model):
        found = parser.parse(response, MODEL.operation_model(operation).output_shape)
        return fault(operation, asked_of(request or {}), found, body)


WHOLE: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("GetItem", {}, {}),
    ("GetItem", {}, UNITS),
    ("GetItem", {}, {"Item": ITEM}),
    ("GetItem", {"ProjectionExpression": "a"}, {"Item": {}}),
    ("GetItem", {"Key": ITEM}, {"Item": ITEM}),
    ("GetItem", {"Key": ITEM, "ProjectionExpression": "a"}, {"Item": {"description": {"S": "x"}}}),
    ("GetItem", {"Key": {"revision": {"N": "1.0"}}}, {"Item": {"revision": {"N": "1"}}}),
    ("PutItem", {}, {}),
    ("PutItem", {"ReturnValues": "ALL_OLD"}, {"Attributes": ITEM}),
    ("UpdateItem", {}, UNITS),
    ("UpdateItem", {"ReturnValues": "ALL_NEW"}, {"Attributes": ITEM}),
    ("UpdateItem", {"ReturnValues": "UPDATED_NEW"}, {"Attributes": {}}),
    ("DeleteItem", {"ReturnValues": "ALL_OLD"}, {}),
    ("DeleteItem", {"ReturnValues": "ALL_OLD"}, {"Attributes": ITEM}),
    ("Query", {}, {"Items": [], "Count": 0, "ScannedCount": 7, "LastEvaluatedKey": ITEM}),
    ("Query", {}, {"Items": [ITEM], **COUNTS}),
    ("Query", {"Select": "COUNT"}, COUNTS),
    ("Query", {"ProjectionExpression": "a"}, {"Items": [{}], **COUNTS}),
    ("Query", {"ExclusiveStartKey": OTHER}, {"Items": [ITEM], **COUNTS, "LastEvaluatedKey": ITEM}),
    ("Scan", {}, {"Items": [ITEM], **COUNTS}),
    ("Scan", {"Select": "COUNT"}, {**COUNTS, "LastEvaluatedKey": ITEM}),
    ("BatchGetItem", {"RequestItems": {"t": {}}}, {"Responses": {"t": [ITEM]}, "UnprocessedKeys": {}}),
    ("BatchGetItem", {"RequestItems": {"t": {}}}, {"Responses": {}, "UnprocessedKeys": {"t": {"Keys": [ITEM]}}}),
    ("BatchWriteItem", {"RequestItems": {"t": []}}, {"UnprocessedItems": {}}),
    ("BatchWriteItem", {"RequestItems": {"t": []}}, {"UnprocessedItems": {"t": [{"DeleteRequest": {"Key": ITEM}}]}}),
    ("TransactGetItems", {"TransactItems": [1, 2]}, {"Responses": [{}, {"Item": ITEM}]}),
    ("TransactWriteItems", {"TransactItems": [1]}, {}),
    ("TransactWriteItems", {"TransactItems": [1]}, {"ItemCollectionMetrics": {}, "ConsumedCapacity": []}),
    ("DescribeTable", {}, {"Table": TABLE}),
    ("DescribeTable", {}, {"Table": {**TABLE, "GlobalSecondaryIndexes": [INDEX]}}),
    ("DescribeTable", {}, {"Table": {"TableName": "t", "TableStatus": "DELETING"}}),
    ("CreateTable", {}, DESCRIBED),
    ("UpdateTable", {}, DESCRIBED),
    ("DeleteTable", {}, DESCRIBED),
    ("ListTables", {}, {"TableNames": []}),
    ("DescribeTimeToLive", {}, {"TimeToLiveDescription": {"TimeToLiveStatus": "DISABLED"}}),
    ("UpdateTimeToLive", {}, {"TimeToLiveSpecification": {"Enabled": True, "AttributeName": "a"}}),
    ("ExecuteStatement", {}, {"Items": [ITEM]}),
    ("DescribeLimits", {}, {"AccountMaxReadCapacityUnits": 1}),
]


@pytest.mark.parametrize("model", [None, PipelineConfig])
@pytest.mark.parametrize(("operation", "request_", "reply"), WHOLE)
def test_a_whole_reply_is_one(operation: str, request_: dict[str, Any], reply: dict[str, Any], model: Any) -> None:
    """In all the forms that DynamoDB gives it."""
    assert parsed(operation, json.dumps(reply).encode(), request=request_, model=model) is None


NOT: list[tuple[str, dict[str, Any], Any, str]] = [
    ("GetItem", {}, {"Item": {}}, "Item is not what GetItem returns"),
    ("GetItem", {}, {"Item": None}, "it has Item, which is null or belongs to another request"),
    ("GetItem", {}, {"Items": [ITEM], **COUNTS}, "it has Count, which is null or belongs to another request"),
    ("GetItem", {"Key": ITEM}, {"Item": OTHER}, "Item is not what GetItem returns"),
    ("UpdateItem", {"Key": ITEM, "ReturnValues": "ALL_NEW"}, {"Attributes": OTHER},
     "Attributes is not what UpdateItem returns"),
    ("DeleteItem", {"Key": ITEM, "ReturnValues": "ALL_OLD"}, {"Attributes": OTHER},
     "Attributes is not what DeleteItem returns"),
    ("PutItem", {}, {"__type": "x#ThrottlingException"},
     "it has __type, which is null or belongs to another request"),
    ("GetItem", {}, {"message": "m"}, "it has message, which is null or belongs to another request"),
    ("TransactWriteItems", {}, {"Message": "m"}, "it has Message, which is null or belongs to another request"),
    *[(operation, {"ExclusiveStartKey": ITEM}, {"Items": [], "Count": 0, "ScannedCount": 0, "LastEvaluatedKey": ITEM},
       f"LastEvaluatedKey is not what {operation} returns") for operation in ("Query", "Scan")],
    ("BatchGetItem", {"RequestItems": {"t": {}}}, {"Responses": {}, "UnprocessedKeys": {"u": {"Keys": [ITEM]}}},
     "UnprocessedKeys is not what BatchGetItem returns"),
    ("BatchGetItem", {"RequestItems": {"t": {}}}, {"Responses": {}, "UnprocessedKeys": {"t": {}}},
     "UnprocessedKeys is not what BatchGetItem returns"),
    ("BatchWriteItem", {"RequestItems": {"t": []}}, {"UnprocessedItems": {"u": []}},
     "UnprocessedItems is not what BatchWriteItem returns"),
    ("PutItem", {}, {"Responses": {}}, "it has Responses, which is null or belongs to another request"),
    ("TransactWriteItems", {}, {"Item": ITEM}, "it has Item, which is null or belongs to another request"),
    ("UpdateItem", {"ReturnValues": "ALL_NEW"}, {}, "Attributes is missing"),
    ("UpdateItem", {"ReturnValues": "ALL_NEW"}, {"Attributes": {}}, "Attributes is not what UpdateItem returns"),
    ("Query", {}, {"Items": [ITEM], "Count": 1}, "ScannedCount is missing"),
    ("Query", {}, {"Items": [ITEM], "ScannedCount": 1}, "Count is missing"),
    ("Query", {}, COUNTS, "Items is missing"),
    ("Query", {}, {"Items": [ITEM], "Count": 2, "ScannedCount": 2}, "Count is 2, but there are 1 items"),
    ("Query", {}, {"Items": [], "Count": -1, "ScannedCount": 0}, "Count is not what Query returns"),
    ("Query", {}, {"Items": [], "Count": True, "ScannedCount": 0}, "Count is not what Query returns"),
    ("Query", {}, {"Items": [{}], **COUNTS}, "Items is not what Query returns"),
    ("Query", {}, {"Items": [ITEM], **COUNTS, "LastEvaluatedKey": {}}, "LastEvaluatedKey is not what Query returns"),
    ("Query", {"Select": "COUNT"}, {"Items": [ITEM], **COUNTS}, "it has 1 items, but the request asks for a count"),
    ("Scan", {"Select": "COUNT"}, {"Count": 1}, "ScannedCount is missing"),
    ("BatchGetItem", {}, {"Responses": {}}, "UnprocessedKeys is missing"),
    ("BatchGetItem", {}, {"UnprocessedKeys": {}}, "Responses is missing"),
    ("BatchGetItem", {"RequestItems": {"t": {}}}, {"Responses": {"u": []}, "UnprocessedKeys": {}},
     "Responses is not what BatchGetItem returns"),
    ("BatchGetItem", {}, {"Responses": {"t": [{}]}, "UnprocessedKeys": {}},
     "Responses is not what BatchGetItem returns"),
    ("BatchWriteItem", {}, {}, "UnprocessedItems is missing"),
    ("TransactGetItems", {"TransactItems": [1, 2]}, {"Responses": [{}]},
     "Responses is not what TransactGetItems returns"),
    ("DescribeTable", {}, {}, "Table is missing"),
    *[("DescribeTable", {}, {"Table": {one: TABLE[one] for one in TABLE if one != name}},
       "Table is not what DescribeTable returns") for name in TABLE],
    ("DescribeTable", {}, {"Table": {**TABLE, "GlobalSecondaryIndexes": [{**INDEX, "IndexName": None}]}},
     "Table is not what DescribeTable returns"),
    ("CreateTable", {}, {}, "TableDescription is missing"),
    ("ListTables", {}, {"TableNames": [1]}, "TableNames is not what ListTables returns"),
    ("DescribeTimeToLive", {}, {}, "TimeToLiveDescription is missing"),
    ("UpdateTimeToLive", {}, {}, "TimeToLiveSpecification is missing"),
]  # fmt: skip


@pytest.mark.parametrize("model", [None, PipelineConfig])
@pytest.mark.parametrize(("operation", "request_", "reply", "reason"), NOT)
def test_what_is_missing_is_named(
    operation: str, request_: dict[str, Any], reply: Any, reason: str, model: Any
) -> None:
    """As is what is of another type, empty, too many, or of another request."""
    assert parsed(operation, json.dumps(reply).encode(), request=request_, model=model) == reason


@pytest.mark.parametrize("operation", ["PutItem", "TransactWriteItems", "DescribeLimits"])
def test_no_json_is_no_empty_reply(operation: str) -> None:
    """Botocore's parser takes it for one."""
    assert parsed(operation, b"hello") == "it is not a JSON object"


@pytest.mark.parametrize(
    ("value", "right"),
    [
        ({"S": ""}, True), ({"N": "1"}, True), ({"B": b"\0"}, True), ({"BOOL": False}, True), ({"NULL": True}, True),
        ({"M": {}}, True), ({"M": {"a": {"L": [{"S": "x"}]}}}, True), ({"L": []}, True), ({"SS": ["x"]}, True),
        ({"NS": ["1"]}, True), ({"BS": [b"x"]}, True), ({"B": "AAE="}, True), ({"BS": ["AAE="]}, True),
        ({}, False), ({"S": "x", "N": "1"}, False), ({"Q": 1}, False), ({"S": 1}, False), ({"S": None}, False),
        ({"N": 1}, False), ({"B": "a"}, False), ({"BS": ["a"]}, False), ({"BOOL": 1}, False), ({"M": []}, False),
        ({"M": {"a": {}}}, False), ({"L": {}}, False), ({"L": [None]}, False), ({"L": [{"S": 1}]}, False),
        ({"SS": "abc"}, False), ({"SS": [1]}, False), ({"NS": [1]}, False), ("x", False), (None, False), ([], False),
    ],
)  # fmt: skip
def test_an_item_has_one_typed_value_for_each_name(value: Any, right: bool) -> None:
    """Of ten types, some of which hold others."""
    assert is_item({"good": {"S": "x"}, "a": value}) is right


FAILED = "x#ConditionalCheckFailedException"
REASONS = [{"Code": "None"}, {"Code": "ConditionalCheckFailed", "Message": "m", "Item": ITEM}]
CANCELLED = {"__type": "x#TransactionCanceledException", "message": "m", "CancellationReasons": REASONS}


@pytest.mark.parametrize(
    "said",
    [
        {"__type": "ValidationException"},
        {"__type": "x#ValidationException:http://x/", "Message": None},
        {"__type": FAILED, "message": "m", "Item": ITEM},
        {"__type": FAILED, "message": "m", "Item": {"a": {"B": "AAE="}}},
        CANCELLED,
    ],
)
def test_a_refusal_is_dynamodbs_word(said: dict[str, Any]) -> None:
    """It has a type, and what belongs to that."""
    assert fault_of_refusal(Asked(actions=2, key=ITEM), json.dumps(said).encode()) is None


NO_OBJECT = "it is not a JSON object with a __type and the members of that error"
NO_REASON = "a transaction was cancelled, and CancellationReasons gives no reason"


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ([], NO_OBJECT),
        ({"message": "m"}, NO_OBJECT),
        ({"__type": 5}, NO_OBJECT),
        ({"__type": FAILED, "message": 6}, NO_OBJECT),
        ({"__type": FAILED, "Item": 7}, NO_OBJECT),
        ({**CANCELLED, "CancellationReasons": [{}]}, NO_OBJECT),
        ({**CANCELLED, "CancellationReasons": [None, 7]}, NO_OBJECT),
        ({"__type": "x#"}, "its __type does not name an error"),
        ({"__type": "x# "}, "its __type does not name an error"),
        ({"__type": FAILED, "Item": OTHER}, "its Item has another key"),
        ({"__type": FAILED, "Item": {}}, "its Item is empty or not an item"),
        ({"__type": FAILED, "Item": {"a": {"S": 1}}}, "its Item is empty or not an item"),
        ({"__type": FAILED, "Item": {"a": {"B": "a"}}}, "its Item is empty or not an item"),
        (
            {"__type": "x#TransactionCanceledException"},
            "a transaction was cancelled, and CancellationReasons is missing",
        ),
        ({**CANCELLED, "CancellationReasons": []}, NO_REASON),
        ({**CANCELLED, "CancellationReasons": [{"Code": "None"}] * 2}, NO_REASON),
        ({**CANCELLED, "CancellationReasons": [*REASONS, {"Code": "None"}]}, "3 CancellationReasons for 2 actions"),
        (
            {**CANCELLED, "CancellationReasons": [{"Code": "None"}, {"Code": "x", "Item": {}}]},
            "an Item of CancellationReasons is empty or not an item",
        ),
    ],
)
def test_what_is_no_refusal_is_named(said: Any, reason: str) -> None:
    """A server in between refuses in its own words."""
    assert fault_of_refusal(Asked(actions=2, key=ITEM), json.dumps(said).encode()) == reason


def test_what_a_reply_depends_on() -> None:
    """A few parts of the request; most have none of them."""
    assert asked_of({"TableName": "t", "Item": ITEM}) == NOTHING
    assert asked_of({"Key": ITEM, "ExclusiveStartKey": ITEM}) == Asked(key=ITEM, start=ITEM)
    assert asked_of(
        {"Select": "COUNT", "ReturnValues": "UPDATED_NEW", "TransactItems": [1, 2], "RequestItems": {"t": {}}}
    ) == Asked("COUNT", "UPDATED_NEW", 2, True, frozenset({"t"}))


@pytest.mark.parametrize(
    ("marked", "whole"),
    [
        ({"content-type": JSON}, True),
        ({"Content-Type": "Application/X-AMZ-JSON-1.1; charset=utf-8"}, True),
        ({"X-Amzn-RequestId": "1", "content-type": "application/json"}, True),
        ({"content-type": "application/json"}, False),
        ({}, True),  # as a test may answer in its place
    ],
)
def test_a_reply_of_dynamodbs_is_known_by_its_headers(marked: dict[str, str], whole: bool) -> None:
    """By its content type, or by the id of the request."""
    response = {
        "status_code": 200,
        "headers": HeadersDict(marked),
        "body": b"{}",
        "context": {"operation_name": "PutItem"},
    }
    found = GuardedParser(JSONParser()).parse(response, MODEL.operation_model("PutItem").output_shape)
    assert isinstance(found, LostReply) is not whole
