"""Summaries: items that were read in part, from an index that does not project all or by `attributes_to_get`.

An attribute that was not read raises on access. PynamoDB's attributes look up their value in `attribute_values`, so
`PartialValues` takes its place; otherwise they would return None, or a default that differs from the stored value.
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any

from pynamodb.attributes import Attribute, ListAttribute, MapAttribute
from pynamodb.expressions.operand import Path
from pynamodb.expressions.util import get_path_segments

from pipemodels.attributes.documents import DocumentAttribute
from pipemodels.attributes.lists import RecordListAttribute
from pipemodels.errors import Problem, SummaryError, ValidationError

Parts = dict[str, Any]
"""The attributes that were read, by stored name: None for a whole value, else its parts; `[]` for list elements."""

_ELEMENT = "[]"


class PartialValues(dict[str, Any]):
    """The values of an item, or of a map in it, that was read in part.

    Attributes:
        unread: the names that were not read; None: every name without a value.
    """

    __slots__ = ("unread",)

    def __init__(self, values: Mapping[str, Any], unread: frozenset[str] | None = None) -> None:
        super().__init__(values)
        self.unread = unread

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (dict(self), self.unread)

    def __deepcopy__(self, memo: dict[int, Any]) -> PartialValues:
        from copy import deepcopy

        return type(self)(deepcopy(dict(self), memo), self.unread)

    def get(self, name: str, default: Any = None) -> Any:
        """Return a value; or the default if the name was read and has no value.

        Raises:
            SummaryError: the name was not read.
        """
        if name in self:
            return self[name]
        if self.unread is None or name in self.unread:
            raise SummaryError(f"{name} is not in this summary; fetch the whole item or use .in_full()")
        return default

    def __missing__(self, name: str) -> Any:
        self.get(name)
        raise KeyError(name)

    def __setitem__(self, name: str, value: Any) -> None:
        raise SummaryError(f"{name}: the item was read in part, and is read-only; fetch the whole item")


def parts_of(attributes_to_get: Any) -> Parts:
    """Return the parts of an item that a read with these `attributes_to_get` returns."""
    parts: Parts = {}
    for path in listed(attributes_to_get):
        _add(parts, list(_steps(path)))
    return parts


def listed(attributes_to_get: Any) -> list[Any]:
    """Return `attributes_to_get`, which may be a single name, as the list that PynamoDB expects.

    PynamoDB would take an attribute of a map for an attribute of the item, so the list holds its path.
    """
    if isinstance(attributes_to_get, str | Attribute | Path) or not isinstance(attributes_to_get, Iterable):
        attributes_to_get = [attributes_to_get]
    return [Path(name) if isinstance(name, Attribute) else name for name in attributes_to_get]


def _steps(path: Any) -> Iterator[str]:
    """Yield the steps of a path as PynamoDB splits it: names, and `[]` for each list index."""
    for segment in path.path if isinstance(path, Path) else get_path_segments(path):
        name, *indexes = re.findall(r"^[^\[]+|\[\d+\]", segment) or [segment]
        yield name
        yield from (_ELEMENT for _ in indexes)


def _add(parts: Parts, steps: list[str]) -> None:
    first, *more = steps
    if not more:
        parts[first] = None
    elif parts.get(first, parts) is not None:  # unless it is read whole
        _add(parts.setdefault(first, {}), more)


def refuse_parts_of_records(attributes: Mapping[str, Attribute[Any]], parts: Parts) -> None:
    """Refuse to read parts of records: a record without some of its values would be a different record."""
    problems = [
        Problem("attributes_to_get", name, "holds records, which are read whole: name it without a path")
        for name, attribute in attributes.items()
        if isinstance(attribute, RecordListAttribute) and isinstance(parts.get(attribute.attr_name), dict)
    ]
    if problems:
        raise ValidationError(problems)


def restrict(item: Any, parts: Parts | frozenset[str]) -> None:
    """Make an item a summary of the parts that were read: remove other values, such as defaults."""
    held = frozenset(parts)
    model: Any = type(item)
    unread, to_drop = _unread(model, held)
    values = item.attribute_values
    for name in to_drop:
        values.pop(name, None)
    if isinstance(parts, dict):
        attributes = item.get_attributes()
        for name, value in values.items():
            values[name] = _restricted(attributes[name], value, parts.get(attributes[name].attr_name))
    item.attribute_values = PartialValues(values, unread)
    item._held = held


@lru_cache(maxsize=512)
def _unread(model: Hashable, held: frozenset[str]) -> tuple[frozenset[str], tuple[str, ...]]:
    """Return the names of a model's attributes that are not held, and those of them that may have a value anyway."""
    of: Any = model
    unread = {name: attribute for name, attribute in of.get_attributes().items() if attribute.attr_name not in held}
    preset = (name for name, own in unread.items() if own.default is not None or name == of._discriminator)
    return frozenset(unread), tuple(preset)


def _restricted(attribute: Any, value: Any, parts: Parts | None) -> Any:
    """Return a value that holds only the parts that were read."""
    if parts is None or value is None:
        return value
    if isinstance(value, MapAttribute):
        return _restricted_map(value, parts)
    if isinstance(value, list) and isinstance(attribute, ListAttribute) and _ELEMENT in parts:
        return [_restricted(None, element, parts[_ELEMENT]) for element in value]
    if isinstance(value, dict) and (attribute is None or isinstance(attribute, DocumentAttribute)):
        return PartialValues({name: _restricted(None, part, parts.get(name)) for name, part in value.items()})
    return value


def _restricted_map(value: Any, parts: Parts) -> Any:
    attributes = value.get_attributes()
    kept = {}
    for name, part in vars(value)["attribute_values"].items():
        stored = attributes[name].attr_name if name in attributes else name
        if stored in parts:
            kept[name] = _restricted(attributes.get(name), part, parts[stored])
    unread = frozenset(name for name, attribute in attributes.items() if attribute.attr_name not in parts)
    vars(value)["attribute_values"] = PartialValues(kept, None if value.is_raw() else unread)
    vars(value).update(_PARTIAL_MAP)
    return value


def _is_raw() -> bool:
    """Return True, so that a map looks up unread names in its values, which raise a SummaryError."""
    return True


def _serialize_part(*_: Any, **__: Any) -> Any:
    raise SummaryError("a map that was read in part cannot be written; fetch the whole item")


_PARTIAL_MAP = {"is_raw": _is_raw, "serialize": _serialize_part}  # override methods on the map object itself


def without_guards(value: Any) -> Any:
    """Return a copy of a value in which unread names are absent, and do not raise."""
    if isinstance(value, MapAttribute):
        copied: Any = object.__new__(type(value))
        held = {name: own for name, own in vars(value).items() if name not in _PARTIAL_MAP}
        vars(copied).update(held | {"attribute_values": without_guards(held["attribute_values"])})
        return copied
    if isinstance(value, list):
        return [without_guards(element) for element in value]
    if isinstance(value, dict):
        return {name: without_guards(part) for name, part in value.items()}
    return value
