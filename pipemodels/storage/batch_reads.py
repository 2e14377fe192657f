"""Items by their keys, many to a request."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TypeVar

from pipemodels.codecs import facade
from pipemodels.errors import UnreadableItemError
from pipemodels.models.stamped import StampedModel
from pipemodels.models.unreadable import read_item
from pipemodels.storage.batch_requests import MAX_KEYS, read_batch

_M = TypeVar("_M", bound=StampedModel)


class StoredItems(Mapping[tuple[str, ...], _M]):
    """Stored items by key. One that cannot be read is among them, and raises when it is looked up."""

    def __init__(self, found: Mapping[tuple[str, ...], _M | UnreadableItemError]) -> None:
        self._found = found

    def __getitem__(self, key: tuple[str, ...]) -> _M:
        """Return an item.

        Raises:
            KeyError: there is none.
            UnreadableItemError: it cannot be read.
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
    """Read the items that there are, whole, by their keys; strongly consistent, 100 to a request.

    Each request, with its repeats, has the time limit for itself.
    """
    unique = list(dict.fromkeys(keys))
    table, attributes = model.Meta.table_name, model.get_attributes()
    names = [name for name in (model._hash_keyname, model._range_keyname) if name]
    found: dict[tuple[str, ...], _M | UnreadableItemError] = {}
    for start in range(0, len(unique), MAX_KEYS):
        wanted = [
            {attributes[name].attr_name: {"S": part} for name, part in zip(names, key, strict=True)}
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
