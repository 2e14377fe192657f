"""The sample model for the comparison of the gate, and the comparison of codecs with PynamoDB."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from functools import cache
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

from pipemodels.attributes.documents import DocumentAttribute
from pipemodels.attributes.lists import TextListAttribute
from pipemodels.attributes.scalars import (
    DecimalAttribute,
    FlagAttribute,
    IntegerAttribute,
    RevisionAttribute,
    TextAttribute,
)
from pipemodels.attributes.times import UTCInstantAttribute
from pipemodels.codecs.reading import compile_decoder
from pipemodels.codecs.writing import compile_encoder
from pipemodels.config import DynamoDBConfig, using

# -- models ---------------------------------------------------------------------------------------------------------


class Place(MapAttribute[str, Any]):
    """A typed map."""

    x = NumberAttribute()
    name = UnicodeAttribute(null=True, attr_name="the name")
    since = UTCDateTimeAttribute(null=True)
    level = NumberAttribute(default=7)


@cache
def sample_of(base: Any) -> Any:
    """Return a model with an attribute of each type that the codecs know."""

    class Sample(base):  # type: ignore[misc]  # a base known only at run time
        """The model."""

        class Meta:
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
            """Return a connection without a client; nothing is sent, and creating a client is slow."""
            table = TableConnection("sample")
            table.connection = Connection()
            table.connection.add_meta_table(cls.meta_table("sample"))
            return table

    return Sample


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


def check_encoder(base: Any) -> str | None:
    """Return how an encoder differs from PynamoDB, or None."""
    model = sample_of(base)
    encoder = compile_encoder(model, base)
    if encoder is None:
        return "PynamoDB or the base has unknown functions"
    with using(_OFF):
        for given in (_values, dict):
            theirs = model("é", "b", **given())
            ours = model.__new__(model)
            encoder.fill(ours, ("é", "b"), given())
            if shown(vars(ours)) != shown(vars(theirs)):
                return "an object is made with other values"
            if encoder.encoded(ours) != theirs.serialize():
                return "an item is written differently"
            if dict(encoder.save_request(ours)) != theirs.get_save_kwargs_from_instance():
                return "a save is written differently"
    return None


def check_decoder(base: Any) -> str | None:
    """Return how a decoder differs from PynamoDB, or None."""
    model = sample_of(base)
    decoder = compile_decoder(model, base)
    if decoder is None:
        return "PynamoDB or the base has unknown functions"
    with using(_OFF):
        item = model("é", "b", **_values()).serialize() | {"undeclared": {"S": "a"}}
        for stored in (item, {"id": {"S": "a"}}):
            theirs = shown(vars(model.from_raw_data(stored)))
            of_json = msgspec.json.decode(msgspec.json.encode(stored), type=decoder.schema)
            if shown(vars(decoder.of_plain(stored))) != theirs or shown(vars(decoder.build(of_json))) != theirs:
                return "an item is read with other values"
    return None


def shown(value: Any) -> Any:
    """Return a value with its types, so that 1 and True differ."""
    if isinstance(value, dict):
        return {key: shown(part) for key, part in value.items()}
    if isinstance(value, list):
        return [shown(part) for part in value]
    if isinstance(value, MapAttribute):
        return type(value), shown(vars(value))
    return type(value), repr(value), getattr(value, "tzinfo", None)
