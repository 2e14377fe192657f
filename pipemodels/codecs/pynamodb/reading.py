"""Decoders of PynamoDB's own attributes, for models of PynamoDB moved to the base of this package.

The known attribute types, and maps and lists of them, are compiled, with the results of PynamoDB: numbers are read as
JSON, free maps as `MapAttribute`, and free maps inside them as dicts. Any other attribute, including subclasses of
the known types, decodes its own values.
"""

from __future__ import annotations

import inspect
import json
import sys
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

import msgspec
from pynamodb import attributes
from pynamodb.attributes import (
    Attribute,
    BinaryAttribute,
    BinarySetAttribute,
    BooleanAttribute,
    JSONAttribute,
    ListAttribute,
    MapAttribute,
    NullAttribute,
    NumberAttribute,
    NumberSetAttribute,
    TTLAttribute,
    UnicodeAttribute,
    UnicodeSetAttribute,
    UTCDateTimeAttribute,
    VersionAttribute,
)

from pipemodels.codecs.source import compile_lines
from pipemodels.transport import schemas
from pipemodels.transport.fallbacks import DeclinedError

# -- values ---------------------------------------------------------------------------------------------------------

_scan: Any = json.JSONDecoder().scan_once  # type: ignore[attr-defined]  # used by `json.loads`; the type stubs lack it
_scan_loosely: Any = json.JSONDecoder(strict=False).scan_once  # type: ignore[attr-defined]  # the same
_TAKES_24 = sys.version_info >= (3, 13)


def from_json(text: str, scan: Callable[..., Any] = _scan_loosely) -> Any:
    """Read JSON with the scanner of `json.loads`; decline white space around it and text after it."""
    try:
        value, end = scan(text, 0)
    except StopIteration:  # white space before it, or no text
        raise DeclinedError from None
    if end != len(text):
        raise DeclinedError
    return value


def number(text: str) -> Any:
    """Read a number as `json.loads` does: an int, a float, or any other JSON value."""
    return from_json(text, _scan)


def utc_datetime(text: str) -> datetime:
    """Read the stored form of `UTCDateTimeAttribute`; decline any other."""
    if text[4:20:3] != "--T::." or text[26:] != "+0000" or (_TAKES_24 and text[11:13] == "24"):
        raise DeclinedError
    return datetime.fromisoformat(text)


def expiry(text: str) -> datetime:
    """Read integer seconds; decline fractions, which `TTLAttribute` truncates."""
    seconds = number(text)
    if type(seconds) is not int:
        raise DeclinedError
    return datetime.fromtimestamp(seconds, UTC)


def free_value(tagged: dict[str, Any]) -> Any:
    """Read a value inside a free map or list."""
    ((tag, value),) = tagged.items()
    kind = type(value)
    if kind is str:
        if tag == "S":
            return value
        if tag == "N":
            return from_json(value, _scan)
    elif kind is dict:
        if tag == "M":
            return {key: free_value(element) for key, element in value.items()}
    elif kind is list:
        if tag == "L":
            return [free_value(element) for element in value]
        schemas.check_regular(tagged)  # a set, or declined
        return set(value) if tag == "SS" else {number(element) for element in value}
    elif kind is bool and tag == "BOOL":
        return value
    elif kind is bool and tag == "NULL":
        return None
    raise DeclinedError


# names that `MapAttribute(**values)` takes as settings or parameters
_SETTINGS = frozenset({*MapAttribute.attribute_args, "self", "_user_instantiated"})


def free_map(values: dict[str, Any]) -> MapAttribute[str, Any]:
    """Return the `MapAttribute` that setting an attribute to a dict creates."""
    if not _SETTINGS.isdisjoint(values):
        return MapAttribute(**values)
    made: MapAttribute[str, Any] = object.__new__(MapAttribute)
    object.__setattr__(made, "__dict__", {"attribute_kwargs": {}, "attribute_values": values})
    return made


def regular(tagged: dict[str, Any]) -> dict[str, Any]:
    """Return a checked attribute value for an attribute that decodes it itself; decline NULL."""
    schemas.check_regular(tagged)
    if "NULL" in tagged:
        raise DeclinedError
    return tagged


NAMES: dict[str, Any] = {
    "new": object.__new__, "put": object.__setattr__, "number": number, "from_json": from_json,
    "free_value": free_value,
    "utc_datetime": utc_datetime, "expiry": expiry, "free_map": free_map, "regular": regular,
}  # fmt: skip
"""The names used by the expressions below."""

# -- attributes -----------------------------------------------------------------------------------------------------


class FieldReader(NamedTuple):
    """The schema of an attribute, and Python expressions of its value, from an instance `t` of the schema."""

    schema: Any
    value: str
    """The value that `deserialize` returns."""
    kept: str | None
    """The value that an object keeps; None if the attribute's own `__set__` decides."""


def reader_of(schema: type, value: str) -> FieldReader:
    """Return the reader of an attribute whose objects keep what `deserialize` returns."""
    return FieldReader(schema, value, value)


_KNOWN: dict[type, FieldReader] = {
    UnicodeAttribute: reader_of(schemas.Text, "t.S"),
    NumberAttribute: reader_of(schemas.Number, "number(t.N)"),
    VersionAttribute: reader_of(schemas.Number, "int(number(t.N))"),
    BooleanAttribute: reader_of(schemas.Flag, "t.BOOL"),
    JSONAttribute: reader_of(schemas.Text, "from_json(t.S)"),
    UTCDateTimeAttribute: reader_of(schemas.Text, "utc_datetime(t.S)"),
    TTLAttribute: reader_of(schemas.Number, "expiry(t.N)"),
    UnicodeSetAttribute: reader_of(schemas.TextSet, "set(t.SS)"),
    NumberSetAttribute: reader_of(schemas.NumberSet, "{number(n) for n in t.NS}"),
}
_SCHEMAS: dict[str, Any] = {
    "S": schemas.Text, "N": schemas.Number, "BOOL": schemas.Flag, "B": schemas.Binary, "SS": schemas.TextSet,
    "NS": schemas.NumberSet, "BS": schemas.BinarySet,
}  # fmt: skip
_FREE = {
    "B": BinaryAttribute, "BS": BinarySetAttribute, "BOOL": BooleanAttribute, "L": ListAttribute, "M": MapAttribute,
    "NULL": NullAttribute, "N": NumberAttribute, "NS": NumberSetAttribute, "S": UnicodeAttribute,
    "SS": UnicodeSetAttribute,
}  # fmt: skip


def _free_values_are_read_as_usual() -> bool:
    """Return whether PynamoDB's table of decoders for values in free maps is unchanged."""
    return {tag: type(decoder) for tag, decoder in attributes.DESERIALIZE_CLASS_MAP.items()} == _FREE


def field_reader(attribute: Any, name: str, names: dict[str, Any]) -> FieldReader:
    """Return the reader of an attribute; add the names that it uses to `names`, with the suffix `name`."""
    kind: Any = type(attribute)
    if "attr_type" not in vars(attribute):
        if kind in _KNOWN:
            return _KNOWN[kind]
        compiled = None
        if kind is ListAttribute:
            compiled = _list(attribute.element_type, name, names)
        elif issubclass(kind, MapAttribute):
            compiled = _map(kind, name, names)
        if compiled is not None:
            return compiled
    names[f"attribute_{name}"] = attribute
    tag = attribute.attr_type
    if kind.get_value is Attribute.get_value and tag in _SCHEMAS:
        schema, stored = _SCHEMAS[tag], f"t.{tag}"
    else:
        schema, stored = dict[str, Any], f"attribute_{name}.get_value(regular(t))"
    value = f"attribute_{name}.deserialize({stored})"
    return FieldReader(schema, value, value if kind.__set__ is Attribute.__set__ else None)


def _list(of: Any, name: str, names: dict[str, Any]) -> FieldReader | None:
    if of is None:
        return (
            reader_of(schemas.Documents, "[free_value(element) for element in t.L]")
            if _free_values_are_read_as_usual()
            else None
        )
    if of in _KNOWN or of is ListAttribute or issubclass(of, MapAttribute):
        element = field_reader(of(), name, names)
        if element.kept is not None:  # the element is compiled
            return reader_of(schemas.list_of(element.schema), f"[{element.value} for t in t.L]")
    return None


def _map(kind: Any, name: str, names: dict[str, Any]) -> FieldReader | None:
    if kind is MapAttribute and _free_values_are_read_as_usual():
        values = "{key: free_value(element) for key, element in t.M.items()}"
        return FieldReader(schemas.Document, values, f"free_map({values})")
    being_compiled: set[Any] = names.setdefault("being_compiled", set())
    if not is_plain_map(kind) or kind in being_compiled:
        return None
    being_compiled.add(kind)
    schema = compile_maker(f"make_{name}", kind, names, statement)
    being_compiled.remove(kind)
    return reader_of(schemas.map_of(schema), f"make_{name}(t.M)") if schema else None


_MAP_S = (
    "__init__", "__new__", "__set__", "__setattr__", "__getattribute__", "deserialize", "get_value", "is_raw",
    "_is_attribute_container", "_instantiate", "_set_attributes", "_set_defaults", "_set_discriminator",
    "_get_discriminator_attribute", "_get_discriminator_class", "get_attributes",
)  # fmt: skip


def same_functions(model: type, base: type, names: Iterable[str]) -> bool:
    """Return whether a class does not override these functions of its base."""
    static = inspect.getattr_static
    return all(static(model, name) is static(base, name) for name in names)


def is_plain_map(kind: Any) -> bool:
    """Return whether maps of a class are created as `MapAttribute` creates them, from declared attributes."""
    usual = same_functions(kind, MapAttribute, _MAP_S) and kind is not MapAttribute and not kind._discriminator
    return usual and not issubclass(kind, Mapping)


# -- models and maps ------------------------------------------------------------------------------------------------

Statement = Callable[[str, Any, str, dict[str, Any]], tuple[Any, str]]


def statement(name: str, attribute: Any, field: str, names: dict[str, Any]) -> tuple[Any, str]:
    """Return the schema of an attribute, and the statement that sets its value."""
    if attribute.attr_type == "NULL" and type(attribute).get_value is Attribute.get_value:
        return schemas.Null, "pass"  # PynamoDB decodes NULL itself
    schema, value, kept = field_reader(attribute, field, names)
    return schema, f"setattr(item, {name!r}, {value})" if kept is None else f"values[{name!r}] = {kept}"


def compile_maker(
    function: str, of: Any, names: dict[str, Any], statement: Statement, **settings: Any
) -> type[Any] | None:
    """Compile the function that creates a model or a map from its schema into `names`; return the schema.

    Return None if two attributes have the same stored name, or if objects may be falsy, as PynamoDB then skips them.
    """
    declared: dict[str, Any] = of.get_attributes()
    stored = {f"f{number}": attribute.attr_name for number, attribute in enumerate(declared.values())}
    if len(set(stored.values())) < len(stored) or hasattr(of, "__len__") or hasattr(of, "__bool__"):
        return None
    fields: list[Any] = []
    defaults: list[str] = []
    lines: list[str] = []
    for number, (name, attribute) in enumerate(declared.items()):
        default = names[f"default_{function}_{number}"] = attribute.default
        if callable(default):
            defaults += [f"    if (v := default_{function}_{number}()) is not None: setattr(item, {name!r}, v)"]
        elif default is not None:
            defaults += [f"    setattr(item, {name!r}, default_{function}_{number})"]
        expected, set_it = statement(name, attribute, f"{function}_{number}", names)
        fields.append((f"f{number}", expected | None, None))
        lines += [f"    if (t := s.f{number}) is not None: {set_it}"]
    names[f"class_{function}"] = of
    held = "item.attribute_values = values"
    if issubclass(of, MapAttribute):
        held = 'put(item, "__dict__", {"attribute_kwargs": {}, "attribute_values": values})'
    first = [f"def {function}(s):", f"    item = new(class_{function}); values = {{}}", f"    {held}"]
    compile_lines([*first, *defaults, *lines, "    return item"], names)
    schema: type[Any] = msgspec.defstruct(
        of.__name__, fields, rename=stored, gc=False, omit_defaults=True, **settings
    )
    return schema
