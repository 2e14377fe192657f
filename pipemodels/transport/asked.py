"""The parameters of a request that decide what its reply contains."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec


class Asked(NamedTuple):
    """The parameters of a request that its reply depends on."""

    select: str | None = None
    return_values: str | None = None
    actions: int | None = None
    """The number of actions of a transaction."""
    in_part: bool = False
    """Whether the request selects attributes, so that a returned item may be empty."""
    tables: frozenset[str] | None = None
    """The tables that a batch reads or writes."""
    key: Mapping[str, Any] | None = None
    """The key of the requested item."""
    start: Any = None
    """The key after which the page starts."""


NOTHING = Asked()


def asked_of(parameters: Mapping[str, Any]) -> Asked:
    """Return the parameters that the reply to a request depends on."""
    actions, returned = parameters.get("TransactItems"), parameters.get("ReturnValues")
    tables = parameters.get("RequestItems")
    return Asked(
        parameters.get("Select"),
        returned,
        None if actions is None else len(actions),
        "ProjectionExpression" in parameters or returned in ("UPDATED_OLD", "UPDATED_NEW"),
        None if tables is None else frozenset(tables),
        parameters.get("Key"),
        parameters.get("ExclusiveStartKey"),
    )


def is_struct(item: Any) -> bool:
    """Return whether the fast path has read, and so validated, an item with the schema of a model."""
    return isinstance(item, msgspec.Struct)


def has_key(item: Any, asked: Asked) -> bool:
    """Return whether the string attributes of the requested key have the same values in the item."""
    return all(_text(item, name) in (None, value.get("S")) for name, value in (asked.key or {}).items())


def _text(item: Any, name: str) -> Any:
    if is_struct(item):
        return getattr(getattr(item, type(item).fields.get(name, ""), None), "S", None)
    return item.get(name, {}).get("S")
