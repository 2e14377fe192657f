"""Attributes of single values: several kinds of text, flags, enums, exact numbers."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from enum import StrEnum
from typing import Any, Generic, TypeVar, cast

from pynamodb.attributes import Attribute, BooleanAttribute, VersionAttribute
from pynamodb.constants import NUMBER, STRING
from pynamodb.expressions.condition import BeginsWith, Contains
from pynamodb.expressions.operand import Path, Value, _Operand

from pipemodels.attributes.base import CheckedAttribute
from pipemodels.checks import (
    exact_number,
    id_problem,
    number_problem,
    plain_text,
    schedule_problem,
    text_problem,
    timezone_problem,
    version_problem,
)
from pipemodels.documents import number_text, read_number
from pipemodels.errors import ValidationError

_E = TypeVar("_E", bound=StrEnum)


class TextAttribute(CheckedAttribute[str]):
    """Text. A subclass may set `problem` to a stricter check."""

    attr_type = STRING
    problem: Callable[[object], str | None] = staticmethod(text_problem)

    def normalise(self, value: Any) -> str:
        """Return the text as a plain str."""
        if reason := self.problem(value):
            raise ValidationError.of(self.field, value, reason)
        return plain_text(value)

    def decode(self, stored: Any) -> str:
        """Return the stored text unchecked: stricter rules of a later version must not make it unreadable."""
        return cast(str, stored)

    def startswith(self, prefix: str) -> BeginsWith:
        """Return the condition that the text begins with a prefix; the prefix may be any text."""
        return Path(self).startswith(self._part(prefix))

    def contains(self, item: Any) -> Contains:
        """Return the condition that the text contains another; the other may be any text."""
        return Path(self).contains(self._part(item))

    def _part(self, value: Any) -> Any:
        if isinstance(value, _Operand | Attribute):
            return value
        if reason := text_problem(value):
            raise ValidationError.of(self.field, value, reason)
        return Value({STRING: plain_text(value)})


class IdAttribute(TextAttribute):
    """An id: 1 to 255 characters, at most 1,024 bytes, no control characters, no white space at the ends."""

    problem = staticmethod(id_problem)


class SemVerAttribute(TextAttribute):
    """A semantic version, e.g. `1.4.0`."""

    problem = staticmethod(version_problem)


class ScheduleAttribute(TextAttribute):
    """A schedule: a cron expression of 5 or 6 fields, or a rate such as `rate(5 minutes)`."""

    problem = staticmethod(schedule_problem)


class TimezoneAttribute(TextAttribute):
    """The IANA name of a time zone, e.g. `Europe/Berlin`."""

    problem = staticmethod(timezone_problem)


class FlagAttribute(CheckedAttribute[bool]):
    """True or False, stored as BOOL. Other truthy or falsy values are rejected."""

    attr_type = BooleanAttribute.attr_type

    def normalise(self, value: Any) -> bool:
        """Return the flag."""
        if not isinstance(value, bool):
            raise ValidationError.of(self.field, value, "must be True or False")
        return value


class EnumAttribute(CheckedAttribute[_E], Generic[_E]):
    """A member of a `StrEnum`, stored as its value."""

    attr_type = STRING

    def __init__(self, enum: type[_E], **settings: Any) -> None:
        super().__init__(**settings)
        self.enum = enum

    def normalise(self, value: Any) -> _E:
        """Return the member. Accepts its value too."""
        try:
            return self.enum(value)
        except ValueError:
            choices = ", ".join(self.enum)
            raise ValidationError.of(self.field, value, f"must be one of: {choices}") from None

    def encode(self, value: _E) -> str:
        """Return the value of the member."""
        return value.value


class DecimalAttribute(CheckedAttribute[Decimal]):
    """An exact number of at most 38 significant digits. Float is never used.

    Args:
        minimum: the smallest value that is accepted, if any.
    """

    attr_type = NUMBER

    def __init__(self, *, minimum: int | None = None, **settings: Any) -> None:
        super().__init__(**settings)
        self.minimum = minimum

    def normalise(self, value: Any) -> Decimal:
        """Return the number as a Decimal without trailing zeros."""
        return Decimal(self._exact(value))

    def _exact(self, value: Any) -> int | Decimal:
        if reason := number_problem(value):
            raise ValidationError.of(self.field, value, reason)
        if self.minimum is not None and value < self.minimum:
            raise ValidationError.of(self.field, value, f"must be at least {self.minimum}")
        return exact_number(value)

    def encode(self, value: Decimal) -> str:
        """Return the digits."""
        return number_text(exact_number(value))

    def decode(self, stored: Any) -> Decimal:
        """Return the number of the stored digits."""
        return Decimal(read_number(stored))


class IntegerAttribute(CheckedAttribute[int]):
    """A whole number from `minimum` to `maximum`, if they are given."""

    attr_type = NUMBER

    def __init__(self, *, minimum: int | None = None, maximum: int | None = None, **settings: Any) -> None:
        super().__init__(**settings)
        self.minimum, self.maximum = minimum, maximum

    def normalise(self, value: Any) -> int:
        """Return the number as an int. Accepts a whole Decimal too."""
        if reason := number_problem(value):
            raise ValidationError.of(self.field, value, reason)
        number = exact_number(value)
        if not isinstance(number, int):
            raise ValidationError.of(self.field, value, "must be a whole number")
        if self.minimum is not None and number < self.minimum:
            raise ValidationError.of(self.field, value, f"must be at least {self.minimum}")
        if self.maximum is not None and number > self.maximum:
            raise ValidationError.of(self.field, value, f"must be at most {self.maximum}")
        return number

    def encode(self, value: int) -> str:
        """Return the digits."""
        return number_text(value)

    def decode(self, stored: Any) -> int:
        """Return the number of the stored digits."""
        number = read_number(stored)
        if not isinstance(number, int):
            raise ValidationError.of(self.field, stored, "is stored, but is not a whole number")
        return number


class RevisionAttribute(IntegerAttribute, VersionAttribute):
    """The number of writes of an item, for optimistic locking. The base model maintains it."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(minimum=1, null=True, **settings)
