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
from pipemodels.checks import MAX_DIGITS, MAX_ITEM_BYTES, id_problem, text_problem
from pipemodels.documents import refuse_too_large
from pipemodels.instants import utc_now
from pipemodels.models.base import Model
from pipemodels.records import Record, record_fields
from pipemodels.wire import pynamodb_encoders
from pipemodels.wire.forms import IrregularError
from pipemodels.wire.often import Often
from pipemodels.wire.parts import (
    LIMIT,
    MAX_PARTS,
    PUT_END,
    add_document,
    add_text_map,
    decimal_text,
    dict_of,
    key_of,
    look_in,
    opening_put,
    put_of,
    text_map,
    to_json,
    whole_second,
)
from pipemodels.wire.pynamodb_decoders import same_functions
from pipemodels.wire.pynamodb_encoders import are_read_as_usual
from pipemodels.wire.recipes import Recipe, Whole, adding_all, by_get, compile_lines, together, unpacked
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
    "reduced": datetime.__reduce__, "Decimal": Decimal, "whole_second": whole_second, "text_problem": text_problem,
    "id_problem": id_problem, "decimal_text": decimal_text, "copied": _copied, "add_document": add_document,
    "text_map": text_map, "add_text_map": add_text_map, "keep": vars(Record)["_parts"].__set__,
}  # fmt: skip

# -- attributes -----------------------------------------------------------------------------------------------------


_INSTANT = Recipe(
    "zones[type(v)] is not (state := reduced(v)[1])[1]",  # a naive one has no zone there
    "DateTime(state[0], UTC_)",  # as `instants.from_utc`
    "S",
    "plain if (plain := v if type(v) is datetime else datetime(state[0], UTC)).microsecond else whole_second(plain)",
    lasts=True,
)
_FLAG = Recipe("type(v) is not bool", "v", "BOOL", "v", lasts=True)
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
        usual = "0 < len(v) < 256 and v.isprintable() and v.strip() is v"
        wrong = f"not ({usual}) and id_problem(v)"
    else:
        names[f"problem_{name}"] = attribute.problem
        wrong = f"problem_{name}(v)"
    return Recipe(f"type(v) is not str or ({wrong})", "v", "S", "v", lasts=True)


def _integer(attribute: Any, name: str, names: dict[str, Any]) -> Recipe:
    names[f"least_{name}"] = 1 - LIMIT if attribute.minimum is None else attribute.minimum
    names[f"most_{name}"] = LIMIT - 1 if attribute.maximum is None else min(attribute.maximum, LIMIT - 1)
    return Recipe(f"type(v) is not int or not least_{name} <= v <= most_{name}", "v", "N", "str(v)", lasts=True)


def _decimal(attribute: Any, name: str, names: dict[str, Any]) -> Recipe:
    names[f"least_{name}"] = attribute.minimum
    low = "" if attribute.minimum is None else f"not v >= least_{name} or "
    # of a fraction, what `decimal_text` says, without a call
    usual = f"(text := str(v))[-1] != '0' and '.' in text and 'E' not in text and len(text) <= {MAX_DIGITS}"
    return Recipe(f"type(v) is not Decimal or {low}not ({usual} or decimal_text(v))", "v", "N", "text", lasts=True)


def _enum(attribute: Any, name: str, names: dict[str, Any]) -> Recipe | None:
    """Of a member, or its text: they are equal, and so find the same entry."""
    if type(attribute.enum) is not enum.EnumType:
        return None
    members: Any = attribute.enum
    names[f"members_{name}"] = {member.value: member for member in members}
    names[f"texts_{name}"] = {member.value: str(member.value) for member in members}
    return Recipe("False", f"members_{name}[v]", "S", f"texts_{name}[v]", lasts=True)


def _document(irregular: str, depth: int = 0) -> Recipe:
    more = f"v, {depth}, [{MAX_PARTS}]"
    return Recipe(irregular, f"copied({more})", "", f"add_document(parts, {more})")


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
        "False", "dict(text_map(v))", "", "add_text_map(parts, v)"
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
    compile_lines(_record_writer(of, name, recipes, names), names)
    made = "irregular()"
    if _is_made_as_usual(of):
        source = _MakerSource(of, name, recipes, names)
        compile_lines(source.making(), names)
        names[f"maker_{name}"] = Often(f"make_{name}", source.making_like, names).of
        made = f"maker_{name}(one)(one)"
    return Recipe(
        "type(v) is not list",
        f"[one if isinstance(one, class_{name}) else {made} for one in v]",
        "",
        f"add_all_{name}(parts, v)",
    )


def _record_writer(of: Any, name: str, recipes: dict[str, Recipe], names: dict[str, Any]) -> list[str]:
    whole = Whole(record_fields(of), recipes.values(), name, names, '{"M":{')
    known = "getattr(one, '_parts', None) or " if _lasts(of, recipes) else ""
    lines = [f"def parts_of_{name}(get):", *whole.lines(by_get), " return parts"]
    one = [f"  if type(one) is not class_{name}: irregular()"]
    return [*lines, *adding_all(f"add_all_{name}", [*one, f"  parts += {known}parts_of_{name}(one.__dict__.get)"])]


def _lasts(of: Any, recipes: dict[str, Recipe]) -> bool:
    """Say whether the parts of a record stay right as long as there is the record."""
    return of.__dataclass_params__.frozen and all(recipe.lasts for recipe in recipes.values())


class _MakerSource:
    """The source of what makes a record of a dict, with its fields in the order in which `__init__` sets them."""

    def __init__(self, of: Any, name: str, recipes: dict[str, Recipe], names: dict[str, Any]) -> None:
        self._name, self._recipes, self._names, self._lasts = name, recipes, names, _lasts(of, recipes)
        self._declared, fields = record_fields(of), of.__dataclass_fields__
        self._given = [field for field in recipes if fields[field].init]
        self._derived = [field for field in recipes if not fields[field].init]
        names[f"given_{name}"] = frozenset(self._given)

    def making(self) -> list[str]:
        """Return what makes a record of any dict."""
        lines = [f"def make_{self._name}(values):", " if type(values) is not dict: irregular()"]
        lines += [f" if not given_{self._name}.issuperset(values): irregular()", " get = values.get"]
        kept = {field: f"k{number}" for number, field in enumerate(self._given)}
        for field in self._given:
            recipe = self._recipes[field]
            lines += [f" if (v := {by_get(field)}) is not None:", *recipe.refusing(), f"  v = {recipe.kept}"]
            lines += [] if self._declared[field].null else [" else: irregular()"]
            lines += [f" {kept[field]} = v"]
        return [*lines, *self._made(kept), " return record"]

    def making_like(self, function: str, values: Mapping[str, Any]) -> list[str]:
        """Return what makes a record of a dict like this; its parts are put together with it, where they last.

        But not where its `derive` has changed what it was made of.
        """
        missing = (field for field in self._given if values.get(field) is None and not self._declared[field].null)
        if any(missing) or not values.keys() <= set(self._given):
            raise IrregularError
        places, unpacking = unpacked(values)
        way = f"return make_{self._name}(values)"
        lines = [f"def {function}(values):", " if type(values) is not dict: irregular()", unpacking]
        kept, written = {}, {}
        for field, place in places.items():
            if values[field] is None:
                lines += [f" if {place} is not None: {way}"]
                continue
            lines += self._recipes[field].taking_another_way(place, way)
            recipe = self._recipes[field].of(place)
            kept[field], written[field] = place, place
            if self._lasts and recipe.written != place:
                written[field] = f"f_{place}"
                lines += [f" f_{place} = {recipe.written}"]
            lines += [f" {place} = {recipe.kept}"] if recipe.kept != place else []
        lines += self._made(kept)
        if self._lasts:
            after = {f"h{number}": kept.get(field) for number, field in enumerate(self._given)}
            same = " and ".join(f"{one} is {before}" for one, before in after.items())
            lines += [f" [{''.join(f'{one}, ' for one in after)}*_] = held.values()"]
            lines += [f" if not ({same}): return record", *self._parts_like(written), " keep(record, parts)"]
        return [*lines, " return record"]

    def _parts_like(self, written: Mapping[str, str]) -> list[str]:
        """Return what puts the parts of a record together, of what is written of its fields, in their order."""
        whole = Whole(self._declared, self._recipes.values(), self._name, self._names, '{"M":{')
        lines: list[str] = []
        parts: list[str] = []
        for field, recipe in self._recipes.items():
            if field in written:
                parts += [whole.head(field), written[field]]
            elif field in self._derived:
                if not parts and not lines:  # it may be the first one, or not be there
                    raise IrregularError
                lines += [together(parts, begun=bool(lines)), f" if (v := held[{field!r}]) is not None:"]
                lines += [*recipe.refusing(), f"  parts += {whole.head(field)}, {recipe.written}"]
                parts = []
        return [*lines, together([*parts, "MAP_END"], begun=bool(lines))]

    def _made(self, kept: Mapping[str, str]) -> list[str]:
        held = ", ".join(f"{field!r}: {kept.get(field)}" for field in [*self._given, *self._derived])
        lines = [f" held = {{{held}}}", f" record = new(class_{self._name})", ' set(record, "__dict__", held)']
        return [*lines, " if record.rule_problems(): irregular()", " record.derive()"]


def _is_made_as_usual(of: Any) -> bool:
    """Say whether a record is made by the `__init__` of its dataclass, and checked by the base."""
    known = vars(of).get("__dataclass_params__")
    usual = same_functions(of, Record, ["__post_init__", "from_mapping", "__new__"])
    return usual and known is not None and known.init and set(of.__dataclass_fields__) == set(record_fields(of))


# -- models ---------------------------------------------------------------------------------------------------------

_OWN = ("__init__", "_set_attributes", "_handle_version_attribute", "_container_serialize", "_get_save_args")
_PYNAMO = (
    "_set_defaults", "_set_discriminator", "get_attributes",
    "_serialize_value",
)  # fmt: skip
_WRITING = ("serialize", "get_save_kwargs_from_instance", "_touch", "_refuse_summary", "_of_this_life")


class _Source:
    """The source of the functions of a model's values: of all, or of those that are like an example."""

    def __init__(self, model: type[Model], names: dict[str, Any]) -> None:
        self.attributes: dict[str, Any] = model.get_attributes()
        self.recipes = {
            name: _model_recipe(one, f"item_{number}", names)
            for number, (name, one) in enumerate(self.attributes.items())
        }
        self._version, self._names = model._version_attribute_name, names
        self._layouts: dict[Any, list[str]] = {}

    def taking(self) -> list[str]:
        """Return what checks the values that are given, and puts what is kept of them in their place."""
        lines = ["def take(values):", " if not known.issuperset(values): irregular()", " get = values.get"]
        for name, recipe in self.recipes.items():
            if recipe.kept is not None:
                lines += [f" if (v := {by_get(name)}) is not None:", *recipe.refusing()]
                lines += ["  pass" if recipe.kept == "v" else f"  values[{name!r}] = {recipe.kept}"]
        return lines

    def taking_like(self, function: str, values: Mapping[str, Any]) -> list[str]:
        """Return the same for values like these; it returns what is kept, with the form in which that is written."""
        places, unpacking = unpacked(values)
        lines, forms = [f"def {function}(values):", unpacking], self._layout(function, values)
        for name, place in places.items():
            recipe = self.recipes[name].of(place)
            if values[name] is None:
                lines += [f" if {place} is not None: return take(values)"]
            elif recipe.kept is not None and (recipe.kept, recipe.irregular) != (place, "False"):
                lines += self.recipes[name].taking_another_way(place, "return take(values)")
                lines += [f" f_{place} = {recipe.written}"] if name in forms else []
                lines += [f" values[{name!r}] = {place} = {recipe.kept}"] if recipe.kept != place else []
        kept = "".join(f", {places[name]}, f_{places[name]}" for name in forms)
        return [*lines, f" return [layout_{function}{kept}]"]

    def _layout(self, function: str, values: Mapping[str, Any]) -> list[str]:
        """Return the names of the attributes of which a function returns forms."""
        layout = self._names[f"layout_{function}"] = object()
        self._layouts[layout] = [
            name for name, value in values.items() if value is not None and self.recipes[name].lasts
        ]
        return self._layouts[layout]

    def writing(self) -> list[str]:
        """Return what checks and writes the values, with the next revision, if there is one."""
        whole = Whole(self.attributes, self.recipes.values(), "item", self._names, "{")
        lines = ["def write(values, forms, revision):", " get = values.get"]
        lines += whole.lines(lambda name: f"revision or {by_get(name)}" if name == self._version else by_get(name))
        return [*lines, " return parts"]

    def writing_like(self, function: str, values: Mapping[str, Any], layout: Any) -> list[str]:
        """Return the same for values like these, with forms of this layout, which those have that are still there."""
        whole = Whole(self.attributes, self.recipes.values(), "item", self._names, "{")
        places, unpacking = unpacked(values)
        lines, way = [f"def {function}(values, forms, revision):", unpacking], "return write(values, None, revision)"
        if self._version in places:
            lines += [f" {places[self._version]} = revision or {places[self._version]}"]
        elif self._version:
            places[self._version] = "revision"
        known = self._layouts[layout] if layout else []
        if not values.keys() >= set(known):
            raise IrregularError
        if known:
            lines += [f" _, {''.join(f'k_{places[name]}, f_{places[name]}, ' for name in known)} = forms"]
        absent = {name for name, value in values.items() if value is None and name != self._version}
        in_one = dict(sorted(places.items(), key=lambda place: not self.recipes[place[0]].tag))  # as much as can be
        return [*lines, *whole.lines_like(in_one, absent, way, known)]


def _sources(model: type[Model]) -> list[str]:
    """Return the source that finds what others are derived from, and refuses what lacks a required attribute."""
    required = {name for name, attribute in model.get_attributes().items() if not attribute.null}
    missing = " or ".join(f"values[{name!r}] is None" for name in sorted(required))
    found = {name: f"values[{name!r}]" if name in required else by_get(name) for name in model.derivation_names()}
    lines = ["def sources(values):", f" if {missing}: irregular()" if missing else "", " get = values.get"]
    return [*lines, f" return {{{', '.join(f'{name!r}: {one}' for name, one in found.items())}}}"]


class Encoder:
    """Makes and encodes objects of one model; what raises, whatever it is, is to be done the ordinary way."""

    def __init__(self, model: type[Model]) -> None:
        names = dict(_NAMES)
        source = _Source(model, names)
        attributes, by_name = source.attributes, source.recipes
        self._checks: dict[str, Callable[[Any], Any] | None] = {}
        for name, recipe in by_name.items():
            check = ["def check(v):", *recipe.refusing(), f"  return {recipe.kept}"]
            compile_lines(check, names)
            self._checks[name] = names["check"] if recipe.kept else None
        self._as_they_are = frozenset(name for name, recipe in by_name.items() if recipe.kept == "v")
        self._asked = [name for name, recipe in by_name.items() if recipe.kept is None]
        version = model._version_attribute_name
        names["known"] = frozenset(attributes)
        compile_lines([*source.taking(), *source.writing()], names)
        self._take = Often("take", source.taking_like, names)
        self._write = Often("write", source.writing_like, names)
        self._defaults: dict[str, Any] = {}
        self._called: dict[str, Callable[[], Any]] = {}
        for name, attribute in attributes.items():
            default = attribute.default if attribute.default_for_new is None else attribute.default_for_new
            if callable(default) and default is not utc_now:  # nobody misses the clock where it was not read
                self._called[name] = default
            elif default is not None:
                self._defaults[name] = default
        self._derives = not same_functions(model, Model, ["derived"])
        compile_lines(_sources(model), names)
        self._sources: Callable[[dict[str, Any]], dict[str, Any]] = names["sources"]
        self._version = (version, attributes[version].attr_name) if version else None
        self.writes = same_functions(model, Model, _WRITING)
        counts = version is None or _counts(type(attributes[version]))
        names_writes = model.WRITE_ID is None or by_name[model.WRITE_ID][2:4] == ("S", "v")  # by a text as it is
        self.saves = self.writes and counts and names_writes
        self._write_id = (model.WRITE_ID, attributes[model.WRITE_ID].attr_name) if model.WRITE_ID else None

    def fill(self, item: Model, given: Mapping[str, Any]) -> None:
        """Give a new object its defaults, and these values over them."""
        values: dict[str, Any] = {}
        item.attribute_values = values
        for name, default in self._called.items():
            if (value := default()) is not None:
                self._keep(item, name, value)
        values.update(given)
        item._forms = self._take.of(values)(values)
        for name, default in self._defaults.items():
            if name not in values:
                if default is utc_now:
                    values[name] = default()
                else:
                    self._keep(item, name, default)
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

    def encode(self, item: Model, put: Any = None) -> bytes:
        """Return the item of an object in JSON, with what is derived brought up to date.

        Args:
            item: the object, which keeps its revision.
            put: what opens the put of the item, which then has the next revision, and is returned inside it.
        """
        values: dict[str, Any] = item.attribute_values
        sources, revision = self._sources(values), None
        if item.rule_problems():
            raise IrregularError
        if self._derives:
            for name, value in item.derived(sources).items():
                if value is None or name in self._as_they_are:
                    values[name] = value  # it is checked when it is written
                else:
                    self._keep(item, name, value)
        if put is not None and self._version:
            revision = (values.get(self._version[0]) or 0) + 1
        forms = item._forms
        parts = self._write.of(values, forms and forms[0])(values, forms, revision)
        if put is not None:
            parts.insert(0, put)
            parts.append(PUT_END)
        json = to_json(parts)
        if len(json) > MAX_ITEM_BYTES:  # it is longer than what DynamoDB counts
            whole = dict_of(json)
            refuse_too_large(whole if put is None else whole["Item"])
        return json

    def encoded(self, item: Model) -> dict[str, dict[str, Any]]:
        """Return the item of an object as a dict."""
        return dict_of(self.encode(item))

    def written(self, item: Model) -> Written:
        """Return the item of an object as it is sent."""
        return Written(self.encode(item))

    def save_request(self, item: Model) -> Written:
        """Return a put under the condition of the object's revision, as `get_operation_kwargs` words it."""
        table, get = item.Meta.table_name, item.attribute_values.get
        if self._version is None:
            put = put_of(table)
        elif (revision := get(self._version[0])) is None:
            put = put_of(table, self._version[1])
        else:
            put = self._put_over(table, self._version[1], revision, get)
        return Written(self.encode(item, put), table)

    def _put_over(self, table: str, stored: str, revision: Any, get: Callable[[str], Any]) -> Any:
        """Return what opens a put over an item of this revision, which is stored under this name."""
        condition, names, values = "#0 = :0", {"#0": stored}, {":0": {"N": str(self._count(revision))}}
        if self._write_id and (write_id := get(self._write_id[0])) is not None:
            condition, names["#1"] = f"({condition} AND #1 = :1)", self._write_id[1]
            values[":1"] = {"S": write_id}
        return opening_put(
            {
                "TableName": table,
                "ConditionExpression": condition,
                "ExpressionAttributeNames": names,
                "ExpressionAttributeValues": values,
            }
        )

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


def compile_encoder(model: type[Model]) -> Encoder | None:
    """Return the encoder of a model; None where it, or its base, makes or writes objects in an unknown way."""
    known = same_functions(model, Model, _OWN) and same_functions(model, PynamoModel, _PYNAMO)
    plain = model.__new__ is object.__new__ and model.__setattr__ is object.__setattr__
    discriminator = model._discriminator  # type: ignore[attr-defined]  # PynamoDB's
    return Encoder(model) if known and plain and are_read_as_usual(model) and not discriminator else None
