"""Documents: their allowed values, stored format and size limit."""

import datetime
from decimal import Decimal
from typing import Any

import pytest

from pipemodels.documents import MAX_DEPTH, checked_document, decode, encode, read_number, refuse_too_large
from pipemodels.errors import ItemTooLargeError, Problem, ValidationError
from tests.unit.test_checks import Colour, Level


def problems_of(value: Any) -> list[Problem]:
    """Return the problems of a document."""
    with pytest.raises(ValidationError) as caught:
        checked_document(value, "config")
    return list(caught.value.problems)


@pytest.mark.parametrize(
    ("value", "stored"),
    [
        (None, {"NULL": True}),
        (True, {"BOOL": True}),
        (False, {"BOOL": False}),
        ("", {"S": ""}),
        ('Ü\n\\"😀', {"S": 'Ü\n\\"😀'}),
        (0, {"N": "0"}),
        (10**125, {"N": "1E+125"}),
        (Decimal("0.1"), {"N": "0.1"}),
        (Decimal("1E-130"), {"N": "1E-130"}),
        ([], {"L": []}),
        ({}, {"M": {}}),
        (
            {"a": [1, {"b": None}], "S": "x"},
            {"M": {"a": {"L": [{"N": "1"}, {"M": {"b": {"NULL": True}}}]}, "S": {"S": "x"}}},
        ),
    ],
)
def test_the_stored_form_and_back(value: Any, stored: dict[str, Any]) -> None:
    """Each kind of value has one tagged format, which is read back as an equal value of the same type."""
    assert encode(checked_document(value, "config")) == stored
    found = decode(stored)
    assert (found, type(found)) == (value, type(value))


@pytest.mark.parametrize(
    ("value", "copy"),
    [
        (Decimal("5.0"), 5),
        (Decimal("1.50"), Decimal("1.5")),
        (Level.HIGH, 3),
        (Colour.RED, "red"),
        ({Colour.RED: Colour.RED}, {"red": "red"}),
    ],
)
def test_what_is_normalised(value: Any, copy: Any) -> None:
    """A checked document holds the values that storage returns: plain text, numbers without trailing zeros."""
    found = checked_document({"x": value}, "config")["x"]
    assert (found, type(found)) == (copy, type(copy))
    assert all(type(key) is str for key in found) if isinstance(found, dict) else True


def test_a_document_is_copied_deeply() -> None:
    """Later changes to the caller's document do not change the checked copy."""
    inner: list[Any] = [1]
    document = {"a": {"b": inner}, "c": [{"d": inner}]}
    copy = checked_document(document, "config")
    inner.append(2)
    assert copy == {"a": {"b": [1]}, "c": [{"d": [1]}]}


@pytest.mark.parametrize(
    ("tagged", "value"),
    [
        ({"NS": ["3", "1.5"]}, [Decimal("1.5"), 3]),
        ({"SS": ["b", "a"]}, ["a", "b"]),
        ({"BS": [b"b", b"a"]}, [b"a", b"b"]),
        ({"B": b"x"}, b"x"),
        ({"N": "1.0E+2"}, 100),
    ],
)
def test_what_others_may_have_written_can_be_read(tagged: dict[str, Any], value: Any) -> None:
    """Sets are read as sorted lists, binary values as bytes, and numbers in any notation."""
    assert decode(tagged) == value


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ((1, 2), "is a tuple: write a list"),
        (set(), "is a set: write a sorted list"),
        ({1}, "is a set: write a sorted list"),
        (frozenset({"a"}), "is a set: write a sorted list"),
        (b"x", "is bytes: write base64 text, or the URL of a file"),
        (1.5, "is a float, which is not exact: write Decimal('1.5') or an int"),
        (float("nan"), "is not a finite number"),
        (float("inf"), "is not a finite number"),
        (Decimal("NaN"), "is not a finite number"),
        (int("1" * 39), "has 39 significant digits; DynamoDB stores 38"),
        ("\ud800", "contains half of a surrogate pair, which is not valid Unicode"),
        (datetime.datetime(2026, 1, 1), "is of type datetime, which a document cannot contain: write text"),
        (datetime.date(2026, 1, 1), "is of type date, which a document cannot contain: write text"),
        (object, "is of type type, which a document cannot contain: write text"),
        (bytearray(b"x"), "is of type bytearray, which a document cannot contain: write text"),
        (1j, "is of type complex, which a document cannot contain: write text"),
    ],
)
def test_values_that_are_refused(value: Any, reason: str) -> None:
    """An unsupported value at any depth is rejected with its path and a replacement to write."""
    assert [(one.field, one.reason) for one in problems_of({"a": [0, {"b": value}]})] == [("config.a[1].b", reason)]


@pytest.mark.parametrize(
    ("key", "reason"),
    [
        (1, "must be text, not int"),
        (None, "must be text, not NoneType"),
        ("", "is an empty key"),
        ("\udfff", "contains half of a surrogate pair, which is not valid Unicode"),
    ],
)
def test_keys_that_are_refused(key: Any, reason: str) -> None:
    """A key must be non-empty text; the path in the error is that of its map."""
    assert problems_of({"a": {key: 1}}) == [Problem("config.a key", key, reason)]


def test_all_parts_that_cannot_be_stored_are_reported_together() -> None:
    """Three invalid values give three problems, in the order of the document."""
    document = {"a": 1.5, "b": [{1}, {"c": float("nan")}], "d": "fine"}
    assert [one.field for one in problems_of(document)] == ["config.a", "config.b[0]", "config.b[1].c"]


def nested(levels: int) -> dict[str, Any]:
    """Return a document of this many levels."""
    document: dict[str, Any] = {}
    for _ in range(levels - 1):
        document = {"k": document}
    return document


def test_the_deepest_document() -> None:
    """A value may be nested in 31 lists and maps; the 32nd is rejected with its path."""
    assert MAX_DEPTH == 31
    assert checked_document(nested(31), "config") == nested(31)
    reason = "is nested deeper than the 31 lists and maps that DynamoDB stores"
    assert problems_of(nested(32)) == [Problem("config" + ".k" * 31, "dict", reason)]
    assert len(problems_of({"a": nested(31), "b": [nested(30)]})) == 2


def test_what_lies_in_a_list_of_the_item_may_be_less_deep() -> None:
    """The levels of the item around a document count towards the limit."""
    assert checked_document(nested(30), "x", depth=1) == nested(30)
    with pytest.raises(ValidationError):
        checked_document(nested(31), "x", depth=1)


def test_a_document_that_meets_itself_is_refused() -> None:
    """A cycle, or a list that contains another list many times, raises an error and does not fill the memory."""
    cycle: dict[str, Any] = {}
    cycle["self"] = cycle
    bomb: list[Any] = ["lol"] * 10
    for _ in range(20):
        bomb = [bomb] * 10
    for endless in (cycle, bomb):
        (problem,) = problems_of(endless)
        assert problem.field == "config"
        assert problem.reason.startswith("contains more than 409,600 values, or contains itself")


def test_as_many_values_as_an_item_has_bytes_may_be_tried() -> None:
    """The check for endless documents accepts every document that can be stored."""
    assert len(checked_document([None] * 400_000, "x")) == 400_000


def test_the_largest_item() -> None:
    """An item of 409,600 bytes including names is accepted, one byte more is rejected."""
    refuse_too_large({"id": {"S": "x" * (409_600 - 2)}})
    with pytest.raises(ItemTooLargeError, match="item: 409601 bytes exceed the 409,600 bytes of a DynamoDB item"):
        refuse_too_large({"id": {"S": "x" * (409_600 - 1)}})


def test_the_largest_fields_are_named() -> None:
    """The message names only the three largest fields with their sizes, largest first."""
    item: dict[str, Any] = {
        "a": {"S": "x" * 100},
        "b": {"S": "ü" * 150_000},
        "c": {"S": "x" * 120_000},
        "d": {"L": [{"N": "1"}]},
    }
    with pytest.raises(ItemTooLargeError) as caught:
        refuse_too_large(item)
    assert str(caught.value).endswith("its largest fields: b 300,001 bytes, c 120,001 bytes, a 101 bytes")


@pytest.mark.parametrize(
    ("tagged", "size"),
    [
        ({"S": "ü"}, 2),
        ({"N": "1"}, 2),
        ({"N": "123"}, 3),
        ({"BOOL": True}, 1),
        ({"NULL": True}, 1),
        ({"M": {}}, 3),
        ({"L": []}, 3),
        ({"M": {"k": {"S": "ab"}}}, 3 + 1 + 1 + 2),
        ({"L": [{"S": "ab"}, {"BOOL": True}]}, 3 + 1 + 2 + 1 + 1),
        ({"SS": ["ab", "c"]}, 3),
        ({"B": b"abc"}, 3),
    ],
)
def test_sizes_as_dynamodb_counts_them(tagged: dict[str, Any], size: int) -> None:
    """Text counts its UTF-8 bytes, a number its pairs of digits, lists and maps an overhead."""
    rest = 409_600 - size - 2
    refuse_too_large({"a": tagged, "b": {"S": "x" * rest}})
    with pytest.raises(ItemTooLargeError):
        refuse_too_large({"a": tagged, "b": {"S": "x" * (rest + 1)}})


def test_numbers_read_exactly() -> None:
    """A number of 38 digits is read back unchanged."""
    assert read_number("0." + "1" * 38) == Decimal("0." + "1" * 38)
    assert str(read_number("1" * 38)) == "1" * 38
