"""Decoders, compiled for each model: a generated function creates an object from the struct of an item.

Attributes are recognised by the functions that decode them; an attribute with unknown functions decodes its own
values. If a generated function fails, the model reads the item as without the fast path, or raises its own error.
"""

from __future__ import annotations

import enum
import inspect
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import msgspec
import pendulum
from pynamodb.models import Model as PynamoModel

from pipemodels.attributes.base import CheckedAttribute
from pipemodels.attributes.documents import DocumentAttribute, ValueAttribute
from pipemodels.attributes.lists import RecordListAttribute, TextListAttribute
from pipemodels.attributes.scalars import (
    DecimalAttribute,
    EnumAttribute,
    FlagAttribute,
    IntegerAttribute,
    TextAttribute,
)
from pipemodels.attributes.times import ExpiryAttribute, UTCInstantAttribute
from pipemodels.codecs.pynamodb import reading as pynamodb_decoders
from pipemodels.codecs.pynamodb.reading import FieldReader, compile_maker, reader_of, same_functions, statement
from pipemodels.codecs.source import compile_lines
from pipemodels.documents import read_number
from pipemodels.instants import from_utc, read_stored_instant
from pipemodels.records import Record, record_fields
from pipemodels.transport import schemas
from pipemodels.transport.fallbacks import DeclinedError

# -- values ---------------------------------------------------------------------------------------------------------

_from_text = datetime.fromisoformat
_DateTime: Callable[..., pendulum.DateTime] = pendulum.DateTime  # it takes a pickle state too
_UTC = pendulum.UTC
_reduced = datetime.__reduce__
_TAKES_24 = sys.version_info >= (3, 13)


def instant(text: str) -> pendulum.DateTime:
    """Read the stored form of an instant, or one of the two other forms that the attribute reads.

    `fromisoformat` accepts other forms too, but none with these characters in these places, except hour 24 in newer
    versions of Python.
    """
    if text[4:20:3] != "--T::." or text[26:] != "Z" or (_TAKES_24 and text[11:13] == "24"):
        return read_stored_instant(text, "")
    return _DateTime(_reduced(_from_text(text))[1][0], _UTC)


def integer(text: str) -> int:
    """Read an integer."""
    if text.isdecimal() and text.isascii():
        return int(text)
    number = read_number(text)
    if not isinstance(number, int):
        raise DeclinedError
    return number


def decimal(text: str) -> Decimal:
    """Read a number; integers, and fractions without exponent and trailing zeros, need no normalising."""
    number = Decimal(text)
    is_fraction = "." in text and text[-1] in "123456789" and "E" not in text and "e" not in text
    return number if is_fraction or (text.isdecimal() and text.isascii()) else Decimal(read_number(text))


def moment(text: str) -> pendulum.DateTime:
    """Read integer seconds since 1970."""
    return from_utc(datetime.fromtimestamp(integer(text), UTC))


def document(tagged: dict[str, Any]) -> Any:
    """Read a value inside a document; decline invalid and binary values."""
    ((tag, value),) = tagged.items()
    kind = type(value)
    if tag == "S" and kind is str:
        return value
    if tag == "N" and kind is str:
        return int(value) if value.isdecimal() and value.isascii() else read_number(value)
    if tag == "M":
        return {key: document(element) for key, element in value.items()}
    if tag == "L" and kind is list:
        return [document(element) for element in value]
    if tag == "BOOL" and kind is bool:
        return value
    if tag == "NULL" and kind is bool:
        return None
    raise DeclinedError


# -- attributes -----------------------------------------------------------------------------------------------------

_READERS: dict[tuple[Any, str], FieldReader] = {
    (TextAttribute.decode, "S"): reader_of(schemas.Text, "t.S"),
    (UTCInstantAttribute.decode, "S"): reader_of(schemas.Text, "instant(t.S)"),
    (IntegerAttribute.decode, "N"): reader_of(schemas.Number, "integer(t.N)"),
    (DecimalAttribute.decode, "N"): reader_of(schemas.Number, "decimal(t.N)"),
    (ExpiryAttribute.decode, "N"): reader_of(schemas.Number, "moment(t.N)"),
    (DocumentAttribute.decode, "M"): reader_of(schemas.Document, "{k: document(p) for k, p in t.M.items()}"),
    (TextListAttribute.decode, "L"): reader_of(schemas.Documents, "[document(p) for p in t.L]"),
}
_CHECKED = ("deserialize", "get_value", "untagged", "__set__")


def _field_reader(attribute: Any, name: str, names: dict[str, Any]) -> FieldReader | None:
    """Return the reader of an attribute, adding to `names`; None if its functions are unknown."""
    kind: Any = type(attribute)
    if not issubclass(kind, CheckedAttribute):
        return None
    if kind.untagged is ValueAttribute.untagged and kind.get_value is CheckedAttribute.get_value:
        return reader_of(dict[str, Any], "document(t)")
    if any(getattr(kind, function) is not getattr(CheckedAttribute, function) for function in _CHECKED):
        return None
    if kind.decode is RecordListAttribute.decode and attribute.attr_type == "L":
        return _records(attribute.of, name, names)
    if kind.decode is CheckedAttribute.decode:
        return _by_normalising(attribute, name, names)
    if kind.decode is TextListAttribute.decode and kind.element is TextListAttribute.element:
        return reader_of(schemas.Texts, "[p.S for p in t.L]")
    return _READERS.get((kind.decode, attribute.attr_type))


def _by_normalising(attribute: Any, name: str, names: dict[str, Any]) -> FieldReader | None:
    kind = type(attribute)
    if kind.normalise is FlagAttribute.normalise and attribute.attr_type == "BOOL":
        return reader_of(schemas.Flag, "t.BOOL")
    if (
        kind.normalise is EnumAttribute.normalise
        and attribute.attr_type == "S"
        and type(attribute.enum) is enum.EnumType
    ):
        members: Any = attribute.enum
        names[f"members_{name}"] = {member.value: member for member in members}
        return reader_of(schemas.Text, f"members_{name}[t.S]")
    return None


def _records(of: Any, name: str, names: dict[str, Any]) -> FieldReader | None:
    if not _is_plain_record(of):
        return None
    fields, values = [], []
    for number, (field, attribute) in enumerate(record_fields(of).items()):
        reader = _field_reader(attribute, f"{name}_{number}", names)
        if reader is None:
            return None
        fields.append((f"f{number}", reader.schema, None))
        values.append(f"{field!r}: None if (t := s.f{number}) is None else {reader.value}")
    stored = {f"f{number}": field for number, field in enumerate(record_fields(of))}
    names[f"class_{name}"] = of
    lines = [f"def record_{name}(s):", f"    record = new(class_{name})"]
    lines += [f'    put(record, "__dict__", {{{", ".join(values)}}})', "    return record"]
    compile_lines(lines, names)
    schema = msgspec.defstruct(of.__name__, fields, rename=stored, gc=False, omit_defaults=True)
    return reader_of(schemas.list_of(schemas.map_of(schema)), f"[record_{name}(e.M) for e in t.L]")


def _is_plain_record(of: type[Record]) -> bool:
    """Return whether a record read from storage consists of its fields only."""
    return (
        of.from_storage.__func__ is Record.from_storage.__func__  # type: ignore[attr-defined]
        and of.__new__ is object.__new__
        and not any(hasattr(inspect.getattr_static(of, name, None), "__set__") for name in record_fields(of))
        and of.__dictoffset__ != 0
    )


# -- models ---------------------------------------------------------------------------------------------------------

_OWN = ("__init__", "_instantiate", "_container_deserialize")
_PYNAMO = ("from_raw_data", "_set_defaults", "_set_discriminator", "get_attributes", "_get_discriminator_class")


class Decoder:
    """Creates the objects of a model.

    Attributes:
        schema: the msgspec schema of its items.
        build: creates an object from a struct of the schema; may raise any error.
    """

    def __init__(self, schema: type[schemas.Stored], build: Callable[[schemas.Stored], Any]) -> None:
        self.schema, self.build = schema, build

    def of_plain(self, item: dict[str, Any]) -> Any:
        """Return an object from a plain item; may raise any error."""
        stored = {name: tagged for name, tagged in item.items() if "NULL" not in tagged}
        return self.build(msgspec.convert(stored, self.schema))


def compile_decoder(model: Any, base: type) -> Decoder | None:
    """Return the decoder of a model; None if the model or PynamoDB has unknown functions."""
    known = same_functions(model, base, _OWN) and same_functions(model, PynamoModel, _PYNAMO)
    plain = model.__new__ is object.__new__ and model.__setattr__ is object.__setattr__
    if not known or not plain or model._discriminator:
        return None
    names = pynamodb_decoders.NAMES | {
        "instant": instant, "integer": integer, "decimal": decimal, "moment": moment, "document": document,
        "__name__": f"{model.__module__}.{model.__qualname__}",
    }  # fmt: skip
    schema: Any = compile_maker("build", model, names, _statement, bases=(schemas.Stored,))
    if schema is None:
        return None
    schema.fields = dict(zip(schema.__struct_encode_fields__, schema.__struct_fields__, strict=True))
    return Decoder(schemas.ready(schema), names["build"])


def _statement(name: str, attribute: Any, field: str, names: dict[str, Any]) -> tuple[Any, str]:
    """Return the schema of an attribute, and the statement that sets it."""
    reader = _field_reader(attribute, field, names)
    if reader is not None and not isinstance(attribute, ValueAttribute):
        return reader.schema, f"values[{name!r}] = {reader.value}"
    if not isinstance(attribute, CheckedAttribute):
        return statement(name, attribute, field, names)
    names[f"attribute_{field}"] = attribute
    value = f"attribute_{field}.deserialize(attribute_{field}.get_value(regular(t)))"
    return dict[str, Any], f"values[{name!r}] = {value}"
