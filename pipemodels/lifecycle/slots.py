"""The operations of the transactions that start, end and delete a run and claim or release its slot.

The functions return operations and send nothing; `starting`, `ending` and `carrying_out` send them. An operation is
a dict as TransactWriteItems takes it, e.g. `{"Update": {...}}`, and is not changed after it is returned.

A run claims its slot in the transaction that starts it, and releases it in the one that ends it. Each operation has
the condition that its item has not changed since it was read. If the transaction succeeds, the caller therefore knows
the stored item without reading it again.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from datetime import datetime
from time import time_ns
from typing import Any

from pipemodels.lifecycle.reading import RunContext
from pipemodels.models.base import new_write_id
from pipemodels.models.run import PipelineRunLog
from pipemodels.models.slots import RunSlots
from pipemodels.storage import targets

Operation = Mapping[str, Any]


def next_token(last: int = 0) -> int:
    """Return the lease token that follows the last one of the slots: the clock's microsecond, or the last plus one.

    Without slots, the clock alone distinguishes a run from a deleted run of the same id.
    """
    return max(last + 1, time_ns() // 1000)


def changed_run(run: PipelineRunLog, changes: Mapping[str, Any]) -> PipelineRunLog:
    """Return a copy of the run with the changes and the fields derived from them. DynamoDB checks its size.

    Raises:
        ValidationError: the changed run breaks a rule.
    """
    after = copy.copy(run)
    after.attribute_values = {**run.attribute_values, **changes}
    after.refuse_unstorable()
    after.derive()
    return after


def update_run(
    target: targets.Target, before: PipelineRunLog | None, after: PipelineRunLog, *, by: str | None, now: datetime
) -> Operation:
    """Stamp `after` and return the operation that turns the run from `before` into `after`; None creates it.

    Its condition is that the run has not changed since it was read.
    """
    if before is None or after.write_id == before.write_id:
        after.write_id = new_write_id()
    after.updated_at = now
    if by is not None:
        after.updated_by = by
    old = before.attribute_values if before else {}
    keys = {*target.key, "revision"}
    differing = [
        name for name in after.get_attributes() if name not in keys and old.get(name) != getattr(after, name)
    ]
    actions = [PipelineRunLog._set(name, getattr(after, name)) for name in differing]
    after.revision = (before.revision or 0) + 1 if before else 1
    condition = _unchanged(before)
    return {
        "Update": target.request(actions=[*actions, PipelineRunLog.revision.set(after.revision)], condition=condition)
    }


def delete_run(target: targets.Target, run: PipelineRunLog) -> Operation:
    """Return the operation that deletes the run, if it has not changed since it was read."""
    return {"Delete": target.request(condition=_unchanged(run))}


def check_run(target: targets.Target, run: PipelineRunLog | None) -> Operation:
    """Return the operation that checks that the run has not changed since it was read; None: that there is none."""
    return {"ConditionCheck": target.request(condition=_unchanged(run))}


def _unchanged(run: PipelineRunLog | None) -> Any:
    if run is None:
        return PipelineRunLog.pipeline_id.does_not_exist()
    # a run that was deleted and started again may have the same revision, but not the same write_id
    write_id = PipelineRunLog.write_id
    same_write = write_id.does_not_exist() if run.write_id is None else write_id == run.write_id
    return (PipelineRunLog.revision == run.revision) & same_write


def claim_slot(context: RunContext, pipeline_id: str, run_id: str, token: int) -> Operation:
    """Return the operation that gives the run a slot, unless another run has claimed one since `context` was read."""
    values: dict[str, Any] = {":token": _number(token)}
    if context.slots is None:
        values[":holders"] = {"M": {run_id: values[":token"]}}
        update, condition, names = (
            "SET holders = :holders, last_token = :token",
            "attribute_not_exists(last_token)",
            {},
        )
    else:
        values[":last"] = _number(context.last_token)
        update, condition = "SET holders.#run = :token, last_token = :token", "last_token = :last"
        names = {"#run": run_id}
    return _update_slots(pipeline_id, update, condition, values, names)


def release_slot(pipeline_id: str, run_id: str, token: int) -> Operation:
    """Return the operation that releases the slot which the run holds under this token."""
    update, condition = "REMOVE holders.#run", "holders.#run = :token"
    return _update_slots(pipeline_id, update, condition, {":token": _number(token)}, {"#run": run_id})


def _update_slots(
    pipeline_id: str, update: str, condition: str, values: dict[str, Any], names: dict[str, str]
) -> Operation:
    """Return an update of the slots in DynamoDB's own syntax; PynamoDB would read `[` in a run_id as an index."""
    request: dict[str, Any] = {
        "TableName": RunSlots.Meta.table_name,
        "Key": {"pipeline_id": {"S": pipeline_id}},
        "UpdateExpression": update,
        "ConditionExpression": condition,
        "ExpressionAttributeValues": values,
    }
    return {"Update": request | ({"ExpressionAttributeNames": names} if names else {})}


def _number(value: int) -> dict[str, str]:
    return {"N": str(value)}
