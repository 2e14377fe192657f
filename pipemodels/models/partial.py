"""Items of which only a part was read: by an index that does not hold all, or by `attributes_to_get`.

What was not read raises on access, whatever attribute it is: PynamoDB's attributes look their value up in
`attribute_values`, which refuses here. Otherwise they would return None, or a default that hides what is stored.
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
"""What was read, by stored name: None where all of it, else the parts; of a list's elements, under `[]`."""

_ELEMENT = "[]"


class PartialValues(dict[str, Any]):
    """The values of an item, or of a map in it, that was read in part.

    Attributes:
        unread: the names of what was not read; None: of whatever is not there.
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
        """Return a value; None, or the default, for what was read and is not there.

        Raises:
            SummaryError: it was not read.
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
    """Return what a read with these `attributes_to_get` returns."""
    parts: Parts = {}
    for one in listed(attributes_to_get):
        _add(parts, list(_steps(one)))
    return parts


def listed(attributes_to_get: Any) -> list[Any]:
    """Return what PynamoDB is given as `attributes_to_get`: it takes one name, or a list.

    It takes the attribute of a map for one of the item; so the path of that is given.
    """
    if isinstance(attributes_to_get, str | Attribute | Path) or not isinstance(attributes_to_get, Iterable):
        attributes_to_get = [attributes_to_get]
    return [Path(one) if isinstance(one, Attribute) else one for one in attributes_to_get]


def _steps(one: Any) -> Iterator[str]:
    """Yield the steps of a path, as PynamoDB reads it: names, and `[]` for each index of a list."""
    for segment in one.path if isinstance(one, Path) else get_path_segments(one):
        name, *indexes = re.findall(r"^[^\[]+|\[\d+\]", segment) or [segment]
        yield name
        yield from (_ELEMENT for _ in indexes)


def _add(parts: Parts, steps: list[str]) -> None:
    first, *more = steps
    if not more:
        parts[first] = None
    elif parts.get(first, parts) is not None:  # it is not read whole anyway
        _add(parts.setdefault(first, {}), more)


def refuse_parts_of_records(attributes: Mapping[str, Attribute[Any]], parts: Parts) -> None:
    """Refuse to read parts of records, which are read whole: a part of one would be a record of other values."""
    problems = [
        Problem("attributes_to_get", name, "holds records, which are read whole: name it without a path")
        for name, one in attributes.items()
        if isinstance(one, RecordListAttribute) and isinstance(parts.get(one.attr_name), dict)
    ]
    if problems:
        raise ValidationError(problems)


def restrict(item: Any, parts: Parts | frozenset[str]) -> None:
    """Have an item that was read in part hold only that; defaults hide nothing that was not read."""
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
    """Return the names of a model's attributes that are not held, and of them those that may have a value though."""
    of: Any = model
    unread = {name: one for name, one in of.get_attributes().items() if one.attr_name not in held}
    given = (name for name, one in unread.items() if one.default is not None or name == of._discriminator)
    return frozenset(unread), tuple(given)


def _restricted(attribute: Any, value: Any, parts: Parts | None) -> Any:
    """Return a value so that it holds only the parts that were read."""
    if parts is None or value is None:
        return value
    if isinstance(value, MapAttribute):
        return _restricted_map(value, parts)
    if isinstance(value, list) and isinstance(attribute, ListAttribute) and _ELEMENT in parts:
        return [_restricted(None, one, parts[_ELEMENT]) for one in value]
    if isinstance(value, dict) and (attribute is None or isinstance(attribute, DocumentAttribute)):
        return PartialValues({name: _restricted(None, one, parts.get(name)) for name, one in value.items()})
    return value


def _restricted_map(value: Any, parts: Parts) -> Any:
    attributes = value.get_attributes()
    kept = {}
    for name, one in vars(value)["attribute_values"].items():
        stored = attributes[name].attr_name if name in attributes else name
        if stored in parts:
            kept[name] = _restricted(attributes.get(name), one, parts[stored])
    unread = frozenset(name for name, one in attributes.items() if one.attr_name not in parts)
    vars(value)["attribute_values"] = PartialValues(kept, None if value.is_raw() else unread)
    vars(value).update(_OF_A_PART)
    return value


def _is_raw() -> bool:
    """Have a map ask its values for what its attributes refuse: it would hide the refusal by an error of its own."""
    return True


def _serialize_part(*_: Any, **__: Any) -> Any:
    raise SummaryError("a map that was read in part cannot be written; fetch the whole item")


_OF_A_PART = {"is_raw": _is_raw, "serialize": _serialize_part}  # on the map itself, past its class


def opened(value: Any) -> Any:
    """Return a copy of a value whose parts can be looked through: what was not read is absent."""
    if isinstance(value, MapAttribute):
        copied: Any = object.__new__(type(value))
        held = {name: one for name, one in vars(value).items() if name not in _OF_A_PART}
        vars(copied).update(held | {"attribute_values": opened(held["attribute_values"])})
        return copied
    if isinstance(value, list):
        return [opened(one) for one in value]
    if isinstance(value, dict):
        return {name: opened(one) for name, one in value.items()}
    return value
