"""The hash keys of the indexes that spread one value over several partitions."""

from __future__ import annotations

from zlib import crc32

from pipemodels.config import current_config


def shard_of(value: str, item_id: str) -> str:
    """Return the hash key under which an index keeps this value of this item: `<value>#<n>`.

    n = crc32(id) mod `index_shards`: a stable hash, because every process must agree.
    """
    return f"{value}#{crc32(item_id.encode()) % current_config().index_shards}"


def shards_of(value: str) -> list[str]:
    """Return every hash key under which an index may keep this value."""
    return [f"{value}#{shard}" for shard in range(current_config().index_shards)]
