"""Texts: the JSON of tagged values, as the generated encoders put it together.

A text is JSON from the start, and not built as dicts, which would be walked once more to be written. Lone surrogates,
which are no Unicode, are refused where the whole text becomes bytes.
"""

from __future__ import annotations

import json
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple

import msgspec

from pipemodels.checks import MAX_DIGITS
from pipemodels.documents import MAX_DEPTH
from pipemodels.wire.forms import IrregularError, check_regular

MAX_PARTS = 10_000  # of one document; what has more is looked at by the attribute, which tells large from endless
LIMIT = 10**MAX_DIGITS

quoted: Any = json.encoder.encode_basestring  # in C
to_json = msgspec.json.Encoder().encode


class Recipe(NamedTuple):
    """How the generated functions treat a value `v` of an attribute, as Python source."""

    irregular: str
    """Says that the value is left to the attribute."""
    kept: str | None
    """What is kept of it in an object; None where that is up to the attribute's `__set__`."""
    text: str
    """Its tagged form in JSON, as the inside of an f-string of three single quotes."""


_reduced = datetime.__reduce__
_datetime: Any = datetime  # takes, besides numbers, the state of a datetime as pickle has it


def instant_text(utc: datetime) -> str:
    """Return an instant of UTC up to its sixth digit, behind a quote that nothing closes yet.

    msgspec writes it faster than `isoformat`, but leaves out a fraction that is zero.
    """
    text = to_json(_datetime(_reduced(utc)[1][0])).decode()
    return text[:27] if len(text) == 28 else f"{text[:20]}.000000"


def decimal_text(value: Any) -> str:
    """Return the digits of a number that is exact as it stands: without exponent, and zeros behind its point."""
    if type(value) is not Decimal:
        raise IrregularError
    text = str(value)
    as_it_stands = text.isdecimal() or ("." in text and "E" not in text and text[-1] != "0")
    if not as_it_stands or len(text) > MAX_DIGITS:
        raise IrregularError
    return text


def document_text(value: Any, depth: int, left: list[int]) -> str:
    """Return the tagged form of a document whose parts are all of plain types."""
    kind = type(value)
    if kind is str:
        return f'{{"S":{quoted(value)}}}'
    if kind is bool:
        return '{"BOOL":true}' if value else '{"BOOL":false}'
    if kind is int and -LIMIT < value < LIMIT:
        return f'{{"N":"{value}"}}'
    if value is None:
        return '{"NULL":true}'
    if kind is Decimal:
        return f'{{"N":"{decimal_text(value)}"}}'
    look_in(kind, value, depth, left)
    if kind is list:
        return f'{{"L":[{",".join([document_text(part, depth + 1, left) for part in value])}]}}'
    parts = [f"{quoted(key_of(key))}:{document_text(part, depth + 1, left)}" for key, part in value.items()]
    return f'{{"M":{{{",".join(parts)}}}}}'


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


def tagged_text(tag: str, value: Any) -> str:
    """Return the tagged form of what an attribute has encoded by itself."""
    if type(value) is str and (tag == "S" or tag == "N"):
        return f'{{"{tag}":{quoted(value)}}}'
    tagged = {tag: value}
    check_regular(tagged)
    text = to_json(tagged)
    if msgspec.json.decode(text) != tagged:  # keys that are no texts
        raise IrregularError
    return text.decode()


def item_of(text: bytes) -> dict[str, dict[str, Any]]:
    """Return an item as a dict."""
    item: dict[str, dict[str, Any]] = msgspec.json.decode(text)
    return item
