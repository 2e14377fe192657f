"""Cursors: opaque text that marks where a listing stopped; each cursor belongs to one query.

A cursor holds a position for each partition that the query reads: the key of the last item that was returned, or a
mark that the partition has ended. It also holds a digest of the query and of the positions, so that an altered,
truncated or foreign cursor is refused. The digest is not a secret and does not prove who made the cursor.
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
_MAX_KEY_BYTES = 2_048  # DynamoDB's limit for a hash key; the limit for a range key is half of that
_NUMBER = re.compile(r"-?[0-9]{1,40}(?:\.[0-9]{1,40})?(?:[Ee][+-]?[0-9]{1,3})?")
START, END = None, "end"  # the positions that are not the key of an item

Position = dict[str, Any] | str | None


def encode_cursor(query: str, positions: list[Position]) -> str:
    """Return the cursor of a query at these positions; `query` is the canonical text of the query."""
    body = zlib.compress(json.dumps(positions, separators=(",", ":"), ensure_ascii=False).encode(), 9)
    return base64.urlsafe_b64encode(_digest(query, body) + body).decode().rstrip("=")


def decode_cursor(query: str, cursor: object, partitions: int) -> list[Position]:
    """Return the positions of a cursor.

    Raises:
        ValidationError: the cursor does not belong to this query.
    """
    refused = wrong_cursor(cursor)
    if not isinstance(cursor, str) or len(cursor) > _MAX_CHARACTERS or not cursor.isascii():
        raise refused
    try:
        raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
    except (ValueError, binascii.Error):
        raise refused from None
    body = raw[_DIGEST_BYTES:]
    # base64 ignores some bits of the last character, so several texts decode alike: accept only the canonical one
    canonical = base64.urlsafe_b64encode(raw).decode().rstrip("=") == cursor
    if not canonical or raw[:_DIGEST_BYTES] != _digest(query, body):
        raise refused
    # anyone can compute the digest, so check the positions too
    try:
        positions: Any = json.loads(zlib.decompressobj().decompress(body, _MAX_BYTES))
    except (zlib.error, ValueError, RecursionError):
        raise refused from None
    if not isinstance(positions, list) or len(positions) > partitions:
        raise refused
    return [*positions, *[START] * (partitions - len(positions))]


def wrong_cursor(cursor: object) -> ValidationError:
    """Return the error for a cursor that does not belong to the query."""
    return ValidationError.of(
        "cursor", cursor, "is not a cursor of this query: use the cursor that the previous page returned"
    )


def is_position(position: object, types: Mapping[str, str], known: Mapping[str, str]) -> bool:
    """Return whether a listing can continue from this position: the start, the end, or a well-formed key.

    Args:
        position: the value that the cursor holds.
        types: the type tag of each key attribute, by name.
        known: the key attributes whose only possible value is known, with that value.
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
    """Return whether DynamoDB accepts this value for a key attribute."""
    if not isinstance(value, str):
        return False
    if tag == "N":
        return _NUMBER.fullmatch(value) is not None and number_problem(Decimal(value)) is None
    return tag == "S" and bool(value) and text_problem(value) is None and len(value.encode()) <= _MAX_KEY_BYTES


def _digest(query: str, body: bytes) -> bytes:
    return hashlib.sha256(query.encode() + b"\0" + body).digest()[:_DIGEST_BYTES]
