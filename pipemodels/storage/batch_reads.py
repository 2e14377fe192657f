"""How many items are read by their keys: with BatchGetItem, up to 100 keys in each request.

`stored_items` returns the objects of one model; `read_batch` makes a single batch and returns items as stored.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import count
from typing import Any, TypeVar

from pipemodels.codecs import facade
from pipemodels.errors import StorageError, ThrottledError, UnreadableItemError
from pipemodels.models.stamped import StampedModel
from pipemodels.models.unreadable import read_item
from pipemodels.storage.sending import back_off, is_too_late, out_of_time, send, with_deadline

MAX_KEYS = 100  # DynamoDB's limit of keys in one BatchGetItem

_M = TypeVar("_M", bound=StampedModel)


class StoredItems(Mapping[tuple[str, ...], _M]):
    """Stored items by key. An item that cannot be read is included, and raises when it is looked up."""

    def __init__(self, found: Mapping[tuple[str, ...], _M | UnreadableItemError]) -> None:
        self._found = found

    def __getitem__(self, key: tuple[str, ...]) -> _M:
        """Return the item with this key.

        Raises:
            KeyError: no such item is stored.
            UnreadableItemError: the item is stored, but cannot be read.
        """
        item = self._found[key]
        if isinstance(item, UnreadableItemError):
            raise item
        return item

    def __contains__(self, key: object) -> bool:
        return key in self._found

    def __iter__(self) -> Iterator[tuple[str, ...]]:
        return iter(self._found)

    def __len__(self) -> int:
        return len(self._found)


def stored_items(model: type[_M], keys: Iterable[tuple[str, ...]]) -> StoredItems[_M]:
    """Read whole items by their keys, strongly consistent, up to 100 in each request; leave out missing items.

    Each request has its own time limit, which includes its retries.
    """
    unique = list(dict.fromkeys(keys))
    table, attributes = model.Meta.table_name, model.get_attributes()
    names = [name for name in (model._hash_keyname, model._range_keyname) if name]
    found: dict[tuple[str, ...], _M | UnreadableItemError] = {}
    for start in range(0, len(unique), MAX_KEYS):
        wanted = [
            {attributes[name].attr_name: {"S": value} for name, value in zip(names, key, strict=True)}
            for key in unique[start : start + MAX_KEYS]
        ]
        with facade.reading(model):
            items = read_batch(f"items of {table!r}", {table: {"Keys": wanted}})[table]
        for stored in items:
            try:
                item = read_item(model, stored)
                found[tuple(getattr(item, name) for name in names)] = item
            except UnreadableItemError as error:
                found[tuple(str(error.item.key[attributes[name].attr_name]) for name in names)] = error
    return StoredItems(found)


@with_deadline
def read_batch(subject: str, wanted: Mapping[str, Mapping[str, Any]]) -> dict[str, list[Any]]:
    """Return stored items by table name, strongly consistent, in no particular order; leave out missing items.

    If DynamoDB processes only some of the keys, request the others again, within the time limit.

    Args:
        subject: the name of the items in error messages.
        wanted: by table name, `Keys` and other BatchGetItem parameters; up to 100 keys in all.

    Raises:
        ThrottledError: DynamoDB still left items out when the time limit passed.
    """
    missing: Mapping[str, Any] = {name: {**request, "ConsistentRead": True} for name, request in wanted.items()}
    found: dict[str, list[Any]] = {name: [] for name in wanted}
    busy = ThrottledError(f"{subject}: DynamoDB is busy and left items out; safe to try again")
    for attempt in count():
        try:
            answer = send("BatchGetItem", {"RequestItems": missing}, subject=subject, table=" or ".join(wanted))
        except StorageError as error:
            if attempt and is_too_late(error):
                raise out_of_time(busy, subject) from error
            raise
        for name, items in answer["Responses"].items():
            found[name] += facade.stored_items(items)
        missing = answer.get("UnprocessedKeys") or {}
        if not missing:
            break
        # A reply holds at most 16 MB: after a reply with items, request the next even when no time is left.
        if not back_off(attempt) and not any(answer["Responses"].values()):
            raise out_of_time(busy, subject)
    return found
