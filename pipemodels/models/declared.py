"""What a model declares about its attributes, and which of them an object holds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from pynamodb.attributes import Attribute
from pynamodb.models import Model as PynamoModel

from pipemodels.errors import Problem, SummaryError
from pipemodels.models.partial import parts_of


class DeclaredModel(PynamoModel):
    """A model with declarations that subclasses may override, and objects that know which attributes were read."""

    # the stored names of the attributes that were read; None: all
    _held: frozenset[str] | None = None
    # the attributes that every write sets, and whether they can be set without a check
    _stamped: dict[str, bool]

    DERIVED: ClassVar[frozenset[str]] = frozenset()
    """Attributes that are derived from others, and that users may not set."""

    WRITE_ID: ClassVar[str | None] = None
    """The name of the attribute with the id of the write that created the item, or None."""

    @classmethod
    def derived(cls, values: Mapping[str, Any]) -> dict[str, Any]:
        """Return the derived attributes that follow from these values of sources and keys.

        Sources that an update does not change may be missing.
        """
        return {}

    @classmethod
    def derived_sources(cls) -> frozenset[str]:
        """Return the names of the attributes from which others are derived."""
        return frozenset()

    def rule_problems(self) -> list[Problem]:
        """Return the problems between fields that are each valid."""
        return []

    @classmethod
    def derivation_names(cls) -> list[str]:
        """Return the names of the values that `derived` is given: the sources and the keys."""
        return [*cls.derived_sources(), *cls._key_names()]

    @classmethod
    def _key_names(cls) -> list[str]:
        return [name for name in (cls._hash_keyname, cls._range_keyname) if name]

    # -- summaries ------------------------------------------------------------------------------------------------

    @classmethod
    def held_by(cls, index_name: str | None, attributes_to_get: Any = None) -> frozenset[str] | None:
        """Return the stored names of the attributes that such a read returns; None for all."""
        if attributes_to_get is not None:
            return frozenset(parts_of(attributes_to_get))
        projection = cls._indexes[index_name].Meta.projection if index_name else None
        if projection is None or projection.projection_type == "ALL":
            return None
        keys = {attribute.attr_name for attribute in cls.get_attributes().values() if is_key(attribute)}
        keys |= {attribute.attr_name for attribute in cls._indexes[str(index_name)].Meta.attributes.values()}
        return frozenset(keys | set(projection.non_key_attributes or ()))

    def _read(self, name: str | None) -> Any:
        """Return a value; None if it is missing or was not read."""
        values: dict[Any, Any] = self.attribute_values
        return dict.get(values, name)

    def _is_unread(self, name: str) -> bool:
        return self._held is not None and self.get_attributes()[name].attr_name not in self._held

    def _refuse_summary(self) -> None:
        if self._held is not None:
            raise SummaryError("a summary of an index cannot be written over the whole item; fetch that first")


def is_key(attribute: Attribute[Any]) -> bool:
    """Return whether an attribute is a hash key or a range key."""
    return bool(attribute.is_hash_key or attribute.is_range_key)
