"""Items by their keys, many to a request, and those of them that cannot be read."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

from pipemodels import wire
from pipemodels.errors import UnreadableItemError, ValidationError
from pipemodels.models.base import StampedModel
from pipemodels.models.unreadable import read_item
from pipemodels.storage.batches import MAX_KEYS, read_batch

_M = TypeVar("_M", bound=StampedModel)


def stored_items(model: type[_M], keys: Iterable[tuple[str, ...]]) -> dict[tuple[str, ...], _M | UnreadableItemError]:
    """Return the items that there are, whole, by their keys; strongly consistent, 100 to a request.

    One that cannot be read keeps none of the others from being read: its error stands in its place.

    Each request, with its repeats, has the time limit for itself.
    """
    unique = list(dict.fromkeys(keys))
    table, attributes = model.Meta.table_name, model.get_attributes()
    names = [name for name in (model._hash_keyname, model._range_keyname) if name]
    hash_and_range = [attributes[name].attr_name for name in names]
    found: dict[tuple[str, ...], _M | UnreadableItemError] = {}
    for start in range(0, len(unique), MAX_KEYS):
        wanted = [
            {name: {"S": part} for name, part in zip(hash_and_range, key, strict=True)}
            for key in unique[start : start + MAX_KEYS]
        ]
        with wire.reading(model):
            items = read_batch(f"items of {table!r}", {table: {"Keys": wanted}})[table]
        for item in items:
            try:
                read = read_item(model, item)
            except UnreadableItemError as error:
                found[tuple(str(error.item.key[name]) for name in hash_and_range)] = error
            else:
                found[tuple(getattr(read, name) for name in names)] = read
    return found


def readable(item: _M | UnreadableItemError | None) -> _M | None:
    """Return a stored item, if there is one.

    Raises:
        ValidationError: it cannot be read, so that nobody can say what it would become; names each field.
    """
    if isinstance(item, UnreadableItemError):
        raise ValidationError(item.problems) from item
    return item
