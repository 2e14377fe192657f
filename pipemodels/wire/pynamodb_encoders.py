"""Encoders of PynamoDB's own attributes, in models that have only swapped PynamoDB's base for ours.

As in the decoders: the types that are known are compiled, with PynamoDB's results; any other is asked.
"""

from __future__ import annotations

import inspect
import json
import math
from collections.abc import Callable, Collection, Mapping, Sequence
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
from pipemodels.wire import forms, pynamodb_decoders
from pipemodels.wire.forms import IrregularError
from pipemodels.wire.pynamodb_decoders import same_functions
from pipemodels.wire.pynamodb_maps import compile_init, keeping, kept_map
from pipemodels.wire.tagged import FALSE, NULL, TRUE, Recipe, asked, fields_form

# -- values, as the generated functions write them ------------------------------------------------------------------


def number(value: Any) -> forms.Number:
    """Return the tagged form of a number, which is that of `json.dumps`."""
    kind = type(value)
    if kind is int or (kind is float and math.isfinite(value)):
        return forms.Number(repr(value))
    raise IrregularError


def text(value: Any) -> forms.Text:
    """Return the tagged form of a text."""
    if type(value) is not str:
        raise IrregularError
    return forms.Text(value)


def utc_datetime(value: Any) -> forms.Text:
    """Return the tagged form of a datetime of UTC, or of one that PynamoDB takes for that."""
    usual = type(value) is datetime or type(value) is pendulum.DateTime
    if not usual or not (value.tzinfo is None or value.tzinfo is UTC or value.tzinfo is pendulum.UTC):
        raise IrregularError
    naive = datetime.combine(datetime.date(value), datetime.time(value))
    return forms.Text(f"{naive.isoformat(timespec='microseconds')}+0000")


def listed(value: Any) -> list[Any]:
    """Return a list."""
    if type(value) is not list:
        raise IrregularError
    return value


def text_set(value: Any) -> forms.TextSet:
    """Return the tagged form of a set of texts; PynamoDB stores none where it is empty."""
    if type(value) is not set or not value:
        raise IrregularError
    return forms.TextSet([text(one).S for one in value])


def number_set(value: Any) -> forms.NumberSet:
    """Return the tagged form of a set of numbers, likewise."""
    if type(value) is not set or not value:
        raise IrregularError
    return forms.NumberSet([number(one).N for one in value])


def part(value: Any) -> Any:
    """Return the tagged form of a part of a free map or list."""
    kind = type(value)
    if kind is str:
        return forms.Text(value)
    if kind is bool:
        return TRUE if value else FALSE
    if kind is int or kind is float:
        return number(value)
    if value is None:
        return NULL
    if kind is list:
        return forms.Documents([part(one) for one in value])
    if kind is dict or kind is MapAttribute:
        return free_map(value)
    texts = kind is set and any(type(one) is str for one in value)
    return text_set(value) if texts else number_set(value)


def free_map(value: Any) -> forms.Document:
    """Return the tagged form of a free map."""
    values = vars(value)["attribute_values"] if type(value) is MapAttribute else value
    if type(values) is not dict:
        raise IrregularError
    for key in values:
        if type(key) is not str:
            raise IrregularError
    parts: Any = {key: forms.Text(one) if type(one) is str else part(one) for key, one in values.items()}
    return forms.Document(parts)


NAMES: dict[str, Any] = {
    "Text": forms.Text, "Number": forms.Number, "TRUE": TRUE, "FALSE": FALSE, "Document": forms.Document,
    "Documents": forms.Documents, "dumps": json.dumps, "number": number, "text": text, "listed": listed,
    "utc_datetime": utc_datetime, "text_set": text_set, "number_set": number_set, "part": part, "free_map": free_map,
    "kept_map": kept_map, "MapAttribute": MapAttribute,
}  # fmt: skip
"""What the expressions below need."""

# -- attributes -----------------------------------------------------------------------------------------------------

_KNOWN = {
    UnicodeAttribute: "Text(v) if type(v) is str else irregular()",
    NumberAttribute: "Number(repr(v)) if type(v) is int else number(v)",
    VersionAttribute: "Number(str(v)) if type(v) is int else irregular()",
    BooleanAttribute: "TRUE if v is True else FALSE if v is False else irregular()",
    JSONAttribute: "Text(dumps(v))",
    UTCDateTimeAttribute: "utc_datetime(v)",
    UnicodeSetAttribute: "text_set(v)",
    NumberSetAttribute: "number_set(v)",
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
            return Recipe("False", "kept_map(v)", "free_map(v)")
        if issubclass(kind, MapAttribute) and _compile_map_writer(kind, name, names):
            names[f"keep_{name}"] = keeping(kind)
            kept = f"keep_{name}(v)" if kind.__set__ is MapAttribute.__set__ else None
            return Recipe("False", kept, f"write_{name}(v, null_check)")
        if kind is ListAttribute and (element := _list(attribute, name, names)):
            return Recipe("False", kept, f"Documents([{element} for one in listed(v)])")
    return Recipe("False", kept, _asked(attribute, name, names))


def _asked(attribute: Any, name: str, names: dict[str, Any]) -> str:
    """Return what writes the tagged form of an attribute that is not known."""
    form = {"S": "Text", "N": "Number"}.get(inspect.getattr_static(attribute, "attr_type", None))
    if form is None or isinstance(attribute, ListAttribute | MapAttribute):
        names[f"ask_{name}"] = _asking(attribute)
        return f"ask_{name}(v, null_check)"
    names[f"attribute_{name}"] = attribute
    tagged = f"{form}(s) if type(s := attribute_{name}.serialize(v)) is str else irregular()"
    return f"irregular() if isinstance(v, MapAttribute) else {tagged}"


def _asking(attribute: Any) -> Callable[[Any, bool], Any]:
    """Return the function that does so where it may nest, or has another tag."""
    nests = isinstance(attribute, ListAttribute | MapAttribute)

    def ask(value: Any, null_check: bool) -> Any:
        if isinstance(value, MapAttribute) and not value.validate(null_check=null_check):
            raise IrregularError
        serialized = attribute.serialize(value, null_check=null_check) if nests else attribute.serialize(value)
        return asked(attribute.attr_type, serialized)

    return ask


def _asking_of_one(attribute: ListAttribute[Any]) -> Callable[[Any, bool], Any]:
    """Return what writes an element that is no map of the list's class, but a dict of its fields, say."""

    def ask(one: Any, null_check: bool) -> Any:
        return asked("L", attribute.serialize([one], null_check=null_check))["L"][0]

    return ask


def _list(attribute: Any, name: str, names: dict[str, Any]) -> str | None:
    """Return what writes an element `one` of a list."""
    of = attribute.element_type
    if of is None and _free_parts_are_written_as_usual():
        return "part(one)"
    if of is UnicodeAttribute:
        return "text(one)"
    if of is NumberAttribute:
        return "number(one)"
    if of is not None and issubclass(of, MapAttribute) and _compile_map_writer(of, name, names):
        names[f"map_{name}"] = of
        names[f"ask_{name}"] = _asking_of_one(attribute)
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
    declared = kind.get_attributes()
    recipes = [recipe(one, f"{name}_{number}", names) for number, one in enumerate(declared.values())]
    lines = [f"def write_{name}(one, null_check):", f" if type(one) is not class_{name}: irregular()"]
    lines += [' get = one.__dict__["attribute_values"].get', *write_lines(declared, recipes, name, names)]
    exec("\n".join([*lines, f" return Document({made_of_fields(name, declared)})"]), names)  # noqa: S102  # of names alone
    being_compiled.remove(kind)
    if pynamodb_decoders.is_plain_map(kind):
        compile_init(kind)
    return True


def write_lines(
    declared: Mapping[str, Any],
    recipes: Sequence[Recipe],
    name: str,
    names: dict[str, Any],
    counted: str | None = None,
) -> list[str]:
    """Return the source that finds each attribute by `get`, and tags it; `made_of_fields` makes a whole of them.

    Of the attribute that is counted, a `revision` is taken, if there is one.
    """
    names[f"fields_{name}"] = fields_form("Fields", [one.attr_name for one in declared.values()])
    lines = []
    for number, ((field, attribute), known) in enumerate(zip(declared.items(), recipes, strict=True)):
        found = f"revision or get({field!r})" if field == counted else f"get({field!r})"
        lines += [f" if (v := {found}) is not None:"]
        lines += [f"  if {known.irregular}: irregular()"] if known.irregular != "False" else []
        lines += [f"  v = {known.tagged}"]
        lines += [] if attribute.null else [" elif null_check: irregular()"]
        lines += [f" v{number} = v"]
    return lines


def made_of_fields(name: str, fields: Collection[Any]) -> str:
    """Return the expression that makes a whole of tagged fields."""
    return f"fields_{name}({', '.join(f'v{number}' for number in range(len(fields)))})"
