"""The writers of the package's own attributes: expressions that check and encode a value."""

from __future__ import annotations

import enum
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pendulum

from pipemodels.attributes.base import CheckedAttribute
from pipemodels.attributes.documents import DocumentAttribute, TextMapAttribute, ValueAttribute
from pipemodels.attributes.lists import DocumentListAttribute, RecordListAttribute, TextListAttribute
from pipemodels.attributes.scalars import (
    DecimalAttribute,
    EnumAttribute,
    FlagAttribute,
    IntegerAttribute,
    TextAttribute,
)
from pipemodels.attributes.times import UTCInstantAttribute
from pipemodels.checks import MAX_DIGITS, id_problem, text_problem
from pipemodels.codecs.pynamodb import writing as pynamodb_encoders
from pipemodels.codecs.pynamodb.reading import same_functions
from pipemodels.codecs.recognition import FieldWriter, Whole, adding_all, by_get
from pipemodels.codecs.source import compile_lines
from pipemodels.records import Record, record_fields
from pipemodels.transport.fallbacks import DeclinedError
from pipemodels.transport.fragments import (
    LIMIT,
    MAX_VALUES,
    add_document,
    add_text_map,
    decimal_text,
    look_in,
    text_map,
    whole_second,
)

# -- functions called by the generated source -------------------------------------------------------------------


def _unicode(text: str) -> str:
    if not text.isascii():
        text.encode()  # raises if there is a lone surrogate
    return text


def copied(value: Any, depth: int, left: list[int]) -> Any:
    """Return a deep copy of a document that contains only plain types."""
    kind = type(value)
    if kind is str:
        return _unicode(value)
    if kind is bool or value is None or (kind is int and -LIMIT < value < LIMIT):
        return value
    if kind is Decimal:
        text = decimal_text(value)
        return value if "." in text else int(text)
    look_in(kind, value, depth, left)
    depth += 1
    if kind is list:
        return [item if type(item) is str and item.isascii() else copied(item, depth, left) for item in value]
    made = {}
    for key, item in value.items():
        if type(key) is not str or not key:
            raise DeclinedError
        if not key.isascii():
            _unicode(key)
        made[key] = item if type(item) is str and item.isascii() else copied(item, depth, left)
    return made


NAMES: dict[str, Any] = pynamodb_encoders.NAMES | {
    "new": object.__new__, "set": object.__setattr__, "UTC": UTC, "UTC_": pendulum.UTC,
    "datetime": datetime, "DateTime": pendulum.DateTime, "zones": {datetime: UTC, pendulum.DateTime: pendulum.UTC},
    "reduced": datetime.__reduce__, "Decimal": Decimal, "whole_second": whole_second, "text_problem": text_problem,
    "id_problem": id_problem, "decimal_text": decimal_text, "copied": copied, "add_document": add_document,
    "text_map": text_map, "add_text_map": add_text_map,
}  # fmt: skip
"""The names used by the expressions below."""

# -- attributes -----------------------------------------------------------------------------------------------------


_INSTANT = FieldWriter(
    "zones[type(v)] is not (state := reduced(v)[1])[1]",  # a naive datetime has no zone there
    "DateTime(state[0], UTC_)",  # as `instants.from_utc`
    "S",
    "plain if (plain := v if type(v) is datetime else datetime(state[0], UTC)).microsecond else whole_second(plain)",
)
_FLAG = FieldWriter("type(v) is not bool", "v", "BOOL", "v")
_plain = CheckedAttribute.encode
_CHECKED = ("serialize", "tagged", "__set__")


def checked_field(attribute: Any, name: str, names: dict[str, Any]) -> FieldWriter | None:
    """Return the writer of an attribute; None if its checking or encoding functions are unknown."""
    kind: Any = type(attribute)
    if not issubclass(kind, CheckedAttribute):
        return None
    if kind.tagged is ValueAttribute.tagged and kind.normalise is ValueAttribute.normalise:
        return _document("False", 2)
    if any(getattr(kind, function) is not getattr(CheckedAttribute, function) for function in _CHECKED):
        return None
    known = _BY_FUNCTIONS.get((kind.normalise, kind.encode, attribute.attr_type))
    return known(attribute, name, names) if known else None


def _text(attribute: Any, name: str, names: dict[str, Any]) -> FieldWriter:
    if attribute.problem is text_problem:
        wrong = "not v.isascii() and text_problem(v)"
    elif attribute.problem is id_problem:
        usual = "0 < len(v) < 256 and v.isprintable() and v.strip() is v"
        wrong = f"not ({usual}) and id_problem(v)"
    else:
        names[f"problem_{name}"] = attribute.problem
        wrong = f"problem_{name}(v)"
    return FieldWriter(f"type(v) is not str or ({wrong})", "v", "S", "v")


def _integer(attribute: Any, name: str, names: dict[str, Any]) -> FieldWriter:
    names[f"least_{name}"] = 1 - LIMIT if attribute.minimum is None else attribute.minimum
    names[f"most_{name}"] = LIMIT - 1 if attribute.maximum is None else min(attribute.maximum, LIMIT - 1)
    return FieldWriter(f"type(v) is not int or not least_{name} <= v <= most_{name}", "v", "N", "str(v)")


def _decimal(attribute: Any, name: str, names: dict[str, Any]) -> FieldWriter:
    names[f"least_{name}"] = attribute.minimum
    low = "" if attribute.minimum is None else f"not v >= least_{name} or "
    # for most fractions this equals `decimal_text`, without a call
    usual = f"(digits := str(v))[-1] != '0' and '.' in digits and 'E' not in digits and len(digits) <= {MAX_DIGITS}"
    return FieldWriter(f"type(v) is not Decimal or {low}not ({usual} or decimal_text(v))", "v", "N", "digits")


def _enum(attribute: Any, name: str, names: dict[str, Any]) -> FieldWriter | None:
    """Return the writer of an enumeration; a member and its text are equal, so both find the same entry."""
    if type(attribute.enum) is not enum.EnumType:
        return None
    members: Any = attribute.enum
    names[f"members_{name}"] = {member.value: member for member in members}
    names[f"texts_{name}"] = {member.value: str(member.value) for member in members}
    return FieldWriter("False", f"members_{name}[v]", "S", f"texts_{name}[v]")


def _document(declined: str, depth: int = 0) -> FieldWriter:
    more = f"v, {depth}, [{MAX_VALUES}]"
    return FieldWriter(declined, f"copied({more})", "", f"add_document(fragments, {more})")


def _list(attribute: Any, name: str, names: dict[str, Any]) -> FieldWriter | None:
    kinds = {TextListAttribute.element: "str", DocumentListAttribute.element: "dict"}
    if type(attribute).element in kinds:
        kind = kinds[type(attribute).element]
        return _document(f"type(v) is not list or any(type(element) is not {kind} for element in v)")
    if type(attribute).element is RecordListAttribute.element:
        return _records(attribute.of, name, names)
    return None


_BY_FUNCTIONS: dict[tuple[Any, Any, str], Callable[[Any, str, dict[str, Any]], FieldWriter | None]] = {
    (TextAttribute.normalise, _plain, "S"): _text,
    (UTCInstantAttribute.normalise, UTCInstantAttribute.encode, "S"): lambda *_: _INSTANT,
    (IntegerAttribute.normalise, IntegerAttribute.encode, "N"): _integer,
    (DecimalAttribute.normalise, DecimalAttribute.encode, "N"): _decimal,
    (FlagAttribute.normalise, _plain, "BOOL"): lambda *_: _FLAG,
    (EnumAttribute.normalise, EnumAttribute.encode, "S"): _enum,
    (DocumentAttribute.normalise, DocumentAttribute.encode, "M"): lambda *_: _document("type(v) is not dict"),
    (TextMapAttribute.normalise, DocumentAttribute.encode, "M"): lambda *_: FieldWriter(
        "False", "dict(text_map(v))", "", "add_text_map(fragments, v)"
    ),
    (TextListAttribute.normalise, TextListAttribute.encode, "L"): _list,
    (RecordListAttribute.normalise, RecordListAttribute.encode, "L"): _list,
}


def _records(of: Any, name: str, names: dict[str, Any]) -> FieldWriter | None:
    """Return the writer of a list of records; records are created from dicts without calling `__init__`."""
    fields = {
        field: checked_field(attribute, f"{name}_{field}", names) for field, attribute in record_fields(of).items()
    }
    if None in fields.values() or of.__dictoffset__ == 0:  # it has no `__dict__`
        return None
    names[f"class_{name}"] = of
    writers = {field: writer for field, writer in fields.items() if writer}
    whole = Whole(record_fields(of), writers.values(), name, names, '{"M":{')
    compile_lines([f"def add_{name}(fragments, get):", *whole.lines(by_get)], names)
    check = f"  if type(value) is not class_{name}: decline()"
    adding_value = [check, f"  add_{name}(fragments, value.__dict__.get)"]
    compile_lines(adding_all(f"add_all_{name}", adding_value), names)
    made = "decline()"
    if _is_made_as_usual(of):
        compile_lines(_making(of, name, writers, names), names)
        made = f"make_{name}(value)"
    kept = f"[value if isinstance(value, class_{name}) else {made} for value in v]"
    return FieldWriter("type(v) is not list", kept, "", f"add_all_{name}(fragments, v)")


def _making(of: Any, name: str, writers: dict[str, FieldWriter], names: dict[str, Any]) -> list[str]:
    """Return the source that creates a record from a dict, with its fields in the order of `__init__`."""
    declared, fields = record_fields(of), of.__dataclass_fields__
    given = [field for field in writers if fields[field].init]
    names[f"given_{name}"] = frozenset(given)
    lines = [f"def make_{name}(values):", " if type(values) is not dict: decline()"]
    lines += [f" if not given_{name}.issuperset(values): decline()", " get = values.get"]
    held = dict.fromkeys([*given, *(field for field in writers if field not in given)], "None")
    for number, field in enumerate(given):
        held[field] = f"k{number}"
        lines += [
            f" if (v := {by_get(field)}) is not None:",
            *writers[field].refusing(),
            f"  v = {writers[field].kept}",
        ]
        lines += [] if declared[field].null else [" else: decline()"]
        lines += [f" k{number} = v"]
    lines += [f" record = new(class_{name})"]
    lines += [f' set(record, "__dict__", {{{", ".join(f"{field!r}: {value}" for field, value in held.items())}}})']
    return [*lines, " if record.rule_problems(): decline()", " record.derive()", " return record"]


def _is_made_as_usual(of: Any) -> bool:
    """Return whether a record uses the `__init__` of its dataclass and the checks of the base."""
    known = vars(of).get("__dataclass_params__")
    usual = same_functions(of, Record, ["__post_init__", "from_mapping", "__new__"])
    return usual and known is not None and known.init and set(of.__dataclass_fields__) == set(record_fields(of))
