"""Sample requests and replies for the comparison of the gate, plain and for a model."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from pipemodels.transport.lazy import Written
from pipemodels.transport.schemas import Number, Stored, Text, ready

_ITEM = {
    "id": {"S": "é\"\\\n"}, "number": {"N": "-1.5"}, "some": {"L": [{"N": "1"}, {"NULL": True}]},
    "names": {"SS": ["x"]}, "free": {"M": {"k": {"BOOL": False}}},
}  # fmt: skip
_CONDITION = {
    "ConditionExpression": "#0 = :0", "ExpressionAttributeNames": {"#0": "n"},
    "ExpressionAttributeValues": {":0": {"N": "1"}},
}  # fmt: skip
_PUT: dict[str, Any] = {"TableName": "t", **_CONDITION, "Item": _ITEM}
_KEY: dict[str, Any] = {"TableName": "t", "Key": {"id": {"S": "a"}}}
_QUERY: dict[str, Any] = {
    "TableName": "t", "IndexName": "i", "KeyConditionExpression": "#0 = :0", "Limit": 7, "ScanIndexForward": False,
    "ExpressionAttributeNames": {"#0": "id"}, "ExpressionAttributeValues": {":0": {"S": "a"}},
    "ExclusiveStartKey": _KEY["Key"], "ReturnConsumedCapacity": "TOTAL",
}  # fmt: skip


def requests(*, written: bool) -> Iterator[tuple[str, Callable[[], dict[str, Any]]]]:
    """Yield operations, each with a function that returns its parameters; if `written`, with items as JSON."""

    def item(value: dict[str, Any], table: str | None = None) -> dict[str, Any]:
        return Written(msgspec.json.encode(value), table) if written else dict(value)

    yield "PutItem", lambda: dict(_PUT)
    yield "GetItem", lambda: {**_KEY, "ConsistentRead": True}
    yield "Query", lambda: dict(_QUERY)
    yield (
        "TransactWriteItems",
        lambda: {
            "TransactItems": [{"Put": item(_PUT, "t")}, {"Put": dict(_PUT)}, {"Delete": {**_KEY, **_CONDITION}}],
            "ClientRequestToken": "0",
        },
    )
    yield "BatchWriteItem", lambda: {"RequestItems": {"t": [{"PutRequest": {"Item": item(_ITEM)}}]}}


_PAGE = json.dumps(
    {"Items": [_ITEM, {"b": {"B": "AAE="}}], "Count": 2, "ConsumedCapacity": {"CapacityUnits": 0.5}, "New": 1}
).encode()
REPLIES: list[tuple[str, int, bytes]] = [
    ("Query", 200, _PAGE),
    ("GetItem", 200, json.dumps({"Item": _ITEM}).encode()),
    ("PutItem", 200, b"{}"),
    ("PutItem", 400, json.dumps({"__type": "x#ConditionalCheckFailedException", "message": "é"}).encode()),
    (
        "TransactWriteItems",
        400,
        json.dumps(
            {"__type": "x#TransactionCanceledException", "CancellationReasons": [{"Code": "None", "Item": _ITEM}]}
        ).encode(),
    ),
]
"""Operations, each with the status and body of a reply."""


class Schema(Stored, kw_only=True):
    """The schema of a model that declares some attributes of the sample item."""

    id: Text | None = None
    number: Number | None = None
    some: dict[str, Any] | None = None


Schema.fields = {"id": "id", "number": "number", "some": "some"}
ready(Schema)


def held(reply: dict[str, Any]) -> list[Any]:
    """Return the items of a reply read for the model, as plain dicts of the declared attributes."""
    return [_declared(item.plain() if isinstance(item, Schema) else item) for item in _items(reply)]


def held_plain(reply: dict[str, Any]) -> list[Any]:
    """Return the items of a reply read by botocore, as plain dicts of the declared attributes."""
    return [_declared(item) for item in _items(reply)]


def _items(reply: dict[str, Any]) -> list[Any]:
    found: list[Any] = []
    for name in reply.keys() & {"Items", "Item"}:
        value = reply[name].taken() if hasattr(reply[name], "taken") else reply[name]
        found += value if name == "Items" else [value]
    return found


def _declared(item: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in item.items() if name in Schema.fields}
