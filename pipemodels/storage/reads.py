"""How one item is read by its key."""

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
    """Return an item by its key, strongly consistent. Makes one request, retried within the time limit.

    Args:
        model: the item's model.
        name: the item's name in error messages.
        **key: the values of the key attributes, the hash key first.

    Raises:
        ValidationError: a key value is not a valid id; nothing was sent.
        ItemNotFoundError: there is no such item.
        UnreadableItemError: the model cannot read the item, which another program wrote; names the fields.
        ThrottledError: DynamoDB was busy for the whole time limit.
        StorageError: no reply came within the time limit.
    """
    hash_key, *range_key = checked_values(model.get_attributes(), key).values()

    def read() -> Any:
        with facade.reading(model):
            return model._get_connection().get_item(hash_key, next(iter(range_key), None), consistent_read=True)

    answer = sent(read, subject=name, table=model.Meta.table_name)
    if not (item := answer.get("Item")):
        raise ItemNotFoundError(f"there is no {name}")
    return read_item(model, facade.stored_items(item))


def find_item(model: type[_M], name: str, **key: str) -> _M | None:
    """Return an item by its key, or None if there is no such item; raise other errors as `get_item` does."""
    try:
        return get_item(model, name, **key)
    except ItemNotFoundError:
        return None
