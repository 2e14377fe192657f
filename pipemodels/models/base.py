"""The base class of the models, and the metaclass that checks their declarations.

The base adds to PynamoDB: the table and the connection follow `configure()` and `using()`; every write keeps the
revision; derived attributes (index shards, durations) follow their sources; an attribute that was not read raises on
access, and is never overwritten.
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
from pipemodels.models.partial import without_guards
from pipemodels.models.reading import ReadingModel
from pipemodels.models.value_checks import add_checks
from pipemodels.models.writing import WritingModel
from pipemodels.models.writing import new_write_id as new_write_id
from pipemodels.records import unknown_fields

_SET_UNCHECKED = frozenset({UTCInstantAttribute, IdAttribute})  # types whose stamps (times, write ids) need no check


class _MetaModel(MetaModel):
    """Makes a model's `Meta` a `ConfiguredTable`, and checks its attributes and index keys."""

    def __init__(cls, name: str, bases: tuple[type, ...], namespace: dict[str, Any], **more: Any) -> None:
        meta = getattr(cls, "Meta", None)
        if meta is not None and ("Meta" in namespace or not isinstance(meta, ConfiguredMeta)):
            cls.Meta = configured(name, meta)
        # without `Meta`: PynamoDB would add settings to it that belong in the configuration
        declared = {key: value for key, value in namespace.items() if key != "Meta"}
        super().__init__(name, bases, declared, **more)
        cls._attributes = _in_order(cls)
        _refuse_our_names(name, cls._attributes)
        for index in cls._indexes.values():  # type: ignore[attr-defined]  # set on the model by PynamoDB
            _refuse_other_keys(name, cls._attributes, index)
        for attribute in cls._attributes.values():
            add_checks(attribute)
        stamped = {"updated_at", getattr(cls, "WRITE_ID", None)}
        cls._stamped = {
            key: type(attribute) in _SET_UNCHECKED
            for key, attribute in cls._attributes.items()
            if key in stamped and isinstance(attribute, UTCInstantAttribute | UTCDateTimeAttribute | IdAttribute)
        }


def _in_order(model: Any) -> dict[str, Attribute[Any]]:
    """Return a model's attributes in order of declaration, those of its base classes first."""
    names = {name: None for base in reversed(model.__mro__) for name in vars(base) if name in model._attributes}
    return {name: model._attributes[name] for name in names}


def _refuse_our_names(model: str, attributes: dict[str, Attribute[Any]]) -> None:
    """Refuse attributes with the name of a method that our base adds to PynamoDB's."""
    for name, attribute in attributes.items():
        if hasattr(Model, name) and not hasattr(PynamoModel, name):
            raise TypeError(
                f"{model}.{name}: the base uses this name; give the attribute another one, "
                f"with attr_name={attribute.attr_name!r}"
            )


def _refuse_other_keys(model: str, attributes: dict[str, Attribute[Any]], index: Any) -> None:
    """Refuse an index key unless the model stores an attribute of that name and type; Python names may differ."""
    types = {attribute.attr_name: attribute.attr_type for attribute in attributes.values()}
    for name, key in index.Meta.attributes.items():
        add_checks(key)
        if is_key(key) and types.get(key.attr_name) != key.attr_type:
            found = f"stores it as type {types[key.attr_name]}" if key.attr_name in types else "has no such attribute"
            raise TypeError(
                f"{model}.{name}: the key {key.attr_name!r} (type {key.attr_type}) of {index.Meta.index_name} "
                f"does not match the model, which {found}"
            )


class Model(ReadingModel, WritingModel, metaclass=_MetaModel):
    """The base class of PynamoDB models on a configured table, for users' own models too.

    `Meta` derives from `ConfiguredTable`. Every write increments the `RevisionAttribute`, if the model has one.
    """

    _base: ClassVar[type]
    """This class; the codecs use it to see which methods a model overrides."""

    # the compiled codec, and the class for which it was compiled
    _wire_encoder: ClassVar[tuple[Any, Any]] = None, None
    _wire_decoder: ClassVar[tuple[Any, Any]] = None, None

    def __hash__(self) -> int:
        """Return a hash of the class and the key."""
        values = self.attribute_values
        return hash((type(self), *(dict.get(values, name) for name in self._key_names())))

    def __eq__(self, other: object) -> bool:
        """Return whether class and all values are equal; None equals a missing value."""
        if not isinstance(other, Model):
            return NotImplemented
        mine = {name: value for name, value in self.attribute_values.items() if value is not None}
        theirs = {name: value for name, value in other.attribute_values.items() if value is not None}
        return type(self) is type(other) and self._held == other._held and mine == theirs

    def __repr__(self) -> str:
        """Return the class and the values that were read, in order of declaration."""
        values = self.attribute_values
        shown = [f"{name}={values[name]!r}" for name in self.get_attributes() if name in values]
        return f"{type(self).__name__}({', '.join(shown if self._held is None else [*shown, '…'])})"

    # -- values ---------------------------------------------------------------------------------------------------

    def __init__(self, /, *keys: Any, **attributes: Any) -> None:
        """Create an item from its keys, by position or name, and its other attributes by name.

        There are no named parameters, because Python compares each given name with them, which doubles the time.
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
                    raise  # from a user's own attribute class
                problems.append(Problem(name, value, f"cannot be set: {error}"))
        if problems:
            order = {name: position for position, name in enumerate(attributes)}
            problems.sort(key=lambda problem: order.get(problem.field.partition("[")[0].partition(".")[0], 0))
            raise joined(problems, causes)

    def problems(self) -> Iterator[Problem]:
        """Yield the problems for which this item cannot be stored."""
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
        """Check the item, update its derived attributes, and return it encoded for DynamoDB.

        Raises:
            ValidationError: the item cannot be stored; with every problem.
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
        """Return the values encoded for DynamoDB; for a summary, the values that were read."""
        attributes = self.get_attributes()
        if self._held is not None:
            copy = type(self)(_user_instantiated=False)
            copy.attribute_values = without_guards(self.attribute_values)
            return PynamoModel._container_serialize(copy, null_check=False)
        try:
            return super()._container_serialize(null_check=null_check)
        except ValidationError:
            raise joined(chain.from_iterable(_value_problems(self, name) for name in attributes)) from None

    def refuse_unstorable(self) -> None:
        """Raise an error if this item cannot be stored; does not check its size.

        Raises:
            ValidationError: the item cannot be stored; with every problem.
        """
        if problems := list(self.problems()):
            raise joined(problems)

    def derive(self) -> None:
        """Update the attributes that are derived from others."""
        values = {name: self.attribute_values.get(name) for name in self.derivation_names()}
        for name, value in self.derived(values).items():
            setattr(self, name, value)

    def deserialize(self, attribute_values: dict[str, dict[str, Any]]) -> None:
        """Set the attributes to the values of a whole stored item."""
        self._held = None
        super().deserialize(attribute_values)

    @classmethod
    def _instantiate(cls, attribute_values: dict[str, dict[str, Any]]) -> Self:
        """Return the object of a stored item; PynamoDB's method does not call a model's `_container_deserialize`."""
        return facade.decoded(cls, attribute_values, cls._instantiate_plain)

    @classmethod
    def _instantiate_plain(cls, attribute_values: dict[str, dict[str, Any]]) -> Self:
        stored: type[Self] | None = cls._get_discriminator_class(attribute_values)
        if stored is not None and not issubclass(stored, cls):
            raise ValueError(f"the stored item is of class {stored.__name__}, not {cls.__name__}")
        item = (stored or cls)(_user_instantiated=False)
        item._container_deserialize(attribute_values)
        return item

    def _container_deserialize(self, attribute_values: dict[str, dict[str, Any]]) -> None:
        """Set the attributes to stored values without checking them: values that break a newer rule stay readable."""
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
        """Return PynamoDB's description of a table with this name, in the format of DescribeTable."""
        schema = cls._get_schema()

        def described(indexes: Any) -> list[dict[str, Any]]:
            return [{"IndexName": index["index_name"], "KeySchema": index["key_schema"]} for index in indexes]

        return MetaTable(
            {
                "TableName": name,
                "KeySchema": schema["key_schema"],
                "AttributeDefinitions": schema["attribute_definitions"],
                "GlobalSecondaryIndexes": described(schema["global_secondary_indexes"]),
                "LocalSecondaryIndexes": described(schema["local_secondary_indexes"]),
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
                with suppress(ValueError):  # another model of the same table added it
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
        """Create the table unless it exists; with capacity units, here or in `Meta`, create a provisioned table.

        Raises:
            ValidationError: capacity units were given for a table that is paid per request.
        """
        units = {"read_capacity_units": read_capacity_units, "write_capacity_units": write_capacity_units}
        billing_mode = billing_mode_for(
            cls, {name: value for name, value in units.items() if value is not None}, billing_mode
        )
        return super().create_table(
            wait, read_capacity_units, write_capacity_units, billing_mode, ignore_update_ttl_errors
        )


def _value_problems(item: Model, name: str) -> tuple[Problem, ...]:
    """Return the problems for which a value of an item cannot be stored."""
    value = getattr(item, name)
    try:
        if value is not None:
            item.get_attributes()[name].serialize(value)
    except ValidationError as error:
        return error.problems
    return ()


Model._base = Model
