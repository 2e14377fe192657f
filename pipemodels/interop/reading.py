"""Items by their keys, many to a request."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

from pipemodels.errors import translated
from pipemodels.models.base import StampedModel

_M = TypeVar("_M", bound=StampedModel)


def stored_items(model: type[_M], keys: Iterable[tuple[str, ...]]) -> dict[tuple[str, ...], _M]:
    """Return the items that there are, whole, by their keys; strongly consistent, 100 to a request."""
    unique = list(dict.fromkeys(keys))
    wanted = [key if len(key) > 1 else key[0] for key in unique]
    table = model.Meta.table_name
    with translated(f"items of {table!r}", table=table):
        found = list(model.batch_get(wanted, consistent_read=True)) if wanted else []
    names = [name for name in (model._hash_keyname, model._range_keyname) if name]
    return {tuple(getattr(item, name) for name in names): item for item in found}
