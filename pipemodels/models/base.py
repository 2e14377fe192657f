"""The base of the models: configured tables, revisions that are never lost, summaries that cannot be saved.

It closes what PynamoDB leaves open: the table and the connection follow `configure()` and `using()`; every way of
writing keeps the revision; derived attributes (index shards, durations) follow their sources; an item that an index
returned in part is read-only.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any, ClassVar, Self, TypeVar
from zlib import crc32

from pynamodb.attributes import Attribute
from pynamodb.connection import TableConnection
from pynamodb.connection.base import MetaTable
from pynamodb.constants import NULL
from pynamodb.expressions.condition import Condition
from pynamodb.expressions.operand import Path, Value
from pynamodb.expressions.update import Action, RemoveAction, SetAction
from pynamodb.indexes import IncludeProjection
from pynamodb.models import BatchWrite, MetaModel
from pynamodb.models import Model as PynamoModel
from pynamodb.pagination import ResultIterator

from pipemodels import wire
from pipemodels.attributes import CheckedAttribute, IdAttribute, RevisionAttribute, UTCInstantAttribute
from pipemodels.config import connection_of, current_config, using
from pipemodels.documents import decode, refuse_too_large
from pipemodels.errors import Problem, SummaryError, ValidationError, joined
from pipemodels.instants import utc_now
from pipemodels.models.batch import PlainBatch, TransactionalBatch
from pipemodels.records import unknown_fields

_M = TypeVar("_M", bound="Model")


def shard_of(value: str, item_id: str) -> str:
    """Return the hash key under which an index keeps this value of this item: `<value>#<n>`.

    n = crc32(id) mod `index_shards`: a stable hash, because every process must agree.
    """
    return f"{value}#{crc32(item_id.encode()) % current_config().index_shards}"


def shards_of(value: str) -> list[str]:
    """Return every hash key under which an index may keep this value."""
    return [f"{value}#{shard}" for shard in range(current_config().index_shards)]


class _ConfiguredMeta(type):
    """Makes `Meta.table_name` follow the configuration in force, for all that PynamoDB does with it."""

    base_name: str

    @property
    def table_name(cls) -> str:
        return current_config().table_name(cls.base_name)


def new_write_id() -> str:
    """Return the name of a write that nobody else has given."""
    return os.urandom(16).hex()


class ConfiguredTable(metaclass=_ConfiguredMeta):
    """Base of a model's `Meta`: give it `base_name`; `table_name` is the configured prefix and that."""

    base_name: str
    billing_mode = "PAY_PER_REQUEST"


_SET_AS_IT_IS = frozenset({UTCInstantAttribute, IdAttribute})  # what the package itself stamps an item with


class _MetaModel(MetaModel):
    """Holds the two declarations of an index key, in the index and in the model, together."""

    def __init__(cls, name: str, bases: tuple[type, ...], namespace: dict[str, Any], **more: Any) -> None:
        super().__init__(name, bases, namespace, **more)
        for index in cls._indexes.values():  # type: ignore[attr-defined]  # set on the model by PynamoDB
            for key, attribute in index.Meta.attributes.items():
                own = cls._attributes.get(key)
                if own is None or (own.attr_name, own.attr_type) != (
                    attribute.attr_name,
                    attribute.attr_type,
                ):
                    raise TypeError(f"{name}.{key}: the key of {index.Meta.index_name} is declared otherwise there")
        stamped = {"updated_at", getattr(cls, "WRITE_ID", None)}
        cls._stamped = {one: type(own) in _SET_AS_IT_IS for one, own in cls._attributes.items() if one in stamped}


class Model(PynamoModel, metaclass=_MetaModel):
    """A PynamoDB model on the configured table; a user's own models gain the same by this base.

    Its `Meta` derives from `ConfiguredTable`. A `RevisionAttribute`, if there is one, is kept by every write.
    """

    # which attributes an item from an index holds; None: it is whole
    _held: frozenset[str] | None = None
    # what the wire has compiled, with the class for which it has
    _wire_encoder: ClassVar[tuple[Any, Any]] = None, None
    _wire_decoder: ClassVar[tuple[Any, Any]] = None, None
    # of those that every write sets: whether that needs no check
    _stamped: dict[str, bool]

    DERIVED: ClassVar[frozenset[str]] = frozenset()
    """Attributes that follow from others and that nobody may set."""

    WRITE_ID: ClassVar[str | None] = None
    """The attribute that names the write which made the item; None: there is none."""

    __hash__ = None  # type: ignore[assignment]  # compared by value and mutable

    def __eq__(self, other: object) -> bool:
        """Items are equal when their class and all their values are."""
        if not isinstance(other, Model):
            return NotImplemented
        mine = {name: value for name, value in self.attribute_values.items() if value is not None}
        theirs = {name: value for name, value in other.attribute_values.items() if value is not None}
        return type(self) is type(other) and self._held == other._held and mine == theirs

    # -- what a model may say -------------------------------------------------------------------------------------

    @classmethod
    def derived(cls, values: Mapping[str, Any]) -> dict[str, Any]:
        """Return the derived attributes that follow from these values, of the sources and the keys.

        Some sources may be missing, where an update does not touch them.
        """
        return {}

    @classmethod
    def derived_sources(cls) -> frozenset[str]:
        """Return the names from which others are derived."""
        return frozenset()

    def rule_problems(self) -> list[Problem]:
        """Return what is wrong between fields that are right one by one."""
        return []

    # -- values ---------------------------------------------------------------------------------------------------

    def __init__(self, /, *keys: Any, **attributes: Any) -> None:
        """Make an item of its keys, in order or by name, and its other attributes by name.

        Python holds each name that is given against each parameter: there is none, so that this takes half the time.
        """
        if (fallback := wire.fill(self, keys, attributes)) is not None:
            super().__init__(*keys, **attributes)
            fallback.happened()

    def _set_attributes(self, **attributes: Any) -> None:
        problems = unknown_fields(attributes, list(self.get_attributes()))
        causes = []
        for name in attributes.keys() & self.get_attributes().keys():
            try:
                setattr(self, name, attributes[name])
            except ValidationError as error:
                problems.extend(error.problems)
                causes.append(error)
        if problems:
            order = {name: position for position, name in enumerate(attributes)}
            problems.sort(key=lambda problem: order.get(problem.field.partition("[")[0].partition(".")[0], 0))
            raise joined(problems, causes)

    def problems(self) -> Iterator[Problem]:
        """Yield what keeps this item from being stored."""
        required = (name for name, attribute in self.get_attributes().items() if not attribute.null)
        missing = [Problem(name, None, "is required") for name in required if self.attribute_values.get(name) is None]
        yield from missing
        if not missing:
            yield from self.rule_problems()

    @classmethod
    def missing(cls, values: Mapping[str, Any]) -> list[Problem]:
        """Return a problem for each required field that has neither a value nor a default."""
        return [
            Problem(name, None, "is required")
            for name, attribute in cls.get_attributes().items()
            if not attribute.null and values.get(name) is None and attribute.default_for_new is None
        ]

    def serialize(self, null_check: bool = True) -> dict[str, dict[str, Any]]:
        """Return DynamoDB's form of the item, checked whole, with what is derived brought up to date.

        Raises:
            ValidationError: with every problem.
            ItemTooLargeError: the item exceeds 400 KB; with its largest fields.
            SummaryError: the item is a summary.
        """
        self._refuse_summary()
        return wire.encoded(self, null_check=null_check, ordinarily=self._serialize)

    def _serialize(self, null_check: bool) -> dict[str, dict[str, Any]]:
        if null_check:
            self.refuse_unstorable()
        self.derive()
        item = super().serialize(null_check=null_check)
        refuse_too_large(item)
        return item

    def refuse_unstorable(self) -> None:
        """Raise what keeps this item from being stored, but its size.

        Raises:
            ValidationError: with every problem.
        """
        if problems := list(self.problems()):
            raise joined(problems)

    def derive(self) -> None:
        """Bring up to date what is derived from other attributes."""
        values = {name: self.attribute_values.get(name) for name in self.derivation_names()}
        for name, value in self.derived(values).items():
            setattr(self, name, value)

    @classmethod
    def derivation_names(cls) -> list[str]:
        """Return the sources and the keys, which `derived` is given."""
        return [*cls.derived_sources(), *filter(None, (cls._hash_keyname, cls._range_keyname))]

    def deserialize(self, attribute_values: dict[str, dict[str, Any]]) -> None:
        """Take the values of a whole item."""
        self._held = None
        super().deserialize(attribute_values)

    @classmethod
    def _instantiate(cls, attribute_values: dict[str, dict[str, Any]]) -> Self:
        """Make an item of stored values; PynamoDB's own way goes past `_container_deserialize` of a model."""
        return wire.decoded(cls, attribute_values, cls._instantiate_plain)

    @classmethod
    def _instantiate_plain(cls, attribute_values: dict[str, dict[str, Any]]) -> Self:
        stored: type[Self] | None = cls._get_discriminator_class(attribute_values)
        if stored is not None and not issubclass(stored, cls):
            raise ValueError(f"what is stored is a {stored.__name__}, and no {cls.__name__}")
        item = (stored or cls)(_user_instantiated=False)
        item._container_deserialize(attribute_values)
        return item

    def _container_deserialize(self, attribute_values: dict[str, dict[str, Any]]) -> None:
        """Take stored values as they are: a rule that came after them must not hide them."""
        self.attribute_values = {}
        self._set_discriminator()
        self._set_defaults(_user_instantiated=False)
        for name, attribute in self.get_attributes().items():
            stored = attribute_values.get(attribute.attr_name)
            if not stored or NULL in stored:
                continue
            value = attribute.deserialize(attribute.get_value(stored))
            if isinstance(attribute, CheckedAttribute):
                self.attribute_values[name] = value
            else:
                setattr(self, name, value)

    def _refuse_summary(self) -> None:
        if self._held is not None:
            raise SummaryError("a summary of an index cannot be written over the whole item; fetch that first")

    @classmethod
    def summary(cls, data: dict[str, Any], held: frozenset[str]) -> Self:
        """Return an item of which only the named attributes were read."""
        item = cls.from_raw_data(data)
        item._held = held
        return item

    # -- connection -----------------------------------------------------------------------------------------------

    @classmethod
    def _get_connection(cls) -> TableConnection:
        config = current_config()
        connection = connection_of(config)
        tables = connection.tables
        if cls not in tables:
            name = config.table_name(cls.Meta.base_name)  # type: ignore[attr-defined]
            with connection.lock:
                with suppress(ValueError):  # another model on the same table was first
                    connection.add_meta_table(MetaTable({"TableName": name, **_key_schemas(cls)}))
                table = TableConnection(name)
                table.connection = connection
                tables[cls] = table
        return tables[cls]

    # -- writing --------------------------------------------------------------------------------------------------

    def _handle_version_attribute(
        self, *, attributes: dict[str, Any] | None = None, actions: list[Action] | None = None
    ) -> Condition | None:
        """Keep the revision, also where the object does not know it: then add to whatever is stored.

        PynamoDB would set such an item back to 1, and create it if it is missing.
        """
        self._refuse_summary()
        if actions is not None:
            self._complete(actions)
        name = self._version_attribute_name
        if name is None or actions is None or getattr(self, name) is not None:
            condition = super()._handle_version_attribute(attributes=attributes, actions=actions)
            return self._of_this_life(condition)
        version = self.get_attributes()[name]
        actions.append(version.add(1))
        return version.exists()

    def _of_this_life(self, condition: Condition | None) -> Condition | None:
        """Tell the item from another that was made under its key after it was deleted, and has its revision."""
        write_id = self.attribute_values.get(self.WRITE_ID) if self.WRITE_ID else None
        if condition is None or write_id is None or getattr(self, str(self._version_attribute_name)) is None:
            return condition
        both: Condition = condition & (self.get_attributes()[str(self.WRITE_ID)] == write_id)
        return both

    def _complete(self, actions: list[Action]) -> None:
        """Add to an update what follows from it: derived attributes, and when it was."""
        changes = {name: value for name, value in map(self._change, actions) if name is not None}
        for name in changes.keys() & (self.DERIVED | {self._version_attribute_name}):
            raise ValidationError.of(str(name), changes[name], "is kept by the package and may not be set")
        touched = changes.keys() & self.derived_sources()
        for name in touched:
            if changes[name] is _COMPUTED:
                raise ValidationError.of(
                    name,
                    "an expression",
                    "must be set to a value, because other attributes are derived from it",
                )
        if touched:
            known = {name: changes[name] for name in touched} | self._keys()
            actions.extend(self._set(name, value) for name, value in self.derived(known).items())
        if "updated_at" in self.get_attributes() and "updated_at" not in changes:
            actions.append(self._set("updated_at", utc_now()))

    @classmethod
    def _set(cls, name: str, value: Any) -> Action:
        attribute = cls.get_attributes()[name]
        return attribute.remove() if value is None else attribute.set(value)

    @classmethod
    def _change(cls, action: Action) -> tuple[str | None, Any]:
        """Return which attribute an action sets, and to what."""
        path = action.values[0]
        if not isinstance(path, Path) or len(path.path) > 1:
            return None, None
        name = cls._dynamo_to_python_attr(path.path[0])
        if name not in cls.get_attributes():
            return None, None
        if isinstance(action, RemoveAction):
            return name, None
        operand = action.values[1]
        if isinstance(action, SetAction) and isinstance(operand, Value):
            return name, cls.get_attributes()[name].deserialize(next(iter(operand.value.values())))
        return name, _COMPUTED

    def _keys(self) -> dict[str, Any]:
        names = [self._hash_keyname, self._range_keyname]
        return {name: getattr(self, name) for name in names if name}

    def update(
        self, actions: Sequence[Action], condition: Condition | None = None, *, add_version_condition: bool = True
    ) -> Any:
        """Update the item; where it has a revision, that is counted and a missing item is not created."""
        guarded, condition = self._guarded(actions, condition)
        return super().update(guarded, condition, add_version_condition=add_version_condition)

    def get_update_kwargs_from_instance(
        self, actions: list[Action], condition: Condition | None = None, *args: Any, **settings: Any
    ) -> dict[str, Any]:
        """Return the update as a part of a transaction; otherwise like `update`."""
        actions, condition = self._guarded(actions, condition)
        return super().get_update_kwargs_from_instance(actions, condition, *args, **settings)

    def _guarded(
        self, actions: Sequence[Action], condition: Condition | None
    ) -> tuple[list[Action], Condition | None]:
        """Return a copy of the actions, because more are added to them, and the condition that the item is there."""
        if self._version_attribute_name is not None:
            condition &= self.get_attributes()[str(self._hash_keyname)].exists()
        return list(actions), condition

    def save(self, condition: Condition | None = None, *, add_version_condition: bool = True) -> dict[str, Any]:
        """Write the item, unless somebody wrote it since it was read (PynamoDB's `PutError`).

        Raises:
            ValidationError: the item cannot be stored, or `add_version_condition=False`: a put without a condition
                would lose the revisions of others. Use `update()`, or `put_pipeline` and `put_table`.
        """
        if not add_version_condition and self._version_attribute_name:
            raise ValidationError.of(
                "add_version_condition", False, "would lose revisions: use update(), or a put_… command"
            )
        self._touch()
        return super().save(condition=condition)

    def get_save_kwargs_from_instance(self, *args: Any, **settings: Any) -> dict[str, Any]:
        """Return the save as a part of a transaction; otherwise like `save`."""
        self._touch()
        return super().get_save_kwargs_from_instance(*args, **settings)

    def batch_put(self, write_ids: Iterator[str] | None = None) -> dict[str, Any]:
        """Return the save as a part of a batch: it may be JSON, which is a dict to whoever looks at it."""
        self._touch(write_ids)
        return wire.save_request(self, self.get_save_kwargs_from_instance)

    def _touch(self, write_ids: Iterator[str] | None = None) -> None:
        """Set when the item is written and, of a new one, by which write."""
        self._refuse_summary()
        values: dict[Any, Any] = self.attribute_values
        for name, as_it_is in self._stamped.items():
            if name != self.WRITE_ID:
                value: Any = utc_now()
            elif values.get(self._version_attribute_name) is None:
                value = new_write_id() if write_ids is None else next(write_ids)
            else:
                continue
            if as_it_is:
                values[name] = value
            else:
                setattr(self, name, value)

    def update_local_version_attribute(self) -> None:
        """Count the revision of the object, once it is stored."""
        name = self._version_attribute_name
        if name is not None and type(self.get_attributes()[name]) is RevisionAttribute:
            self.attribute_values[name] = (self.attribute_values.get(name) or 0) + 1
        else:
            super().update_local_version_attribute()  # type: ignore[no-untyped-call]  # PynamoDB leaves it untyped

    @classmethod
    def batch_write(cls, auto_commit: bool = True) -> BatchWrite[Self]:
        """Write many items.

        A model with a revision keeps its promise here too: its writes go as transactions of up to 100, each item
        under the condition that `save()` has. A stale item refuses its whole transaction.
        """
        if cls._version_attribute_name is None:
            return PlainBatch(cls, auto_commit=auto_commit)
        return TransactionalBatch(cls, auto_commit=auto_commit)

    # -- reading --------------------------------------------------------------------------------------------------

    @classmethod
    def held_by(cls, index_name: str | None, attributes_to_get: Any = None) -> frozenset[str] | None:
        """Return the attributes that such a read returns, by stored name; None for all."""
        if attributes_to_get is not None:
            return frozenset(str(name) for name in attributes_to_get)
        projection = cls._indexes[index_name].Meta.projection if index_name else None
        if projection is None or projection.projection_type == "ALL":
            return None
        keys = {attribute.attr_name for attribute in cls.get_attributes().values() if _is_key(attribute)}
        keys |= {attribute.attr_name for attribute in cls._indexes[str(index_name)].Meta.attributes.values()}
        return frozenset(keys | set(projection.non_key_attributes or ()))

    @classmethod
    def query(cls, hash_key: Any, *args: Any, **settings: Any) -> ResultIterator[Self]:
        """Query the table or an index; what an index does not hold raises on access."""
        results = super().query(hash_key, *args, **settings)
        return cls._mark(results, settings)

    @classmethod
    def scan(cls, *args: Any, **settings: Any) -> ResultIterator[Self]:
        """Scan the table or an index; what an index does not hold raises on access."""
        results = super().scan(*args, **settings)
        return cls._mark(results, settings)

    @classmethod
    def _mark(cls, results: ResultIterator[Self], settings: dict[str, Any]) -> ResultIterator[Self]:
        results.page_iter._operation = wire.Pages(cls, results.page_iter._operation)
        held = cls.held_by(settings.get("index_name"), settings.get("attributes_to_get"))
        if held is not None:
            results._map_fn = lambda data: cls.summary(data, held)
        return results

    @classmethod
    def get(cls, *args: Any, **settings: Any) -> Self:
        """Return one item by its key; one read in part (`attributes_to_get`) is a summary."""
        with wire.reading(cls):
            item = super().get(*args, **settings)
        item._held = cls.held_by(None, settings.get("attributes_to_get"))
        return item

    @classmethod
    def _batch_get_page(cls, *args: Any, **settings: Any) -> tuple[Any, Any]:
        with wire.reading(cls):
            items, unprocessed = super()._batch_get_page(*args, **settings)  # type: ignore[no-untyped-call]  # PynamoDB's
        return wire.stored_items(items), unprocessed

    @classmethod
    def batch_get(cls, *args: Any, **settings: Any) -> Iterator[Self]:
        """Yield items by their keys, in no order; those read in part (`attributes_to_get`) are summaries."""
        config, items = current_config(), super().batch_get(*args, **settings)
        held = cls.held_by(None, settings.get("attributes_to_get"))

        def read() -> Iterator[Self]:
            while True:
                with using(config):  # that of the call, wherever the iterator is consumed
                    item = next(items, None)
                if item is None:
                    return
                item._held = held
                yield item

        return read()


_COMPUTED = object()  # an update's value that only DynamoDB knows


class StampedModel(Model):
    """A model with the attributes that every item of this package has.

    `write_id` is a random text that each command writes, and who saves a new object: a command whose reply was lost
    knows its own write by it, and a copy of an item that was deleted is told from what was made under its key since.
    """

    WRITE_ID = "write_id"

    revision = RevisionAttribute()
    created_at = UTCInstantAttribute(default_for_new=utc_now)
    updated_at = UTCInstantAttribute(default_for_new=utc_now)
    created_by = IdAttribute(null=True)
    updated_by = IdAttribute(null=True)
    write_id = IdAttribute(null=True)


def summary(*names: str) -> IncludeProjection:
    """Return the projection of a summary: the named attributes and the revision, never the whole item."""
    return IncludeProjection([*names, "revision"])


def stored_fields(item: Model) -> dict[str, Any]:
    """Return an item's fields by stored name as plain values, instants as stored text, numbers exact.

    But `write_id`, which is random and tells people nothing.
    """
    fields = {}
    for name, attribute in item.get_attributes().items():
        value = item.attribute_values.get(name)
        if value is not None and name != "write_id":
            fields[attribute.attr_name] = decode({attribute.attr_type: attribute.serialize(value)})
    return fields


def _is_key(attribute: Attribute[Any]) -> bool:
    return bool(attribute.is_hash_key or attribute.is_range_key)


def _key_schemas(model: type[Model]) -> dict[str, Any]:
    """Return what PynamoDB needs to know of a table's keys, in the words of DescribeTable."""
    schema = model._get_schema()

    def named(indexes: Any) -> list[dict[str, Any]]:
        return [{"IndexName": index["index_name"], "KeySchema": index["key_schema"]} for index in indexes]

    return {
        "KeySchema": schema["key_schema"],
        "AttributeDefinitions": schema["attribute_definitions"],
        "GlobalSecondaryIndexes": named(schema["global_secondary_indexes"]),
        "LocalSecondaryIndexes": named(schema["local_secondary_indexes"]),
    }
