"""Attributes that PynamoDB lacks: UTC instants, enums, exact numbers, free documents, checked text, records.

Each checks and normalises its value wherever one comes in: on assignment, in a comparison, a key condition, an
update. So what an object holds is what storage gives back, and nothing that DynamoDB would refuse is ever sent.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Any, Generic, Self, TypeVar, cast, overload

import pendulum
from pynamodb.attributes import Attribute, BooleanAttribute, TTLAttribute, VersionAttribute
from pynamodb.constants import LIST, MAP, NULL, NUMBER, STRING
from pynamodb.expressions.condition import BeginsWith, Between, Comparison, Contains, In
from pynamodb.expressions.operand import Path, Value, _ListAppend, _Operand
from pynamodb.expressions.update import RemoveAction, SetAction

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
from pipemodels.documents import checked_document, decode, encode, number_text, read_number
from pipemodels.errors import Problem, SummaryError, ValidationError
from pipemodels.instants import instant_text, microseconds_since_epoch, read_stored_instant, utc_instant, utc_now
from pipemodels.records import Record, record_fields

_T = TypeVar("_T")
_E = TypeVar("_E", bound=StrEnum)
_R = TypeVar("_R", bound=Record)


class CheckedAttribute(Attribute[_T]):
    """An attribute whose values are checked and normalised at the door; base of all attributes here."""

    @property
    def field(self) -> str:
        """The name for error messages: the attribute's path in the item."""
        return ".".join(part or type(self).__name__ for part in self.attr_path)

    def normalise(self, value: Any) -> _T:
        """Return the value as it reads back from storage.

        Raises:
            ValidationError: the value cannot be stored; with the field, the value and the way out.
        """
        raise TypeError(f"{type(self).__name__} must say how it checks its values")

    def encode(self, value: _T) -> Any:
        """Return what stands behind the type tag in DynamoDB's form of a normalised value."""
        return value

    def decode(self, stored: Any) -> _T:
        """Return the value of what stands behind the type tag."""
        return self.normalise(stored)

    def serialize(self, value: Any) -> Any:
        """Check, normalise and encode a value; None stays None."""
        return None if value is None else self.encode(self.normalise(value))

    def deserialize(self, value: Any) -> _T:
        """Decode a stored value."""
        return self.decode(value)

    def get_value(self, value: dict[str, Any]) -> Any:
        """Return what stands behind the type tag.

        Raises:
            ValidationError: it is stored under another tag.
        """
        if self.attr_type not in value:
            raise ValidationError.of(self.field, value, f"is stored as another type than {self.attr_type}")
        return value[self.attr_type]

    def tagged(self, value: Any) -> dict[str, Any]:
        """Return DynamoDB's whole form of a value: the type tag and what stands behind it."""
        return {self.attr_type: self.serialize(value)}

    def untagged(self, stored: dict[str, Any]) -> _T:
        """Return the value of DynamoDB's whole form."""
        return self.decode(self.get_value(stored))

    # -- in conditions and updates --------------------------------------------------------------------------------

    def operand(self, value: Any) -> Any:
        """Return a value, checked and encoded, for a condition or an update; expressions pass as they are.

        PynamoDB by itself takes `{"S": …}` for a value that is encoded already, and sends what is no list or map
        past the attribute.
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
        """Return the condition that the value lies between two others, these included."""
        return super().between(self.operand(lower), self.operand(upper))

    def is_in(self, *values: Any) -> In:
        """Return the condition that the value is one of these."""
        return super().is_in(*map(self.operand, values))

    def set(self, value: Any) -> SetAction | RemoveAction:
        """Return the update that sets the value; None removes it."""
        return self.remove() if value is None else super().set(self.operand(value))

    # -- in an item -----------------------------------------------------------------------------------------------

    def __set__(self, instance: Any, value: Any) -> None:
        if instance is not None and getattr(instance, "_held", None) is not None:
            raise SummaryError(f"{self.field}: the item was read in part, and is read-only; fetch the whole item")
        # past TTLAttribute and VersionAttribute, which would convert the value in their own way
        Attribute.__set__(self, instance, None if value is None else self.normalise(value))

    @overload
    def __get__(self, instance: None, owner: Any) -> Self: ...

    @overload
    def __get__(self, instance: Any, owner: Any) -> _T: ...

    def __get__(self, instance: Any, owner: Any) -> Self | _T:
        # past TTLAttribute and VersionAttribute too; what was not read is refused where the values are
        return Attribute.__get__(self, instance, owner)  # type: ignore[no-any-return]  # PynamoDB's descriptor


class TextAttribute(CheckedAttribute[str]):
    """Text; a check of its own may narrow it."""

    attr_type = STRING
    problem: Callable[[object], str | None] = staticmethod(text_problem)

    def normalise(self, value: Any) -> str:
        """Return the text, as a plain str."""
        if reason := self.problem(value):
            raise ValidationError.of(self.field, value, reason)
        return plain_text(value)

    def decode(self, stored: Any) -> str:
        """Return the stored text as it is: a rule that came later must not hide what is stored."""
        return cast(str, stored)

    def startswith(self, prefix: str) -> BeginsWith:
        """Return the condition that the text begins with this one, which need not pass the attribute's own check."""
        return Path(self).startswith(self._part(prefix))

    def contains(self, item: Any) -> Contains:
        """Return the condition that the text holds this one, which need not pass the attribute's own check."""
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
    """A cron expression of 5 or 6 fields, or `rate(5 minutes)`."""

    problem = staticmethod(schedule_problem)


class TimezoneAttribute(TextAttribute):
    """The IANA name of a time zone, e.g. `Europe/Berlin`."""

    problem = staticmethod(timezone_problem)


class FlagAttribute(CheckedAttribute[bool]):
    """True or False, stored as BOOL; nothing else is truthy."""

    attr_type = BooleanAttribute.attr_type

    def normalise(self, value: Any) -> bool:
        """Return the flag."""
        if not isinstance(value, bool):
            raise ValidationError.of(self.field, value, "must be True or False")
        return value


class UTCInstantAttribute(CheckedAttribute[pendulum.DateTime]):
    """An instant, stored as 27 characters of RFC 3339 in UTC, so that text order is time order.

    Takes any aware datetime; reads as `pendulum.DateTime` in UTC. Naive values are refused, also in comparisons, key
    conditions and updates. Also reads what PynamoDB's `UTCDateTimeAttribute` stored.
    """

    attr_type = STRING

    def normalise(self, value: Any) -> pendulum.DateTime:
        """Return the instant in UTC."""
        return utc_instant(value, self.field)

    def encode(self, value: pendulum.DateTime) -> str:
        """Return the stored text."""
        return instant_text(value)

    def decode(self, stored: Any) -> pendulum.DateTime:
        """Read the stored text, and no other."""
        return read_stored_instant(stored, self.field)


class ExpiryAttribute(CheckedAttribute[pendulum.DateTime], TTLAttribute):
    """The instant after which DynamoDB may delete the item (TTL): a number, seconds since 1970.

    Takes an aware datetime, or a timedelta from now. A part of a second is rounded up: never gone too early.
    """

    attr_type = NUMBER

    def normalise(self, value: Any) -> pendulum.DateTime:
        """Return the instant in UTC, on a whole second."""
        if isinstance(value, timedelta):
            try:
                value = utc_now() + value
            except (OverflowError, ValueError):
                raise ValidationError.of(self.field, value, "from now falls outside the years 1 to 9999") from None
        utc = utc_instant(value, self.field)
        return self._at(-(-microseconds_since_epoch(utc) // 1_000_000), value)

    def encode(self, value: pendulum.DateTime) -> str:
        """Return whole seconds since 1970."""
        return str(microseconds_since_epoch(value) // 1_000_000)

    def decode(self, stored: Any) -> pendulum.DateTime:
        """Read whole seconds since 1970."""
        seconds = read_number(stored)
        if not isinstance(seconds, int):
            raise ValidationError.of(self.field, stored, "is stored, but is no whole number of seconds since 1970")
        return self._at(seconds, stored)

    def _at(self, seconds: int, given: object) -> pendulum.DateTime:
        try:
            return pendulum.DateTime(1970, 1, 1, tzinfo=pendulum.UTC) + timedelta(seconds=seconds)
        except (OverflowError, ValueError):
            raise ValidationError.of(self.field, given, "falls outside the years 1 to 9999") from None


class EnumAttribute(CheckedAttribute[_E], Generic[_E]):
    """A member of an enum of texts, stored as its text."""

    attr_type = STRING

    def __init__(self, enum: type[_E], **settings: Any) -> None:
        super().__init__(**settings)
        self.enum = enum

    def normalise(self, value: Any) -> _E:
        """Return the member; its text is taken too."""
        try:
            return self.enum(value)
        except ValueError:
            choices = ", ".join(self.enum)
            raise ValidationError.of(self.field, value, f"must be one of: {choices}") from None

    def encode(self, value: _E) -> str:
        """Return the member's text."""
        return value.value


class DecimalAttribute(CheckedAttribute[Decimal]):
    """An exact number: at most 38 significant digits, never through float.

    Args:
        minimum: the least value that is taken, if any.
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
        """Read the digits."""
        return Decimal(read_number(stored))


class IntegerAttribute(CheckedAttribute[int]):
    """A whole number, at least `minimum` and at most `maximum` if they are given."""

    attr_type = NUMBER

    def __init__(self, *, minimum: int | None = None, maximum: int | None = None, **settings: Any) -> None:
        super().__init__(**settings)
        self.minimum, self.maximum = minimum, maximum

    def normalise(self, value: Any) -> int:
        """Return the number; a Decimal that is whole is taken too."""
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
        """Read the digits."""
        number = read_number(stored)
        if not isinstance(number, int):
            raise ValidationError.of(self.field, stored, "is stored, but is no whole number")
        return number


class RevisionAttribute(IntegerAttribute, VersionAttribute):
    """Counts the writes of an item: what optimistic locking compares. The base model keeps it."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(minimum=1, null=True, **settings)


class DocumentAttribute(CheckedAttribute[dict[str, Any]]):
    """A free document, stored as a map; see `pipemodels.documents` for what it may hold."""

    attr_type = MAP

    def normalise(self, value: Any) -> dict[str, Any]:
        """Return a deep copy in the form in which it reads back."""
        if not isinstance(value, dict):
            raise ValidationError.of(self.field, value, "must be a mapping (dict)")
        return cast(dict[str, Any], checked_document(value, self.field))

    def encode(self, value: dict[str, Any]) -> Any:
        """Return the tagged map."""
        return encode(value)["M"]

    def decode(self, stored: Any) -> dict[str, Any]:
        """Read the tagged map, as plain dicts and lists."""
        return cast(dict[str, Any], decode({"M": stored}))


_IN_RECORD = 2  # a record is a map in a list


class ValueAttribute(CheckedAttribute[Any]):
    """Any value that a document may hold, under whatever type tag that needs; for fields of records."""

    attr_type = MAP

    def normalise(self, value: Any) -> Any:
        """Return a deep copy in the form in which it reads back."""
        return checked_document(value, self.field, depth=_IN_RECORD)

    def tagged(self, value: Any) -> dict[str, Any]:
        """Return the value under its own tag."""
        return encode(self.normalise(value))

    def untagged(self, stored: dict[str, Any]) -> Any:
        """Read the value of whatever tag it has."""
        return decode(stored)


class TextMapAttribute(DocumentAttribute):
    """Names and texts, e.g. tags."""

    def normalise(self, value: Any) -> dict[str, Any]:
        """Return a copy; every value must be text."""
        document = super().normalise(value)
        problems = [
            Problem(f"{self.field}.{key}", part, "must be text")
            for key, part in document.items()
            if not isinstance(part, str)
        ]
        if problems:
            raise ValidationError(problems)
        return document


class _ListAttribute(CheckedAttribute[list[_T]], Generic[_T]):
    """A list; PynamoDB encodes a single element by encoding a list of it."""

    attr_type = LIST

    def normalise(self, value: Any) -> list[_T]:
        """Return a copy, each element checked."""
        if not isinstance(value, list | tuple):
            raise ValidationError.of(self.field, value, "must be a list")
        problems: list[Problem] = []
        elements: list[_T] = []
        for position, element in enumerate(value):
            try:
                elements.append(self.element(element, f"{self.field}[{position}]"))
            except ValidationError as error:
                problems.extend(error.problems)
        if problems:
            raise ValidationError(problems)
        return elements

    def append(self, other: Any) -> _ListAppend:
        """Return the list with these elements behind it, for an update."""
        return super().append(self.operand(other))

    def prepend(self, other: Any) -> _ListAppend:
        """Return the list with these elements before it, for an update."""
        return super().prepend(self.operand(other))

    def contains(self, item: Any) -> Contains:
        """Return the condition that the list holds this element."""
        return super().contains(
            item if isinstance(item, _Operand | Attribute) else Value(self.tagged([item])["L"][0])
        )

    def element(self, value: Any, path: str) -> _T:
        """Return one element, checked and normalised."""
        raise TypeError(f"{type(self).__name__} must say how it checks its elements")

    def encode(self, value: list[_T]) -> Any:
        """Return the tagged list."""
        return encode(value)["L"]

    def decode(self, stored: Any) -> list[_T]:
        """Read the tagged list."""
        return cast(list[_T], decode({"L": stored}))


class TextListAttribute(_ListAttribute[str]):
    """A list of texts, in order."""

    def element(self, value: Any, path: str) -> str:
        """Return one text."""
        if reason := text_problem(value):
            raise ValidationError.of(path, value, reason)
        return plain_text(value)


class DocumentListAttribute(_ListAttribute[dict[str, Any]]):
    """A list of free documents, in order."""

    def element(self, value: Any, path: str) -> dict[str, Any]:
        """Return a deep copy of one document."""
        if not isinstance(value, dict):
            raise ValidationError.of(path, value, "must be a mapping (dict)")
        return cast(dict[str, Any], checked_document(value, path, depth=1))


class RecordListAttribute(_ListAttribute[_R], Generic[_R]):
    """A list of records of one class, in order; a mapping of a record's fields is taken too."""

    def __init__(self, of: type[_R], **settings: Any) -> None:
        super().__init__(**settings)
        self.of = of

    def element(self, value: Any, path: str) -> _R:
        """Return one record."""
        if isinstance(value, self.of):
            return value
        if not isinstance(value, Mapping):
            raise ValidationError.of(path, value, f"must be a {self.of.__name__}, or a mapping of its fields")
        try:
            return self.of.from_mapping(value)
        except ValidationError as error:
            raise _under(path, error) from None

    def encode(self, value: list[_R]) -> Any:
        """Return the tagged list of tagged maps; a field that is None is absent."""
        return [{"M": _encode_record(record)} for record in value]

    def decode(self, stored: Any) -> list[_R]:
        """Read each record; a field that this version does not know is left out."""
        return [self._decoded(element, position) for position, element in enumerate(stored)]

    def _decoded(self, element: dict[str, Any], position: int) -> _R:
        if MAP not in element:
            raise ValidationError.of(f"{self.field}[{position}]", element, f"is stored as another type than {MAP}")
        try:
            return _decode_record(self.of, element[MAP])
        except ValidationError as error:
            raise _under(f"{self.field}[{position}]", error) from None


def _under(path: str, error: ValidationError) -> ValidationError:
    """Return the error of a record with the paths that its fields have in the item."""
    return ValidationError(
        Problem(f"{path}.{problem.field}", problem.value, problem.reason) for problem in error.problems
    )


def _encode_record(record: Record) -> dict[str, Any]:
    fields = record_fields(type(record)).items()
    return {name: field.tagged(value) for name, field in fields if (value := getattr(record, name)) is not None}


def _decode_record(of: type[_R], stored: dict[str, Any]) -> _R:
    present = {name: tagged for name, tagged in stored.items() if NULL not in tagged}  # absent, as in an item
    fields = record_fields(of).items()
    return of.from_storage({name: field.untagged(present[name]) for name, field in fields if name in present})
