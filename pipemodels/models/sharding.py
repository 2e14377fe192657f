"""Hash keys of indexes that spread the items of one value over several partitions."""

from __future__ import annotations

from zlib import crc32

from pipemodels.config import current_config


def shard_of(value: str, item_id: str) -> str:
    """Return an item's hash key in an index of this value: `<value>#<n>`.

    n is crc32(id) mod `index_shards`: a stable hash, so that every process computes the same key.
    """
    return f"{value}#{crc32(item_id.encode()) % current_config().index_shards}"


def shards_of(value: str) -> list[str]:
    """Return all hash keys of this value in an index."""
    return [f"{value}#{shard}" for shard in range(current_config().index_shards)]
