"""An item's JSON in parts, as the generated encoders put them together: what is always the same, and values.

msgspec writes them one after the other, each on a line of its own, and lines may end between the parts of JSON. The
last brace of a tagged value, `{"S": …}`, is left to the part after it. Lone surrogates, which are no Unicode, are
refused when they are written.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any

import msgspec

from pipemodels.checks import MAX_DIGITS
from pipemodels.documents import MAX_DEPTH
from pipemodels.transport.fallbacks import IrregularError
from pipemodels.transport.schemas import check_regular

Parts = list[Any]
MAX_PARTS = 10_000  # of one document; what has more is looked at by the attribute, which tells large from endless
LIMIT = 10**MAX_DIGITS


def raw(json: str) -> msgspec.Raw:
    """Return a part that is written as it stands."""
    return msgspec.Raw(json.encode())


TEXT, NUMBER, MAP, LIST = raw('{"S":'), raw('{"N":'), raw('{"M":{'), raw('{"L":[')
TRUE, FALSE, NULL = raw('{"BOOL":true'), raw('{"BOOL":false'), raw('{"NULL":true')
NO_MAP, NO_LIST = raw('{"M":{}'), raw('{"L":[]')
COLON, KEY_OF_TEXT, KEY_OF_NUMBER = raw(":"), raw(':{"S":'), raw(':{"N":')
NEXT, MAP_END, LIST_END = raw("},"), raw("}}"), raw("}]")

to_json = msgspec.json.Encoder().encode_lines


def whole_second(plain: datetime) -> str:
    """Return an instant whose fraction is zero, which msgspec leaves out."""
    return f"{plain.isoformat()[:19]}.000000Z"


def decimal_text(value: Any) -> str:
    """Return the digits of a number that is exact as it stands: without exponent, and zeros behind its point."""
    if type(value) is not Decimal:
        raise IrregularError
    text = str(value)
    as_it_stands = ("." in text and "E" not in text and text[-1] != "0") or text.isdecimal()
    if not as_it_stands or len(text) > MAX_DIGITS:
        raise IrregularError
    return text


def add_document(parts: Parts, value: Any, depth: int, left: list[int]) -> None:
    """Add a document whose parts are all of plain types."""
    kind = type(value)
    if kind is str:
        parts += (TEXT, value)
    elif kind is bool:
        parts.append(TRUE if value else FALSE)
    elif kind is int and -LIMIT < value < LIMIT:
        parts += (NUMBER, str(value))
    elif value is None:
        parts.append(NULL)
    elif kind is Decimal:
        parts += (NUMBER, decimal_text(value))
    else:
        look_in(kind, value, depth, left)
        if kind is list:
            add_free_list(parts, value, add_document, depth + 1, left)
        else:
            add_map(parts, value, add_document, depth + 1, left)


def add_list(parts: Parts, ones: list[Any], add: Callable[..., None]) -> None:
    """Add a list, of which `add` adds an element."""
    parts.append(LIST if ones else NO_LIST)
    for one in ones:
        add(parts, one)
        parts.append(NEXT)
    if ones:
        parts[-1] = LIST_END


def add_free_list(parts: Parts, ones: list[Any], add: Callable[..., None], *more: Any) -> None:
    """Add a list of anything, of which `add` adds an element that is no text."""
    parts.append(LIST if ones else NO_LIST)
    for one in ones:
        if type(one) is str:
            parts += (TEXT, one, NEXT)
        else:
            add(parts, one, *more)
            parts.append(NEXT)
    if ones:
        parts[-1] = LIST_END


def add_map(parts: Parts, values: dict[str, Any], add: Callable[..., None], *more: Any) -> None:
    """Add a map of anything, of which `add` adds a value that is neither a text nor a usual whole number."""
    parts.append(MAP if values else NO_MAP)
    for key, one in values.items():
        if type(key) is not str or not key:
            raise IrregularError
        kind = type(one)
        if kind is str:
            parts += (key, KEY_OF_TEXT, one, NEXT)
        elif kind is int and -LIMIT < one < LIMIT:
            parts += (key, KEY_OF_NUMBER, str(one), NEXT)
        else:
            parts += (key, COLON)
            add(parts, one, *more)
            parts.append(NEXT)
    if values:
        parts[-1] = MAP_END


def add_text_map(parts: Parts, values: Any) -> None:
    """Add a map of texts."""
    if type(values) is not dict or len(values) > MAX_PARTS:
        raise IrregularError
    if not all(type(one) is str for one in values.values()):
        raise IrregularError
    add_map(parts, values, irregular)


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


def look_in(kind: type, value: Any, depth: int, left: list[int]) -> None:
    """Refuse what is no dict or list, too deep, or more than is left of the parts that one document may have here."""
    if (kind is not dict and kind is not list) or depth >= MAX_DEPTH:
        raise IrregularError
    left[0] -= len(value)
    if left[0] < 0:
        raise IrregularError


def add_asked(parts: Parts, tag: str, value: Any) -> None:
    """Add what an attribute has encoded by itself, if its JSON says the same."""
    tagged = {tag: value}
    check_regular(tagged)
    if msgspec.json.decode(msgspec.json.encode(tagged)) != tagged:  # keys that are no texts
        raise IrregularError
    parts += (raw(f'{{"{tag}":'), value)


def irregular(*_: Any) -> Any:
    """Leave it to the ordinary way."""
    raise IrregularError


def dict_of(json: bytes) -> dict[str, Any]:
    """Return an item, or a put, as a dict."""
    plain: dict[str, Any] = msgspec.json.decode(json)
    return plain


PUT_END = raw("}")


def opening_put(before: dict[str, Any]) -> msgspec.Raw:
    """Return what opens a put, of all that comes before its item."""
    return msgspec.Raw(msgspec.json.encode(before)[:-1] + b',"Item":')


@lru_cache(maxsize=64)
def put_of(table: str, absent: str | None = None) -> msgspec.Raw:
    """Return what opens a put of a new item, which the lack of this attribute shows to be new."""
    if absent is None:
        return opening_put({"TableName": table})
    condition = {"ConditionExpression": "attribute_not_exists (#0)", "ExpressionAttributeNames": {"#0": absent}}
    return opening_put({"TableName": table, **condition})
