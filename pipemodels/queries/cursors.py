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
import re
import zlib
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from pipemodels.checks import number_problem, text_problem
from pipemodels.errors import ValidationError

_DIGEST_BYTES = 12
_MAX_CHARACTERS = 1_000_000
_MAX_BYTES = 10_000_000
_MAX_KEY_BYTES = 2_048  # DynamoDB, of a hash key; a range key has half of that
_NUMBER = re.compile(r"-?[0-9]{1,40}(?:\.[0-9]{1,40})?(?:[Ee][+-]?[0-9]{1,3})?")
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
    refused = wrong_cursor(cursor)
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
    # the digest is no secret: whoever can compute it may have written anything
    try:
        positions: Any = json.loads(zlib.decompressobj().decompress(body, _MAX_BYTES))
    except (zlib.error, ValueError, RecursionError):
        raise refused from None
    if not isinstance(positions, list) or len(positions) > partitions:
        raise refused
    return [*positions, *[START] * (partitions - len(positions))]


def wrong_cursor(cursor: object) -> ValidationError:
    """Return the error of a cursor that is not of the query."""
    return ValidationError.of("cursor", cursor, "is no cursor of this query: take the one that its page returned")


def is_position(position: object, types: Mapping[str, str], known: Mapping[str, str]) -> bool:
    """Say whether a listing can go on from here: at the start, at the end, or behind a key.

    Args:
        position: what a cursor holds.
        types: the type tag of each part of the key.
        known: the parts that can have one value only, as text.
    """
    if position is START or position == END:
        return True
    if not isinstance(position, dict) or position.keys() != types.keys():
        return False
    return all(
        isinstance(tagged := position[name], dict)
        and tagged.keys() == {tag}
        and _is_key_value(tag, tagged[tag])
        and known.get(name, tagged[tag]) == tagged[tag]
        for name, tag in types.items()
    )


def _is_key_value(tag: str, value: object) -> bool:
    """Say whether DynamoDB takes this as a part of a key."""
    if not isinstance(value, str):
        return False
    if tag == "N":
        return _NUMBER.fullmatch(value) is not None and number_problem(Decimal(value)) is None
    return tag == "S" and bool(value) and text_problem(value) is None and len(value.encode()) <= _MAX_KEY_BYTES


def _digest(query: str, body: bytes) -> bytes:
    return hashlib.sha256(query.encode() + b"\0" + body).digest()[:_DIGEST_BYTES]
