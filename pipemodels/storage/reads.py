"""Single items by their keys."""

from __future__ import annotations

from typing import Any, TypeVar

from pipemodels.codecs import facade
from pipemodels.errors import ItemNotFoundError
from pipemodels.models.stamped import StampedModel
from pipemodels.models.unreadable import read_item
from pipemodels.records import checked_values
from pipemodels.storage.sending import sent

_M = TypeVar("_M", bound=StampedModel)


def get_item(model: type[_M], name: str, **key: str) -> _M:
    """Return an item by its key, read strongly consistent. One request, repeated within the time limit.

    Raises:
        ValidationError: a part of the key is no id; nothing was sent.
        ItemNotFoundError: there is none.
        UnreadableItemError: it is there, but something else wrote what the model cannot read; names the fields.
        ThrottledError: DynamoDB was busy for the whole time limit.
        StorageError: no reply came within it.
    """
    hash_key, *range_key = checked_values(model.get_attributes(), key).values()

    def asked() -> Any:
        with facade.reading(model):
            return model._get_connection().get_item(hash_key, next(iter(range_key), None), consistent_read=True)

    answer = sent(asked, subject=name, table=model.Meta.table_name)
    if not (item := answer.get("Item")):
        raise ItemNotFoundError(f"there is no {name}")
    return read_item(model, facade.stored_items(item))


def find_item(model: type[_M], name: str, **key: str) -> _M | None:
    """Return an item by its key, or None; otherwise like `get_item`."""
    try:
        return get_item(model, name, **key)
    except ItemNotFoundError:
        return None
