"""Attributes of lists of texts, documents and records."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Generic, TypeVar, cast

from pynamodb.attributes import Attribute
from pynamodb.constants import LIST, MAP, NULL
from pynamodb.expressions.condition import Contains
from pynamodb.expressions.operand import Value, _ListAppend, _Operand

from pipemodels.attributes.base import _T, CheckedAttribute
from pipemodels.checks import plain_text, text_problem
from pipemodels.documents import checked_document, decode, encode
from pipemodels.errors import Problem, ValidationError
from pipemodels.records import Record, record_fields

_R = TypeVar("_R", bound=Record)


class _ListAttribute(CheckedAttribute[list[_T]], Generic[_T]):
    """Base class of list attributes."""

    attr_type = LIST

    def normalise(self, value: Any) -> list[_T]:
        """Return a copy with every element checked."""
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
        """Return the list with these elements appended, for an update."""
        return super().append(self.operand(other))

    def prepend(self, other: Any) -> _ListAppend:
        """Return the list with these elements prepended, for an update."""
        return super().prepend(self.operand(other))

    def contains(self, item: Any) -> Contains:
        """Return the condition that the list contains this element."""
        return super().contains(
            item if isinstance(item, _Operand | Attribute) else Value(self.tagged([item])["L"][0])
        )

    def element(self, value: Any, path: str) -> _T:
        """Check one element, and return it as storage returns it."""
        raise TypeError(f"{type(self).__name__} must define element()")

    def encode(self, value: list[_T]) -> Any:
        """Return the tagged list."""
        return encode(value)["L"]

    def decode(self, stored: Any) -> list[_T]:
        """Return the elements of the tagged list."""
        return cast(list[_T], decode({"L": stored}))


class TextListAttribute(_ListAttribute[str]):
    """A list of texts, in order."""

    def element(self, value: Any, path: str) -> str:
        """Check one text, and return it as a plain str."""
        if reason := text_problem(value):
            raise ValidationError.of(path, value, reason)
        return plain_text(value)


class DocumentListAttribute(_ListAttribute[dict[str, Any]]):
    """A list of documents, in order."""

    def element(self, value: Any, path: str) -> dict[str, Any]:
        """Return a deep copy of one document."""
        if not isinstance(value, dict):
            raise ValidationError.of(path, value, "must be a mapping (dict)")
        return cast(dict[str, Any], checked_document(value, path, depth=1))


class RecordListAttribute(_ListAttribute[_R], Generic[_R]):
    """A list of records of one class, in order. Accepts a mapping of its fields in place of a record."""

    def __init__(self, of: type[_R], **settings: Any) -> None:
        super().__init__(**settings)
        self.of = of

    def element(self, value: Any, path: str) -> _R:
        """Return the element as a record."""
        if isinstance(value, self.of):
            return value
        if not isinstance(value, Mapping):
            raise ValidationError.of(path, value, f"must be a {self.of.__name__}, or a mapping of its fields")
        try:
            return self.of.from_mapping(value)
        except ValidationError as error:
            raise _under(path, error) from None

    def encode(self, value: list[_R]) -> Any:
        """Return the tagged list of tagged maps. Omits fields that are None."""
        return [{"M": _encode_record(record)} for record in value]

    def decode(self, stored: Any) -> list[_R]:
        """Return the records of the tagged list. Ignores fields that this version does not know."""
        return [self._decoded(element, position) for position, element in enumerate(stored)]

    def _decoded(self, element: dict[str, Any], position: int) -> _R:
        if MAP not in element:
            raise ValidationError.of(f"{self.field}[{position}]", element, f"is not stored as type {MAP}")
        try:
            return _decode_record(self.of, element[MAP])
        except ValidationError as error:
            raise _under(f"{self.field}[{position}]", error) from None


def _under(path: str, error: ValidationError) -> ValidationError:
    """Return the error of a record with each field given by its path in the item."""
    return ValidationError(
        Problem(f"{path}.{problem.field}", problem.value, problem.reason) for problem in error.problems
    )


def _encode_record(record: Record) -> dict[str, Any]:
    fields = record_fields(type(record)).items()
    return {name: field.tagged(value) for name, field in fields if (value := getattr(record, name)) is not None}


def _decode_record(of: type[_R], stored: dict[str, Any]) -> _R:
    # as in an item, null means absent
    present = {name: tagged for name, tagged in stored.items() if NULL not in tagged}
    fields = record_fields(of).items()
    return of.from_storage({name: field.untagged(present[name]) for name, field in fields if name in present})
