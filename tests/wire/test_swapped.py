"""A model that has only swapped PynamoDB's base for ours reads and writes what it did, by compiled code."""

from __future__ import annotations

import json
import math
from collections import OrderedDict
from copy import deepcopy
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import msgspec
import pendulum
import pynamodb.attributes
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pynamodb.attributes import MapAttribute, NumberAttribute, UnicodeAttribute

from pipemodels import using
from pipemodels.codecs import facade
from tests.wire import swapped, worlds
from tests.wire.swapped import Every, Theirs, every_attribute
from tests.wire.worlds import OFF, ON, exact, outcome

STEP: Any = {
    "x": {"N": "1.5"}, "the name": {"S": "é"}, "at": {"S": "2026-11-22T06:04:09.937580+0000"},
    "own": {"S": "2026-11-22T06:04:09"}, "checked": {"S": "a"}, "upper": {"S": "b"}, "nothing": {"NULL": True},
    "limit": {"N": "8"}, "made": {"M": {"a": {"L": [{"S": "b"}, {"NULL": True}, {"SS": ["c"]}]}}}, "more": {"S": "d"},
}  # fmt: skip
NESTED: Any = {
    "step": {"M": STEP}, "steps": {"L": [{"M": STEP}, {"M": {"x": {"N": "1"}}}]}, "version": {"N": "2"},
    "gone": {"N": "1791000000"}, "names": {"SS": ["a", "b"]}, "numbers": {"NS": ["1", "2.5"]},
    "status": {"M": {"a": {"BOOL": True}}}, "children": {"L": [{"M": {"children": {"L": [{"M": {}}]}}}]},
}  # fmt: skip
WHOLE: Any = {
    "the key": {"S": "k"}, "text": {"N": "-7"}, "swapped": {"S": "text"}, "flag": {"BOOL": False},
    "made_at": {"S": "2026-11-22T06:04:09.937580+0000"}, "fresh": {"N": "1E3"}, "binary": {"B": "AAE="},
    "legacy": {"B": "QUFFPQ=="}, "binaries": {"BS": ["AAE="]}, "legacies": {"BS": ["QUFFPQ=="]},
    "names": {"SS": ["a"]}, "numbers": {"NS": ["1", "1.5"]}, "anything": {"S": '{"a": [1, null, "\\n"]}'},
    "nothing": {"NULL": True}, "at": {"S": "0001-01-01T00:00:00.000000+0000"},
    "padded": {"S": "9999-12-31T23:59:59.999999+0000"}, "gone": {"N": "-1"}, "version": {"N": "3"},
    "upper": {"S": "a"}, "own": {"S": "2026-11-22T06:04:09+02:00"}, "lenient": {"S": "7"},
    "free": {"M": {"a": {"N": "1"}, "b": {"M": {"c": {"NS": ["1"]}}}}}, "step": {"M": STEP}, "nested": {"M": NESTED},
    "ruled": {"M": {"x": {"N": "1"}}}, "sized": {"M": {"x": {"N": "1"}}},
    "loose": {"M": {"x": {"N": "1"}, "y": {"S": "a"}}}, "some": {"L": [{"S": "a"}, {"L": []}, {"BOOL": True}]},
    "texts": {"L": [{"S": "a"}]}, "digits": {"L": [{"N": "1"}, {"N": "2.5"}]},
    "instants": {"L": [{"S": "2026-11-22T06:04:09"}]}, "lists": {"L": [{"L": [{"N": "1"}]}, {"L": []}]},
    "maps": {"L": [{"M": {"a": {"N": "1"}}}]}, "steps": {"L": [{"M": STEP}]}, "trees": {"L": [{"M": NESTED}]},
    "instant": {"S": "2026-11-22T06:04:09.937580Z"}, "undeclared": {"B": "AAE="},
}  # fmt: skip


def values(made: tuple[str, Any]) -> Any:
    """Return the values of an object that was made, or the error."""
    return (made[0], exact(vars(made[1]))) if made[0] == "value" else made


def read(item: dict[str, Any]) -> Any:
    """Return what the wire makes of an item, as its decoder does, and what PynamoDB makes of it."""
    body = json.dumps(worlds.page([item])).encode()
    decoder = facade.decoder_of(Every)
    assert decoder is not None
    ours = outcome(lambda: decoder.build(msgspec.json.decode(json.dumps(item), type=decoder.schema)))
    return values(ours), values(outcome(lambda: Theirs.from_raw_data(worlds.ordinarily(body)["Items"][0])))


def test_every_attribute_is_read_by_the_compiled_decoder() -> None:
    """An item of all of them, and of each alone, without a way round."""
    for item in (WHOLE, *({name: stored} for name, stored in WHOLE.items())):
        ours, theirs = read(item)
        assert ours == theirs


@pytest.mark.parametrize(
    "item",
    [
        {"gone": {"N": "1.5"}}, {"text": {"N": " 7"}}, {"text": {"N": "007"}}, {"anything": {"S": "7 "}},
        {"nothing": {"S": "a"}},
        {"at": {"S": "22-11-02T06:04:09.937580+0000"}}, {"at": {"S": "2026-11-22T06:04:09.937580+0100"}},
        {"own": {"NULL": True}}, {"lenient": {"NULL": True}},
        {"free": {"M": {"self": {"S": "a"}}}}, {"free": {"M": {"a": {"B": "AAE="}}}}, {"key": {"N": "1"}},
        {"digits": {"L": [{"S": "1"}]}}, {"steps": {"L": [{"NULL": True}]}},
        {"steps": {"L": [{"M": {"x": {"S": "1"}}}]}},
    ],
)  # fmt: skip
def test_what_is_odd_is_left_to_pynamodb(item: dict[str, Any]) -> None:
    """The decoder refuses it, and the object, or the error, is PynamoDB's."""
    ours, theirs = read(item)
    assert ours[0] != "value" or ours == theirs
    plain = worlds.ordinarily(json.dumps(worlds.page([item])).encode())["Items"][0]
    with using(ON):
        assert values(outcome(lambda: Every.from_raw_data(plain))) == theirs


def test_names_of_settings_in_a_free_map_come_last_as_with_pynamodb() -> None:
    """`MapAttribute(**values)` takes them for its own first."""
    ours, theirs = read({"free": {"M": {"hash_key": {"N": "1"}, "null": {"L": []}, "a": {"N": "2"}}}})
    assert ours == theirs


def test_what_reads_parts_of_free_maps_may_be_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where somebody has put another attribute into PynamoDB's table, that is asked."""

    class Exact(NumberAttribute):
        def deserialize(self, value: Any) -> Any:
            return f"exactly {value}"

    monkeypatch.setitem(pynamodb.attributes.DESERIALIZE_CLASS_MAP, "N", Exact())
    fresh = every_attribute(Every.__mro__[1], Every.Meta)
    for name, stored in (
        ("free", {"M": {"a": {"N": "1"}}}),
        ("some", {"L": [{"N": "1"}]}),
        ("lists", WHOLE["lists"]),
    ):
        item = {"the key": {"S": "k"}, name: stored}
        decoder = facade.decoder_of(fresh)
        assert decoder is not None
        made = decoder.build(msgspec.json.decode(json.dumps(item), type=decoder.schema))
        assert exact(vars(made)) == exact(vars(Theirs.from_raw_data(item)))
        assert "exactly 1" in repr(made)


def test_an_attribute_of_another_tag_is_asked() -> None:
    """One whose tag somebody has changed reads and writes under that."""

    class Changed(Every):  # type: ignore[misc]  # a class that is made
        changed = UnicodeAttribute(null=True)

    Changed.changed.attr_type = "N"
    item = {"the key": {"S": "k"}, "numbers": {"NS": ["1"]}, "changed": {"N": "007"}}
    with using(ON):
        ours = Changed.from_raw_data(item)
        assert (ours.changed, ours.serialize()["changed"]) == ("007", {"N": "007"})
    with using(OFF):
        assert exact(vars(ours)) == exact(vars(Changed.from_raw_data(item)))


# -- writing --------------------------------------------------------------------------------------------------------

maps: Any = swapped  # PynamoDB's `__init__` carries no types
NOON = datetime(2026, 5, 17, 12, 0, 0, 5, tzinfo=UTC)


def _step(**more: Any) -> Any:
    return maps.Step(x=1.5, name="é", at=NOON, own=NOON, upper="a", made={"b": [1, {"c": None}]}, **more)


def _nested(**more: Any) -> Any:
    children = [maps.Nested(version=1, children=[maps.Nested(version=2)])]
    return maps.Nested(version=3, step=_step(), steps=[_step(), None], numbers={1}, children=children, **more)


class Loud(str):
    """Text of a class of its own."""

    __slots__ = ()


VALUES: list[Any] = [
    None, "", "é", 'a"\\\n\x00', "\ud800", Loud("a"), 0, 7, True, False, -1.5, 1e300, math.nan, math.inf, 10**5000,
    Decimal("1.5"), b"a", {"a"}, {"a", Loud("b")}, {1, 2.5}, {True}, set(), {b"a"}, {"a", 1}, frozenset("a"), [],
    ("a",), ["a"], [1, 2.5], [True], [None], [set()], [[1], []], [NOON], [{"a": 1}], [{"x": 1}], [{}],
    [{"x": 1, "limit": None}], [maps.Step(x=1)], [_step()], [_step(checked="c")], [maps.Step()], [_nested()],
    [maps.Ruled(x=7)], [maps.Loose(x=1, y={"z"})], [MapAttribute(a=[MapAttribute(b={"c"})])], {}, {"a": b"a"},
    {"a": 1, "b": [None, {"c": {2.5}}]}, {"a": {1, "b"}}, {"x": 1}, {"version": 1, "status": {}}, {"y": 1},
    {"hash_key": 1, "a": 2}, {"self": 1}, {1: 2}, {"a": {1: 2}}, OrderedDict(x=1), MapAttribute(a=1, b=_step()),
    MapAttribute(x=1), maps.Step(x=1), maps.Step(), _step(), _step(checked="c"), _step(limit=None), maps.Step(x="a"),
    _nested(), _nested(names=set()), _nested(gone=NOON), maps.Nested(version=2.0), maps.Ruled(x=1), maps.Ruled(x=7),
    maps.Sized(x=1), maps.Loose(x=1, y=[1]), maps.Loose(), NOON, NOON.replace(tzinfo=None),
    NOON.replace(microsecond=0, fold=1), NOON.astimezone(timezone(timedelta(hours=2))), NOON.replace(year=22),
    pendulum.instance(NOON, tz=pendulum.UTC), pendulum.instance(NOON, tz="Europe/Berlin"), pendulum.naive(22, 5, 7),
    maps.Step, "2026-05-17",
]  # fmt: skip


def made_and_encoded(model: Any, fields: dict[str, Any], **settings: Any) -> Any:
    """Return the values of an object as it is made, and what of it is stored."""
    item = model(**deepcopy(fields))
    made = exact(sorted(item.attribute_values.items()))
    return made, exact(sorted(item.serialize(**settings).items())), exact(sorted(item.attribute_values.items()))


def set_and_encoded(model: Any, fields: dict[str, Any], **settings: Any) -> Any:
    """Return what is stored of values that no attribute has seen."""
    item = model(key="k", version=1, names={"a"}, numbers={1})
    item.attribute_values |= deepcopy(fields)
    return exact(sorted(item.serialize(**settings).items()))


@pytest.mark.parametrize("name", sorted(Every.get_attributes()))
@pytest.mark.parametrize("work", [made_and_encoded, set_and_encoded])
def test_each_value_in_each_attribute_is_written_as_before(name: str, work: Any) -> None:
    """With the wire on, with it off, and on PynamoDB's base, whether or not what is required must be there."""
    rest = {"key": "k", "numbers": {1}}
    for value in VALUES:
        fields = rest | {name: value}
        for settings in ({}, {"null_check": False}):
            with using(ON):
                ours = outcome(lambda: work(Every, fields, **settings))  # noqa: B023  # called at once
            with using(OFF):
                assert ours == outcome(lambda: work(Every, fields, **settings))  # noqa: B023  # called at once
            theirs = outcome(lambda: work(Theirs, fields, **settings))  # noqa: B023  # called at once
            assert ours[0] != "value" or ours == theirs


@given(st.floats() | st.floats(1e-5, 1e17))
@example(1e-4)
@example(math.nextafter(1e-4, 0))
@example(1e16)
@example(math.nextafter(1e16, 0))
@example(-0.0)
@example(-12.5)
def test_any_float_is_written_as_by_pynamodb(value: float) -> None:
    """Digit for digit, with an exponent where it has one; or it is refused."""
    kept = Every(key="k", version=1, names={"a"}, numbers={1}, swapped=value)
    with using(ON):
        ours = outcome(lambda: kept.serialize()["text"])
    with using(OFF):
        assert ours == outcome(lambda: kept.serialize()["text"])


def full() -> Any:
    """Return an object of which every attribute that the wire compiles has a value."""
    return Every(
        key="k", swapped=1.5, text="é", flag=False, fresh=10**30, names={"a"}, numbers={1, 2.5}, anything={"a": []},
        at=NOON, padded=NOON, gone=NOON, version=3, upper="a", own=NOON, lenient=7, step=_step(checked="c"),
        free={"a": {"b": [1.5, None, {"c"}]}}, nested=_nested(), ruled=maps.Ruled(x=1), loose=maps.Loose(x=1, y=2),
        some=["a", [1], {"b": True}], texts=["a"], digits=[1, 2.5], lists=[[1], []], maps=[{"a": 1}],
        steps=[_step(), {"x": 1, "limit": 2}], trees=[_nested()], instant=NOON,
    )  # fmt: skip


def test_the_compiled_encoder_writes_it() -> None:
    """An object of all attributes but binary ones and those that PynamoDB does not set: without a way round."""
    encoder = facade.encoder_of(Every)
    assert encoder is not None
    with using(ON):
        item = full()
        assert encoder.encoded(item) == item.serialize()
        request = encoder.save_request(item)
    with using(OFF):
        assert item.serialize() == encoder.encoded(item)
        assert request == item.batch_put()


def test_what_writes_parts_of_free_maps_may_be_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where somebody has put another attribute into PynamoDB's table, that is asked."""

    class Exact(NumberAttribute):
        def serialize(self, value: Any) -> Any:
            return f"{value}.00"

    monkeypatch.setattr(
        pynamodb.attributes, "SERIALIZE_CLASS_MAP", {**pynamodb.attributes.SERIALIZE_CLASS_MAP, int: Exact()}
    )
    fresh = every_attribute(Every.__mro__[1], Every.Meta)
    with using(ON):
        item = fresh(key="k", numbers={1}, free={"a": 1}, some=[1], lists=[[1]], maps=[{"a": 1}])
        assert str(item.serialize()).count("1.00") == 4


class Shown(UnicodeAttribute):
    """An attribute of a user's own, which makes text of anything."""

    def serialize(self, value: Any) -> Any:
        """Return it as a text, and zero as nothing that may be stored."""
        return value if value == 0 else str(value)


class Showing(Every):  # type: ignore[misc]  # a class that is made
    """A model that has one."""

    shown = Shown(null=True)


@pytest.mark.parametrize(
    "value", [7, 0, "a", None, maps.Ruled(x=1), maps.Ruled(x=7), maps.Step(), [1], {"a"}, "\ud800"]
)
def test_an_attribute_of_a_user_s_own_is_asked_under_the_rules_of_maps(value: Any) -> None:
    """A map that its own rule refuses is refused before the attribute sees it."""
    item = Showing(key="k", numbers={1}, version=1)
    item.attribute_values["shown"] = value
    with using(ON):
        ours = outcome(lambda: exact(sorted(item.serialize().items())))
    with using(OFF):
        assert ours == outcome(lambda: exact(sorted(item.serialize().items())))
