"""Encoders of PynamoDB's own attributes, for models of PynamoDB moved to the base of this package.

The known attribute types are compiled, with the results of PynamoDB; any other attribute encodes its own values.
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

# -- functions called by the generated source ------------------------------------------------------------------------


def number(value: Any) -> str:
    """Return the digits of a number, as `json.dumps` writes them."""
    kind = type(value)
    if kind is float and _LEAST_PLAIN <= value < _LEAST_LARGE:
        return _digits(value).decode()
    if (kind is int and -LIMIT < value < LIMIT) or (
        kind is float and (value == 0 or _LEAST <= abs(value) < _TOO_LARGE)
    ):
        return repr(value)
    raise DeclinedError


_LEAST, _TOO_LARGE = 1e-129, 1e126  # just inside the range of DynamoDB
_LEAST_PLAIN, _LEAST_LARGE = 1e-4, 1e16  # between these a float has no exponent, and msgspec is faster
_digits = msgspec.json.Encoder().encode


def text(value: Any) -> str:
    """Return a string, after checking its type."""
    if type(value) is not str:
        raise DeclinedError
    return value


def utc_datetime(value: Any) -> str:
    """Return the text of a datetime in UTC, or of a naive one, which PynamoDB takes as UTC."""
    usual = type(value) is datetime or type(value) is pendulum.DateTime
    if not usual or not (value.tzinfo is None or value.tzinfo is UTC or value.tzinfo is pendulum.UTC):
        raise DeclinedError
    naive = datetime.combine(datetime.date(value), datetime.time(value))
    return f"{naive.isoformat(timespec='microseconds')}+0000"


def listed(value: Any) -> list[Any]:
    """Return a list, after checking its type."""
    if type(value) is not list:
        raise DeclinedError
    return value


def elements(values: Any, element: Callable[[Any], str]) -> list[str]:
    """Return the encoded elements of a set; PynamoDB does not store an empty set."""
    if type(values) is not set or not values:
        raise DeclinedError
    return [element(value) for value in values]


def add_text(fragments: Fragments, value: Any) -> None:
    """Add a string."""
    fragments += (TEXT, text(value))


def add_number(fragments: Fragments, value: Any) -> None:
    """Add a number."""
    fragments += (NUMBER, number(value))


def add_free_value(fragments: Fragments, value: Any) -> None:
    """Add a value inside a free map or list."""
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
    elif kind is set and any(type(element) is str for element in value):
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
    """Return the value that a `MapAttribute` keeps."""
    if type(value) is dict:
        return free_map(dict(**value))  # raises if `MapAttribute(**value)` would
    return MapAttribute(**value) if isinstance(value, Mapping) else value


def _keeping(kind: Any) -> Callable[[Any], Any]:
    """Return the function that returns the value that an attribute of a typed map keeps."""
    return lambda value: kind(**value) if isinstance(value, Mapping) else value


NAMES: dict[str, Any] = {
    "LIMIT": LIMIT, "dumps": json.dumps, "number": number, "text": text, "listed": listed,
    "utc_datetime": utc_datetime, "elements": elements, "add_list": add_list, "add_text": add_text,
    "add_free_list": add_free_list, "add_number": add_number, "add_free_value": add_free_value,
    "add_free_map": add_free_map, "add_asked": add_asked,
    "kept_map": kept_map, "MapAttribute": MapAttribute, "no_maps": frozenset({str, int, float, datetime}),
    "LIST": LIST, "NO_LIST": NO_LIST, "NEXT": NEXT, "LIST_END": LIST_END,
}  # fmt: skip
"""The names used by the expressions below."""

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
    """Return whether PynamoDB's table of encoders for values in free maps is unchanged."""
    return {kind: type(encoder) for kind, encoder in attributes.SERIALIZE_CLASS_MAP.items()} == _FREE


def field_writer(attribute: Any, name: str, names: dict[str, Any]) -> FieldWriter:
    """Return the writer of an attribute; add the names that it uses to `names`, with the suffix `name`."""
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
    """Return the tag of an unknown attribute, and the expression that calls it."""
    tag = inspect.getattr_static(attribute, "attr_type", None)
    if tag not in ("S", "N") or isinstance(attribute, ListAttribute | MapAttribute):
        names[f"ask_{name}"] = _asking(attribute)
        return "", f"ask_{name}(fragments, v)"
    names[f"attribute_{name}"] = attribute
    asked = f"s if type(s := attribute_{name}.serialize(v)) is str else decline()"
    return tag, f"decline() if type(v) not in no_maps and isinstance(v, MapAttribute) else {asked}"


def _asking(attribute: Any) -> Callable[[Fragments, Any], None]:
    """Return a function that adds the value encoded by an attribute that may nest or has another tag."""

    def ask(fragments: Fragments, value: Any) -> None:
        if isinstance(value, MapAttribute) and not value.validate(null_check=True):
            raise DeclinedError
        add_asked(fragments, attribute.attr_type, attribute.serialize(value))

    return ask


def _asking_of_one(attribute: ListAttribute[Any]) -> Callable[[Fragments, Any], None]:
    """Return a function that adds an element of another type than the list's class, such as a dict."""

    def ask(fragments: Fragments, element: Any) -> None:
        ((tag, value),) = attribute.serialize([element])[0].items()
        add_asked(fragments, tag, value)

    return ask


def _list(attribute: Any, name: str, names: dict[str, Any]) -> str | None:
    """Return the call that adds a list, or None if the element type is unknown."""
    of = attribute.element_type
    if of is None and _free_values_are_written_as_usual():
        return "add_free_list(fragments, listed(v), add_free_value)"
    if of is UnicodeAttribute:
        return "add_list(fragments, listed(v), add_text)"
    if of is NumberAttribute:
        return "add_list(fragments, listed(v), add_number)"
    if of is not None and issubclass(of, MapAttribute) and _compile_map_writer(of, name, names):
        names[f"ask_{name}"] = _asking_of_one(attribute)
        adding_value = [f"  (add_{name} if type(value) is class_{name} else ask_{name})(fragments, value)"]
        compile_lines(adding_all(f"add_all_{name}", adding_value), names)
        return f"add_all_{name}(fragments, listed(v))"
    return None


_MAP_S = (
    "__get__", "__getattribute__", "serialize", "validate", "is_correctly_typed", "is_raw", "get_attributes",
    "_is_attribute_container", "_container_serialize",
)  # fmt: skip
READERS = (CheckedAttribute.__get__, Attribute.__get__, MapAttribute.__get__, VersionAttribute.__get__)
"""The `__get__` functions that return the value in `attribute_values`, or raise; versions convert floats."""


def are_read_as_usual(of: Any) -> bool:
    """Return whether each attribute of a model or map returns its own value from `attribute_values`."""
    declared = of.get_attributes().values()
    distinct = len({attribute.attr_name for attribute in declared}) == len(declared)
    truthy = not hasattr(of, "__len__") and not hasattr(of, "__bool__")
    return distinct and truthy and all(type(attribute).__get__ in READERS for attribute in declared)


def _compile_map_writer(kind: Any, name: str, names: dict[str, Any]) -> bool:
    """Compile the function that writes maps of a class into `names`; return False if the class overrides how."""
    being_compiled: set[Any] = names.setdefault("being_compiled", set())
    usual = same_functions(kind, MapAttribute, _MAP_S) and kind is not MapAttribute and not kind._discriminator
    if not usual or not are_read_as_usual(kind) or kind in being_compiled:
        return False
    being_compiled.add(kind)
    names[f"class_{name}"] = kind
    declared = kind.get_attributes()
    writers = [
        field_writer(attribute, f"{name}_{number}", names) for number, attribute in enumerate(declared.values())
    ]
    whole = Whole(declared, writers, name, names, '{"M":{')
    lines = [f"def add_{name}(fragments, value):", f" if type(value) is not class_{name}: decline()"]
    lines += [' get = value.__dict__["attribute_values"].get', *whole.lines(by_get)]
    compile_lines(lines, names)
    being_compiled.remove(kind)
    return True
