"""The msgspec schemas of DynamoDB's JSON: a class for each type tag, and one for each model and record.

A schema accepts exactly the declared values. msgspec refuses a value with another tag or with two tags, a null, and
an undeclared binary value; botocore then reads the reply.
"""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock
from types import GenericAlias
from typing import Any, ClassVar

import msgspec

from pipemodels.transport.fallbacks import DeclinedError


class Text(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    """`{"S": …}`."""

    S: str


class Number(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    """`{"N": …}`."""

    N: str


class Flag(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    """`{"BOOL": …}`."""

    BOOL: bool


class Binary(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    """`{"B": …}`: base64 in JSON, bytes here."""

    B: bytes


class TextSet(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    """`{"SS": […]}`."""

    SS: list[str]


class NumberSet(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    """`{"NS": […]}`."""

    NS: list[str]


class BinarySet(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    """`{"BS": […]}`."""

    BS: list[bytes]


class Null(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    """`{"NULL": …}`."""

    NULL: bool


class Texts(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    """`{"L": [{"S": …}, …]}`."""

    L: list[Text]


class Document(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    """`{"M": {…}}` with any content."""

    M: dict[str, dict[str, Any]]


class Documents(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    """`{"L": […]}` with any content."""

    L: list[dict[str, Any]]


class Stored(msgspec.Struct, gc=False, omit_defaults=True):
    """Base of the schemas of models: an item with its declared attributes only; None if absent.

    `item[name]` returns the attribute value by its stored name, as in a plain item.
    """

    fields: ClassVar[dict[str, str]] = {}
    """The field names by stored name."""

    as_botocore: ClassVar[Callable[[Any], dict[str, Any]]]
    """Converts an item in JSON to a plain item; set by the parser that read the item."""

    def plain(self) -> dict[str, Any]:
        """Return the item as botocore returns it, without undeclared attributes."""
        return type(self).as_botocore(msgspec.to_builtins(self))

    def __getitem__(self, name: str) -> Any:
        value = getattr(self, self.fields[name])
        return msgspec.to_builtins(value) if isinstance(value, Text | Number) else self.plain()[name]


_preparing = Lock()


def ready(schema: Any) -> Any:
    """Return a type after msgspec has prepared it.

    msgspec prepares a type on first use. A second thread that uses the type at the same time crashes the process, so
    types are prepared under a lock, before other threads can use them.
    """
    with _preparing:
        msgspec.json.Decoder(schema)
    return schema


def list_of(element: type[Any]) -> type[msgspec.Struct]:
    """Return the schema of a list of elements with this schema."""
    elements: Any = GenericAlias(list, (element,))
    return msgspec.defstruct("List", [("L", elements)], gc=False, forbid_unknown_fields=True)


def map_of(record: type[msgspec.Struct]) -> type[msgspec.Struct]:
    """Return the schema of a map with the fields of this record schema."""
    return msgspec.defstruct("Map", [("M", record)], gc=False, forbid_unknown_fields=True)


def check_regular(tagged: Any) -> None:
    """Check that botocore would return this attribute value unchanged.

    Raises:
        DeclinedError: it is binary, or has an unknown tag, two tags, a null, or a value of another type.
    """
    if type(tagged) is not dict or len(tagged) != 1:
        raise DeclinedError
    for tag, value in tagged.items():
        kind = type(value)
        if tag in ("S", "N"):
            good = kind is str
        elif tag == "M":
            good = kind is dict
            for element in value.values() if good else ():
                check_regular(element)
        elif tag == "L":
            good = kind is list
            for element in value if good else ():
                check_regular(element)
        elif tag in ("BOOL", "NULL"):
            good = kind is bool
        else:
            good = tag in ("SS", "NS") and kind is list and all(type(element) is str for element in value)
        if not good:
            raise DeclinedError
