"""How several items are written together: all of them, or none."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping
from datetime import datetime
from functools import partial
from typing import Any

from pipemodels.errors import ConflictError, ItemNotFoundError, PipemodelsError
from pipemodels.models import unreadable
from pipemodels.models.base import new_write_id
from pipemodels.models.stamped import StampedModel
from pipemodels.storage.sending import send, with_deadline
from pipemodels.storage.targets import Target, stamp
from pipemodels.storage.writes import exists, is_done, not_yet, write_actions
from pipemodels.translation import failed_conditions

_TRANSACTION_ITEMS = 100  # DynamoDB's limit of items in one transaction


def id_list(ids: Iterable[str]) -> list[str]:
    """Return the ids as a list; a single string is one id, not a sequence of characters."""
    return [ids] if isinstance(ids, str) else list(ids)


def update_together(
    targets: Iterable[Target], changes: Mapping[str, Any], *, by: str | None, now: datetime | None
) -> list[str]:
    """Make the same changes to many existing items and return their ids, without duplicates, in order.

    Up to 100 items change all together or not at all. More items are split into transactions of 100, each with
    its own time limit.

    Raises:
        ItemNotFoundError: an item does not exist; `done` has the ids that earlier transactions changed.
    """
    at = stamp(now)
    unique = list({tuple(target.key.values()): target.checked() for target in targets}.values())
    done: list[str] = []
    for start in range(0, len(unique), _TRANSACTION_ITEMS):
        chunk = unique[start : start + _TRANSACTION_ITEMS]
        try:
            _update_chunk(chunk, changes, by=by, now=at)
        except PipemodelsError as error:
            error.done = tuple(done)
            raise
        done += ["/".join(target.key.values()) for target in chunk]
    return done


@with_deadline
def _update_chunk(chunk: list[Target], changes: Mapping[str, Any], *, by: str | None, now: datetime) -> None:
    model, write_id = chunk[0].model, new_write_id()
    updates = [
        target.request(
            actions=write_actions(target, changes, by=by, now=now, write_id=write_id),
            condition=exists(target) & not_yet(model, write_id),
            return_values_on_condition_failure="ALL_OLD",
        )
        for target in chunk
    ]
    names = ", ".join(target.name for target in chunk)
    try:
        transact(names, model, *({"Update": update} for update in updates))
    except ConflictError as error:
        if is_done(error.current, write_id):
            return  # the transaction was done, so every item of it has changed
        missing = [chunk[position].name for position in failed_conditions(error)]
        raise ItemNotFoundError(f"there is no {', no '.join(missing)}; nothing was changed") from error


def transact(subject: str, model: type[StampedModel], *operations: Mapping[str, Any]) -> None:
    """Send a transaction. Retries have the same token, so that DynamoDB applies it once within ten minutes.

    Raises:
        ConflictError: a condition failed; `current` is the first item of this model whose condition failed.
    """
    request = {"TransactItems": list(operations), "ClientRequestToken": uuid.uuid4().hex}
    table, decode = model.Meta.table_name, partial(unreadable.read_item, model)
    send("TransactWriteItems", request, subject=subject, table=table, decode=decode)
