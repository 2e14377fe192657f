"""Checks of PynamoDB's own attributes: values that DynamoDB would refuse, or PynamoDB would change, are errors."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from pynamodb.attributes import (
    BinaryAttribute,
    BinarySetAttribute,
    BooleanAttribute,
    DynamicMapAttribute,
    JSONAttribute,
    ListAttribute,
    MapAttribute,
    NumberAttribute,
    NumberSetAttribute,
    TTLAttribute,
    UnicodeAttribute,
    UnicodeSetAttribute,
    UTCDateTimeAttribute,
    VersionAttribute,
)
from pynamodb.indexes import AllProjection, GlobalSecondaryIndex
from pynamodb.models import Model as PynamoModel
from pynamodb.transactions import TransactWrite

from pipemodels import DynamoDBConfig, ValidationError, create_tables, using
from pipemodels.models import ConfiguredTable, Model

Unique = Callable[[str], str]
AT = datetime(2026, 11, 22, 6, tzinfo=UTC)


class Step(MapAttribute[str, Any]):
    """A map in maps and lists."""

    x = NumberAttribute(null=True)
    flag = BooleanAttribute(null=True)
    name = UnicodeAttribute(null=True, attr_name="the name")


class Loose(DynamicMapAttribute):
    """A map that declares only some of its attributes."""

    x = NumberAttribute(null=True)


class Own(UnicodeAttribute):
    """A user's own attribute, with its own error."""

    def serialize(self, value: Any) -> str:
        """Return any value as text, except seven."""
        if value == 7:
            raise LookupError("seven")
        return str(value)


class ByText(GlobalSecondaryIndex["Every"]):
    """An index by text and number."""

    class Meta:
        index_name = "by_text"
        projection = AllProjection()

    text = UnicodeAttribute(hash_key=True)
    number = NumberAttribute(range_key=True)


class Every(Model):
    """A model of PynamoDB's attributes."""

    class Meta(ConfiguredTable):
        base_name = "every"

    key = UnicodeAttribute(hash_key=True)
    text = UnicodeAttribute(null=True, attr_name="the text")
    number = NumberAttribute(null=True)
    flag = BooleanAttribute(null=True)
    at = UTCDateTimeAttribute(null=True)
    gone = TTLAttribute(null=True)
    json = JSONAttribute(null=True)
    binary = BinaryAttribute(null=True, legacy_encoding=False)
    legacy = BinaryAttribute(null=True, legacy_encoding=True)
    texts = UnicodeSetAttribute()
    numbers = NumberSetAttribute()
    binaries = BinarySetAttribute(legacy_encoding=False)
    free: MapAttribute[str, Any] = MapAttribute(null=True)
    step = Step(null=True)  # type: ignore[no-untyped-call]  # PynamoDB's
    loose = Loose(null=True)  # type: ignore[no-untyped-call]  # PynamoDB's
    any_list: ListAttribute[Any] = ListAttribute(null=True)
    text_list: ListAttribute[Any] = ListAttribute(of=UnicodeAttribute, null=True)
    flags: ListAttribute[Any] = ListAttribute(of=BooleanAttribute, null=True)
    steps: ListAttribute[Any] = ListAttribute(of=Step, null=True)
    version = VersionAttribute()
    own = Own(null=True)


class Indexed(Model):
    """A model with an index, in which the key has another Python name."""

    class Meta(ConfiguredTable):
        base_name = "indexed"

    key = UnicodeAttribute(hash_key=True)
    sort = NumberAttribute(range_key=True)
    subject = UnicodeAttribute(null=True, attr_name="text")
    amount = NumberAttribute(null=True, attr_name="number")
    by_text = ByText()


@pytest.fixture(scope="module", autouse=True)
def tables(module_config: DynamoDBConfig) -> None:
    """Create the tables."""
    with using(module_config):
        create_tables([Every, Indexed])


@pytest.fixture(params=[True, False], autouse=True)
def wire(request: pytest.FixtureRequest, config: DynamoDBConfig) -> Iterator[None]:
    """Use the compiled codecs, and the fallback."""
    with using(replace(config, wire=request.param)):
        yield


def _put(value: Any, name: str) -> None:
    Every("k", **{name: value}).save()


def _batch(value: Any, name: str) -> None:
    with Every.batch_write() as batch:
        batch.save(Every("k", **{name: value}))


def _transact(value: Any, name: str) -> None:
    with TransactWrite(connection=Every._get_connection().connection) as write:
        write.save(Every("k", **{name: value}))


def _update(value: Any, name: str) -> None:
    Every("k").update([getattr(Every, name).set(value)])


def _transact_update(value: Any, name: str) -> None:
    with TransactWrite(connection=Every._get_connection().connection) as write:
        write.update(Every("k"), [getattr(Every, name).set(value)])


def _filter(value: Any, name: str) -> None:
    list(Every.scan(getattr(Every, name) == value))


def _condition(value: Any, name: str) -> None:
    Every("k").save(condition=getattr(Every, name).is_in(value))


def _delete(value: Any, name: str) -> None:
    Every("k").delete(condition=getattr(Every, name) != value)


WRITES = [_put, _batch, _transact, _update, _transact_update]
EXPRESSIONS = [_filter, _condition, _delete]

WRONG: list[tuple[str, Any, str]] = [
    ("text", 5, "the text: 5 must be text, not int"),
    ("text", b"a", "the text: b'a' must be text, not bytes"),
    ("text", "\ud800", "the text: '\\ud800' must be text: contains half of a surrogate pair"),
    ("number", "5", "number: '5' must be a number"),
    ("number", True, "number: True must be a number"),
    ("number", float("nan"), "number: nan must be a finite number"),
    ("number", float("-inf"), "number: -inf must be a finite number"),
    ("number", 1e300, "number: 1e+300 must be a number: is outside DynamoDB's range"),
    ("number", 10**38 + 1, "must be a number: has 39 significant digits; DynamoDB stores 38"),
    (
        "number",
        Decimal("1.5"),
        "number: Decimal('1.5') must be an int or a float; pipemodels.attributes.DecimalAttribute",
    ),
    ("flag", "false", "flag: 'false' must be True or False"),
    ("flag", 2, "flag: 2 must be True or False"),
    ("at", "2026-11-22", "at: '2026-11-22' must be a datetime"),
    ("gone", "soon", "gone: 'soon' "),
    ("gone", datetime(2026, 11, 22), "gone: datetime.datetime(2026, 11, 22, 0, 0) "),
    (
        "json",
        {1, 2},
        "json: {1, 2} must be a value that JSON can represent (Object of type set is not JSON serializable)",
    ),
    ("binary", "a", "binary: 'a' must be bytes, not str"),
    ("legacy", "a", "legacy: 'a' must be bytes (a bytes-like object is required"),
    ("texts", "ab", "texts: 'ab' must be a set of strings"),
    ("texts", {1}, "texts: {1} must be text, not int"),
    ("texts", ["a", "a"], "texts: ['a', 'a'] must be a set of strings: has an element twice"),
    ("numbers", {"a"}, "numbers: {'a'} must be a number"),
    ("numbers", {True}, "numbers: {True} must be a number"),
    ("binaries", {"a"}, "binaries: {'a'} must be bytes, not str"),
    ("binaries", b"ab", "binaries: b'ab' must be a set of bytes"),
    ("free", {"a": [float("nan")]}, "free.a[0]: 'NaN' must be a finite number"),
    ("free", {"a": {"b": set()}}, "must be a mapping (Cannot serialize empty set)"),
    ("free", {"a": object}, "must be a mapping (Unsupported value type '<class 'type'>')"),
    ("step", {"x": "5"}, "step.x: '\"5\"' must be a number"),
    ("step", Step(x="5"), "step.x: '\"5\"' must be a number"),  # type: ignore[no-untyped-call]  # PynamoDB's
    ("step", Step(name=5), "step.the name: 5 must be text, not int"),  # type: ignore[no-untyped-call]  # PynamoDB's
    ("step", {"flag": "false"}, "step.flag: 'false' must be True or False"),
    ("loose", {"x": "5"}, "loose.x: '\"5\"' must be a number"),
    ("loose", {"more": float("inf")}, "loose.more: 'Infinity' must be a finite number"),
    ("any_list", [object()], "must be a list (Unsupported value type '<class 'object'>')"),
    ("any_list", [{"a": [float("inf")]}], "any_list[0].a[0]: 'Infinity' must be a finite number"),
    ("text_list", [5], "text_list[0]: 5 must be text, not int"),
    ("flags", ["false"], "flags[0]: 'false' must be True or False"),
    ("steps", [{"x": "5"}], "steps[0].x: '\"5\"' must be a number"),
    ("steps", [Step(flag="no")], "steps[0].flag: 'no' must be True or False"),  # type: ignore[no-untyped-call]  # PynamoDB's
]


@pytest.mark.parametrize(("name", "value", "problem"), WRONG)
def test_what_cannot_be_stored_is_refused_on_every_way(
    name: str, value: Any, problem: str, requests: list[str]
) -> None:
    """Saves, batches, transactions, updates, filters and conditions name the field and the value; nothing is sent."""
    for way in (*WRITES, *EXPRESSIONS):
        with pytest.raises(ValidationError) as caught:
            way(value, name)
        assert problem in str(caught.value), way
    assert requests == []


@pytest.mark.parametrize(
    ("name", "value", "problem"),
    [
        ("step", 5, "must be a mapping"), ("step", "a", "must be a mapping"), ("free", ["a"], "must be a mapping"),
        ("any_list", "ab", "must be a list"), ("any_list", {"a": 1}, "must be a list"),
        ("any_list", 5, "must be a list"),
    ],
)  # fmt: skip
def test_what_an_attribute_could_not_read_is_not_written(
    name: str, value: Any, problem: str, requests: list[str]
) -> None:
    """PynamoDB splits a string, stores an empty map for it, and sends any value that an update sets."""
    for way in WRITES:
        with pytest.raises(ValidationError, match=rf"^{name}: .* {problem}"):
            way(value, name)
    assert requests == []


def test_all_problems_of_an_item_are_reported_in_the_order_of_declaration() -> None:
    """One error reports the problems of all fields."""
    with pytest.raises(ValidationError) as caught:
        Every("k", steps=[{"x": "5"}], number="5", text=5, own="taken").save()
    assert [one.field for one in caught.value.problems] == ["the text", "number", "steps[0].x"]


def test_keys_are_refused(requests: list[str]) -> None:
    """Keys are checked in items, reads and indexes, under any Python name; a missing key is an error."""
    text, number = "must be text, not int", "must be a number"
    ways: list[tuple[Callable[[], Any], str]] = [
        (lambda: Every(7).save(), f"key: 7 {text}"),
        (lambda: Every(7).delete(), f"key: 7 {text}"),
        (lambda: Every(7).update([Every.text.set("a")]), f"key: 7 {text}"),
        (lambda: Every(7).refresh(), f"key: 7 {text}"),
        (lambda: Every.get(7), f"key: 7 {text}"),
        (lambda: list(Every.batch_get([7])), f"key: 7 {text}"),
        (lambda: list(Every.query(7)), f"key: 7 {text}"),
        (lambda: Every.count(7), f"key: 7 {text}"),
        (lambda: Indexed.get("k", "1"), f"sort: '1' {number}"),
        (lambda: list(Indexed.query("k", Indexed.sort > "1")), f"sort: '1' {number}"),
        (lambda: list(Indexed.by_text.query(7)), f"text: 7 {text}"),
        (lambda: Indexed.by_text.count(7), f"text: 7 {text}"),
        (lambda: list(Indexed.by_text.query("a", ByText.number.between(1, "2"))), f"number: '2' {number}"),
        (lambda: Every().save(), "key: None is required"),
        (lambda: Every().delete(), "key: None is required"),
        (lambda: Every.get(None), "key: None is required"),
        (lambda: Every.query(None), "key: None is required"),
        (lambda: Indexed("k").update([Indexed.subject.set("a")]), "sort: None is required"),
    ]
    for way, problem in ways:
        with pytest.raises(ValidationError, match=f"^{problem}$"):
            way()
    assert requests == []


def test_a_part_of_a_map_is_checked_in_expressions() -> None:
    """A typed map's attributes are PynamoDB's too."""
    every: Any = Every
    for way in (
        lambda: every.step.x == "5",
        lambda: every.step.flag.set("no"),
        lambda: Every.number.set(Every.number + "5"),
        lambda: Every.number.set(Every.number | "5"),
        lambda: every.text.startswith(5),
    ):
        with pytest.raises(ValidationError):
            way()


def test_what_is_right_is_stored_as_before(unique: Unique) -> None:
    """Valid edge cases are stored as PynamoDB stores them."""
    key = unique("right")
    Every(
        key, text="", number=-1.5, flag=1, at=datetime(2026, 11, 22, 6), gone=timedelta(hours=1), json=[float("nan")],
        binary=b"a", legacy=b"a", texts=["a", "b"], numbers={1, 2.5}, binaries=[b"a"], free={"a": None},
        step={"x": 1}, loose={"y": [1]}, any_list=[None, {"a"}], text_list=["a", None], flags=[True, 0],
        steps=[{"x": 1}, Step(flag=False)], own=5,  # type: ignore[no-untyped-call]  # PynamoDB's
    ).save()  # fmt: skip
    found: Any = Every.get(key)
    assert (found.flag, found.at, found.own, found.flags, found.numbers) == (True, AT, "5", [True, False], {1, 2.5})
    assert (found.any_list, found.text_list, found.texts, found.steps[1].flag) == (
        [None, {"a"}],
        ["a", None],
        {"a", "b"},
        False,
    )
    found.update(
        [Every.texts.add({"c"}), Every.numbers.delete({1}), Every.any_list.set(Every.any_list.append(["z"]))]
    )
    assert (found.texts, found.numbers, found.any_list) == ({"a", "b", "c"}, {2.5}, [None, {"a"}, "z"])
    nothing: Any = None
    found.update([Every.step.set(Step(x=2)), Every.number.set(nothing), Every.text.set(Every.own)])  # type: ignore[no-untyped-call]  # PynamoDB's
    assert (found.step.x, found.number, found.text) == (2, None, "5")
    (again,) = Every.scan(Every.texts.contains("a") & (Every.key == key) & Every.any_list.contains("z"))
    assert repr(again) == repr(found)


def test_an_attribute_of_a_user_s_own_keeps_its_errors() -> None:
    """Its `serialize` is called, and its errors are raised unchanged."""
    with pytest.raises(LookupError, match=r"^seven$"):
        Every("k", own=7).save()


def test_models_on_pynamodb_s_base_are_left_alone() -> None:
    """Such models send the values that are errors here."""

    class Theirs(PynamoModel):
        class Meta:
            table_name = "theirs"

        key = UnicodeAttribute(hash_key=True)

    assert Theirs(7).serialize() == {"key": {"S": 7}}
    assert "serialize" not in vars(Theirs.key)


# -- order -----------------------------------------------------------------------------------------------------------


class Base(Model):
    """Attributes of a base class come first."""

    z = UnicodeAttribute(null=True)


class Ordered(Base):
    """The order is that of declaration, not of the alphabet; an attribute of the base is declared again."""

    class Meta(ConfiguredTable):
        base_name = "ordered"

    key = UnicodeAttribute(hash_key=True)
    b = UnicodeAttribute(null=True, default="x")
    a = UnicodeAttribute(null=True, attr_name="c")
    z = UnicodeAttribute(null=True)


def test_attributes_keep_the_order_of_declaration() -> None:
    """In repr, in each encoding of an item, and in errors, in whichever order the values are given."""
    for item in (
        Ordered("k", a="1", z="2"),
        Ordered(z="2", a="1", key="k"),
        Ordered(**{"a": "1", "z": "2", "key": "k"}),
    ):
        assert list(Ordered.get_attributes()) == ["z", "key", "b", "a"]
        assert repr(item) == "Ordered(z='2', key='k', b='x', a='1')"
        assert (
            list(item.serialize())
            == list(item.to_simple_dict())
            == list(item.to_dynamodb_dict())
            == ["z", "key", "b", "c"]
        )
        assert repr(Ordered.from_raw_data(item.serialize())) == repr(item)


def test_the_order_is_the_same_in_each_process() -> None:
    """The order of repr and of the names in the object does not depend on Python's hash seed."""
    code = """
from pynamodb.attributes import UnicodeAttribute
from pipemodels.models import ConfiguredTable, Model
class User(Model):
    class Meta(ConfiguredTable):
        base_name = "users"
    a = UnicodeAttribute(hash_key=True)
    b = UnicodeAttribute()
    c = UnicodeAttribute()
    d = UnicodeAttribute(default="x")
user = User("1", b="2", c="3")
print(user, list(user.attribute_values), list(User(b="2", c="3", a="1").attribute_values))
"""
    said = {
        subprocess.run(
            [sys.executable, "-c", code],
            env=os.environ | {"PYTHONHASHSEED": str(seed)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in range(4)
    }
    assert len(said) == 1
    assert said.pop().startswith("User(a='1', b='2', c='3', d='x') [")
