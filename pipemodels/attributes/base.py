"""The base class of all attributes of this package."""

from __future__ import annotations

from typing import Any, Self, TypeVar, overload

from pynamodb.attributes import Attribute
from pynamodb.expressions.condition import Between, Comparison, In
from pynamodb.expressions.operand import Value, _Operand
from pynamodb.expressions.update import RemoveAction, SetAction

from pipemodels.errors import SummaryError, ValidationError

_T = TypeVar("_T")


class CheckedAttribute(Attribute[_T]):
    """An attribute that checks and normalises every value that it is given."""

    @property
    def field(self) -> str:
        """The name of the field in error messages: the path of the attribute in the item."""
        return ".".join(part or type(self).__name__ for part in self.attr_path)

    def normalise(self, value: Any) -> _T:
        """Check the value, and return it as storage returns it.

        Raises:
            ValidationError: the value cannot be stored; the error has the field, the value and how to fix it.
        """
        raise TypeError(f"{type(self).__name__} must define normalise()")

    def encode(self, value: _T) -> Any:
        """Return a normalised value in DynamoDB's format, without the type tag."""
        return value

    def decode(self, stored: Any) -> _T:
        """Return the value of DynamoDB's format without the type tag."""
        return self.normalise(stored)

    def serialize(self, value: Any) -> Any:
        """Check, normalise and encode a value. None stays None."""
        return None if value is None else self.encode(self.normalise(value))

    def deserialize(self, value: Any) -> _T:
        """Decode a stored value."""
        return self.decode(value)

    def get_value(self, value: dict[str, Any]) -> Any:
        """Return a stored value without its type tag.

        Raises:
            ValidationError: the value is stored with another type tag.
        """
        if self.attr_type not in value:
            raise ValidationError.of(self.field, value, f"is not stored as type {self.attr_type}")
        return value[self.attr_type]

    def tagged(self, value: Any) -> dict[str, Any]:
        """Return a value in DynamoDB's format, with the type tag."""
        return {self.attr_type: self.serialize(value)}

    def untagged(self, stored: dict[str, Any]) -> _T:
        """Return the value of DynamoDB's format with the type tag."""
        return self.decode(self.get_value(stored))

    # -- in conditions and updates --------------------------------------------------------------------------------

    def operand(self, value: Any) -> Any:
        """Check and encode a value for a condition or an update. Expressions are returned unchanged.

        PynamoDB itself treats `{"S": …}` as an already encoded value, and does not pass every value to the attribute.
        """
        return value if value is None or isinstance(value, _Operand | Attribute) else Value(self.tagged(value))

    def __eq__(self, other: Any) -> Comparison:  # type: ignore[override]  # as in PynamoDB
        return super().__eq__(self.operand(other))

    def __ne__(self, other: Any) -> Comparison:  # type: ignore[override]  # as in PynamoDB
        return super().__ne__(self.operand(other))

    def __lt__(self, other: Any) -> Comparison:
        return super().__lt__(self.operand(other))

    def __le__(self, other: Any) -> Comparison:
        return super().__le__(self.operand(other))

    def __gt__(self, other: Any) -> Comparison:
        return super().__gt__(self.operand(other))

    def __ge__(self, other: Any) -> Comparison:
        return super().__ge__(self.operand(other))

    def __or__(self, other: Any) -> Any:
        return super().__or__(self.operand(other))

    def between(self, lower: Any, upper: Any) -> Between:
        """Return the condition that the value is between two others, inclusive."""
        return super().between(self.operand(lower), self.operand(upper))

    def is_in(self, *values: Any) -> In:
        """Return the condition that the value is one of these."""
        return super().is_in(*map(self.operand, values))

    def set(self, value: Any) -> SetAction | RemoveAction:
        """Return the update that sets the value. None removes the attribute."""
        return self.remove() if value is None else super().set(self.operand(value))

    # -- in an item -----------------------------------------------------------------------------------------------

    def __set__(self, instance: Any, value: Any) -> None:
        if instance is not None and getattr(instance, "_held", None) is not None:
            raise SummaryError(f"{self.field}: the item was read in part, and is read-only; fetch the whole item")
        # bypass TTLAttribute and VersionAttribute, which would convert the value differently
        Attribute.__set__(self, instance, None if value is None else self.normalise(value))

    @overload
    def __get__(self, instance: None, owner: Any) -> Self: ...

    @overload
    def __get__(self, instance: Any, owner: Any) -> _T: ...

    def __get__(self, instance: Any, owner: Any) -> Self | _T:
        # bypass them here too; `attribute_values` raises for attributes that were not read
        return Attribute.__get__(self, instance, owner)  # type: ignore[no-any-return]  # PynamoDB's descriptor
