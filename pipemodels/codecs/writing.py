"""Encoders, compiled for each model: they check values and write items as JSON.

Attributes are recognised by the functions that check and encode them. Values that the generated code declines are
left to the attribute, which accepts them or raises its own error. The results are the same.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pynamodb.attributes import VersionAttribute
from pynamodb.models import Model as PynamoModel

from pipemodels.attributes.documents import ValueAttribute
from pipemodels.attributes.scalars import IntegerAttribute
from pipemodels.checks import MAX_ITEM_BYTES
from pipemodels.codecs.fields import NAMES, checked_field
from pipemodels.codecs.pynamodb import writing as pynamodb_encoders
from pipemodels.codecs.pynamodb.reading import same_functions
from pipemodels.codecs.pynamodb.writing import are_read_as_usual
from pipemodels.codecs.recognition import FieldWriter, Whole, by_get
from pipemodels.codecs.source import compile_lines
from pipemodels.documents import refuse_too_large
from pipemodels.instants import utc_now
from pipemodels.transport.fallbacks import DeclinedError
from pipemodels.transport.fragments import PUT_END, dict_of, opening_put, put_of, to_json
from pipemodels.transport.lazy import Written

_OWN = ("__init__", "_set_attributes", "_handle_version_attribute", "_container_serialize", "_get_save_args")
_PYNAMO = (
    "_set_defaults", "_set_discriminator", "get_attributes",
    "_serialize_value",
)  # fmt: skip
_WRITING = ("serialize", "get_save_kwargs_from_instance", "_touch", "_refuse_summary", "_of_this_life")


def _taking(writers: Mapping[str, FieldWriter]) -> list[str]:
    """Return the source that checks given values, and replaces them with the kept values."""
    lines = ["def take(values):", " if not known.issuperset(values): decline()", " get = values.get"]
    for name, writer in writers.items():
        if writer.kept is not None:
            lines += [f" if (v := {by_get(name)}) is not None:", *writer.refusing()]
            lines += ["  pass" if writer.kept == "v" else f"  values[{name!r}] = {writer.kept}"]
    return lines


def _writing(attributes: Any, writers: Mapping[str, FieldWriter], version: str | None, names: Any) -> list[str]:
    """Return the source that checks and writes the values, with the next revision if it is given."""
    whole = Whole(attributes, writers.values(), "item", names, "{")

    def found(name: str) -> str:
        return f"revision or {by_get(name)}" if name == version else by_get(name)

    return [
        "def write(values, revision):",
        " get = values.get",
        " fragments = []",
        *whole.lines(found),
        " return fragments",
    ]


def _sources(model: Any) -> list[str]:
    """Return the source that collects the values to derive from, and declines if a required value is missing."""
    required = {name for name, attribute in model.get_attributes().items() if not attribute.null}
    missing = " or ".join(f"values[{name!r}] is None" for name in sorted(required))
    found = {name: f"values[{name!r}]" if name in required else by_get(name) for name in model.derivation_names()}
    lines = ["def sources(values):", f" if {missing}: decline()" if missing else "", " get = values.get"]
    return [*lines, f" return {{{', '.join(f'{name!r}: {value}' for name, value in found.items())}}}"]


class Encoder:
    """Creates and encodes the objects of a model; after any error, callers use the fallback."""

    def __init__(self, model: Any, base: type) -> None:
        names = NAMES | {"__name__": f"{model.__module__}.{model.__qualname__}"}
        attributes: dict[str, Any] = model.get_attributes()
        by_name = {name: _writer(each, f"item_{n}", names) for n, (name, each) in enumerate(attributes.items())}
        self._checks: dict[str, Callable[[Any], Any] | None] = {}
        for number, (name, writer) in enumerate(by_name.items()):
            compile_lines([f"def check_{number}(v):", *writer.refusing(), f"  return {writer.kept}"], names)
            self._checks[name] = names[f"check_{number}"] if writer.kept else None
        self._as_they_are = frozenset(name for name, writer in by_name.items() if writer.kept == "v")
        self._asked = [name for name, writer in by_name.items() if writer.kept is None]
        version = model._version_attribute_name
        names["known"] = frozenset(attributes)
        compile_lines(_taking(by_name), names)
        compile_lines(_writing(attributes, by_name, version, names), names)
        self._take, self._write = names["take"], names["write"]
        self._keys = model._hash_keyname, model._range_keyname
        self._defaults: dict[str, Any] = {}
        self._called: dict[str, Callable[[], Any]] = {}
        for name, attribute in attributes.items():
            default = attribute.default if attribute.default_for_new is None else attribute.default_for_new
            if callable(default) and default is not utc_now:  # the clock is read only if no value is given
                self._called[name] = default
            elif default is not None:
                self._defaults[name] = default
        self._derives = not same_functions(model, base, ["derived"])
        compile_lines(_sources(model), names)
        self._sources: Callable[[dict[str, Any]], dict[str, Any]] = names["sources"]
        self._version = (version, attributes[version].attr_name) if version else None
        self.writes = same_functions(model, base, _WRITING)
        counts = version is None or _counts(type(attributes[version]))
        names_writes = model.WRITE_ID is None or by_name[model.WRITE_ID][2:4] == (
            "S",
            "v",
        )  # stored as a plain string
        self.saves = self.writes and counts and names_writes
        self._write_id = (model.WRITE_ID, attributes[model.WRITE_ID].attr_name) if model.WRITE_ID else None

    def fill(self, item: Any, keys: Sequence[Any], given: Mapping[str, Any]) -> None:
        """Set the defaults of a new object, then the given values and the positional keys."""
        if keys:
            given = self._with_keys(keys, given)
        values: dict[str, Any] = {}
        item.attribute_values = values
        for name, default in self._called.items():
            if (value := default()) is not None:
                self._keep(item, name, value)
        values.update(given)
        self._take(values)
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

    def _with_keys(self, keys: Sequence[Any], given: Mapping[str, Any]) -> dict[Any, Any]:
        """Return the given values with the positional keys by name; None is left out, as by PynamoDB."""
        if len(keys) > len(self._keys):
            raise DeclinedError
        return {**given, **{name: key for name, key in zip(self._keys, keys, strict=False) if key is not None}}

    def _keep(self, item: Any, name: str, value: Any) -> None:
        """Set a value, as `setattr` does."""
        if (check := self._checks[name]) is None:
            setattr(item, name, value)
        else:
            item.attribute_values[name] = None if value is None else check(value)

    def encode(self, item: Any, put: Any = None) -> bytes:
        """Return the item of an object as JSON, with derived values updated.

        Args:
            item: the object; its revision does not change.
            put: the opening fragment of a put; the result is then the put, and its item has the next revision.
        """
        values: dict[str, Any] = item.attribute_values
        sources, revision = self._sources(values), None
        if item.rule_problems():
            raise DeclinedError
        if self._derives:
            for name, value in item.derived(sources).items():
                if value is None or name in self._as_they_are:
                    values[name] = value  # checked when it is written
                else:
                    self._keep(item, name, value)
        if put is not None and self._version:
            revision = (values.get(self._version[0]) or 0) + 1
        fragments = self._write(values, revision)
        if put is not None:
            fragments.insert(0, put)
            fragments.append(PUT_END)
        json = to_json(fragments)
        if len(json) > MAX_ITEM_BYTES:  # never less than the size that DynamoDB counts
            whole = dict_of(json)
            refuse_too_large(whole if put is None else whole["Item"])
        return json

    def encoded(self, item: Any) -> dict[str, dict[str, Any]]:
        """Return the item of an object as a dict."""
        return dict_of(self.encode(item))

    def written(self, item: Any) -> Written:
        """Return the item of an object, ready to send."""
        return Written(self.encode(item))

    def save_request(self, item: Any) -> Written:
        """Return a put with the condition on the revision that `get_operation_kwargs` returns."""
        table, get = item.Meta.table_name, item.attribute_values.get
        if self._version is None:
            put = put_of(table)
        elif (revision := get(self._version[0])) is None:
            put = put_of(table, self._version[1])
        else:
            put = self._put_over(table, self._version[1], revision, get)
        return Written(self.encode(item, put), table)

    def _put_over(self, table: str, stored: str, revision: Any, get: Callable[[str], Any]) -> Any:
        """Return the opening fragment of a put on condition that the attribute `stored` has this revision."""
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
        """Return a revision, after the check of its attribute."""
        if type(revision) is not int:
            raise DeclinedError
        check = self._checks[self._version[0]] if self._version else None
        return int(check(revision)) if check else revision


def _counts(version: Any) -> bool:
    """Return whether a revision is stored as an integer."""
    return version is VersionAttribute or getattr(version, "encode", None) is IntegerAttribute.encode


def _writer(attribute: Any, name: str, names: dict[str, Any]) -> FieldWriter:
    known = None if isinstance(attribute, ValueAttribute) else checked_field(attribute, name, names)
    return known or pynamodb_encoders.field_writer(attribute, name, names)


def compile_encoder(model: Any, base: type) -> Encoder | None:
    """Return the encoder of a model; None if the model or PynamoDB has unknown functions."""
    known = same_functions(model, base, _OWN) and same_functions(model, PynamoModel, _PYNAMO)
    plain = model.__new__ is object.__new__ and model.__setattr__ is object.__setattr__
    discriminator = model._discriminator
    return Encoder(model, base) if known and plain and are_read_as_usual(model) and not discriminator else None
