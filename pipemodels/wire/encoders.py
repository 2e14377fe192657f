"""Encoders compiled per model: the checks of values that come in, and the form in which DynamoDB takes them.

As in the decoders, each attribute is recognised by the functions with which it checks and encodes, and what the
fast way does not like is left to the attribute's own, which says what is wrong, or finds that it is right after all.
What is taken here would be taken there, with the same result.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, NamedTuple

import msgspec
import pendulum
from pynamodb.attributes import Attribute, ListAttribute, MapAttribute
from pynamodb.models import Model as PynamoModel

from pipemodels.attributes import (
    CheckedAttribute,
    DecimalAttribute,
    DocumentAttribute,
    DocumentListAttribute,
    EnumAttribute,
    FlagAttribute,
    IntegerAttribute,
    RecordListAttribute,
    TextAttribute,
    TextListAttribute,
    TextMapAttribute,
    UTCInstantAttribute,
    ValueAttribute,
)
from pipemodels.checks import MAX_DIGITS, MAX_ITEM_BYTES, id_problem, text_problem
from pipemodels.documents import MAX_DEPTH, refuse_too_large
from pipemodels.instants import from_utc, utc_now
from pipemodels.models.base import Model
from pipemodels.records import Record, record_fields
from pipemodels.wire.decoders import fraction
from pipemodels.wire.forms import IrregularError
from pipemodels.wire.pynamodb_decoders import same_functions

_MAX_PARTS = 10_000  # of one document; what has more is looked at by the attribute, which tells large from endless
_LIMIT = 10**MAX_DIGITS


# -- values, as the generated functions check and write them --------------------------------------------------------

_datetime: Any = datetime  # takes, besides numbers, the state of a datetime as pickle has it
_to_json = msgspec.json.Encoder().encode
_ascii_id = re.compile(r"[!-~](?:[ -~]{0,253}[!-~])?").fullmatch


def _instant_text(utc: datetime) -> str:
    """Return the stored form; msgspec writes it faster than `isoformat`, but leaves out a fraction that is zero."""
    text = str(_to_json(_datetime(datetime.__reduce__(utc)[1][0], UTC)), "ascii")
    return text[1:28] if len(text) == 29 else f"{text[1:20]}.000000Z"


def _decimal_text(value: Any) -> str:
    """Return the digits of a number that is exact as it stands: without exponent, and zeros behind its point."""
    if type(value) is not Decimal:
        raise IrregularError
    text = str(value)
    if len(text) > MAX_DIGITS or not (fraction(text) or text.isdecimal()):
        raise IrregularError
    return text


def _exact(value: Any) -> Decimal:
    _decimal_text(value)
    return value  # type: ignore[no-any-return]  # a Decimal, or it would have no such text


def _key(key: Any) -> str:
    if type(key) is not str or not key:
        raise IrregularError
    return key if key.isascii() else _unicode(key)


def _unicode(text: str) -> str:
    text.encode()  # raises where half of a surrogate pair stands alone
    return text


def _copied(value: Any, depth: int, left: list[int]) -> Any:
    """Return a deep copy of a document whose parts are all of plain types."""
    kind = type(value)
    if kind is str:
        return value if value.isascii() else _unicode(value)
    if kind is bool or value is None or (kind is int and -_LIMIT < value < _LIMIT):
        return value
    if kind is Decimal:
        text = _decimal_text(value)
        return value if "." in text else int(text)
    _look_in(kind, value, depth, left)
    if kind is list:
        return [_copied(part, depth + 1, left) for part in value]
    return {_key(key): _copied(part, depth + 1, left) for key, part in value.items()}


def _tagged(value: Any, depth: int, left: list[int]) -> dict[str, Any]:
    """Return the tagged form of a document whose parts are all of plain types."""
    kind = type(value)
    if kind is str:
        return {"S": value if value.isascii() else _unicode(value)}
    if kind is bool:
        return {"BOOL": value}
    if kind is int and -_LIMIT < value < _LIMIT:
        return {"N": str(value)}
    if value is None:
        return {"NULL": True}
    if kind is Decimal:
        return {"N": _decimal_text(value)}
    _look_in(kind, value, depth, left)
    if kind is list:
        return {"L": [_tagged(part, depth + 1, left) for part in value]}
    return {"M": {_key(key): _tagged(part, depth + 1, left) for key, part in value.items()}}


def _look_in(kind: type, value: Any, depth: int, left: list[int]) -> None:
    """Refuse what is no dict or list, too deep, or more than is left of the parts that one document may have here."""
    if (kind is not dict and kind is not list) or depth >= MAX_DEPTH:
        raise IrregularError
    left[0] -= len(value)
    if left[0] < 0:
        raise IrregularError


_NAMES: dict[str, Any] = {
    "new": object.__new__, "set": object.__setattr__, "Irregular": IrregularError, "UTC": UTC, "UTC_": pendulum.UTC,
    "datetime": datetime, "DateTime": pendulum.DateTime, "from_utc": from_utc, "instant_text": _instant_text,
    "text_problem": text_problem, "id_problem": id_problem, "ascii_id": _ascii_id, "exact": _exact,
    "decimal_text": _decimal_text, "copied": _copied, "tagged": _tagged,
}  # fmt: skip

# -- attributes -----------------------------------------------------------------------------------------------------


class _Recipe(NamedTuple):
    """How the generated functions treat a value `v` of an attribute, as Python source."""

    irregular: str
    """Says that the value is left to the attribute."""
    kept: str
    """What is kept of it in an object."""
    tagged: str
    """Its tagged form."""


_INSTANT = _Recipe(
    "(type(v) is not datetime and type(v) is not DateTime) or (v.tzinfo is not UTC and v.tzinfo is not UTC_)",
    "from_utc(v)",
    '{"S": instant_text(v)}',
)
_FLAG = _Recipe("type(v) is not bool", "v", '{"BOOL": v}')
_plain = CheckedAttribute.encode
_CHECKED = ("serialize", "tagged", "__set__")


def _recipe(attribute: Any, name: str, names: dict[str, Any]) -> _Recipe | None:
    """Return how an attribute is treated, if it checks and encodes by functions that we know."""
    kind: Any = type(attribute)
    if not issubclass(kind, CheckedAttribute):
        return None
    if kind.tagged is ValueAttribute.tagged and kind.normalise is ValueAttribute.normalise:
        return _document("False", 2)
    if any(getattr(kind, one) is not getattr(CheckedAttribute, one) for one in _CHECKED):
        return None
    known = _BY_FUNCTIONS.get((kind.normalise, kind.encode, attribute.attr_type))
    return known(attribute, name, names) if known else None


def _text(attribute: Any, name: str, names: dict[str, Any]) -> _Recipe:
    if attribute.problem is text_problem:
        wrong = "not v.isascii() and text_problem(v)"
    elif attribute.problem is id_problem:
        wrong = "not ascii_id(v) and id_problem(v)"
    else:
        names[f"problem_{name}"] = attribute.problem
        wrong = f"problem_{name}(v)"
    return _Recipe(f"type(v) is not str or ({wrong})", "v", '{"S": v}')


def _integer(attribute: Any, name: str, names: dict[str, Any]) -> _Recipe:
    low = 1 - _LIMIT if attribute.minimum is None else attribute.minimum
    high = _LIMIT - 1 if attribute.maximum is None else min(attribute.maximum, _LIMIT - 1)
    return _Recipe(f"type(v) is not int or not {int(low)} <= v <= {int(high)}", "v", '{"N": str(v)}')


def _decimal(attribute: Any, name: str, names: dict[str, Any]) -> _Recipe:
    low = "False" if attribute.minimum is None else f"not v >= {int(attribute.minimum)}"
    return _Recipe(low, "exact(v)", '{"N": decimal_text(v)}')


def _enum(attribute: Any, name: str, names: dict[str, Any]) -> _Recipe | None:
    """Of a member, or its text: they are equal, and so find the same entry."""
    if type(attribute.enum) is not enum.EnumType:
        return None
    members: Any = attribute.enum
    names[f"members_{name}"] = {member.value: member for member in members}
    names[f"texts_{name}"] = {member.value: member.value for member in members}
    return _Recipe("False", f"members_{name}[v]", f'{{"S": texts_{name}[v]}}')


def _document(irregular: str, depth: int = 0) -> _Recipe:
    return _Recipe(irregular, f"copied(v, {depth}, [{_MAX_PARTS}])", f"tagged(v, {depth}, [{_MAX_PARTS}])")


def _list(attribute: Any, name: str, names: dict[str, Any]) -> _Recipe | None:
    kinds = {TextListAttribute.element: "str", DocumentListAttribute.element: "dict"}
    if type(attribute).element in kinds:
        kind = kinds[type(attribute).element]
        return _document(f"type(v) is not list or any(type(part) is not {kind} for part in v)")
    if type(attribute).element is RecordListAttribute.element:
        return _records(attribute.of, name, names)
    return None


_BY_FUNCTIONS: dict[tuple[Any, Any, str], Callable[[Any, str, dict[str, Any]], _Recipe | None]] = {
    (TextAttribute.normalise, _plain, "S"): _text,
    (UTCInstantAttribute.normalise, UTCInstantAttribute.encode, "S"): lambda *_: _INSTANT,
    (IntegerAttribute.normalise, IntegerAttribute.encode, "N"): _integer,
    (DecimalAttribute.normalise, DecimalAttribute.encode, "N"): _decimal,
    (FlagAttribute.normalise, _plain, "BOOL"): lambda *_: _FLAG,
    (EnumAttribute.normalise, EnumAttribute.encode, "S"): _enum,
    (DocumentAttribute.normalise, DocumentAttribute.encode, "M"): lambda *_: _document("type(v) is not dict"),
    (TextMapAttribute.normalise, DocumentAttribute.encode, "M"): lambda *_: _document(
        "type(v) is not dict or any(type(part) is not str for part in v.values())"
    ),
    (TextListAttribute.normalise, TextListAttribute.encode, "L"): _list,
    (RecordListAttribute.normalise, RecordListAttribute.encode, "L"): _list,
}


def _records(of: Any, name: str, names: dict[str, Any]) -> _Recipe | None:
    """Of records: generates what writes one, and what makes one of a dict, past the dataclass's own `__init__`."""
    fields = {field: _recipe(attribute, f"{name}_{field}", names) for field, attribute in record_fields(of).items()}
    if None in fields.values():
        return None
    names[f"class_{name}"] = of
    recipes = {field: recipe for field, recipe in fields.items() if recipe}
    _compile(_record_writer(name, recipes), names)
    made = "irregular()"
    if _is_made_as_usual(of):
        _compile(_record_maker(of, name, recipes), names)
        made = f"make_{name}(one)"
    return _Recipe(
        "type(v) is not list",
        f"[one if isinstance(one, class_{name}) else {made} for one in v]",
        f'{{"L": [write_{name}(one) for one in v]}}',
    )


def _compile(lines: list[str], names: dict[str, Any]) -> None:
    exec("\n".join(lines), names)  # noqa: S102  # of names of attributes alone, quoted


def _record_writer(name: str, recipes: dict[str, _Recipe]) -> list[str]:
    lines = [f"def write_{name}(record):", f" if type(record) is not class_{name}: raise Irregular"]
    lines += [" fields = record.__dict__; tags = {}"]
    for field, recipe in recipes.items():
        lines += [f" v = fields[{field!r}]", " if v is not None:", f"  if {recipe.irregular}: raise Irregular"]
        lines += [f"  tags[{field!r}] = {recipe.tagged}"]
    return [*lines, ' return {"M": tags}']


def _record_maker(of: Any, name: str, recipes: dict[str, _Recipe]) -> list[str]:
    init = [field for field, one in of.__dataclass_fields__.items() if one.init]
    required = {field for field, attribute in record_fields(of).items() if not attribute.null}
    names = [*init, *(field for field in recipes if field not in init)]
    lines = [f"def make_{name}(values, known=frozenset({init!r})):"]
    lines += [" if type(values) is not dict or not values.keys() <= known: raise Irregular", " get = values.get"]
    for number, field in enumerate(init):
        lines += [f" v = get({field!r})", " if v is not None:"]
        lines += [f"  if {recipes[field].irregular}: raise Irregular", f"  v = {recipes[field].kept}"]
        lines += [" else: raise Irregular"] if field in required else []
        lines += [f" v{number} = v"]
    values = [f"v{number}" if number < len(init) else "None" for number in range(len(names))]
    held = ", ".join(f"{field!r}: {value}" for field, value in zip(names, values, strict=True))
    lines += [f" record = new(class_{name})", f' set(record, "__dict__", {{{held}}})']
    return [*lines, " if record.rule_problems(): raise Irregular", " record.derive()", " return record"]


def _is_made_as_usual(of: Any) -> bool:
    """Say whether a record is made by the `__init__` of its dataclass, and checked by the base."""
    known = vars(of).get("__dataclass_params__")
    usual = same_functions(of, Record, ["__post_init__", "from_mapping", "__new__"])
    return usual and known is not None and known.init and set(of.__dataclass_fields__) == set(record_fields(of))


# -- models ---------------------------------------------------------------------------------------------------------

_OWN = ("__init__", "_set_attributes", "_handle_version_attribute")
_PYNAMO = (
    "_set_defaults", "_set_discriminator", "get_attributes", "_container_serialize", "_get_save_args",
    "_serialize_value",
)  # fmt: skip


class Encoder:
    """Makes and encodes objects of one model; what raises, whatever it is, is to be done the ordinary way."""

    def __init__(self, model: type[Model]) -> None:
        attributes: dict[str, Any] = model.get_attributes()
        names = dict(_NAMES)
        lines = ["def write(values):", " get = values.get; item = {}"]
        self._checks: dict[str, Callable[[Any], Any]] = {}
        self._defaults: dict[str, Any] = {}
        for number, (name, attribute) in enumerate(attributes.items()):
            recipe = None if isinstance(attribute, ValueAttribute) else _recipe(attribute, str(number), names)
            if recipe is None:
                names[f"check_{number}"], names[f"tag_{number}"] = (
                    _asked_to_check(attribute),
                    _asked_to_tag(attribute),
                )
                recipe = _Recipe("False", f"check_{number}(v)", f"tag_{number}(v)")
            check = [f"def check(v):\n if {recipe.irregular}: raise Irregular", f" return {recipe.kept}"]
            _compile(check, names)
            self._checks[name] = names["check"]
            lines += [f" if (v := get({name!r})) is not None:", f"  if {recipe.irregular}: raise Irregular"]
            lines += [f"  item[{attribute.attr_name!r}] = {recipe.tagged}"]
            default = attribute.default if attribute.default_for_new is None else attribute.default_for_new
            if default is not None:
                self._defaults[name] = default
        _compile([*lines, " return item"], names)
        self._write: Callable[[dict[str, Any]], dict[str, dict[str, Any]]] = names["write"]
        self._absent = dict.fromkeys(attributes)
        self._required = tuple(name for name, attribute in attributes.items() if not attribute.null)
        version = model._version_attribute_name
        self._version = (version, attributes[version].attr_name) if version else None
        self.saves = version is None or type(attributes[version]).encode is IntegerAttribute.encode

    def fill(self, item: Model, given: Mapping[str, Any]) -> None:
        """Give a new object its defaults and these values, in the order in which PynamoDB does."""
        values: dict[str, Any] = {}
        checks = self._checks
        for name, default in self._defaults.items():
            if default is utc_now and name in given:
                values[name] = None  # its place; nobody misses the clock that was not read
            elif (value := default() if callable(default) else default) is not None:
                values[name] = checks[name](value)
        for name, value in given.items():
            values[name] = None if value is None else checks[name](value)
        item.attribute_values = values

    def encode(self, item: Model, *, null_check: bool) -> dict[str, dict[str, Any]]:
        """Return the tagged form of an object, with what is derived brought up to date."""
        values: dict[str, Any] = item.attribute_values
        if null_check and (any(values.get(name) is None for name in self._required) or item.rule_problems()):
            raise IrregularError
        for name, value in item.derived({**self._absent, **values}).items():
            values[name] = None if value is None else self._checks[name](value)
        tagged = self._write(values)
        if len(_to_json(tagged)) > MAX_ITEM_BYTES:  # JSON is longer than what DynamoDB counts
            refuse_too_large(tagged)
        return tagged

    def save_request(self, item: Model, tagged: dict[str, Any]) -> dict[str, Any]:
        """Return a put under the condition of the object's revision, as `get_operation_kwargs` words it."""
        request = {"TableName": item._get_connection().table_name, "Item": tagged}
        if self._version is None:
            return request
        name, stored = self._version
        revision = item.attribute_values.get(name)
        if revision is None:
            request["ConditionExpression"] = "attribute_not_exists (#0)"
        else:
            request["ConditionExpression"] = "#0 = :0"
            request["ExpressionAttributeValues"] = {":0": {"N": str(revision)}}
        request["ExpressionAttributeNames"] = {"#0": stored}
        tagged[stored] = {"N": str((revision or 0) + 1)}
        return request


def _asked_to_check(attribute: Any) -> Callable[[Any], Any]:
    """Return the check of an attribute that the wire does not know."""
    kind = type(attribute)
    if kind.__set__ is CheckedAttribute.__set__:
        return attribute.normalise  # type: ignore[no-any-return]  # as that does
    return (lambda value: value) if kind.__set__ is Attribute.__set__ else irregular


def _asked_to_tag(attribute: Any) -> Callable[[Any], dict[str, Any]]:
    """Return the tagged form of an attribute that the wire does not know."""

    def tag(value: Any) -> dict[str, Any]:
        if isinstance(value, MapAttribute) or (serialized := attribute.serialize(value)) is None:
            raise IrregularError
        return {attribute.attr_type: serialized}

    return irregular if isinstance(attribute, ListAttribute | MapAttribute) else tag


def irregular(*_: Any) -> Any:
    """Leave it to the ordinary way."""
    raise IrregularError


_NAMES["irregular"] = irregular


def compile_encoder(model: type[Model]) -> Encoder | None:
    """Return the encoder of a model; None where it, or its base, makes or writes objects in an unknown way."""
    known = same_functions(model, Model, _OWN) and same_functions(model, PynamoModel, _PYNAMO)
    plain = model.__new__ is object.__new__ and model.__setattr__ is object.__setattr__
    readers = (CheckedAttribute.__get__, Attribute.__get__, MapAttribute.__get__)
    read_as_usual = all(type(one).__get__ in readers for one in model.get_attributes().values())
    discriminator = model._discriminator  # type: ignore[attr-defined]  # PynamoDB's
    return Encoder(model) if known and plain and read_as_usual and not discriminator else None
