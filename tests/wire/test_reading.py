"""Reading by the wire and the ordinary way: equal results, for whatever is in the reply."""

from __future__ import annotations

import json
import operator
import pickle
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self

import pytest
from botocore.parsers import JSONParser
from hypothesis import example, given
from hypothesis import strategies as st
from pynamodb.attributes import MapAttribute, NumberAttribute, UnicodeAttribute

from pipemodels import PipelineRunLog, using
from pipemodels.attributes import (
    DecimalAttribute,
    ExpiryAttribute,
    IntegerAttribute,
    RecordListAttribute,
    TextAttribute,
    UTCInstantAttribute,
)
from pipemodels.codecs import facade
from pipemodels.codecs import reading as decoders
from pipemodels.models.base import Model
from pipemodels.records import Record, part
from pipemodels.transport import schemas
from pipemodels.transport.lazy import Items
from pipemodels.transport.parsing import FastParser
from pipemodels.transport.wanted import wanted
from tests.wire import worlds
from tests.wire.swapped import Every, Theirs
from tests.wire.worlds import MODELS, ON, Circle, Odd, Shape, exact, made_ordinarily, ordinarily, outcome, reply

models = st.sampled_from(MODELS)


def drawn_page(model: type[Model], *, nonsense: bool = False) -> Any:
    """Draw a model and the body of a page of its items."""
    found = st.lists(worlds.items(model, nonsense=nonsense), max_size=4)
    return st.tuples(st.just(model), worlds.bodies(found.map(worlds.page)))


def read(body: bytes, operation: str = "Query") -> Any:
    """Return a reply as the wire reads it."""
    return FastParser().parse(reply(body), worlds.shape(operation))


def read_for(model: type[Model], body: bytes) -> tuple[Any, list[Any]]:
    """Return a reply as it is read for a model, and its items as they are decoded."""
    with facade.reading(model):
        parsed = read(body)
    return parsed, facade.stored_items(parsed.get("Items", []))


def made(model: type[Model], item: Any) -> tuple[str, Any]:
    """Return what the model makes of an item, with the wire on."""
    with using(ON):
        return outcome(lambda: exact(model.from_raw_data(item)))


@given(models.flatmap(drawn_page))
def test_a_page_for_a_model_gives_the_same_objects_and_errors(drawn: tuple[type[Model], bytes]) -> None:
    """Each item of a page that is read for a model gives what the ordinary way gives, and so does all around it."""
    model, body = drawn
    ordinary = ordinarily(body)
    parsed, stored = read_for(model, body)
    assert [made(model, item) for item in stored] == [made_ordinarily(model, item) for item in ordinary["Items"]]
    assert exact(parsed | {"Items": list(parsed["Items"])}) == exact(ordinary)


@given(models.flatmap(drawn_page))
def test_a_plain_item_gives_the_same_objects_and_errors(drawn: tuple[type[Model], bytes]) -> None:
    """So does a plain item, which any operation may return."""
    model, body = drawn
    for item in ordinarily(body)["Items"]:
        untouched = deepcopy(item)
        assert made(model, item) == made_ordinarily(model, untouched)
        assert item == untouched


@given(drawn_page(Every))
def test_a_model_with_its_base_swapped_reads_as_before(drawn: tuple[type[Model], bytes]) -> None:
    """PynamoDB's attributes, and a user's own, give on our base what they give on PynamoDB's, errors too."""
    ordinary = ordinarily(drawn[1])
    _, stored = read_for(Every, drawn[1])
    for ours, theirs in zip(stored, ordinary["Items"], strict=True):
        one, other = outcome(lambda: Every.from_raw_data(ours)), outcome(lambda: Theirs.from_raw_data(theirs))  # noqa: B023  # called at once
        assert (
            (one[0], exact(vars(one[1]))) == (other[0], exact(vars(other[1]))) if one[0] == "value" else one == other
        )


@given(models.flatmap(lambda model: drawn_page(model, nonsense=True)))
@pytest.mark.falls_back
def test_what_dynamodb_never_sends_is_read_as_botocore_reads_it(drawn: tuple[type[Model], bytes]) -> None:
    """A null, two tags, an unknown tag: botocore's result, or its error.

    A page for a model does not look into what the model does not read, and meets errors in documents when the item is
    made: there the error may come later, or not at all.
    """
    model, body = drawn
    ordinary = outcome(lambda: exact(ordinarily(body)))
    assert outcome(lambda: exact(read(body))) == ordinary
    if ordinary[0] == "value":
        _, stored = read_for(model, body)
        plain = ordinarily(body)["Items"]
        assert [made(model, item) for item in stored] == [made_ordinarily(model, item) for item in plain]


_OPERATIONS = ("Query", "Scan", "GetItem", "BatchGetItem", "UpdateItem", "TransactGetItems", "DescribeTable")
_PIECES = [
    b"\\ud800", b"\\udc00x", b"\\ud83d\\ude00", b"\xff", b"\xed\xa0\x80", b"\n", b"\x00", b"\\x", b"\\/", b"\x7f",
    b"NaN", b"-Infinity", b"1e400", b"123456789012345678901234567890", b"-0", b"01", b"1.", b"null", b"true", b'"',
    b"}", b"]", b"\xef\xbb\xbf", b"\xc2\xa0", b"\x0c", b'"B":', b'"S":', b'"__type":"x",', b"[" * 2000,
]  # fmt: skip


@st.composite
def broken_bodies(draw: Any) -> bytes:
    """Draw bodies into which something was put, or out of which something was taken."""
    body = draw(drawn_page(PipelineRunLog))[1]
    for _ in range(draw(st.integers(1, 2))):
        start = draw(st.integers(0, len(body)))
        end = draw(st.sampled_from([start, start, start + 1, start + 4]))
        body = body[:start] + draw(st.sampled_from([b"", *_PIECES]) | st.binary(max_size=2)) + body[end:]
    return bytes(body)


_BATCH = (
    b'{"Responses":{"t":[{"a":{"B":"AAE="}}]},"UnprocessedKeys":{"t":{"Keys":[{"a":{"B":"AAE="}}]}}}'  # binary keys
)
_CANCELLED = (
    b'{"__type":"x#TransactionCanceledException",'
    b'"CancellationReasons":[{"Code":"None"},{"Code":"X","Item":{"b":{"B":"AAE="}}}]}'
)


@given(broken_bodies(), st.sampled_from(_OPERATIONS), st.sampled_from([200, 200, 400, 500]))
@example(b"", "Query", 200)
@example(b"null", "Query", 200)
@example(b"[]", "Query", 200)
@example(b'{"Items":null}', "Query", 200)
@example(b'{"Items":[{"a":{"S":"1","S":"2"}}],"Items":[]}', "Query", 200)
@example(_BATCH, "BatchGetItem", 200)
@example(b'{"__type":"x#ThrottlingException","message":"slow \xc3\xa4"}', "Query", 400)
@example(_CANCELLED, "TransactWriteItems", 400)
def test_any_body_is_read_as_botocore_reads_it(body: bytes, operation: str, status: int) -> None:
    """Broken JSON, no Unicode, numbers out of range, errors: botocore's result, or its error, with its metadata."""
    one, other = (
        outcome(lambda: exact(parser.parse(reply(body, status), worlds.shape(operation))))  # noqa: B023  # called at once
        for parser in (FastParser(), JSONParser())
    )
    assert one == other


@given(broken_bodies())
@example(json.dumps(worlds.page([])).encode().replace(b'"x"', b'"\xff"'))
@example(json.dumps(worlds.page([{"no": {"S": "?"}}]), ensure_ascii=False).encode().replace(b"?", b"\xff"))
@example(b"")
@example(b'{"Count":7,"ScannedCount":7}')
@pytest.mark.falls_back
def test_a_broken_page_for_a_model_is_read_as_botocore_reads_it(body: bytes) -> None:
    """Where botocore takes a body, the page for a model is the same."""
    ordinary = outcome(lambda: ordinarily(body))
    if ordinary[0] != "value":
        assert outcome(lambda: read_for(PipelineRunLog, body))[0] in {ordinary[0], "value"}
        return
    parsed, stored = read_for(PipelineRunLog, body)
    plain = (ordinary[1] or {}).get("Items", [])
    assert [made(PipelineRunLog, item) for item in stored] == [
        made_ordinarily(PipelineRunLog, item) for item in plain
    ]
    assert exact({**parsed, "Items": 0}) == exact({**ordinary[1], "Items": 0})


@pytest.mark.parametrize("tagged", [{"B": "AAE="}, {"BS": ["AAE="]}])
@pytest.mark.parametrize("around", [lambda x: x, lambda x: {"L": [x]}, lambda x: {"M": {"a": {"M": {"b": x}}}}])
def test_bytes_are_bytes_wherever_they_are(tagged: Any, around: Any) -> None:
    """And not their base64, as they are in JSON."""
    body = json.dumps(worlds.page([{"a": around(tagged)}])).encode()
    assert exact(read(body)) == exact(ordinarily(body))
    assert "AAE=" not in str(read(body)["Items"])


@pytest.mark.parametrize(
    "tagged",
    [
        {"S": "a", "N": "1"},
        {"S": "a", "NULL": True},
        {"S": "a", "__type": "b"},
        {"N": "1"},
        {"S": None},
        {"S": 5},
        {},
        None,
    ],
)
def test_a_text_that_is_none_is_read_as_botocore_reads_it(tagged: Any) -> None:
    """Under two tags or another, or no text: the same object or error."""
    body = json.dumps(worlds.page([{"run_id": tagged}])).encode()

    def objects(page: Any) -> Any:
        return [made_ordinarily(PipelineRunLog, item) for item in page["Items"]]

    ours = outcome(lambda: [made(PipelineRunLog, item) for item in read_for(PipelineRunLog, body)[1]])
    assert ours == outcome(lambda: objects(ordinarily(body)))


def test_broken_unicode_is_an_error_wherever_it_is() -> None:
    """Also in what the model does not read."""
    body = json.dumps(worlds.page([{"unread": {"S": "?"}}]), ensure_ascii=False).encode().replace(b"?", b"\xff")
    with facade.reading(PipelineRunLog), pytest.raises(UnicodeDecodeError):
        read(body)


_near_instants = st.builds(
    lambda text, place, piece, cut: text[:place] + piece + text[place + cut :],
    st.sampled_from(["2026-11-22T06:04:09.937580Z", "2024-02-29T23:59:59.000000Z"]),
    st.integers(0, 27),
    st.text("0123456789-+:.,TWtzZ \u0663", max_size=3),
    st.integers(0, 4),
)


@given(_near_instants)
@example("2026-11-22T24:00:00.000000Z")
@example("2026-W47-7T06:04:09.937580Z")
def test_an_instant_is_read_as_the_attribute_reads_it(text: str) -> None:
    """What the wire reads as an instant is what the attribute reads, and no more."""
    ours = outcome(lambda: exact(decoders.instant(text)))
    theirs = outcome(lambda: exact(UTCInstantAttribute().decode(text)))
    assert ours[0] != "value" or ours == theirs


@pytest.mark.parametrize(
    ("read", "attribute"),
    [
        (decoders.integer, IntegerAttribute()),
        (decoders.decimal, DecimalAttribute()),
        (decoders.moment, ExpiryAttribute()),
    ],
)
def test_a_number_is_read_as_the_attribute_reads_it(read: Any, attribute: Any) -> None:
    """What the wire reads as a number is what the attribute reads, and no more."""
    digits = ["1791000000", "0", "-0", "007", "-7", "50", "1.5", "1.50", "00.5", "-0.5", "-100.10", "1.0", "0.1"]
    digits += ["0.0000001", "1E3", "1.5E+2", "1.5e3", "1e-3"]
    odd = ["5.", "50.", ".5", " 5", "5\n", "1.50 ", "1_0", "1.5_5", "", "NaN", "Infinity", "1" * 60, "1e400"]
    odd += ["\u0663", "\u0663.5", "1.5\u0660"]  # digits of another script
    for text in (*digits, *odd):
        ours, theirs = (outcome(lambda: exact(way(text))) for way in (read, attribute.decode))  # noqa: B023  # called at once
        assert ours[0] != "value" or ours == theirs, text


@given(st.datetimes())
def test_every_instant_is_read_by_the_wire(value: datetime) -> None:
    """The stored form of any instant is one that the wire reads itself."""
    text = value.isoformat(timespec="microseconds") + "Z"
    assert exact(decoders.instant(text)) == exact(UTCInstantAttribute().decode(text))


def test_the_package_s_models_are_compiled() -> None:
    """All of them; a model whose class is stored, or that makes objects in its own way, is not."""
    assert [model.__name__ for model in MODELS if facade.decoder_of(model) is None] == ["Shape", "Circle"]

    class Taking(Odd):
        def _container_deserialize(self, attribute_values: Any) -> None:
            super()._container_deserialize(attribute_values)
            self.attribute_values["number"] = 42

    assert facade.decoder_of(Taking) is None
    item = {"the key": {"S": "a"}}
    assert made(Taking, item) == made_ordinarily(Taking, item)
    assert made(Shape, {"key": {"S": "a"}, "kind": {"S": "circle"}})[1][0] is Circle


@dataclass(frozen=True, kw_only=True)
class Renamed(Record):
    """A record that reads an old name of its field too."""

    text: str = part(TextAttribute())

    @classmethod
    def from_storage(cls, values: Mapping[str, Any]) -> Self:
        """Read either."""
        return super().from_storage({"text": values.get("text", "old")})


@dataclass(frozen=True, kw_only=True)
class Loud(Record):
    """A record whose field sets itself."""

    text: str = part(TextAttribute())


Loud.text = property(  # type: ignore[assignment]  # a dataclass takes none
    lambda self: self.__dict__["text"], lambda self, value: self.__dict__.update(text=value.upper())
)


class Stripped(TextAttribute):
    """An attribute that takes what is tagged in its own way."""

    def get_value(self, value: dict[str, Any]) -> Any:
        """Return it without white space around it."""
        return super().get_value(value).strip()


class Upper(TextAttribute):
    """An attribute that reads in its own way."""

    def deserialize(self, value: Any) -> Any:
        """Read in capitals."""
        return super().deserialize(value).upper()


class Seven(MapAttribute[str, Any]):
    """A map that reads in its own way."""

    x = NumberAttribute(null=True)

    def deserialize(self, values: Any) -> Any:
        """Read seven."""
        return super().deserialize(values | {"x": {"N": "7"}})  # type: ignore[no-untyped-call]  # PynamoDB's


class Own(Odd):
    """A model with ways of its own."""

    renamed = RecordListAttribute(Renamed, null=True)
    loud = RecordListAttribute(Loud, null=True)
    stripped = Stripped(null=True)
    upper = Upper(null=True)
    seven = Seven(null=True)  # type: ignore[no-untyped-call]  # PynamoDB's


class Twin(Odd):
    """A model of which two attributes are one stored value."""

    again = UnicodeAttribute(null=True, attr_name="S")


class Counting(Odd):
    """A model that sets its attributes in its own way."""

    def __setattr__(self, name: str, value: Any) -> None:
        super().__setattr__(name, value + 1 if name == "number" else value)


@pytest.mark.parametrize(
    ("model", "name", "stored", "value"),
    [
        (Own, "renamed", {"L": [{"M": {"name": {"S": "a"}}}]}, "old"),
        (Own, "loud", {"L": [{"M": {"text": {"S": "a"}}}]}, "A"),
        (Own, "stripped", {"S": " a "}, "a"),
        (Own, "upper", {"S": "a"}, "A"),
        (Own, "seven", {"M": {"x": {"N": "1"}}}, 7),
        (Twin, "S", {"S": "a"}, "a"),
        (Counting, "number", {"N": "1"}, 2),
    ],
)
def test_ways_of_a_user_s_own_are_used(model: Any, name: str, stored: Any, value: Any) -> None:
    """Of an attribute, of a record, of a map, of the model itself."""
    item = {"the key": {"S": "k"}, name: stored}
    assert made(model, item) == made_ordinarily(model, item)
    with using(ON):
        found = getattr(model.from_raw_data(item), {"S": "again"}.get(name, name))
    found = found[0].text if isinstance(found, list) else found
    assert (found.x if isinstance(found, Seven) else found) == value


PLAIN: list[Any] = [{"run_id": {"S": "a"}, "blob": {"B": b"\x00"}}, {"run_id": {"S": "b"}}]


class TestItems:
    """The items of a page that was read for a model look like the list that botocore would have given."""

    BODY = json.dumps(worlds.page([{"run_id": {"S": "a"}, "blob": {"B": "AA=="}}, {"run_id": {"S": "b"}}])).encode()

    def items(self) -> Any:
        """Return such items."""
        with facade.reading(PipelineRunLog):
            found = read(self.BODY)["Items"]
        assert type(found) is Items
        return found

    @pytest.mark.parametrize(
        "look",
        [
            list, tuple, repr, json.dumps, deepcopy, len, bool, max, iter, reversed, sorted,
            lambda x: x[0], lambda x: x[-1:], lambda x: [*x], lambda x: operator.add([3], x), lambda x: x.copy(),
            lambda x: operator.add(x, [3]), lambda x: x * 2, lambda x: x == PLAIN, lambda x: operator.eq(PLAIN, x),
            lambda x: PLAIN[0] in x, lambda x: x.index(PLAIN[1]), lambda x: x.count(PLAIN[0]), lambda x: {**x[0]},
            lambda x: pickle.loads(pickle.dumps(x)), lambda x: (x.append(1), x), lambda x: (x.pop(), x),
            lambda x: x.__iadd__([3]),
        ],
    )  # fmt: skip
    def test_every_look_is_at_plain_items(self, look: Any) -> None:
        """Whatever is done with them, it is done with plain items."""

        def kept(found: Any) -> Any:
            seen = look(found)
            return list(seen) if hasattr(seen, "__next__") else seen

        ours, plain = outcome(lambda: kept(self.items())), outcome(lambda: kept(deepcopy(PLAIN)))
        assert ours == plain

    def test_they_are_decoded_items_for_the_model(self) -> None:
        """Taken for the model they are in its form, and may be asked for keys."""
        taken = facade.stored_items(self.items())
        assert isinstance(taken[0], schemas.Stored)
        assert taken[0]["run_id"] == {"S": "a"}
        with pytest.raises(KeyError):
            taken[0]["pipeline_id"]

    def test_a_binary_key_is_bytes(self) -> None:
        """As PynamoDB sends it back to have the next page."""
        body = json.dumps(worlds.page([{"the key": {"S": "k"}, "binary": {"B": "AAE="}}])).encode()
        assert read_for(Odd, body)[1][0]["binary"] == {"B": b"\x00\x01"}

    def test_what_a_handler_changed_counts(self) -> None:
        """Once somebody has looked, plain items are what is read."""
        found = self.items()
        found[0]["run_id"] = {"S": "changed"}
        assert facade.stored_items(found)[0]["run_id"] == {"S": "changed"}


def test_replies_are_read_for_a_model_inside_its_block_alone() -> None:
    """Also where one block is in another, and ends with an error."""
    with facade.reading(Odd):
        with pytest.raises(ZeroDivisionError), facade.reading(PipelineRunLog):
            _ = 1 / 0
        decoder = facade.decoder_of(Odd)
        assert decoder is not None
        assert wanted.get() is decoder.schema
    assert wanted.get() is None


def test_off_means_off() -> None:
    """With the switch off nothing is compiled for a model."""

    class Fresh(Odd):
        pass

    made(Odd, {"the key": {"S": "a"}})
    made_ordinarily(Fresh, {"the key": {"S": "a"}})
    assert "_wire_decoder" not in vars(Fresh)
    made(Fresh, {"the key": {"S": "a"}})
    assert "_wire_decoder" in vars(Fresh)
