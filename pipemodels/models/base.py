"""The base of the models: configured tables, revisions that are never lost, summaries that cannot be saved.

It closes what PynamoDB leaves open: the table and the connection follow `configure()` and `using()`; every way of
writing keeps the revision; derived attributes (index shards, durations) follow their sources; what was not read of an
item is not guessed, nor lost.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from itertools import chain
from typing import Any, ClassVar, Self

from pynamodb.attributes import Attribute, UTCDateTimeAttribute
from pynamodb.connection import TableConnection
from pynamodb.connection.base import MetaTable
from pynamodb.constants import NULL
from pynamodb.models import MetaModel
from pynamodb.models import Model as PynamoModel

from pipemodels.attributes.base import CheckedAttribute
from pipemodels.attributes.scalars import IdAttribute
from pipemodels.attributes.times import UTCInstantAttribute
from pipemodels.codecs import facade
from pipemodels.config import current_config
from pipemodels.connections import connection_of
from pipemodels.documents import refuse_too_large
from pipemodels.errors import Problem, ValidationError, joined
from pipemodels.models.declared import is_key
from pipemodels.models.meta import ConfiguredMeta, billing_mode_for, configured, warn_of_settings_file
from pipemodels.models.meta import ConfiguredTable as ConfiguredTable
from pipemodels.models.partial import opened
from pipemodels.models.reading import ReadingModel
from pipemodels.models.stored_forms import have_checked
from pipemodels.models.writing import WritingModel
from pipemodels.models.writing import new_write_id as new_write_id
from pipemodels.records import unknown_fields

_SET_AS_IT_IS = frozenset({UTCInstantAttribute, IdAttribute})  # what the package itself stamps an item with


class _MetaModel(MetaModel):
    """Makes a model's `Meta` a configured one, and holds what is declared twice of an index key together."""

    def __init__(cls, name: str, bases: tuple[type, ...], namespace: dict[str, Any], **more: Any) -> None:
        meta = getattr(cls, "Meta", None)
        if meta is not None and ("Meta" in namespace or not isinstance(meta, ConfiguredMeta)):
            cls.Meta = configured(name, meta)
        # without `Meta`, in which PynamoDB would fill in settings that are the configuration's
        declared = {key: value for key, value in namespace.items() if key != "Meta"}
        super().__init__(name, bases, declared, **more)
        cls._attributes = _in_order(cls)
        _refuse_our_names(name, cls._attributes)
        for index in cls._indexes.values():  # type: ignore[attr-defined]  # set on the model by PynamoDB
            _refuse_other_keys(name, cls._attributes, index)
        for attribute in cls._attributes.values():
            have_checked(attribute)
        stamped = {"updated_at", getattr(cls, "WRITE_ID", None)}
        cls._stamped = {
            one: type(own) in _SET_AS_IT_IS
            for one, own in cls._attributes.items()
            if one in stamped and isinstance(own, UTCInstantAttribute | UTCDateTimeAttribute | IdAttribute)
        }


def _in_order(model: Any) -> dict[str, Attribute[Any]]:
    """Return a model's attributes in the order of their declaration, those of its bases first."""
    names = {name: None for one in reversed(model.__mro__) for name in vars(one) if name in model._attributes}
    return {name: model._attributes[name] for name in names}


def _refuse_our_names(model: str, attributes: dict[str, Attribute[Any]]) -> None:
    """Refuse attributes that would hide what our base has and PynamoDB's has not."""
    for name, attribute in attributes.items():
        if hasattr(Model, name) and not hasattr(PynamoModel, name):
            raise TypeError(
                f"{model}.{name}: the base uses this name; give the attribute another one, "
                f"with attr_name={attribute.attr_name!r}"
            )


def _refuse_other_keys(model: str, attributes: dict[str, Attribute[Any]], index: Any) -> None:
    """Compare the keys of an index with what the model stores under their names; their Python names may differ."""
    types = {own.attr_name: own.attr_type for own in attributes.values()}
    for name, key in index.Meta.attributes.items():
        have_checked(key)
        if is_key(key) and types.get(key.attr_name) != key.attr_type:
            found = f"stores type {types[key.attr_name]}" if key.attr_name in types else "stores no such attribute"
            raise TypeError(
                f"{model}.{name}: the key {key.attr_name!r} (type {key.attr_type}) of {index.Meta.index_name} is "
                f"declared otherwise there: the model {found}"
            )


class Model(ReadingModel, WritingModel, metaclass=_MetaModel):
    """A PynamoDB model on the configured table; a user's own models gain the same by this base.

    Its `Meta` derives from `ConfiguredTable`. A `RevisionAttribute`, if there is one, is kept by every write.
    """

    # what the wire has compiled, with the class for which it has
    _base: ClassVar[type]
    """This class, which the codecs compare a model's functions with."""
    _wire_encoder: ClassVar[tuple[Any, Any]] = None, None
    _wire_decoder: ClassVar[tuple[Any, Any]] = None, None

    def __hash__(self) -> int:
        """Hash the class and the key, which items that are equal have in common."""
        values = self.attribute_values
        return hash((type(self), *(dict.get(values, name) for name in self._key_names())))

    def __eq__(self, other: object) -> bool:
        """Items are equal when their class and all their values are."""
        if not isinstance(other, Model):
            return NotImplemented
        mine = {name: value for name, value in self.attribute_values.items() if value is not None}
        theirs = {name: value for name, value in other.attribute_values.items() if value is not None}
        return type(self) is type(other) and self._held == other._held and mine == theirs

    def __repr__(self) -> str:
        """Return the class and the values, in the order of declaration; of an item read in part, what was read."""
        values = self.attribute_values
        shown = [f"{name}={values[name]!r}" for name in self.get_attributes() if name in values]
        return f"{type(self).__name__}({', '.join(shown if self._held is None else [*shown, '…'])})"

    # -- values ---------------------------------------------------------------------------------------------------

    def __init__(self, /, *keys: Any, **attributes: Any) -> None:
        """Make an item of its keys, in order or by name, and its other attributes by name.

        Python holds each name that is given against each parameter: there is none, so that this takes half the time.
        """
        if (fallback := facade.fill(self, keys, attributes)) is not None:
            super().__init__(*keys, **attributes)
            fallback.happened()

    def _set_attributes(self, **attributes: Any) -> None:
        known = self.get_attributes()
        problems = unknown_fields(attributes, list(known))
        causes = []
        for name, value in attributes.items():
            try:
                if name in known:
                    setattr(self, name, value)
            except ValidationError as error:
                problems.extend(error.problems)
                causes.append(error)
            except (TypeError, ValueError) as error:
                if isinstance(known[name], CheckedAttribute) or type(error) not in (TypeError, ValueError):
                    raise  # of an attribute of the user's own
                problems.append(Problem(name, value, f"cannot be set: {error}"))
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
        encoded = facade.encoded(self, null_check=null_check, ordinarily=self._serialize)
        stored = (attribute.attr_name for attribute in self.get_attributes().values())
        return {name: encoded[name] for name in stored if name in encoded}

    def _serialize(self, null_check: bool) -> dict[str, dict[str, Any]]:
        if null_check:
            self.refuse_unstorable()
        self.derive()
        item = super().serialize(null_check=null_check)
        refuse_too_large(item)
        return item

    def _container_serialize(self, null_check: bool = True) -> dict[str, dict[str, Any]]:
        """Return DynamoDB's form of the values; of an item that was read in part, of what was read."""
        attributes = self.get_attributes()
        if self._held is not None:
            values = opened(self.attribute_values)
            held = type(self)(_user_instantiated=False)
            held.attribute_values = values
            return PynamoModel._container_serialize(held, null_check=False)
        try:
            return super()._container_serialize(null_check=null_check)
        except ValidationError:
            raise joined(chain.from_iterable(_storing(self, name) for name in attributes)) from None

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

    def deserialize(self, attribute_values: dict[str, dict[str, Any]]) -> None:
        """Take the values of a whole item."""
        self._held = None
        super().deserialize(attribute_values)

    @classmethod
    def _instantiate(cls, attribute_values: dict[str, dict[str, Any]]) -> Self:
        """Make an item of stored values; PynamoDB's own way goes past `_container_deserialize` of a model."""
        return facade.decoded(cls, attribute_values, cls._instantiate_plain)

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
        if self._held is not None:
            self._held = None
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

    # -- connection -----------------------------------------------------------------------------------------------

    @classmethod
    def meta_table(cls, name: str) -> MetaTable:
        """Return what PynamoDB needs to know of the keys of a table with this name, in the words of DescribeTable."""
        schema = cls._get_schema()

        def named(indexes: Any) -> list[dict[str, Any]]:
            return [{"IndexName": index["index_name"], "KeySchema": index["key_schema"]} for index in indexes]

        return MetaTable(
            {
                "TableName": name,
                "KeySchema": schema["key_schema"],
                "AttributeDefinitions": schema["attribute_definitions"],
                "GlobalSecondaryIndexes": named(schema["global_secondary_indexes"]),
                "LocalSecondaryIndexes": named(schema["local_secondary_indexes"]),
            }
        )

    @classmethod
    def _get_connection(cls) -> TableConnection:
        config = current_config()
        name = config.table_name(cls._base_name())
        connection = connection_of(config)
        table = connection.tables.get(cls)
        if table is None or table.table_name != name:
            warn_of_settings_file()
            with connection.lock:
                with suppress(ValueError):  # another model on the same table was first
                    connection.add_meta_table(cls.meta_table(name))
                table = TableConnection(name)
                table.connection = connection
                connection.tables[cls] = table
        return table

    @classmethod
    def _base_name(cls) -> str:
        if not hasattr(cls, "Meta"):
            raise AttributeError(f"{cls.__qualname__} has no Meta: give it class Meta: base_name = '…'")
        return str(cls.Meta.base_name)

    @classmethod
    def create_table(
        cls,
        wait: bool = False,
        read_capacity_units: int | None = None,
        write_capacity_units: int | None = None,
        billing_mode: str | None = None,
        ignore_update_ttl_errors: bool = False,
    ) -> Any:
        """Create the table, unless it exists; capacity units, here or in `Meta`, make a provisioned one.

        Raises:
            ValidationError: capacity units for a table that is paid per request.
        """
        units = {"read_capacity_units": read_capacity_units, "write_capacity_units": write_capacity_units}
        billing_mode = billing_mode_for(
            cls, {name: value for name, value in units.items() if value is not None}, billing_mode
        )
        return super().create_table(
            wait, read_capacity_units, write_capacity_units, billing_mode, ignore_update_ttl_errors
        )


def _storing(item: Model, name: str) -> tuple[Problem, ...]:
    """Return what keeps a value of an item from being stored."""
    value = getattr(item, name)
    try:
        if value is not None:
            item.get_attributes()[name].serialize(value)
    except ValidationError as error:
        return error.problems
    return ()


Model._base = Model
