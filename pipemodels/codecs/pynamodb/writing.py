"""Encoders of PynamoDB's own attributes, in models that have only swapped PynamoDB's base for ours.

As in the decoders: the types that are known are compiled, with PynamoDB's results; any other is asked.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec
import pendulum
from pynamodb import attributes
from pynamodb.attributes import (
    Attribute,
    BinaryAttribute,
    BooleanAttribute,
    JSONAttribute,
    ListAttribute,
    MapAttribute,
    NumberAttribute,
    NumberSetAttribute,
    UnicodeAttribute,
    UnicodeSetAttribute,
    UTCDateTimeAttribute,
    VersionAttribute,
)

from pipemodels.attributes.base import CheckedAttribute
from pipemodels.codecs.pynamodb.reading import free_map, same_functions
from pipemodels.codecs.recognition import FieldWriter, Whole, adding_all, by_get
from pipemodels.codecs.source import compile_lines
from pipemodels.transport.fallbacks import DeclinedError
from pipemodels.transport.fragments import (
    FALSE,
    LIMIT,
    LIST,
    LIST_END,
    NEXT,
    NO_LIST,
    NULL,
    NUMBER,
    TEXT,
    TRUE,
    Fragments,
    add_asked,
    add_free_list,
    add_list,
    add_map,
    raw,
)

# -- values, as the generated functions write them ------------------------------------------------------------------


def number(value: Any) -> str:
    """Return the digits of a number, which are those of `json.dumps`."""
    kind = type(value)
    if kind is float and _LEAST_PLAIN <= value < _LEAST_LARGE:
        return _digits(value).decode()
    if (kind is int and -LIMIT < value < LIMIT) or (
        kind is float and (value == 0 or _LEAST <= abs(value) < _TOO_LARGE)
    ):
        return repr(value)
    raise DeclinedError


_LEAST, _TOO_LARGE = 1e-129, 1e126  # what DynamoDB stores, or a little less of it
_LEAST_PLAIN, _LEAST_LARGE = 1e-4, 1e16  # between these a float has no exponent, and msgspec finds its digits faster
_digits = msgspec.json.Encoder().encode


def text(value: Any) -> str:
    """Return a text."""
    if type(value) is not str:
        raise DeclinedError
    return value


def utc_datetime(value: Any) -> str:
    """Return the text of a datetime of UTC, or of one that PynamoDB takes for that."""
    usual = type(value) is datetime or type(value) is pendulum.DateTime
    if not usual or not (value.tzinfo is None or value.tzinfo is UTC or value.tzinfo is pendulum.UTC):
        raise DeclinedError
    naive = datetime.combine(datetime.date(value), datetime.time(value))
    return f"{naive.isoformat(timespec='microseconds')}+0000"


def listed(value: Any) -> list[Any]:
    """Return a list."""
    if type(value) is not list:
        raise DeclinedError
    return value


def elements(values: Any, element: Callable[[Any], str]) -> list[str]:
    """Return the elements of a set; PynamoDB stores none where it is empty."""
    if type(values) is not set or not values:
        raise DeclinedError
    return [element(one) for one in values]


def add_text(fragments: Fragments, value: Any) -> None:
    """Add a text."""
    fragments += (TEXT, text(value))


def add_number(fragments: Fragments, value: Any) -> None:
    """Add a number."""
    fragments += (NUMBER, number(value))


def add_free_value(fragments: Fragments, value: Any) -> None:
    """Add a part of a free map or list."""
    kind = type(value)
    if kind is str:
        fragments += (TEXT, value)
    elif kind is bool:
        fragments.append(TRUE if value else FALSE)
    elif kind is int or kind is float:
        add_number(fragments, value)
    elif value is None:
        fragments.append(NULL)
    elif kind is list:
        add_free_list(fragments, value, add_free_value)
    elif kind is dict or kind is MapAttribute:
        add_free_map(fragments, value)
    elif kind is set and any(type(one) is str for one in value):
        fragments += (_TEXTS, elements(value, text))
    else:
        fragments += (_NUMBERS, elements(value, number))


_TEXTS, _NUMBERS = raw('{"SS":'), raw('{"NS":')


def add_free_map(fragments: Fragments, value: Any) -> None:
    """Add a free map."""
    values = vars(value)["attribute_values"] if type(value) is MapAttribute else value
    if type(values) is not dict:
        raise DeclinedError
    add_map(fragments, values, add_free_value)


def kept_map(value: Any) -> Any:
    """Return what an attribute of type `MapAttribute` keeps of a value."""
    if type(value) is dict:
        return free_map(dict(**value))  # it refuses what `MapAttribute(**value)` refuses
    return MapAttribute(**value) if isinstance(value, Mapping) else value


def _keeping(kind: Any) -> Callable[[Any], Any]:
    """Return what tells what attributes of a class of typed maps keep of a value."""
    return lambda value: kind(**value) if isinstance(value, Mapping) else value


NAMES: dict[str, Any] = {
    "LIMIT": LIMIT, "dumps": json.dumps, "number": number, "text": text, "listed": listed,
    "utc_datetime": utc_datetime, "elements": elements, "add_list": add_list, "add_text": add_text,
    "add_free_list": add_free_list, "add_number": add_number, "add_free_value": add_free_value,
    "add_free_map": add_free_map, "add_asked": add_asked,
    "kept_map": kept_map, "MapAttribute": MapAttribute, "no_maps": frozenset({str, int, float, datetime}),
    "LIST": LIST, "NO_LIST": NO_LIST, "NEXT": NEXT, "LIST_END": LIST_END,
}  # fmt: skip
"""What the expressions below need."""

# -- attributes -----------------------------------------------------------------------------------------------------

_KNOWN = {
    UnicodeAttribute: ("S", "v if type(v) is str else decline()"),
    NumberAttribute: ("N", "repr(v) if type(v) is int and -LIMIT < v < LIMIT else number(v)"),
    VersionAttribute: ("N", "str(v) if type(v) is int and -LIMIT < v < LIMIT else decline()"),
    BooleanAttribute: ("BOOL", "v if v is True or v is False else decline()"),
    JSONAttribute: ("S", "dumps(v)"),
    UTCDateTimeAttribute: ("S", "utc_datetime(v)"),
    UnicodeSetAttribute: ("SS", "elements(v, text)"),
    NumberSetAttribute: ("NS", "elements(v, number)"),
}
_FREE = {
    bool: BooleanAttribute, bytes: BinaryAttribute, dict: MapAttribute, float: NumberAttribute, int: NumberAttribute,
    list: ListAttribute, str: UnicodeAttribute,
}  # fmt: skip


def _free_values_are_written_as_usual() -> bool:
    """Say whether PynamoDB's table of what writes a part of a free map is as PynamoDB has made it."""
    return {kind: type(one) for kind, one in attributes.SERIALIZE_CLASS_MAP.items()} == _FREE


def recipe(attribute: Any, name: str, names: dict[str, Any]) -> FieldWriter:
    """Return how an attribute is treated; `names` take what that needs, by this name."""
    kind: Any = type(attribute)
    kept = "v" if kind.__set__ is Attribute.__set__ else None
    if "attr_type" not in vars(attribute):
        if kind in _KNOWN:
            return FieldWriter("False", kept, *_KNOWN[kind])
        if kind is MapAttribute and _free_values_are_written_as_usual():
            return FieldWriter("False", "kept_map(v)", "", "add_free_map(fragments, v)")
        if issubclass(kind, MapAttribute) and _compile_map_writer(kind, name, names):
            names[f"keep_{name}"] = _keeping(kind)
            kept = f"keep_{name}(v)" if kind.__set__ is MapAttribute.__set__ else None
            return FieldWriter("False", kept, "", f"add_{name}(fragments, v)")
        if kind is ListAttribute and (add := _list(attribute, name, names)):
            return FieldWriter("False", kept, "", add)
    return FieldWriter("False", kept, *_asked(attribute, name, names))


def _asked(attribute: Any, name: str, names: dict[str, Any]) -> tuple[str, str]:
    """Return the tag of an attribute that is not known, and what writes it."""
    tag = inspect.getattr_static(attribute, "attr_type", None)
    if tag not in ("S", "N") or isinstance(attribute, ListAttribute | MapAttribute):
        names[f"ask_{name}"] = _asking(attribute)
        return "", f"ask_{name}(fragments, v)"
    names[f"attribute_{name}"] = attribute
    asked = f"s if type(s := attribute_{name}.serialize(v)) is str else decline()"
    return tag, f"decline() if type(v) not in no_maps and isinstance(v, MapAttribute) else {asked}"


def _asking(attribute: Any) -> Callable[[Fragments, Any], None]:
    """Return the function that does so where it may nest, or has another tag."""

    def ask(fragments: Fragments, value: Any) -> None:
        if isinstance(value, MapAttribute) and not value.validate(null_check=True):
            raise DeclinedError
        add_asked(fragments, attribute.attr_type, attribute.serialize(value))

    return ask


def _asking_of_one(attribute: ListAttribute[Any]) -> Callable[[Fragments, Any], None]:
    """Return what writes an element that is no map of the list's class, but a dict of its fields, say."""

    def ask(fragments: Fragments, one: Any) -> None:
        ((tag, value),) = attribute.serialize([one])[0].items()
        add_asked(fragments, tag, value)

    return ask


def _list(attribute: Any, name: str, names: dict[str, Any]) -> str | None:
    """Return what writes a list."""
    of = attribute.element_type
    if of is None and _free_values_are_written_as_usual():
        return "add_free_list(fragments, listed(v), add_free_value)"
    if of is UnicodeAttribute:
        return "add_list(fragments, listed(v), add_text)"
    if of is NumberAttribute:
        return "add_list(fragments, listed(v), add_number)"
    if of is not None and issubclass(of, MapAttribute) and _compile_map_writer(of, name, names):
        names[f"ask_{name}"] = _asking_of_one(attribute)
        one = [f"  (add_{name} if type(one) is class_{name} else ask_{name})(fragments, one)"]
        compile_lines(adding_all(f"add_all_{name}", one), names)
        return f"add_all_{name}(fragments, listed(v))"
    return None


_MAP_S = (
    "__get__", "__getattribute__", "serialize", "validate", "is_correctly_typed", "is_raw", "get_attributes",
    "_is_attribute_container", "_container_serialize",
)  # fmt: skip
READERS = (CheckedAttribute.__get__, Attribute.__get__, MapAttribute.__get__, VersionAttribute.__get__)
"""Those that return what `attribute_values` holds, or refuse it, apart from floats of a version."""


def are_read_as_usual(of: Any) -> bool:
    """Say whether the attributes of a model or a map read what it holds, each its own."""
    declared = of.get_attributes().values()
    distinct = len({one.attr_name for one in declared}) == len(declared)
    truthy = not hasattr(of, "__len__") and not hasattr(of, "__bool__")
    return distinct and truthy and all(type(one).__get__ in READERS for one in declared)


def _compile_map_writer(kind: Any, name: str, names: dict[str, Any]) -> bool:
    """Compile, into `names`, what writes maps of a class; False where they are written in a way of their own."""
    being_compiled: set[Any] = names.setdefault("being_compiled", set())
    usual = same_functions(kind, MapAttribute, _MAP_S) and kind is not MapAttribute and not kind._discriminator
    if not usual or not are_read_as_usual(kind) or kind in being_compiled:
        return False
    being_compiled.add(kind)
    names[f"class_{name}"] = kind
    declared = kind.get_attributes()
    recipes = [recipe(one, f"{name}_{number}", names) for number, one in enumerate(declared.values())]
    whole = Whole(declared, recipes, name, names, '{"M":{')
    lines = [f"def add_{name}(fragments, one):", f" if type(one) is not class_{name}: decline()"]
    lines += [' get = one.__dict__["attribute_values"].get', *whole.lines(by_get)]
    compile_lines(lines, names)
    being_compiled.remove(kind)
    return True
