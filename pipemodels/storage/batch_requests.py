"""Items by their keys, many to a request."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import count
from typing import Any

from pipemodels.codecs import facade
from pipemodels.errors import StorageError, ThrottledError
from pipemodels.storage.sending import back_off, is_too_late, out_of_time, send, with_deadline

MAX_KEYS = 100  # DynamoDB: keys in one BatchGetItem


@with_deadline
def read_batch(subject: str, wanted: Mapping[str, Mapping[str, Any]]) -> dict[str, list[Any]]:
    """Return stored items by table, strongly consistent and in no order; those that are gone are left out.

    What DynamoDB leaves out of a reply is asked for again, within the time limit.

    Args:
        subject: what the items are, for an error.
        wanted: `Keys` and whatever else BatchGetItem takes, by the name of the table; up to 100 keys in all.

    Raises:
        ThrottledError: DynamoDB left items out all the time.
    """
    missing: Mapping[str, Any] = {name: {**request, "ConsistentRead": True} for name, request in wanted.items()}
    found: dict[str, list[Any]] = {name: [] for name in wanted}
    busy = ThrottledError(f"{subject}: DynamoDB is busy and left items out; safe to try again")
    for attempt in count():
        try:
            answer = send("BatchGetItem", {"RequestItems": missing}, subject=subject, table=" or ".join(wanted))
        except StorageError as error:
            if attempt and is_too_late(error):
                raise out_of_time(busy, subject) from error
            raise
        for name, items in answer["Responses"].items():
            found[name] += facade.stored_items(items)
        missing = answer.get("UnprocessedKeys") or {}
        if not missing:
            break
        # a reply holds 16 MB at the most: one that brought something is followed by the next, limit or no limit
        if not back_off(attempt) and not any(answer["Responses"].values()):
            raise out_of_time(busy, subject)
    return found
