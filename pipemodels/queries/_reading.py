"""Single items by their keys."""

from __future__ import annotations

from typing import TypeVar

from pipemodels.errors import ItemNotFoundError
from pipemodels.models.base import StampedModel
from pipemodels.records import checked_values
from pipemodels.storage.sending import sent

_M = TypeVar("_M", bound=StampedModel)


def get_item(model: type[_M], name: str, **key: str) -> _M:
    """Return an item by its key, read strongly consistent. One request, repeated within the time limit.

    Raises:
        ValidationError: a part of the key is no id; nothing was sent.
        ItemNotFoundError: there is none.
        ThrottledError: DynamoDB was busy for the whole time limit.
        StorageError: no reply came within it.
    """
    checked_values(model.get_attributes(), key)
    return sent(
        lambda: model.get(*key.values(), consistent_read=True),
        subject=name,
        table=model.Meta.table_name,
    )


def find_item(model: type[_M], name: str, **key: str) -> _M | None:
    """Return an item by its key, or None; otherwise like `get_item`."""
    try:
        return get_item(model, name, **key)
    except ItemNotFoundError:
        return None
