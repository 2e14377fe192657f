"""Encoders compiled per model: the checks of values that come in, and the form in which DynamoDB takes them.

As in the decoders, each attribute is recognised by the functions with which it checks and encodes, and what the
fast way does not like is left to the attribute's own, which says what is wrong, or finds that it is right after all.
What is taken here would be taken there, with the same result.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pendulum
from pynamodb.attributes import VersionAttribute
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
from pipemodels.checks import MAX_ITEM_BYTES, id_problem, text_problem
from pipemodels.documents import refuse_too_large
from pipemodels.instants import utc_now
from pipemodels.models.base import Model
from pipemodels.records import Record, record_fields
from pipemodels.wire import pynamodb_encoders
from pipemodels.wire.forms import Instant, IrregularError, Text
from pipemodels.wire.pynamodb_decoders import same_functions
from pipemodels.wire.pynamodb_encoders import are_read_as_usual, made_of_fields, write_lines
from pipemodels.wire.tagged import (
    LIMIT,
    MAX_PARTS,
    Recipe,
    decimal_text,
    document,
    item_of,
    key_of,
    look_in,
    text_map,
    to_json,
    whole_second,
)
from pipemodels.wire.written import Written

# -- values, as the generated functions check and write them --------------------------------------------------------


def _unicode(text: str) -> str:
    if not text.isascii():
        text.encode()  # raises where half of a surrogate pair stands alone
    return text


def _copied(value: Any, depth: int, left: list[int]) -> Any:
    """Return a deep copy of a document whose parts are all of plain types."""
    kind = type(value)
    if kind is str:
        return _unicode(value)
    if kind is bool or value is None or (kind is int and -LIMIT < value < LIMIT):
        return value
    if kind is Decimal:
        text = decimal_text(value)
        return value if "." in text else int(text)
    look_in(kind, value, depth, left)
    if kind is list:
        return [_copied(part, depth + 1, left) for part in value]
    return {_unicode(key_of(key)): _copied(part, depth + 1, left) for key, part in value.items()}


_NAMES: dict[str, Any] = pynamodb_encoders.NAMES | {
    "new": object.__new__, "set": object.__setattr__, "UTC": UTC, "UTC_": pendulum.UTC,
    "datetime": datetime, "DateTime": pendulum.DateTime, "zones": {datetime: UTC, pendulum.DateTime: pendulum.UTC},
    "reduced": datetime.__reduce__, "Instant": Instant, "whole_second": whole_second, "text_problem": text_problem,
    "id_problem": id_problem, "decimal_text": decimal_text, "copied": _copied, "document": document,
    "text_map": text_map,
}  # fmt: skip

# -- attributes -----------------------------------------------------------------------------------------------------


_INSTANT = Recipe(
    "zones[type(v)] is not (state := reduced(v)[1])[1]",  # a naive one has no zone there
    "DateTime(state[0], UTC_)",  # as `instants.from_utc`
    "Instant(plain) if (plain := datetime(state[0], UTC)).microsecond else whole_second(plain)",
)
_FLAG = Recipe("type(v) is not bool", "v", "TRUE if v else FALSE")
_plain = CheckedAttribute.encode
_CHECKED = ("serialize", "tagged", "__set__")


def _recipe(attribute: Any, name: str, names: dict[str, Any]) -> Recipe | None:
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


def _text(attribute: Any, name: str, names: dict[str, Any]) -> Recipe:
    if attribute.problem is text_problem:
        wrong = "not v.isascii() and text_problem(v)"
    elif attribute.problem is id_problem:
        usual = "v and len(v) < 256 and v.isascii() and v.isprintable() and v.strip() is v"
        wrong = f"not ({usual}) and id_problem(v)"
    else:
        names[f"problem_{name}"] = attribute.problem
        wrong = f"problem_{name}(v)"
    return Recipe(f"type(v) is not str or ({wrong})", "v", "Text(v)")


def _integer(attribute: Any, name: str, names: dict[str, Any]) -> Recipe:
    names[f"least_{name}"] = 1 - LIMIT if attribute.minimum is None else attribute.minimum
    names[f"most_{name}"] = LIMIT - 1 if attribute.maximum is None else min(attribute.maximum, LIMIT - 1)
    return Recipe(f"type(v) is not int or not least_{name} <= v <= most_{name}", "v", "Number(str(v))")


def _decimal(attribute: Any, name: str, names: dict[str, Any]) -> Recipe:
    names[f"least_{name}"] = attribute.minimum
    low = "" if attribute.minimum is None else f"not v >= least_{name} or "
    return Recipe(f"{low}not (text := decimal_text(v))", "v", "Number(text)")


def _enum(attribute: Any, name: str, names: dict[str, Any]) -> Recipe | None:
    """Of a member, or its text: they are equal, and so find the same entry."""
    if type(attribute.enum) is not enum.EnumType:
        return None
    members: Any = attribute.enum
    names[f"members_{name}"] = {member.value: member for member in members}
    names[f"texts_{name}"] = {member.value: Text(member.value) for member in members}
    return Recipe("False", f"members_{name}[v]", f"texts_{name}[v]")


def _document(irregular: str, depth: int = 0) -> Recipe:
    return Recipe(irregular, f"copied(v, {depth}, [{MAX_PARTS}])", f"document(v, {depth}, [{MAX_PARTS}])")


def _list(attribute: Any, name: str, names: dict[str, Any]) -> Recipe | None:
    kinds = {TextListAttribute.element: "str", DocumentListAttribute.element: "dict"}
    if type(attribute).element in kinds:
        kind = kinds[type(attribute).element]
        return _document(f"type(v) is not list or any(type(part) is not {kind} for part in v)")
    if type(attribute).element is RecordListAttribute.element:
        return _records(attribute.of, name, names)
    return None


_BY_FUNCTIONS: dict[tuple[Any, Any, str], Callable[[Any, str, dict[str, Any]], Recipe | None]] = {
    (TextAttribute.normalise, _plain, "S"): _text,
    (UTCInstantAttribute.normalise, UTCInstantAttribute.encode, "S"): lambda *_: _INSTANT,
    (IntegerAttribute.normalise, IntegerAttribute.encode, "N"): _integer,
    (DecimalAttribute.normalise, DecimalAttribute.encode, "N"): _decimal,
    (FlagAttribute.normalise, _plain, "BOOL"): lambda *_: _FLAG,
    (EnumAttribute.normalise, EnumAttribute.encode, "S"): _enum,
    (DocumentAttribute.normalise, DocumentAttribute.encode, "M"): lambda *_: _document("type(v) is not dict"),
    (TextMapAttribute.normalise, DocumentAttribute.encode, "M"): lambda *_: Recipe(
        "False", "dict(text_map(v))", "Document({key: Text(part) for key, part in text_map(v).items()})"
    ),
    (TextListAttribute.normalise, TextListAttribute.encode, "L"): _list,
    (RecordListAttribute.normalise, RecordListAttribute.encode, "L"): _list,
}


def _records(of: Any, name: str, names: dict[str, Any]) -> Recipe | None:
    """Of records: generates what writes one, and what makes one of a dict, past the dataclass's own `__init__`."""
    fields = {field: _recipe(attribute, f"{name}_{field}", names) for field, attribute in record_fields(of).items()}
    if None in fields.values():
        return None
    names[f"class_{name}"] = of
    recipes = {field: recipe for field, recipe in fields.items() if recipe}
    _compile(_record_writer(of, name, recipes, names), names)
    made = "irregular()"
    if _is_made_as_usual(of):
        _compile(_record_maker(of, name, recipes, names), names)
        made = f"make_{name}(one)"
    return Recipe(
        "type(v) is not list",
        f"[one if isinstance(one, class_{name}) else {made} for one in v]",
        f"Documents([write_{name}(one) for one in v])",
    )


def _compile(lines: list[str], names: dict[str, Any]) -> None:
    exec("\n".join(lines), names)  # noqa: S102  # of names of attributes alone, quoted


def _record_writer(of: Any, name: str, recipes: dict[str, Recipe], names: dict[str, Any]) -> list[str]:
    lines = [f"def write_{name}(record):", f" if type(record) is not class_{name}: irregular()"]
    lines += [" get = record.__dict__.get; null_check = False"]
    lines += write_lines(record_fields(of), list(recipes.values()), name, names)
    return [*lines, f" return Document({made_of_fields(name, recipes)})"]


def _record_maker(of: Any, name: str, recipes: dict[str, Recipe], names: dict[str, Any]) -> list[str]:
    """Return the source that makes a record of a dict, with its fields in the order in which `__init__` sets them."""
    fields = of.__dataclass_fields__
    names[f"blank_{name}"] = dict.fromkeys(sorted(recipes, key=lambda field: not fields[field].init))
    lines = [f"def make_{name}(values):", " if type(values) is not dict: irregular()"]
    lines += [f" held = {{**blank_{name}, **values}}", f" if len(held) != {len(recipes)}: irregular()"]
    for field, attribute in record_fields(of).items():
        if not fields[field].init:
            lines += [f" if {field!r} in values: irregular()"]
            continue
        lines += _taking_lines(f"held[{field!r}]", field, recipes[field])
        lines += [] if attribute.null else [" else: irregular()"]
    lines += [f" record = new(class_{name})", ' set(record, "__dict__", held)']
    return [*lines, " if record.rule_problems(): irregular()", " record.derive()", " return record"]


def _taking_lines(found: str, name: str, recipe: Recipe) -> list[str]:
    """Return the source that checks a value of `held`, and puts what is kept of it in its place."""
    lines = [f" if (v := {found}) is not None:"]
    lines += [f"  if {recipe.irregular}: irregular()"] if recipe.irregular != "False" else []
    return [*lines, "  pass" if recipe.kept == "v" else f"  held[{name!r}] = {recipe.kept}"]


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
_WRITING = ("serialize", "get_save_kwargs_from_instance", "_touch", "_refuse_summary", "_of_this_life")


class Encoder:
    """Makes and encodes objects of one model; what raises, whatever it is, is to be done the ordinary way."""

    def __init__(self, model: type[Model]) -> None:
        attributes: dict[str, Any] = model.get_attributes()
        names = dict(_NAMES)
        recipes = [_model_recipe(one, f"item_{number}", names) for number, one in enumerate(attributes.values())]
        by_name = dict(zip(attributes, recipes, strict=True))
        self._checks: dict[str, Callable[[Any], Any] | None] = {}
        for name, recipe in by_name.items():
            check = [f"def check(v):\n if {recipe.irregular}: irregular()", f" return {recipe.kept}"]
            _compile(check, names)
            self._checks[name] = names["check"] if recipe.kept else None
        self._as_they_are = frozenset(name for name, recipe in by_name.items() if recipe.kept == "v")
        self._asked = [name for name, recipe in by_name.items() if recipe.kept is None]
        self._known = frozenset(attributes)
        lines = ["def take(held, get):", " pass"]
        for name, recipe in by_name.items():
            lines += _taking_lines(f"get({name!r})", name, recipe) if recipe.kept else []
        _compile(lines, names)
        self._take: Callable[[dict[str, Any], Callable[[str], Any]], None] = names["take"]
        version = model._version_attribute_name
        lines = ["def write(get, null_check, revision):"]
        lines += write_lines(attributes, recipes, "item", names, counted=version)
        _compile([*lines, f" return {made_of_fields('item', attributes)}"], names)
        self._write: Callable[[Callable[[str], Any], bool, int | None], Any] = names["write"]
        self._defaults: dict[str, Any] = {}
        for name, attribute in attributes.items():
            default = attribute.default if attribute.default_for_new is None else attribute.default_for_new
            if default is not None:
                self._defaults[name] = default
        self._derives = not same_functions(model, Model, ["derived"])
        sources = ", ".join(f"{name!r}: get({name!r})" for name in model.derivation_names())
        _compile([f"def sources(get): return {{{sources}}}"], names)
        self._sources: Callable[[Callable[[str], Any]], dict[str, Any]] = names["sources"]
        missing = [f"get({name!r}) is None" for name, attribute in attributes.items() if not attribute.null]
        _compile([f"def lacks(get): return {' or '.join(missing) or False}"], names)
        self._lacks: Callable[[Callable[[str], Any]], bool] = names["lacks"]
        self._version = (version, attributes[version].attr_name) if version else None
        self.writes = same_functions(model, Model, _WRITING)
        self.saves = self.writes and (version is None or _counts(type(attributes[version])))
        self._write_id = (model.WRITE_ID, attributes[model.WRITE_ID].attr_name) if model.WRITE_ID else None

    def fill(self, item: Model, given: Mapping[str, Any]) -> None:
        """Give a new object its defaults, and these values over them."""
        if not self._known.issuperset(given):
            raise IrregularError
        values: dict[str, Any] = {}
        item.attribute_values = values
        for name, default in self._defaults.items():
            if default is utc_now:
                if name not in given:  # otherwise nobody misses the clock that was not read
                    values[name] = default()
            elif (value := default() if callable(default) else default) is not None:
                self._keep(item, name, value)
        values.update(given)
        self._take(values, values.get)
        for name in self._asked:
            if name in given:
                del values[name]
                setattr(item, name, given[name])

    def _keep(self, item: Model, name: str, value: Any) -> None:
        """Set a value, as `setattr` does."""
        if (check := self._checks[name]) is None:
            setattr(item, name, value)
        else:
            item.attribute_values[name] = None if value is None else check(value)

    def encode(self, item: Model, *, null_check: bool, counted: bool = False) -> bytes:
        """Return the item of an object in JSON, with what is derived brought up to date.

        Args:
            item: the object, which keeps its revision.
            null_check: whether what is required must be there.
            counted: whether the item has the next revision.
        """
        values: dict[str, Any] = item.attribute_values
        get, revision = values.get, None
        if null_check and (self._lacks(get) or item.rule_problems()):
            raise IrregularError
        if self._derives:
            for name, value in item.derived(self._sources(get)).items():
                if name in self._as_they_are:
                    values[name] = value  # it is checked when it is written
                else:
                    self._keep(item, name, value)
        if counted and self._version:
            revision = (get(self._version[0]) or 0) + 1
        json = to_json(self._write(get, null_check, revision))
        if len(json) > MAX_ITEM_BYTES:  # it is longer than what DynamoDB counts
            refuse_too_large(item_of(json))
        return json

    def encoded(self, item: Model, *, null_check: bool) -> dict[str, dict[str, Any]]:
        """Return the item of an object as a dict."""
        return item_of(self.encode(item, null_check=null_check))

    def written(self, item: Model, *, counted: bool = False) -> Written:
        """Return the item of an object as it is sent."""
        return Written(self.encode(item, null_check=True, counted=counted))

    def save_request(self, item: Model) -> dict[str, Any]:
        """Return a put under the condition of the object's revision, as `get_operation_kwargs` words it."""
        request: dict[str, Any] = {"TableName": item.Meta.table_name}
        if self._version is not None:
            self._add_condition(request, item.attribute_values.get, *self._version)
        request["Item"] = self.written(item, counted=True)
        return request

    def _add_condition(self, request: dict[str, Any], get: Callable[[str], Any], name: str, stored: str) -> None:
        if (revision := get(name)) is None:
            request["ConditionExpression"] = "attribute_not_exists (#0)"
            request["ExpressionAttributeNames"] = {"#0": stored}
            return
        condition, names, values = "#0 = :0", {"#0": stored}, {":0": {"N": str(self._count(revision))}}
        if self._write_id and (write_id := get(self._write_id[0])) is not None:
            condition, names["#1"] = f"({condition} AND #1 = :1)", self._write_id[1]
            values[":1"] = {"S": write_id}
        request["ConditionExpression"] = condition
        request["ExpressionAttributeNames"] = names
        request["ExpressionAttributeValues"] = values

    def _count(self, revision: Any) -> int:
        """Return a revision, checked as its attribute does."""
        if type(revision) is not int:
            raise IrregularError
        check = self._checks[self._version[0]] if self._version else None
        return int(check(revision)) if check else revision


def _counts(version: Any) -> bool:
    """Say whether a revision is counted and compared as a whole number."""
    return version is VersionAttribute or getattr(version, "encode", None) is IntegerAttribute.encode


def _model_recipe(attribute: Any, name: str, names: dict[str, Any]) -> Recipe:
    known = None if isinstance(attribute, ValueAttribute) else _recipe(attribute, name, names)
    return known or pynamodb_encoders.recipe(attribute, name, names)


def irregular(*_: Any) -> Any:
    """Leave it to the ordinary way."""
    raise IrregularError


_NAMES["irregular"] = irregular


def compile_encoder(model: type[Model]) -> Encoder | None:
    """Return the encoder of a model; None where it, or its base, makes or writes objects in an unknown way."""
    known = same_functions(model, Model, _OWN) and same_functions(model, PynamoModel, _PYNAMO)
    plain = model.__new__ is object.__new__ and model.__setattr__ is object.__setattr__
    discriminator = model._discriminator  # type: ignore[attr-defined]  # PynamoDB's
    return Encoder(model) if known and plain and are_read_as_usual(model) and not discriminator else None
