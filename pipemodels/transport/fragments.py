"""Fragments of JSON: generated encoders build the list of them that makes up an item.

A fragment is constant JSON or a Python value. msgspec writes each on a line of its own; JSON allows line breaks
between fragments. The closing brace of an attribute value, `{"S": …}`, is part of the fragment that follows. msgspec
refuses lone surrogates, which are not valid Unicode.
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
from pipemodels.transport.fallbacks import DeclinedError
from pipemodels.transport.schemas import check_regular

Fragments = list[Any]
MAX_VALUES = 10_000  # of one document; larger ones are left to the attribute, which detects endless ones
LIMIT = 10**MAX_DIGITS


def raw(json: str) -> msgspec.Raw:
    """Return a fragment of JSON that is written unchanged."""
    return msgspec.Raw(json.encode())


TEXT, NUMBER, MAP, LIST = raw('{"S":'), raw('{"N":'), raw('{"M":{'), raw('{"L":[')
TRUE, FALSE, NULL = raw('{"BOOL":true'), raw('{"BOOL":false'), raw('{"NULL":true')
NO_MAP, NO_LIST = raw('{"M":{}'), raw('{"L":[]')
COLON, KEY_OF_TEXT, KEY_OF_NUMBER = raw(":"), raw(':{"S":'), raw(':{"N":')
NEXT, MAP_END, LIST_END = raw("},"), raw("}}"), raw("}]")

to_json = msgspec.json.Encoder().encode_lines


def whole_second(plain: datetime) -> str:
    """Return the stored text of an instant without microseconds; msgspec would omit the zeros."""
    return f"{plain.isoformat()[:19]}.000000Z"


def decimal_text(value: Any) -> str:
    """Return the digits of a decimal that needs no normalising: no exponent and no trailing zeros."""
    if type(value) is not Decimal:
        raise DeclinedError
    text = str(value)
    as_it_stands = ("." in text and "E" not in text and text[-1] != "0") or text.isdecimal()
    if not as_it_stands or len(text) > MAX_DIGITS:
        raise DeclinedError
    return text


def add_document(fragments: Fragments, value: Any, depth: int, left: list[int]) -> None:
    """Add a document that contains only plain types."""
    kind = type(value)
    if kind is str:
        fragments += (TEXT, value)
    elif kind is bool:
        fragments.append(TRUE if value else FALSE)
    elif kind is int and -LIMIT < value < LIMIT:
        fragments += (NUMBER, str(value))
    elif value is None:
        fragments.append(NULL)
    elif kind is Decimal:
        fragments += (NUMBER, decimal_text(value))
    else:
        look_in(kind, value, depth, left)
        if kind is list:
            add_free_list(fragments, value, add_document, depth + 1, left)
        else:
            add_map(fragments, value, add_document, depth + 1, left)


def add_list(fragments: Fragments, elements: list[Any], add: Callable[..., None]) -> None:
    """Add a list; `add` adds an element."""
    fragments.append(LIST if elements else NO_LIST)
    for element in elements:
        add(fragments, element)
        fragments.append(NEXT)
    if elements:
        fragments[-1] = LIST_END


def add_free_list(fragments: Fragments, elements: list[Any], add: Callable[..., None], *more: Any) -> None:
    """Add a list of elements of any type; `add` adds elements that are not strings."""
    fragments.append(LIST if elements else NO_LIST)
    for element in elements:
        if type(element) is str:
            fragments += (TEXT, element, NEXT)
        else:
            add(fragments, element, *more)
            fragments.append(NEXT)
    if elements:
        fragments[-1] = LIST_END


def add_map(fragments: Fragments, values: dict[str, Any], add: Callable[..., None], *more: Any) -> None:
    """Add a map of values of any type; `add` adds values that are neither strings nor integers."""
    fragments.append(MAP if values else NO_MAP)
    for key, value in values.items():
        if type(key) is not str or not key:
            raise DeclinedError
        kind = type(value)
        if kind is str:
            fragments += (key, KEY_OF_TEXT, value, NEXT)
        elif kind is int and -LIMIT < value < LIMIT:
            fragments += (key, KEY_OF_NUMBER, str(value), NEXT)
        else:
            fragments += (key, COLON)
            add(fragments, value, *more)
            fragments.append(NEXT)
    if values:
        fragments[-1] = MAP_END


def add_text_map(fragments: Fragments, values: Any) -> None:
    """Add a map of strings."""
    if type(values) is not dict or len(values) > MAX_VALUES:
        raise DeclinedError
    if not all(type(value) is str for value in values.values()):
        raise DeclinedError
    add_map(fragments, values, decline)


def text_map(value: Any) -> dict[str, str]:
    """Return a map of strings, after checking it."""
    if type(value) is not dict or len(value) > MAX_VALUES:
        raise DeclinedError
    for key, text in value.items():
        if type(key) is not str or type(text) is not str or not key:
            raise DeclinedError
        if not key.isascii() or not text.isascii():
            f"{key}{text}".encode()  # raises if there is a lone surrogate
    return value


def look_in(kind: type, value: Any, depth: int, left: list[int]) -> None:
    """Decline a value that is not a dict or list, is nested too deep, or exceeds the number of values left."""
    if (kind is not dict and kind is not list) or depth >= MAX_DEPTH:
        raise DeclinedError
    left[0] -= len(value)
    if left[0] < 0:
        raise DeclinedError


def add_asked(fragments: Fragments, tag: str, value: Any) -> None:
    """Add a value that an attribute has encoded itself, if it is unchanged by a round trip through JSON."""
    tagged = {tag: value}
    check_regular(tagged)
    if msgspec.json.decode(msgspec.json.encode(tagged)) != tagged:  # keys that are not strings
        raise DeclinedError
    fragments += (raw(f'{{"{tag}":'), value)


def decline(*_: Any) -> Any:
    """Leave the value to the fallback."""
    raise DeclinedError


def dict_of(json: bytes) -> dict[str, Any]:
    """Return an item or a put as a dict."""
    plain: dict[str, Any] = msgspec.json.decode(json)
    return plain


PUT_END = raw("}")


def opening_put(before: dict[str, Any]) -> msgspec.Raw:
    """Return the opening fragment of a put, from the parameters before its item."""
    return msgspec.Raw(msgspec.json.encode(before)[:-1] + b',"Item":')


@lru_cache(maxsize=64)
def put_of(table: str, absent: str | None = None) -> msgspec.Raw:
    """Return the opening fragment of a put; if `absent` is given, the stored item must not have that attribute."""
    if absent is None:
        return opening_put({"TableName": table})
    condition = {"ConditionExpression": "attribute_not_exists (#0)", "ExpressionAttributeNames": {"#0": absent}}
    return opening_put({"TableName": table, **condition})
