"""Single items by their keys."""

from __future__ import annotations

from typing import TypeVar

from pipemodels.errors import ItemNotFoundError, translated
from pipemodels.models.base import StampedModel
from pipemodels.records import checked_values

_M = TypeVar("_M", bound=StampedModel)


def get_item(model: type[_M], name: str, **key: str) -> _M:
    """Return an item by its key, read strongly consistent. One request.

    Raises:
        ValidationError: a part of the key is no id; nothing was sent.
        ItemNotFoundError: there is none.
    """
    checked_values(model.get_attributes(), key)
    with translated(name, table=model.Meta.table_name):
        return model.get(*key.values(), consistent_read=True)


def find_item(model: type[_M], name: str, **key: str) -> _M | None:
    """Return an item by its key, or None; otherwise like `get_item`."""
    try:
        return get_item(model, name, **key)
    except ItemNotFoundError:
        return None
