"""Cursors: where a listing stopped, as opaque text that is bound to its query.

A cursor holds, for each partition that the query reads, the key of the last item that was given out, or that the
partition has ended. It carries a digest of the query and of itself, so that one that was altered, cut or taken from
another query is refused. It is not a secret and no proof of who made it.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import zlib
from typing import Any

from pipemodels.errors import ValidationError

_DIGEST_BYTES = 12
_MAX_CHARACTERS = 1_000_000
_MAX_BYTES = 10_000_000
START, END = None, "end"  # positions besides the key of an item

Position = dict[str, Any] | str | None


def encode_cursor(query: str, positions: list[Position]) -> str:
    """Return the cursor of a query (its canonical text) that stands at these positions."""
    body = zlib.compress(json.dumps(positions, separators=(",", ":"), ensure_ascii=False).encode(), 9)
    return base64.urlsafe_b64encode(_digest(query, body) + body).decode().rstrip("=")


def decode_cursor(query: str, cursor: object, partitions: int) -> list[Position]:
    """Return the positions of a cursor.

    Raises:
        ValidationError: it is none of this query's.
    """
    refused = ValidationError.of("cursor", cursor, "is no cursor of this query: take the one that its page returned")
    if not isinstance(cursor, str) or len(cursor) > _MAX_CHARACTERS or not cursor.isascii():
        raise refused
    try:
        raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
    except (ValueError, binascii.Error):
        raise refused from None
    body = raw[_DIGEST_BYTES:]
    # the last character may hold bits that say nothing: only the canonical text is the cursor
    canonical = base64.urlsafe_b64encode(raw).decode().rstrip("=") == cursor
    if not canonical or raw[:_DIGEST_BYTES] != _digest(query, body):
        raise refused
    positions: list[Position] = json.loads(zlib.decompressobj().decompress(body, _MAX_BYTES))
    if len(positions) > partitions:
        raise refused
    return [*positions, *[START] * (partitions - len(positions))]


def _digest(query: str, body: bytes) -> bytes:
    return hashlib.sha256(query.encode() + b"\0" + body).digest()[:_DIGEST_BYTES]
