"""The forms in which DynamoDB's JSON is read: one class for each type tag, one for each model and record.

A form takes exactly what it declares. A value under another tag, under two, a null, a binary value where none is
declared: msgspec refuses them, and the reply is read the ordinary way.
"""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock
from types import GenericAlias
from typing import Any, ClassVar

import msgspec

from pipemodels.transport.fallbacks import IrregularError


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
    """`{"M": {…}}`, whatever is in it."""

    M: dict[str, dict[str, Any]]


class Documents(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    """`{"L": […]}`, whatever is in it."""

    L: list[dict[str, Any]]


class Stored(msgspec.Struct, gc=False, omit_defaults=True):
    """Base of the models' forms: an item, of which only the declared attributes were read; None where absent.

    Looks up the tagged value of an attribute by its stored name, as a plain item does.
    """

    fields: ClassVar[dict[str, str]] = {}
    """The names of the fields by stored name."""

    as_botocore: ClassVar[Callable[[Any], dict[str, Any]]]
    """Makes a plain item of one as it is in the JSON; the parser that read one has set it."""

    def plain(self) -> dict[str, Any]:
        """Return the item as botocore gives it, but for what the model does not declare."""
        return type(self).as_botocore(msgspec.to_builtins(self))

    def __getitem__(self, name: str) -> Any:
        value = getattr(self, self.fields[name])
        return msgspec.to_builtins(value) if isinstance(value, Text | Number) else self.plain()[name]


_looking_at_a_form = Lock()


def ready(form: Any) -> Any:
    """Return a type once msgspec has looked at all of it.

    It does that when the type is first used; another thread that uses it meanwhile reads what is not there yet, and
    the process ends. So one thread has it done, for one type after the other, before anybody else has the type.
    """
    with _looking_at_a_form:
        msgspec.json.Decoder(form)
    return form


def list_of(element: type[Any]) -> type[msgspec.Struct]:
    """Return the form of a list whose elements are of this form."""
    elements: Any = GenericAlias(list, (element,))
    return msgspec.defstruct("List", [("L", elements)], gc=False, forbid_unknown_fields=True)


def map_of(record: type[msgspec.Struct]) -> type[msgspec.Struct]:
    """Return the form of a map of which the fields are those of a record's form."""
    return msgspec.defstruct("Map", [("M", record)], gc=False, forbid_unknown_fields=True)


def check_regular(tagged: Any) -> None:
    """Check that botocore would return this part of a reply as the JSON has it.

    Raises:
        IrregularError: it would not: a binary value, an unknown tag, two tags, a null, a value of another type.
    """
    if type(tagged) is not dict or len(tagged) != 1:
        raise IrregularError
    for tag, value in tagged.items():
        kind = type(value)
        if tag in ("S", "N"):
            good = kind is str
        elif tag == "M":
            good = kind is dict
            for part in value.values() if good else ():
                check_regular(part)
        elif tag == "L":
            good = kind is list
            for part in value if good else ():
                check_regular(part)
        elif tag in ("BOOL", "NULL"):
            good = kind is bool
        else:
            good = tag in ("SS", "NS") and kind is list and all(type(part) is str for part in value)
        if not good:
            raise IrregularError
