"""Items by their keys, many to a request."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

from pipemodels import wire
from pipemodels.models.base import StampedModel
from pipemodels.storage.batches import MAX_KEYS, read_batch

_M = TypeVar("_M", bound=StampedModel)


def stored_items(model: type[_M], keys: Iterable[tuple[str, ...]]) -> dict[tuple[str, ...], _M]:
    """Return the items that there are, whole, by their keys; strongly consistent, 100 to a request.

    Each request, with its repeats, has the time limit for itself.
    """
    unique = list(dict.fromkeys(keys))
    table, attributes = model.Meta.table_name, model.get_attributes()
    names = [name for name in (model._hash_keyname, model._range_keyname) if name]
    found: dict[tuple[str, ...], _M] = {}
    for start in range(0, len(unique), MAX_KEYS):
        wanted = [
            {attributes[name].attr_name: {"S": part} for name, part in zip(names, key, strict=True)}
            for key in unique[start : start + MAX_KEYS]
        ]
        with wire.reading(model):
            items = read_batch(f"items of {table!r}", {table: {"Keys": wanted}})[table]
        for item in map(model.from_raw_data, items):
            found[tuple(getattr(item, name) for name in names)] = item
    return found
