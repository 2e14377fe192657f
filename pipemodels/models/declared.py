"""What a model on the base may say of itself, and what all parts of the base ask."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from pynamodb.attributes import Attribute
from pynamodb.models import Model as PynamoModel

from pipemodels.errors import Problem, SummaryError
from pipemodels.models.partial import parts_of


class DeclaredModel(PynamoModel):
    """A model with what others may override, and with what is known of an object."""

    # which attributes an item from an index holds; None: it is whole
    _held: frozenset[str] | None = None
    # of those that every write sets: whether that needs no check
    _stamped: dict[str, bool]

    DERIVED: ClassVar[frozenset[str]] = frozenset()
    """Attributes that follow from others and that nobody may set."""

    WRITE_ID: ClassVar[str | None] = None
    """The attribute that names the write which made the item; None: there is none."""

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

    @classmethod
    def derivation_names(cls) -> list[str]:
        """Return the sources and the keys, which `derived` is given."""
        return [*cls.derived_sources(), *cls._key_names()]

    @classmethod
    def _key_names(cls) -> list[str]:
        return [name for name in (cls._hash_keyname, cls._range_keyname) if name]

    # -- what was read --------------------------------------------------------------------------------------------

    @classmethod
    def held_by(cls, index_name: str | None, attributes_to_get: Any = None) -> frozenset[str] | None:
        """Return the attributes that such a read returns, by stored name; None for all."""
        if attributes_to_get is not None:
            return frozenset(parts_of(attributes_to_get))
        projection = cls._indexes[index_name].Meta.projection if index_name else None
        if projection is None or projection.projection_type == "ALL":
            return None
        keys = {attribute.attr_name for attribute in cls.get_attributes().values() if is_key(attribute)}
        keys |= {attribute.attr_name for attribute in cls._indexes[str(index_name)].Meta.attributes.values()}
        return frozenset(keys | set(projection.non_key_attributes or ()))

    def _read(self, name: str | None) -> Any:
        """Return a value that was read; None where there is none, or it was not read."""
        values: dict[Any, Any] = self.attribute_values
        return dict.get(values, name)

    def _is_unread(self, name: str) -> bool:
        return self._held is not None and self.get_attributes()[name].attr_name not in self._held

    def _refuse_summary(self) -> None:
        if self._held is not None:
            raise SummaryError("a summary of an index cannot be written over the whole item; fetch that first")


def is_key(attribute: Attribute[Any]) -> bool:
    """Say whether an attribute is a hash key or a range key."""
    return bool(attribute.is_hash_key or attribute.is_range_key)
