"""Validation of error replies."""

from __future__ import annotations

from typing import Any

import msgspec

from pipemodels.transport.asked import Asked, has_key
from pipemodels.transport.typed_values import Item, is_item


class Reason(msgspec.Struct):
    """The reason why an action cancelled a transaction; the code `None` means that it did not."""

    Code: str
    Message: str | None = None
    Item: Item | None = None


class Refusal(msgspec.Struct):
    """The body of an error reply."""

    type: str = msgspec.field(name="__type")
    message: str | None = None
    Message: str | None = None
    Item: Item | msgspec.UnsetType = msgspec.UNSET
    CancellationReasons: list[Reason] | msgspec.UnsetType = msgspec.UNSET


_refusals = msgspec.json.Decoder(Refusal)


def fault_of_refusal(asked: Asked, body: bytes) -> str | None:
    """Return why the body is not an error of DynamoDB, or None if it is."""
    try:
        str(body, "utf-8")
        refusal = _refusals.decode(body)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return "it is not a JSON object with a __type and the members of that error"
    code = refusal.type.rpartition("#")[2].partition(":")[0].strip()
    if not code:
        return "its __type does not name an error"
    if refusal.Item is not msgspec.UNSET and not _is_stored(refusal.Item):
        return "its Item is empty or not an item"
    if refusal.Item is not msgspec.UNSET and not has_key(refusal.Item, asked):
        return "its Item has another key"
    if code == "TransactionCanceledException":
        return _fault_of_reasons(refusal.CancellationReasons, asked.actions)
    return None


def _fault_of_reasons(reasons: Any, actions: int | None) -> str | None:
    if reasons is msgspec.UNSET:
        return "a transaction was cancelled, and CancellationReasons is missing"
    if all(reason.Code in ("", "None") for reason in reasons):
        return "a transaction was cancelled, and CancellationReasons gives no reason"
    if not all(_is_stored(reason.Item) for reason in reasons if reason.Item is not None):
        return "an Item of CancellationReasons is empty or not an item"
    if actions not in (None, len(reasons)):
        return f"{len(reasons)} CancellationReasons for {actions} actions"
    return None


def _is_stored(item: Any) -> bool:
    """Return whether this is a valid item with at least one attribute."""
    return bool(item) and is_item(item)
