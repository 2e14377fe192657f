"""Slots: how a pipeline with `max_concurrent_runs` keeps to it, whatever crashes.

A run takes its slot in the transaction that starts it and gives it back in the one that ends it. Both are decided
from what was read and carried out under the condition that this still holds, so that the item is known without a
reply.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from time import time_ns
from typing import Any

from pipemodels.config import current_config
from pipemodels.errors import ConflictError, UnreadableItemError
from pipemodels.models.base import Model, new_write_id
from pipemodels.models.pipeline import PipelineConfig
from pipemodels.models.run import PipelineRunLog
from pipemodels.models.slots import RunSlots
from pipemodels.models.unreadable import read_item, read_part
from pipemodels.storage import targets, transactions, writes
from pipemodels.storage.batch_reads import read_batch
from pipemodels.translation import failed_conditions

# the stored names by which a lease is judged, and the run known again
_LEASE = frozenset({"status", "holds_slot", "lease_token", "lease_expires_at", "revision", "write_id"})


@dataclass(frozen=True)
class RunContext:
    """What a run depends on, read at one time: the limits of its pipeline, the slots, and the run itself."""

    max_concurrent_runs: int | None
    max_attempts: int | None
    slots: RunSlots | None
    run: PipelineRunLog | None

    @property
    def holders(self) -> dict[str, int]:
        """Who holds a slot, with the lease token of each."""
        return self.slots.holders if self.slots else {}

    @property
    def last_token(self) -> int:
        """The last token that was given out."""
        return self.slots.last_token if self.slots else 0


def next_token(last: int = 0) -> int:
    """Return the next lease token after the last one that the slots gave: microseconds of this clock, or one more.

    Where no slots count, the clock alone tells a run from one that was deleted and had its id.
    """
    return max(last + 1, time_ns() // 1000)


def read_context(target: targets.Target) -> RunContext:
    """Read what a run depends on, strongly consistent. One request.

    Raises:
        UnreadableItemError: one of the items cannot be read.
    """
    pipeline_id, run_id = target.key.values()
    limits = {
        "ProjectionExpression": "pipeline_id, max_concurrent_runs, max_attempts",
        "Keys": [{"pipeline_id": {"S": pipeline_id}}],
    }
    found = _read_together(
        target.name,
        {
            PipelineConfig: limits,
            RunSlots: {"Keys": [{"pipeline_id": {"S": pipeline_id}}]},
            PipelineRunLog: {"Keys": [_run_key(pipeline_id, run_id)]},
        },
    )
    read: Iterable[Any] = (
        next((read_item(model, stored) for stored in found[model]), None)
        for model in (PipelineConfig, RunSlots, PipelineRunLog)
    )
    configured, slots, run = read
    return RunContext(
        getattr(configured, "max_concurrent_runs", None), getattr(configured, "max_attempts", None), slots, run
    )


@dataclass(frozen=True, slots=True)
class Holder:
    """A run that has a slot.

    Attributes:
        run: the run; a summary, if only a part of its item can be read; None, if its lease cannot, or it is gone.
        unreadable: why not all of its item can be read.
    """

    run: PipelineRunLog | None = None
    unreadable: UnreadableItemError | None = None

    @classmethod
    def of(cls, stored: Any) -> Holder:
        """Read a run as far as it can be read."""
        try:
            return cls(read_item(PipelineRunLog, stored))
        except UnreadableItemError as error:
            unreadable = error
        try:
            return cls(read_part(PipelineRunLog, stored, _LEASE), unreadable)
        except UnreadableItemError:
            return cls(None, unreadable)


def read_holders(subject: str, pipeline_id: str, run_ids: Iterable[str]) -> dict[str, Holder]:
    """Read runs of a pipeline, up to 100, by id, strongly consistent."""
    run_ids = list(run_ids)
    found = {stored["run_id"]["S"]: Holder.of(stored) for stored in _read_runs(subject, pipeline_id, run_ids)}
    return {run_id: found.get(run_id, Holder()) for run_id in run_ids}


def _read_runs(subject: str, pipeline_id: str, run_ids: Iterable[str]) -> list[Any]:
    keys = [_run_key(pipeline_id, run_id) for run_id in run_ids]
    return _read_together(subject, {PipelineRunLog: {"Keys": keys}})[PipelineRunLog] if keys else []


def _run_key(pipeline_id: str, run_id: str) -> dict[str, Any]:
    return {"pipeline_id": {"S": pipeline_id}, "run_id": {"S": run_id}}


def _read_together(subject: str, wanted: Mapping[type[Model], dict[str, Any]]) -> dict[type[Model], list[Any]]:
    """Return the items of these keys as they are stored, by model, with one BatchGetItem."""
    tables = {current_config().table_name(model.Meta.base_name): model for model in wanted}
    found = read_batch(subject, {name: wanted[model] for name, model in tables.items()})
    return {model: found[name] for name, model in tables.items()}


def changed_run(run: PipelineRunLog, changes: Mapping[str, Any]) -> PipelineRunLog:
    """Return a copy of the run with these changes and what follows from them; its size is for DynamoDB to judge.

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
) -> dict[str, Any]:
    """Return the part of a transaction that makes the run `after` out of `before`, and stamp it.

    Its condition is that the run is still as it was read, so that `after` is what is stored if it succeeds.
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
    condition = _as_read(before)
    return {
        "Update": target.request(actions=[*actions, PipelineRunLog.revision.set(after.revision)], condition=condition)
    }


def delete_run(target: targets.Target, run: PipelineRunLog) -> dict[str, Any]:
    """Return the part of a transaction that deletes the run as it was read."""
    return {"Delete": target.request(condition=_as_read(run))}


def _as_read(run: PipelineRunLog | None) -> Any:
    if run is None:
        return PipelineRunLog.pipeline_id.does_not_exist()
    # a run that was deleted and started again may be at the same revision, but not of the same write
    write_id = PipelineRunLog.write_id
    same_write = write_id.does_not_exist() if run.write_id is None else write_id == run.write_id
    return (PipelineRunLog.revision == run.revision) & same_write


def claim_slot(context: RunContext, pipeline_id: str, run_id: str, token: int) -> dict[str, Any]:
    """Return the part of a transaction that gives a slot to the run, unless one was given since this was read."""
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
    return _slots_update(pipeline_id, update, condition, values, names)


def release_slot(pipeline_id: str, run_id: str, token: int) -> dict[str, Any]:
    """Return the part of a transaction that takes back the slot which the run holds under this token."""
    update, condition = "REMOVE holders.#run", "holders.#run = :token"
    return _slots_update(pipeline_id, update, condition, {":token": _number(token)}, {"#run": run_id})


def _slots_update(
    pipeline_id: str, update: str, condition: str, values: dict[str, Any], names: dict[str, str]
) -> dict[str, Any]:
    """Return an update of the slots, in DynamoDB's own words: PynamoDB would take `[` in a run_id for an index."""
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


def with_slot_freed(
    target: targets.Target, run: PipelineRunLog, part: Mapping[str, Any], after: PipelineRunLog | None
) -> PipelineRunLog:
    """Carry out one part of a transaction together with freeing the slot of the run as it was read.

    Returns:
        `after`, or the run as it was where that is None: it is gone then.

    Raises:
        ConflictError: the run is no longer so; `current` is the run as it is, read anew.
    """
    pipeline_id, run_id = target.key.values()
    parts = [part, release_slot(pipeline_id, run_id, run.lease_token or 0)]
    try:
        transactions.transact(target.name, PipelineRunLog, *parts)
    except ConflictError as error:
        if failed_conditions(error) == [1]:
            transactions.transact(target.name, PipelineRunLog, part)  # somebody has removed the slot by hand
        elif after is not None:
            return own_write(target, after, error)
        elif (stored := _stored(target)) is not None:
            raise ConflictError(f"{target.name} is not as it was", stored) from error
    return after or run


def carried_out(
    target: targets.Target, run: PipelineRunLog, part: Mapping[str, Any], after: PipelineRunLog
) -> PipelineRunLog:
    """Carry out one part of a transaction that makes a run `after`, and free its slot, if it was read to hold one.

    Raises:
        ConflictError: the run is no longer as it was read; `current` is the run as it is, read anew.
    """
    if run.holds_slot:
        return with_slot_freed(target, run, part, after)
    try:
        transactions.transact(target.name, PipelineRunLog, part)
    except ConflictError as error:
        return own_write(target, after, error)
    return after


def own_write(target: targets.Target, after: PipelineRunLog, error: ConflictError) -> PipelineRunLog:
    """Return the run where this very write had been done and its reply was lost.

    Raises:
        ConflictError: it was not; `current` is the run as it is, read anew.
    """
    stored = _stored(target)
    if stored is not None and writes.is_done(stored, str(after.write_id)):
        return stored
    raise ConflictError(f"{target.name} is not as it was", stored) from error


def _stored(target: targets.Target) -> PipelineRunLog | None:
    pipeline_id, run_id = target.key.values()
    return next((read_item(PipelineRunLog, one) for one in _read_runs(target.name, pipeline_id, [run_id])), None)


def free_without_run(target: targets.Target, run: PipelineRunLog | None, token: int) -> None:
    """Free the slot of a run that does not run, if it is still as it was read; otherwise somebody else was faster."""
    pipeline_id, run_id = target.key.values()
    parts = [{"ConditionCheck": target.request(condition=_as_read(run))}, release_slot(pipeline_id, run_id, token)]
    with suppress(ConflictError):
        transactions.transact(target.name, PipelineRunLog, *parts)
