"""How a run begins: queued, or started, with a lease, and with a slot where its pipeline has a limit."""

from __future__ import annotations

import copy
import logging
import os
import socket
import uuid
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from itertools import count
from typing import Any

from pipemodels.config import current_config
from pipemodels.errors import (
    AlreadyExistsError,
    ConflictError,
    IllegalTransitionError,
    ItemTooLargeError,
    PipemodelsError,
    Problem,
    RunLimitError,
    SummaryError,
    ThrottledError,
    UnreadableItemError,
    ValidationError,
)
from pipemodels.instants import shifted
from pipemodels.lifecycle import slots
from pipemodels.lifecycle.ending import expire_part, expire_run
from pipemodels.lifecycle.rules import comparable, differences, records_rule, refusal, run_target
from pipemodels.models.run import PipelineRunLog, RunStatus
from pipemodels.models.unreadable import warn_unreadable
from pipemodels.storage import targets, transactions, writes
from pipemodels.storage.sending import bounded, out_of_time, waited

_log = logging.getLogger("pipemodels.commands.starting")

# a queued run keeps what it was queued with, unless the start says otherwise
_KEPT = ("attempt", "environment", "trigger_type")


@dataclass(frozen=True, slots=True)
class Beginning:
    """A run that is to begin, checked: what is written where there is none, and where it is queued."""

    target: targets.Target
    item: PipelineRunLog
    given: Mapping[str, Any]
    changes: Mapping[str, Any]
    once: Mapping[str, Any]
    by: str | None
    now: Any

    def leased(self, token: int) -> Mapping[str, Any]:
        """Return the changes, with the lease of a run that starts now."""
        seconds = self.item.lease_seconds
        lease: dict[str, Any] = {"owner": self.item.owner or default_owner(), "lease_token": token}
        if seconds is not None:
            lease["lease_expires_at"] = shifted(self.now, seconds)
        return {**self.changes, **lease}


def default_owner() -> str:
    """Return who this process is to others: `host:pid`."""
    return f"{socket.gethostname()}:{os.getpid()}"


@bounded
def begin_run(
    status: RunStatus,
    pipeline_id: str,
    run_id: str | None,
    given: dict[str, Any],
    *,
    by: str | None,
    now: datetime | None,
) -> PipelineRunLog:
    """Queue or start a run, or return it where it has begun so already."""
    beginning = _checked(status, pipeline_id, run_id, given, by=by, now=now)
    if status is RunStatus.PENDING:
        return _begin_without_limit(beginning, beginning.changes)
    return _start(beginning)


def _checked(
    status: RunStatus,
    pipeline_id: str,
    run_id: str | None,
    given: dict[str, Any],
    *,
    by: str | None,
    now: datetime | None,
) -> Beginning:
    taken = sorted({"status", "end_time", "stages", "current_stage"} & given.keys())
    if taken:
        raise ValidationError(Problem(name, given[name], "is not for the start of a run") for name in taken)
    # None is not said: a run that was queued so would get the default environment when it is started
    given = {name: value for name, value in given.items() if value is not None}
    target = run_target(pipeline_id, uuid.uuid4().hex if run_id is None else run_id)
    at = targets.stamp(now)
    defaults = {"status": status, "start_time": at, "trigger_type": "manual"}
    fields = {**defaults, **targets.with_environment(given), **target.key}
    item = writes.new_item(PipelineRunLog, fields, by=by, now=at)
    item.serialize()
    other = {*targets.STAMPS, *target.key, *PipelineRunLog.DERIVED}
    values = {name: getattr(item, name) for name in item.get_attributes() if name not in other}
    once = {name: values.pop(name) for name in _KEPT if values[name] and name not in given}
    changes = {name: value for name, value in values.items() if value is not None} | {"end_time": None}
    return Beginning(target, item, given, changes, once | {"created_at": item.created_at}, by, at)


def _begin_without_limit(beginning: Beginning, changes: Mapping[str, Any]) -> PipelineRunLog:
    starting = beginning.item.status is RunStatus.RUNNING
    queued = PipelineRunLog.status == RunStatus.PENDING if starting else None
    if queued is not None and (rule := records_rule(changes)) is not None:
        queued &= rule
    try:
        run: PipelineRunLog = writes.create_or_update(
            beginning.target, changes, allowed=queued, by=beginning.by, now=beginning.now, once=beginning.once
        )
    except ConflictError as error:
        return _same_or_taken(beginning, error)
    return run


def _start(beginning: Beginning) -> PipelineRunLog:
    """Start a run, with a slot where its pipeline has a limit. Two requests, and two more where a slot is stale."""
    for attempt in count():
        situation = slots.read_situation(beginning.target)
        if situation.max_concurrent_runs is None:
            return _begin_without_limit(beginning, beginning.leased(slots.next_token()))
        if situation.run is not None and situation.run.status is not RunStatus.PENDING:
            return _same_or_taken(beginning, ConflictError(f"{beginning.target.name} exists", situation.run))
        try:
            if (started := _start_in_slot(beginning, situation)) is not None:
                return started
            if attempt == 0:
                continue  # slots were freed, or the run has one: look again at once
        except ConflictError as error:
            if isinstance(error, RunLimitError):
                raise
        if not waited(attempt):
            name = beginning.target.name
            raise out_of_time(ThrottledError(f"{name}: others kept taking slots; safe to try again"), name)
    raise AssertionError("counted to infinity")


def _start_in_slot(beginning: Beginning, situation: slots.Situation) -> PipelineRunLog | None:
    """Take a slot and start the run as it was read; None where it must be read again first.

    Raises:
        RunLimitError: no slot is free.
        UnreadableItemError: no slot is free, and of a run that has one the lease cannot be judged.
        ConflictError: somebody else was faster.
    """
    pipeline_id, run_id = beginning.target.key.values()
    limit = situation.max_concurrent_runs or 0
    if len(situation.holders) >= limit or run_id in situation.holders:
        running = _free_stale_slots(beginning, situation)
        if len(running) >= limit and run_id not in running:
            raise _full(beginning, running)
        return None  # the run itself may hold one: BatchGetItem is no snapshot, and it was read before it started
    token = slots.next_token(situation.last_token)
    after = _started(beginning, situation.run, token)
    part = slots.written(beginning.target, situation.run, after, by=beginning.by, now=beginning.now)
    slot = slots.taken(situation, pipeline_id, run_id, token)
    try:
        transactions.transact(beginning.target.name, PipelineRunLog, part, slot)
    except ConflictError as error:
        return slots.own_write(beginning.target, after, error)
    return after


def _started(beginning: Beginning, queued: PipelineRunLog | None, token: int) -> PipelineRunLog:
    """Return the run as it will be, started in a slot."""
    before = queued.attribute_values if queued else {}
    values = {**beginning.once, **{name: value for name, value in before.items() if value is not None}}
    if queued is None and beginning.by is not None:
        values["created_by"] = beginning.by
    after = copy.copy(beginning.item)
    after.attribute_values = {**beginning.target.key, **values, **beginning.leased(token), "holds_slot": True}
    after.updated_at = beginning.now
    after.serialize()
    return after


def _free_stale_slots(beginning: Beginning, situation: slots.Situation) -> dict[str, slots.Holder]:
    """Free the slots whose run is gone, has ended or has let its lease expire; return the others by run.

    Of those of which the lease cannot be judged nobody knows: they keep their slots.
    """
    pipeline_id = beginning.target.key["pipeline_id"]
    holders = slots.read_holders(beginning.target.name, pipeline_id, situation.holders)
    looked_at = {
        run_id: _unless_stale(beginning, run_id, token, holders[run_id])
        for run_id, token in situation.holders.items()
    }
    return {run_id: holder for run_id, holder in looked_at.items() if holder is not None}


def _unless_stale(beginning: Beginning, run_id: str, token: int, holder: slots.Holder) -> slots.Holder | None:
    """Return who holds a slot; None where the slot was stale, and has been freed."""
    run, unreadable = holder.run, holder.unreadable
    if run is None and unreadable is not None:
        return holder
    if run is None or not run.holds_slot or run.status is not RunStatus.RUNNING or run.lease_token != token:
        slots.free_without_run(run_target(beginning.target.key["pipeline_id"], run_id), run, token)
        return None
    if not is_expired(run, beginning.now):
        return holder
    if unreadable is not None:
        return None if _expire_part(run, unreadable, beginning) else slots.Holder(None, unreadable)
    # where somebody was faster, it has been renewed or has ended: what is true now is to be read
    expire_run(run, by=beginning.by, now=beginning.now)
    return None


def _expire_part(run: PipelineRunLog, unreadable: UnreadableItemError, beginning: Beginning) -> bool:
    """End a run of whose item a part cannot be read, and say whether that is possible."""
    warn_unreadable(_log, unreadable.item)
    with suppress(ConflictError):  # as above
        try:
            expire_part(run, by=beginning.by, now=beginning.now)
        except (SummaryError, ItemTooLargeError, UnreadableItemError):
            return False
    return True


def is_expired(run: PipelineRunLog, now: datetime) -> bool:
    """Say whether the run's lease has expired, whichever of two clocks within the allowance one looks at."""
    before = shifted(now, -current_config().clock_skew_seconds)
    return run.lease_expires_at is not None and run.lease_expires_at < before


def _full(beginning: Beginning, holding: Mapping[str, slots.Holder]) -> PipemodelsError:
    """Return the error that says who holds the slots, or of whom that cannot be said."""
    pipeline_id = beginning.target.key["pipeline_id"]
    message = f"pipeline {pipeline_id!r} has as many running runs as it may ({len(holding)})"
    for holder in holding.values():
        if holder.run is None and holder.unreadable is not None:
            unknown = f"{message}, and the lease of one cannot be judged: {holder.unreadable}"
            return UnreadableItemError(holder.unreadable.item, unknown)
    running = [holder.run for holder in holding.values() if holder.run is not None]
    return RunLimitError(f"{message}: {'; '.join(map(_named, running))}", None, tuple(running))


def _named(run: PipelineRunLog) -> str:
    with suppress(SummaryError):
        until = f" until {run.lease_expires_at}" if run.lease_expires_at else ""
        return f"{run.run_id!r} of {run.owner}{until}"
    return f"{run.run_id!r} of an owner that cannot be read"


def _same_or_taken(beginning: Beginning, error: ConflictError) -> PipelineRunLog:
    """Return the run that exists, if all that was said of this one is true of it."""
    target, item, given = beginning.target, beginning.item, beginning.given
    current: PipelineRunLog | None = error.current
    if current is None:
        raise error
    starting = item.status is RunStatus.RUNNING
    if starting and current.status is RunStatus.PENDING:
        raise refusal(target, current, {name: getattr(item, name) for name in ("status", *given)}, error) from error
    if starting and current.status is RunStatus.SKIPPED:
        raise IllegalTransitionError(f"{target.name} was skipped and cannot be started", current) from error
    said = {name: getattr(item, name) for name in comparable(given) if name != "lease_seconds"}
    if not (other := differences(said, current)):
        return current
    raise AlreadyExistsError(f"{target.name} exists with other facts: {other}", current) from error
