"""What the gate compares: requests, replies, and a model with an attribute of each kind that the codecs know."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import msgspec
from pynamodb.attributes import (
    BooleanAttribute,
    JSONAttribute,
    ListAttribute,
    MapAttribute,
    NumberAttribute,
    NumberSetAttribute,
    TTLAttribute,
    UnicodeAttribute,
    UnicodeSetAttribute,
    UTCDateTimeAttribute,
)
from pynamodb.connection import Connection, TableConnection
from pynamodb.connection.base import MetaTable

from pipemodels import wire
from pipemodels.attributes import (
    DecimalAttribute,
    DocumentAttribute,
    FlagAttribute,
    IntegerAttribute,
    RevisionAttribute,
    TextAttribute,
    TextListAttribute,
    UTCInstantAttribute,
)
from pipemodels.config import DynamoDBConfig, using
from pipemodels.models.base import ConfiguredTable, Model, _key_schemas
from pipemodels.wire.lazy import Written

# -- requests and replies -------------------------------------------------------------------------------------------

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
    """Yield operations, each with what makes its parameters; `written`: items in JSON, as encoders hand on."""

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


_SAID = json.dumps(
    {"Items": [_ITEM, {"b": {"B": "AAE="}}], "Count": 2, "ConsumedCapacity": {"CapacityUnits": 0.5}, "New": 1}
).encode()
REPLIES: list[tuple[str, int, bytes]] = [
    ("Query", 200, _SAID),
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
"""Operations, each with a status and the body of a reply."""

# -- models ---------------------------------------------------------------------------------------------------------


class Place(MapAttribute[str, Any]):
    """A typed map."""

    x = NumberAttribute()
    name = UnicodeAttribute(null=True, attr_name="the name")
    since = UTCDateTimeAttribute(null=True)
    level = NumberAttribute(default=7)


class Sample(Model):
    """A model with an attribute of each kind that the codecs know."""

    class Meta(ConfiguredTable):
        base_name = "sample"

    id = TextAttribute(hash_key=True)
    sort = UnicodeAttribute(range_key=True, attr_name="the key")
    revision = RevisionAttribute()
    integer = IntegerAttribute(null=True)
    decimal = DecimalAttribute(null=True)
    flag = FlagAttribute(null=True)
    instant = UTCInstantAttribute(null=True)
    texts = TextListAttribute(null=True)
    document = DocumentAttribute(null=True)
    number = NumberAttribute(null=True)
    boolean = BooleanAttribute(default=True)
    at = UTCDateTimeAttribute(null=True)
    gone = TTLAttribute(null=True)
    anything = JSONAttribute(null=True)
    names = UnicodeSetAttribute(null=True)
    numbers = NumberSetAttribute(null=True)
    free: MapAttribute[str, Any] = MapAttribute(null=True)
    some: ListAttribute[Any] = ListAttribute(null=True)
    place = Place(null=True)  # type: ignore[no-untyped-call]  # PynamoDB's
    places = ListAttribute(of=Place, null=True)
    absent = UnicodeAttribute(null=True)
    empty: ListAttribute[Any] = ListAttribute(null=True)

    @classmethod
    def _get_connection(cls) -> TableConnection:
        """Return one without a client, which would take longer to make than all else here: nothing is sent."""
        table = TableConnection("sample")
        table.connection = Connection()
        table.connection.add_meta_table(MetaTable({"TableName": "sample", **_key_schemas(cls)}))
        return table


_NOON = datetime(2026, 5, 17, 12, 0, 0, 5, tzinfo=UTC)
_OFF = DynamoDBConfig(region_name="us-east-1", wire=False)


def _values() -> dict[str, Any]:
    nested = {"a": [1, None, "b", {"c": True}], "d": Decimal("0.5")}
    free = {"a": [1.5, None, "b", {"c": True}], "d": {"e"}}
    place: Any = Place  # PynamoDB's `__init__` carries no types
    return {
        "integer": 7, "decimal": Decimal("1.5"), "flag": False, "instant": _NOON, "texts": ["a", "é"],
        "document": nested, "number": 1.5, "at": _NOON, "gone": _NOON.replace(microsecond=0), "names": {"a"},
        "anything": {"a": [None]}, "numbers": {2}, "free": free, "some": [1, "a", [True]], "empty": [], "revision": 3,
        "place": place(x=1, name="é", since=_NOON), "places": [place(x=1), place(x=2.5, level=1)],
    }  # fmt: skip


def check_encoder() -> str | None:
    """Return what an encoder does otherwise than PynamoDB and the attributes do; None if nothing."""
    from pipemodels.wire.encoders import compile_encoder

    encoder = compile_encoder(Sample)
    if encoder is None:
        return "its functions are not those that are known"
    with using(_OFF):
        for given in (_values, dict):
            theirs = Sample("é", "b", **given())
            ours = Sample.__new__(Sample)
            encoder.fill(ours, ("é", "b"), given())
            if shown(vars(ours)) != shown(vars(theirs)):
                return "an object is made with other values"
            if encoder.encoded(ours) != theirs.serialize():
                return "an item is written otherwise"
            if dict(encoder.save_request(ours)) != theirs.get_save_kwargs_from_instance():
                return "a save is written otherwise"
    return None


def check_decoder() -> str | None:
    """Return what a decoder does otherwise than PynamoDB and the attributes do; None if nothing."""
    from pipemodels.wire.decoders import compile_decoder

    decoder = compile_decoder(Sample)
    if decoder is None:
        return "its functions are not those that are known"
    with using(_OFF):
        item = Sample("é", "b", **_values()).serialize() | {"undeclared": {"S": "a"}}
        for one in (item, {"id": {"S": "a"}}):
            if shown(vars(decoder.of_plain(one))) != shown(vars(Sample.from_raw_data(one))):
                return "an item is read with other values"
    return None


def objects(reply: dict[str, Any]) -> list[Any]:
    """Return the values of the objects that the items of a reply are."""
    items = wire.stored_items(reply.get("Items", [])) or [
        wire.stored_items(reply[name]) for name in reply.keys() & {"Item"}
    ]
    with using(_OFF):
        return [shown(vars(Sample.from_raw_data(item))) for item in items]


def shown(value: Any) -> Any:
    """Return a value so that it differs from what only equals it, such as 1 from True."""
    if isinstance(value, dict):
        return {key: shown(part) for key, part in value.items()}
    if isinstance(value, list):
        return [shown(part) for part in value]
    if isinstance(value, MapAttribute):
        return type(value), shown(vars(value))
    return type(value), repr(value), getattr(value, "tzinfo", None)
