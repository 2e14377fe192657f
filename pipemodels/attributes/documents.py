"""Attributes of documents."""

from __future__ import annotations

from typing import Any, cast

from pynamodb.constants import MAP

from pipemodels.attributes.base import CheckedAttribute
from pipemodels.documents import checked_document, decode, encode
from pipemodels.errors import Problem, ValidationError


class DocumentAttribute(CheckedAttribute[dict[str, Any]]):
    """A document, stored as a map. See `pipemodels.documents` for the values that it may contain."""

    attr_type = MAP

    def normalise(self, value: Any) -> dict[str, Any]:
        """Return a deep copy, as storage returns it."""
        if not isinstance(value, dict):
            raise ValidationError.of(self.field, value, "must be a mapping (dict)")
        return cast(dict[str, Any], checked_document(value, self.field))

    def encode(self, value: dict[str, Any]) -> Any:
        """Return the tagged map."""
        return encode(value)["M"]

    def decode(self, stored: Any) -> dict[str, Any]:
        """Return the tagged map as plain dicts and lists."""
        return cast(dict[str, Any], decode({"M": stored}))


_IN_RECORD = 2  # depth: a record is a map in a list


class ValueAttribute(CheckedAttribute[Any]):
    """Any value that a document may contain, stored with its own type tag; for fields of records."""

    attr_type = MAP

    def normalise(self, value: Any) -> Any:
        """Return a deep copy, as storage returns it."""
        return checked_document(value, self.field, depth=_IN_RECORD)

    def tagged(self, value: Any) -> dict[str, Any]:
        """Return the value with its own type tag."""
        return encode(self.normalise(value))

    def untagged(self, stored: dict[str, Any]) -> Any:
        """Return the value of any type tag."""
        return decode(stored)


class TextMapAttribute(DocumentAttribute):
    """A mapping of names to texts, e.g. tags."""

    def normalise(self, value: Any) -> dict[str, Any]:
        """Return a copy. Every value must be text."""
        document = super().normalise(value)
        problems = [
            Problem(f"{self.field}.{key}", part, "must be text")
            for key, part in document.items()
            if not isinstance(part, str)
        ]
        if problems:
            raise ValidationError(problems)
        return document
