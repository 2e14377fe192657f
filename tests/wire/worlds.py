"""What the tests of the wire share: odd models, drawn items and bodies, and the ordinary way to compare with."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any

import botocore.session
from botocore.parsers import JSONParser
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy
from pynamodb.attributes import (
    BinaryAttribute,
    BooleanAttribute,
    DiscriminatorAttribute,
    JSONAttribute,
    ListAttribute,
    MapAttribute,
    NumberAttribute,
    TTLAttribute,
    UnicodeAttribute,
    UnicodeSetAttribute,
    UTCDateTimeAttribute,
)

from pipemodels import DynamoDBConfig, using
from pipemodels.attributes import (
    CheckedAttribute,
    IntegerAttribute,
    TextAttribute,
    UTCInstantAttribute,
    ValueAttribute,
)
from pipemodels.models import PipelineConfig, PipelineRunLog, TableConfig
from pipemodels.models.base import ConfiguredTable, Model
from pipemodels.models.slots import RunSlots
from tests.wire.swapped import Every

ON = DynamoDBConfig.for_local_development()
OFF = DynamoDBConfig.for_local_development(wire=False)

_service = botocore.session.Session().get_service_model("dynamodb")


def operation(name: str) -> Any:
    """Return botocore's model of an operation."""
    return _service.operation_model(name)


def shape(name: str) -> Any:
    """Return the shape of an operation's reply."""
    return operation(name).output_shape


class Reversed(TextAttribute):
    """An attribute of a user's own, stored backwards."""

    def encode(self, value: str) -> str:
        """Return it backwards."""
        return value[::-1]

    def decode(self, stored: Any) -> str:
        """Return it forwards; refuses what begins with a dot."""
        if stored.startswith("."):
            raise ValueError(f"begins with a dot: {stored}")
        return str(stored[::-1])


class Point(MapAttribute[str, Any]):
    """A map as PynamoDB has it."""

    x = NumberAttribute()
    name = UnicodeAttribute(null=True)


class Odd(Model):
    """A model with attributes that the wire does not know, names that are no Python names, and defaults."""

    class Meta(ConfiguredTable):
        base_name = "odd"

    key = UnicodeAttribute(hash_key=True, attr_name="the key")
    other = TextAttribute(null=True, attr_name="S")
    number = NumberAttribute(null=True)
    flag = BooleanAttribute(null=True, default=True)
    at = UTCDateTimeAttribute(null=True)
    binary = BinaryAttribute(legacy_encoding=False, null=True)
    names = UnicodeSetAttribute(null=True)
    anything = JSONAttribute(null=True)
    places = ListAttribute(of=Point, null=True)
    point = Point(null=True)  # type: ignore[no-untyped-call]  # PynamoDB's
    reversed = Reversed(null=True)
    whole = IntegerAttribute(null=True)
    plain = CheckedAttribute[Any](null=True)
    value = ValueAttribute(null=True)


Odd.plain.attr_type = "SS"


class Shape(Model):
    """A model whose class is stored."""

    class Meta(ConfiguredTable):
        base_name = "shapes"

    key = UnicodeAttribute(hash_key=True)
    kind = DiscriminatorAttribute()


class Circle(Shape, discriminator="circle"):
    """One of its kinds."""

    radius = NumberAttribute(null=True)


MODELS: tuple[type[Model], ...] = (PipelineRunLog, PipelineConfig, TableConfig, RunSlots, Odd, Every, Shape, Circle)

# -- what is stored, regular and not --------------------------------------------------------------------------------

_instants = st.sampled_from([
    "2026-11-22T06:04:09.937580Z", "2026-11-22T06:04:09.937580+0000", "2026-11-22T06:04:09.937580+00:00",
    "0001-01-01T00:00:00.000000Z", "9999-12-31T23:59:59.999999Z", "2026-02-30T06:04:09.937580Z",
    "2026-11-22T24:00:00.000000Z", "2026-11-22t06:04:09.937580Z", "2026-11-22T06:04:60.000000Z",
    "2026-11-22T24:00:00.000000+0000", "0022-11-02T06:04:09.937580+0000", "22-11-02T06:04:09.937580+0000",
    "2026-11-22T06:04:09.93758 +0000", "2026-11-22T06:04:09.937580+0100", "2026-11-22T06:04:09+00:00",
    "2026-W47-7T06:04:09.93758Z", "20261122T06:04:09.93758012Z", "2026-11-22T06:04:09.93+00:0Z", "now",
])  # fmt: skip
_digits = st.sampled_from([
    "0", "-0", "7", "007", "-7", "1.5", "1.50", "-1.5", ".5", "5.", "1E3", "1e-3", "1.5E+2", "0.000001", "1_0",
    "٣", "NaN", "Infinity", "123456789012345678901234567890123456789",
    "12345678901234567890.123456789012345678", "1.0", "100", "-100.10", "", " 5", '5\n', "1" * 60, "-Infinity",
    "1e400", "true", "null", "[1]", "1791000000", "-1", "1e20", "253402300799", "253402300800",
])  # fmt: skip
_words = st.sampled_from([
    "success", "running", "pending", ".dot", "B", "BS", "N", "S", "M", '{"B":"AA=="}', "é", '"quoted"', '\\',
    '"', 'line\nline', '\uffff', "😀", "7", "circle", '{"a":1}', "null", "",
]) | st.text(max_size=5)  # fmt: skip
_texts = _words | _instants | _digits
_bytes = st.binary(max_size=4).map(lambda value: base64.b64encode(value).decode()) | st.sampled_from(
    ["QUFFPQ==", "====", "AAE=\n", "AB=="]  # the first is base64 of base64; the others are hardly base64
)
_scalars = st.one_of(
    _texts.map(lambda text: {"S": text}),
    _digits.map(lambda text: {"N": text}),
    st.booleans().map(lambda flag: {"BOOL": flag}),
    st.just({"NULL": True}),
    _bytes.map(lambda text: {"B": text}),
    st.lists(_texts, max_size=3).map(lambda texts: {"SS": texts}),
    st.lists(_digits, max_size=3).map(lambda texts: {"NS": texts}),
    st.lists(_bytes, max_size=2).map(lambda texts: {"BS": texts}),
)
_names = st.sampled_from([
    "stage_name", "status", "start_time", "check_name", "expected_value", "x", "the name", "at", "own", "checked",
    "upper", "limit", "made", "nothing", "step", "steps", "version", "gone", "names", "numbers", "children",
    "hash_key", "null", "self", "_user_instantiated", "attribute_values", "S", "B", "NULL",
]) | _words  # fmt: skip
tagged: SearchStrategy[Any] = st.recursive(
    _scalars,
    lambda inner: (
        st.lists(inner, max_size=3).map(lambda parts: {"L": parts})
        | st.dictionaries(_names, inner, max_size=4).map(lambda parts: {"M": parts})
    ),
    max_leaves=8,
)
_plain = st.recursive(
    st.sampled_from(
        [{"S": "é"}, {"N": "7"}, {"N": "1.5"}, {"BOOL": True}, {"NULL": True}, {"SS": ["a"]}, {"NS": ["1"]}]
    ),
    lambda inner: (
        st.lists(inner, max_size=3).map(lambda parts: {"L": parts})
        | st.dictionaries(_names, inner, max_size=3).map(lambda parts: {"M": parts})
    ),
    max_leaves=5,
)
# what DynamoDB never sends
_nonsense: SearchStrategy[Any] = st.sampled_from(
    [
        None, {}, {"S": None}, {"S": "a", "N": "1"}, {"X": "a"}, {"S": 5}, {"M": None}, {"L": [None]},
        {"S": "a", "__type": "b"}, {"M": {"k": None}}, {"L": [{}]}, {"NULL": False}, {"BOOL": None}, {"SS": [None]},
        {"M": {"k": {"Q": 1}}},
    ]
)  # fmt: skip


# maps as `swapped` declares them, and lists of one kind
_step = st.fixed_dictionaries(
    {"x": _digits.map(lambda text: {"N": text})},
    optional={
        "the name": _texts.map(lambda text: {"S": text}), "at": _instants.map(lambda text: {"S": text}),
        "own": _instants.map(lambda text: {"S": text}), "checked": _words.map(lambda text: {"S": text}),
        "upper": _words.map(lambda text: {"S": text}), "limit": st.just({"N": "8"}),
        "nothing": st.just({"NULL": True}),
        "made": st.dictionaries(_names, tagged, max_size=2).map(lambda parts: {"M": parts}),
    },
)  # fmt: skip


def _as_maps(maps: list[Any]) -> list[Any]:
    return [{"M": one} for one in maps]


_maps = st.recursive(
    _step,
    lambda inner: st.fixed_dictionaries(
        {"version": st.just({"N": "3"})},
        optional={
            "step": inner.map(lambda one: {"M": one}),
            "steps": st.lists(inner, max_size=2).map(lambda maps: {"L": _as_maps(maps)}),
            "children": st.lists(inner, max_size=2).map(lambda maps: {"L": _as_maps(maps)}),
            "gone": st.just({"N": "1791000000"}),
            "numbers": st.just({"NS": ["1", "2.5"]}),
        },
    ),
    max_leaves=3,
)
_lists = st.one_of(
    st.lists(_texts.map(lambda text: {"S": text}), max_size=3),
    st.lists(_digits.map(lambda text: {"N": text}), max_size=3),
    st.lists(_instants.map(lambda text: {"S": text}), max_size=3),
    st.lists(st.lists(tagged, max_size=2).map(lambda parts: {"L": parts}), max_size=3),
)


def likely(attribute: Any) -> SearchStrategy[Any]:
    """Draw a stored value under the attribute's own tag."""
    records = st.dictionaries(_names, tagged, max_size=4).map(lambda parts: {"M": parts})
    maps = st.lists(_maps, max_size=3).map(_as_maps)
    inside: dict[str, SearchStrategy[Any]] = {
        "S": _texts, "N": _digits, "BOOL": st.booleans(), "L": st.lists(records | tagged, max_size=3) | maps | _lists,
        "M": st.dictionaries(_names, tagged, max_size=3) | _maps, "B": _bytes, "SS": st.lists(_texts, max_size=3),
        "NS": st.lists(_digits, max_size=3), "BS": st.lists(_bytes, max_size=3), "NULL": st.booleans(),
    }  # fmt: skip
    return inside[attribute.attr_type].map(lambda value: {attribute.attr_type: value})


def regular(attribute: Any) -> SearchStrategy[Any]:
    """Draw a stored value of an attribute as it is wherever nothing is odd."""
    by_class: dict[type, SearchStrategy[Any]] = {
        UTCDateTimeAttribute: st.just("2026-11-22T06:04:09.937580+0000"),
        UTCInstantAttribute: st.just("2026-11-22T06:04:09.937580Z"), TTLAttribute: st.just("1791000000"),
        JSONAttribute: st.sampled_from(['{"a": [1, null]}', "7", " 7", '"\n"']),
        ListAttribute: st.lists(_plain, max_size=3) | _lists | st.lists(_step, max_size=2).map(_as_maps),
    }  # fmt: skip
    by_tag: dict[str, SearchStrategy[Any]] = {
        "S": _words, "N": st.sampled_from(["7", "-1.5", "100"]), "BOOL": st.booleans(), "B": _bytes,
        "SS": st.lists(_words, max_size=3), "NS": st.just(["7", "1.5"]), "BS": st.lists(_bytes, max_size=3),
        "NULL": st.just(True), "M": st.dictionaries(_names, _plain, max_size=3) | _maps, "L": st.just([]),
    }  # fmt: skip
    value = by_class.get(type(attribute), by_tag[attribute.attr_type])
    return value.map(lambda stored: {attribute.attr_type: stored})


def items(model: type[Model], *, nonsense: bool = False) -> SearchStrategy[dict[str, Any]]:
    """Draw items as DynamoDB's JSON has them, of declared attributes and others."""
    odd = tagged | _nonsense if nonsense else tagged
    attributes = model.get_attributes().values()
    names = st.lists(st.sampled_from(sorted(one.attr_name for one in attributes)), unique=True, max_size=8)
    values = [
        {one.attr_name: likely(one) | likely(one) | odd for one in attributes},
        {one.attr_name: regular(one) for one in attributes},
    ]
    known = st.tuples(names, st.sampled_from(values)).flatmap(
        lambda drawn: st.fixed_dictionaries({name: drawn[1][name] for name in drawn[0]})
    )
    return st.builds(lambda one, more: {**more, **one}, known, st.dictionaries(_names, odd, max_size=2))


def bodies(value: SearchStrategy[Any]) -> SearchStrategy[bytes]:
    """Draw the JSON of what is drawn, its characters escaped or not."""
    return st.builds(lambda one, escaped: json.dumps(one, ensure_ascii=escaped).encode(), value, st.booleans())


def page(found: list[Any], **more: Any) -> dict[str, Any]:
    """Return the reply of a query."""
    return {
        "Items": found, "Count": len(found), "ScannedCount": 7, "LastEvaluatedKey": {"pipeline_id": {"S": "é"}},
        "ConsumedCapacity": {"TableName": "t", "CapacityUnits": 0.5}, "New": {"B": "x"},
    } | more  # fmt: skip


def reply(body: bytes, status: int = 200) -> dict[str, Any]:
    """Return a reply as botocore hands it to its parser."""
    headers = {"x-amzn-RequestId": "0F", "X-Amz-Crc32": "1", "Content-Type": "application/x-amz-json-1.0"}
    return {"status_code": status, "headers": headers, "body": body, "context": {"operation_name": "Query"}}


# -- the ordinary way -----------------------------------------------------------------------------------------------


def outcome(work: Callable[[], Any]) -> tuple[str, Any]:
    """Return what comes of it: a value or an error, so that two ways may be compared."""
    try:
        return "value", work()
    except Exception as error:
        return type(error).__name__, str(error)


def exact(value: Any) -> Any:
    """Return a value so that it differs from what only equals it (1, True, Decimal(1)); an item by its values."""
    if isinstance(value, Model):
        return type(value), list(value.__dict__), exact(value.attribute_values), value._held
    if isinstance(value, dict):
        return dict, [(key, exact(part)) for key, part in value.items()]
    if isinstance(value, list | tuple):
        return type(value), [exact(part) for part in value]
    if isinstance(value, MapAttribute):
        return type(value), exact(vars(value))
    if isinstance(value, set):
        return set, sorted(map(exact, value), key=str)
    if hasattr(value, "__dataclass_fields__"):
        return type(value), [exact((name, part)) for name, part in vars(value).items()]
    return type(value), repr(value), getattr(value, "tzinfo", None)


def ordinarily(body: bytes, name: str = "Query") -> Any:
    """Return a reply as botocore reads it."""
    return JSONParser().parse(reply(body), shape(name))


def made_ordinarily(model: type[Model], item: Any) -> tuple[str, Any]:
    """Return what the model makes of a plain item, or its error, with the wire off."""
    with using(OFF):
        return outcome(lambda: exact(model.from_raw_data(item)))
