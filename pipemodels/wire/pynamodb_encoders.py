"""Encoders of PynamoDB's own attributes, in models that have only swapped PynamoDB's base for ours.

As in the decoders: the types that are known are compiled, with PynamoDB's results; any other is asked.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

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

from pipemodels.attributes import CheckedAttribute
from pipemodels.wire.forms import IrregularError
from pipemodels.wire.pynamodb_decoders import free_map, same_functions
from pipemodels.wire.texts import Recipe, instant_text, quoted, tagged_text

# -- values, as the generated functions write them ------------------------------------------------------------------


def number_text(value: Any) -> str:
    """Return a number as `json.dumps` does."""
    kind = type(value)
    if kind is int or (kind is float and math.isfinite(value)):
        return repr(value)
    raise IrregularError


def utc_text(value: Any) -> str:
    """Return a datetime of UTC, or one that PynamoDB takes for that, up to its sixth digit; see `instant_text`."""
    usual = type(value) is datetime or type(value) is pendulum.DateTime
    if not usual or not (value.tzinfo is None or value.tzinfo is UTC or value.tzinfo is pendulum.UTC):
        raise IrregularError
    return instant_text(value)


def listed(value: Any) -> list[Any]:
    """Return a list."""
    if type(value) is not list:
        raise IrregularError
    return value


def set_text(tag: str, value: Any, text: Any) -> str:
    """Return a set; PynamoDB stores none where it is empty."""
    if type(value) is not set or not value:
        raise IrregularError
    return f'{{"{tag}":[{",".join([text(one) for one in value])}]}}'


def quoted_text(value: Any) -> str:
    """Return a text in quotes."""
    if type(value) is not str:
        raise IrregularError
    return str(quoted(value))


def quoted_number(value: Any) -> str:
    """Return a number as DynamoDB's JSON has it: in quotes."""
    return f'"{number_text(value)}"'


def tagged_number(value: Any) -> str:
    """Return the tagged form of a number."""
    return f'{{"N":"{number_text(value)}"}}'


def unicode_text(value: Any) -> str:
    """Return the tagged form of a text."""
    return f'{{"S":{quoted_text(value)}}}'


def part_text(value: Any) -> str:
    """Return the tagged form of a part of a free map or list."""
    kind = type(value)
    if kind is str:
        return f'{{"S":{quoted(value)}}}'
    if kind is bool:
        return '{"BOOL":true}' if value else '{"BOOL":false}'
    if kind is int or kind is float:
        return tagged_number(value)
    if value is None:
        return '{"NULL":true}'
    if kind is list:
        return f'{{"L":[{",".join([part_text(one) for one in value])}]}}'
    if kind is dict or kind is MapAttribute:
        return map_text(value)
    texts = kind is set and any(type(one) is str for one in value)
    return set_text("SS", value, quoted_text) if texts else set_text("NS", value, quoted_number)


def map_text(value: Any) -> str:
    """Return the tagged form of a free map."""
    values = vars(value)["attribute_values"] if type(value) is MapAttribute else value
    if type(values) is not dict or not all(type(key) is str for key in values):
        raise IrregularError
    return f'{{"M":{{{",".join([f"{quoted(key)}:{part_text(one)}" for key, one in values.items()])}}}}}'


def kept_map(value: Any) -> Any:
    """Return what an attribute of type `MapAttribute` keeps of a value."""
    if type(value) is dict:
        return free_map(dict(**value))  # it refuses what `MapAttribute(**value)` refuses
    return MapAttribute(**value) if isinstance(value, Mapping) else value


NAMES: dict[str, Any] = {
    "dumps": json.dumps, "number_text": number_text, "set_text": set_text, "quoted_number": quoted_number,
    "quoted_text": quoted_text,
    "utc_text": utc_text, "listed": listed, "tagged_number": tagged_number, "unicode_text": unicode_text,
    "part_text": part_text, "map_text": map_text, "kept_map": kept_map,
}  # fmt: skip
"""What the expressions below need."""

# -- attributes -----------------------------------------------------------------------------------------------------

_KNOWN = {
    UnicodeAttribute: "{unicode_text(v)}",
    NumberAttribute: "{tagged_number(v)}",
    VersionAttribute: '{{"N":"{v if type(v) is int else irregular()}"}}',
    BooleanAttribute: '{{"BOOL":{"true" if v is True else "false" if v is False else irregular()}}}',
    JSONAttribute: '{{"S":{quoted(dumps(v))}}}',
    UTCDateTimeAttribute: '{{"S":{utc_text(v)}+0000"}}',
    UnicodeSetAttribute: '{set_text("SS", v, quoted_text)}',
    NumberSetAttribute: '{set_text("NS", v, quoted_number)}',
}
_FREE = {
    bool: BooleanAttribute, bytes: BinaryAttribute, dict: MapAttribute, float: NumberAttribute, int: NumberAttribute,
    list: ListAttribute, str: UnicodeAttribute,
}  # fmt: skip


def _free_parts_are_written_as_usual() -> bool:
    """Say whether PynamoDB's table of what writes a part of a free map is as PynamoDB has made it."""
    return {kind: type(one) for kind, one in attributes.SERIALIZE_CLASS_MAP.items()} == _FREE


def recipe(attribute: Any, name: str, names: dict[str, Any]) -> Recipe:
    """Return how an attribute is treated; `names` take what that needs, by this name."""
    kind: Any = type(attribute)
    kept = "v" if kind.__set__ is Attribute.__set__ else None
    if "attr_type" not in vars(attribute):
        if kind in _KNOWN:
            return Recipe("False", kept, _KNOWN[kind])
        if kind is MapAttribute and _free_parts_are_written_as_usual():
            return Recipe("False", "kept_map(v)", "{map_text(v)}")
        if issubclass(kind, MapAttribute) and _compile_map_writer(kind, name, names):
            return Recipe("False", None, f"{{write_{name}(v, null_check)}}")
        if kind is ListAttribute and (text := _list(attribute, name, names)):
            return Recipe("False", kept, f'{{{{"L":[{{",".join([{text} for one in listed(v)])}}]}}}}')
    names[f"ask_{name}"] = _asked(attribute)
    return Recipe("False", kept, f"{{ask_{name}(v, null_check)}}")


def _asked(attribute: Any) -> Callable[[Any, bool], str]:
    """Return what writes the tagged form of an attribute that is not known."""
    nests = isinstance(attribute, ListAttribute | MapAttribute)

    def ask(value: Any, null_check: bool) -> str:
        if isinstance(value, MapAttribute) and not value.validate(null_check=null_check):
            raise IrregularError
        serialized = attribute.serialize(value, null_check=null_check) if nests else attribute.serialize(value)
        return tagged_text(attribute.attr_type, serialized)

    return ask


def _list(attribute: Any, name: str, names: dict[str, Any]) -> str | None:
    """Return what writes an element `one` of a list."""
    of = attribute.element_type
    if of is None and _free_parts_are_written_as_usual():
        return "part_text(one)"
    if of is UnicodeAttribute:
        return "unicode_text(one)"
    if of is NumberAttribute:
        return "tagged_number(one)"
    if of is not None and issubclass(of, MapAttribute) and _compile_map_writer(of, name, names):
        names[f"map_{name}"] = of
        names[f"ask_{name}"] = lambda one, null_check: tagged_text(
            "L", attribute.serialize([one], null_check=null_check)
        )[6:-2]
        return f"write_{name}(one, null_check) if type(one) is map_{name} else ask_{name}(one, null_check)"
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
    lines = [f"def write_{name}(one, null_check):", f" if type(one) is not class_{name}: irregular()"]
    lines += [' get = one.__dict__["attribute_values"].get; texts = []']
    declared = kind.get_attributes()
    recipes = [recipe(one, f"{name}_{number}", names) for number, one in enumerate(declared.values())]
    lines += write_lines(declared, recipes, name, names)
    exec("\n".join([*lines, """ return f'{{"M":{{{",".join(texts)}}}}}'"""]), names)  # noqa: S102  # of names alone
    being_compiled.remove(kind)
    return True


def write_lines(
    declared: Mapping[str, Any], recipes: Sequence[Recipe], name: str, names: dict[str, Any]
) -> list[str]:
    """Return the source that adds to `texts` what `get` finds of each attribute."""
    lines = []
    for number, ((field, attribute), known) in enumerate(zip(declared.items(), recipes, strict=True)):
        names[f"name_{name}_{number}"] = f"{quoted(attribute.attr_name)}:"
        lines += [f" if (v := get({field!r})) is not None:"]
        lines += [f"  if {known.irregular}: irregular()"] if known.irregular != "False" else []
        lines += [f"  texts.append(f'''{{name_{name}_{number}}}{known.text}''')"]
        lines += [] if attribute.null else [" elif null_check: irregular()"]
    return lines
