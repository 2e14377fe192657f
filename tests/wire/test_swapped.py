"""A model that has only swapped PynamoDB's base for ours reads and writes what it did, by compiled code."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pynamodb.attributes
import pytest
from pynamodb.attributes import NumberAttribute

from pipemodels import using, wire
from tests.wire import worlds
from tests.wire.swapped import Every, Theirs, every_attribute
from tests.wire.worlds import ON, exact, outcome

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
    decoder = wire.decoder_of(Every)
    assert decoder is not None
    ours = outcome(lambda: decoder.build(msgspec.json.decode(json.dumps(item), type=decoder.form)))
    return values(ours), values(outcome(lambda: Theirs.from_raw_data(worlds.ordinarily(body)["Items"][0])))


def test_every_attribute_is_read_by_the_compiled_decoder() -> None:
    """An item of all of them, and of each alone, without a way round."""
    for item in (WHOLE, *({name: stored} for name, stored in WHOLE.items())):
        ours, theirs = read(item)
        assert ours == theirs


@pytest.mark.parametrize(
    "item",
    [
        {"gone": {"N": "1.5"}}, {"text": {"N": " 7"}}, {"anything": {"S": "7 "}}, {"nothing": {"S": "a"}},
        {"at": {"S": "22-11-02T06:04:09.937580+0000"}}, {"own": {"NULL": True}}, {"lenient": {"NULL": True}},
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
    fresh = every_attribute(wire_base(), Every.Meta)
    for name, stored in (
        ("free", {"M": {"a": {"N": "1"}}}),
        ("some", {"L": [{"N": "1"}]}),
        ("lists", WHOLE["lists"]),
    ):
        item = {"the key": {"S": "k"}, name: stored}
        decoder = wire.decoder_of(fresh)
        assert decoder is not None
        made = decoder.build(msgspec.json.decode(json.dumps(item), type=decoder.form))
        assert exact(vars(made)) == exact(vars(Theirs.from_raw_data(item)))
        assert "exactly 1" in repr(made)


def wire_base() -> Any:
    """Return our base."""
    return Every.__mro__[1]
