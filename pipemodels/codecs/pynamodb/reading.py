"""Decoders of PynamoDB's own attributes, in models that have only swapped PynamoDB's base for ours.

The types that are known here are compiled, maps and lists of them too, with PynamoDB's results: numbers through JSON,
free maps as `MapAttribute`, free maps inside them as dicts. Any other attribute, a subclass among them, is asked.
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

_scan: Any = json.JSONDecoder().scan_once  # type: ignore[attr-defined]  # of `json.loads`; its types leave it out
_scan_loosely: Any = json.JSONDecoder(strict=False).scan_once  # type: ignore[attr-defined]  # the same
_TAKES_24 = sys.version_info >= (3, 13)


def from_json(text: str, scan: Callable[..., Any] = _scan_loosely) -> Any:
    """Read JSON by the scanner of `json.loads`, which finds neither white space around it nor more behind it."""
    try:
        value, end = scan(text, 0)
    except StopIteration:  # there is a space before it, or nothing
        raise DeclinedError from None
    if end != len(text):
        raise DeclinedError
    return value


def number(text: str) -> Any:
    """Read a number as `json.loads` does: an int, a float, or whatever else stands there."""
    return from_json(text, _scan)


def utc_datetime(text: str) -> datetime:
    """Read the schema of `UTCDateTimeAttribute`; anything else is left to it."""
    if text[4:20:3] != "--T::." or text[26:] != "+0000" or (_TAKES_24 and text[11:13] == "24"):
        raise DeclinedError
    return datetime.fromisoformat(text)


def expiry(text: str) -> datetime:
    """Read whole seconds; of others, `TTLAttribute` drops the fraction."""
    seconds = number(text)
    if type(seconds) is not int:
        raise DeclinedError
    return datetime.fromtimestamp(seconds, UTC)


def free_value(tagged: dict[str, Any]) -> Any:
    """Read a part of a free map or list."""
    ((tag, value),) = tagged.items()
    kind = type(value)
    if kind is str:
        if tag == "S":
            return value
        if tag == "N":
            return from_json(value, _scan)
    elif kind is dict:
        if tag == "M":
            return {key: free_value(one) for key, one in value.items()}
    elif kind is list:
        if tag == "L":
            return [free_value(one) for one in value]
        schemas.check_regular(tagged)  # a set, or nothing that is known
        return set(value) if tag == "SS" else {number(one) for one in value}
    elif kind is bool and tag == "BOOL":
        return value
    elif kind is bool and tag == "NULL":
        return None
    raise DeclinedError


# of `MapAttribute(**values)`: names that it takes for settings of an attribute, or for its own parameters
_SETTINGS = frozenset({*MapAttribute.attribute_args, "self", "_user_instantiated"})


def free_map(values: dict[str, Any]) -> MapAttribute[str, Any]:
    """Return what setting an attribute of type `MapAttribute` makes of a dict."""
    if not _SETTINGS.isdisjoint(values):
        return MapAttribute(**values)
    made: MapAttribute[str, Any] = object.__new__(MapAttribute)
    object.__setattr__(made, "__dict__", {"attribute_kwargs": {}, "attribute_values": values})
    return made


def regular(tagged: dict[str, Any]) -> dict[str, Any]:
    """Return a tagged value for an attribute that decodes by itself; none is asked about NULL."""
    schemas.check_regular(tagged)
    if "NULL" in tagged:
        raise DeclinedError
    return tagged


NAMES: dict[str, Any] = {
    "new": object.__new__, "put": object.__setattr__, "number": number, "from_json": from_json, "free_value": free_value,
    "utc_datetime": utc_datetime, "expiry": expiry, "free_map": free_map, "regular": regular,
}  # fmt: skip
"""What the expressions below need."""

# -- attributes -----------------------------------------------------------------------------------------------------


class Recipe(NamedTuple):
    """How an attribute is read: its schema, and Python source that makes its value of `t`, an instance of the schema."""

    schema: Any
    value: str
    """What `deserialize` returns."""
    kept: str | None
    """What an object keeps of it; None where that is up to the attribute's `__set__`."""


def _known(schema: type, value: str) -> Recipe:
    return Recipe(schema, value, value)


_KNOWN: dict[type, Recipe] = {
    UnicodeAttribute: _known(schemas.Text, "t.S"),
    NumberAttribute: _known(schemas.Number, "number(t.N)"),
    VersionAttribute: _known(schemas.Number, "int(number(t.N))"),
    BooleanAttribute: _known(schemas.Flag, "t.BOOL"),
    JSONAttribute: _known(schemas.Text, "from_json(t.S)"),
    UTCDateTimeAttribute: _known(schemas.Text, "utc_datetime(t.S)"),
    TTLAttribute: _known(schemas.Number, "expiry(t.N)"),
    UnicodeSetAttribute: _known(schemas.TextSet, "set(t.SS)"),
    NumberSetAttribute: _known(schemas.NumberSet, "{number(n) for n in t.NS}"),
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
    """Say whether PynamoDB's table of what reads a part of a free map is as PynamoDB has made it."""
    return {tag: type(one) for tag, one in attributes.DESERIALIZE_CLASS_MAP.items()} == _FREE


def recipe(attribute: Any, name: str, names: dict[str, Any]) -> Recipe:
    """Return how an attribute is read; `names` take what that needs, by this name."""
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
    return Recipe(schema, value, value if kind.__set__ is Attribute.__set__ else None)


def _list(of: Any, name: str, names: dict[str, Any]) -> Recipe | None:
    if of is None:
        return (
            _known(schemas.Documents, "[free_value(one) for one in t.L]")
            if _free_values_are_read_as_usual()
            else None
        )
    if of in _KNOWN or of is ListAttribute or issubclass(of, MapAttribute):
        element = recipe(of(), name, names)
        if element.kept is not None:  # it is compiled
            return _known(schemas.list_of(element.schema), f"[{element.value} for t in t.L]")
    return None


def _map(kind: Any, name: str, names: dict[str, Any]) -> Recipe | None:
    if kind is MapAttribute and _free_values_are_read_as_usual():
        values = "{key: free_value(one) for key, one in t.M.items()}"
        return Recipe(schemas.Document, values, f"free_map({values})")
    being_compiled: set[Any] = names.setdefault("being_compiled", set())
    if not is_plain_map(kind) or kind in being_compiled:
        return None
    being_compiled.add(kind)
    schema = compile_maker(f"make_{name}", kind, names, statement)
    being_compiled.remove(kind)
    return _known(schemas.map_of(schema), f"make_{name}(t.M)") if schema else None


_MAP_S = (
    "__init__", "__new__", "__set__", "__setattr__", "__getattribute__", "deserialize", "get_value", "is_raw",
    "_is_attribute_container", "_instantiate", "_set_attributes", "_set_defaults", "_set_discriminator",
    "_get_discriminator_attribute", "_get_discriminator_class", "get_attributes",
)  # fmt: skip


def same_functions(model: type, base: type, names: Iterable[str]) -> bool:
    """Say whether a class has these functions of its base, and none of its own."""
    static = inspect.getattr_static
    return all(static(model, name) is static(base, name) for name in names)


def is_plain_map(kind: Any) -> bool:
    """Say whether maps of a class are made as `MapAttribute` makes them, of the attributes that they declare."""
    usual = same_functions(kind, MapAttribute, _MAP_S) and kind is not MapAttribute and not kind._discriminator
    return usual and not issubclass(kind, Mapping)


# -- what holds attributes ------------------------------------------------------------------------------------------

Statement = Callable[[str, Any, str, dict[str, Any]], tuple[Any, str]]


def statement(name: str, attribute: Any, field: str, names: dict[str, Any]) -> tuple[Any, str]:
    """Return the schema of an attribute, and the statement that sets it: in `values`, or by its own `__set__`."""
    if attribute.attr_type == "NULL" and type(attribute).get_value is Attribute.get_value:
        return schemas.Null, "pass"  # PynamoDB asks nobody about NULL
    schema, value, kept = recipe(attribute, field, names)
    return schema, f"setattr(item, {name!r}, {value})" if kept is None else f"values[{name!r}] = {kept}"


def compile_maker(
    function: str, of: Any, names: dict[str, Any], statement: Statement, **settings: Any
) -> type[Any] | None:
    """Compile, into `names`, what makes a model or a map of its schema; return that schema, made with these settings.

    None where two attributes read one stored value, and where PynamoDB would set nothing, because it is falsy.
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
