"""Validation of attribute values, such as `{"S": "a"}`, as botocore returns them."""

from __future__ import annotations

from base64 import b64decode
from typing import Any

Item = dict[str, dict[str, Any]]
"""An item; `is_item` validates its values."""

_TYPES: dict[str, Any] = {
    "S": str, "N": str, "B": bytes, "BOOL": bool, "NULL": bool, "M": dict, "L": list,
    "SS": list, "NS": list, "BS": list,
}  # fmt: skip


def is_item(item: Any) -> bool:
    """Return whether this is a valid item: a dict from names to attribute values."""
    return type(item) is dict and all(map(is_value, item.values()))


def is_value(tagged: Any) -> bool:
    """Return whether this is a valid attribute value: a dict with one known type tag and a value of that type."""
    if type(tagged) is not dict or len(tagged) != 1:
        return False
    tag: str
    value: Any
    ((tag, value),) = tagged.items()
    if not _is_of(value, tag):
        return tag == "B" and _is_base64(value)
    if tag == "M":
        return all(map(is_value, value.values()))
    if tag == "L":
        return all(map(is_value, value))
    if tag == "BS":
        return all(type(element) is bytes or _is_base64(element) for element in value)
    return tag not in ("SS", "NS") or all(type(element) is str for element in value)


def _is_of(value: Any, tag: str) -> bool:
    return type(value) is _TYPES.get(tag)


def _is_base64(value: Any) -> bool:
    """Return whether this is base64, which the JSON of an error has in place of bytes."""
    try:
        return type(value) is str and b64decode(value) is not None
    except ValueError:
        return False
