"""Attributes of free documents."""

from __future__ import annotations

from typing import Any, cast

from pynamodb.constants import MAP

from pipemodels.attributes.base import CheckedAttribute
from pipemodels.documents import checked_document, decode, encode
from pipemodels.errors import Problem, ValidationError


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
