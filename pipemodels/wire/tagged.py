"""Tagged values, as the generated encoders put them together and msgspec writes them.

They are made of the forms in which items are read: these are made faster than dicts, and garbage collection does not
look at them. Lone surrogates, which are no Unicode, are refused when they are written.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple

import msgspec

from pipemodels.checks import MAX_DIGITS
from pipemodels.documents import MAX_DEPTH
from pipemodels.wire.forms import (
    Document,
    Documents,
    Flag,
    IrregularError,
    Null,
    Number,
    Text,
    check_regular,
)

MAX_PARTS = 10_000  # of one document; what has more is looked at by the attribute, which tells large from endless
LIMIT = 10**MAX_DIGITS
TRUE, FALSE, NULL = Flag(True), Flag(False), Null(True)

to_json = msgspec.json.Encoder().encode


class Recipe(NamedTuple):
    """How the generated functions treat a value `v` of an attribute, as Python source."""

    irregular: str
    """Says that the value is left to the attribute."""
    kept: str | None
    """What is kept of it in an object; None where that is up to the attribute's `__set__`."""
    tagged: str
    """Its tagged form."""


def whole_second(plain: datetime) -> Text:
    """Return an instant whose fraction is zero, which msgspec leaves out."""
    return Text(f"{plain.isoformat()[:19]}.000000Z")


def decimal_text(value: Any) -> str:
    """Return the digits of a number that is exact as it stands: without exponent, and zeros behind its point."""
    if type(value) is not Decimal:
        raise IrregularError
    text = str(value)
    as_it_stands = ("." in text and "E" not in text and text[-1] != "0") or text.isdecimal()
    if not as_it_stands or len(text) > MAX_DIGITS:
        raise IrregularError
    return text


def document(value: Any, depth: int, left: list[int]) -> Any:
    """Return the tagged form of a document whose parts are all of plain types."""
    kind = type(value)
    if kind is str:
        return Text(value)
    if kind is bool:
        return TRUE if value else FALSE
    if kind is int and -LIMIT < value < LIMIT:
        return Number(str(value))
    if value is None:
        return NULL
    if kind is Decimal:
        return Number(decimal_text(value))
    look_in(kind, value, depth, left)
    if kind is list:
        return Documents([document(part, depth + 1, left) for part in value])
    return Document({key_of(key): document(part, depth + 1, left) for key, part in value.items()})


def text_map(value: Any) -> dict[str, str]:
    """Return a map of texts."""
    if type(value) is not dict or len(value) > MAX_PARTS:
        raise IrregularError
    for key, part in value.items():
        if type(key) is not str or type(part) is not str or not key:
            raise IrregularError
        if not key.isascii() or not part.isascii():
            f"{key}{part}".encode()  # raises where half of a surrogate pair stands alone
    return value


def key_of(key: Any) -> str:
    """Return a key of a document."""
    if type(key) is not str or not key:
        raise IrregularError
    return key


def look_in(kind: type, value: Any, depth: int, left: list[int]) -> None:
    """Refuse what is no dict or list, too deep, or more than is left of the parts that one document may have here."""
    if (kind is not dict and kind is not list) or depth >= MAX_DEPTH:
        raise IrregularError
    left[0] -= len(value)
    if left[0] < 0:
        raise IrregularError


def asked(tag: str, value: Any) -> dict[str, Any]:
    """Return the tagged form of what an attribute has encoded by itself, if its JSON says the same."""
    tagged = {tag: value}
    if type(value) is not str or (tag != "S" and tag != "N"):
        check_regular(tagged)
        if msgspec.json.decode(to_json(tagged)) != tagged:  # keys that are no texts
            raise IrregularError
    return tagged


def fields_form(name: str, stored: Iterable[str]) -> type[msgspec.Struct]:
    """Return the form of what has these fields by position; one that is None is absent."""
    renamed = {f"f{number}": one for number, one in enumerate(stored)}
    fields: list[Any] = [(field, Any, None) for field in renamed]
    return msgspec.defstruct(name, fields, rename=renamed, gc=False, omit_defaults=True)


def item_of(json: bytes) -> dict[str, dict[str, Any]]:
    """Return an item as a dict."""
    item: dict[str, dict[str, Any]] = msgspec.json.decode(json)
    return item
