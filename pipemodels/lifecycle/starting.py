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
from pipemodels.storage.sending import back_off, out_of_time, with_deadline

_log = logging.getLogger("pipemodels.commands.starting")

# a queued run keeps what it was queued with, unless the start says otherwise
_KEPT = ("attempt", "environment", "trigger_type")


@dataclass(frozen=True, slots=True)
class StartRequest:
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


@with_deadline
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
    request = _checked(status, pipeline_id, run_id, given, by=by, now=now)
    if status is RunStatus.PENDING:
        return _begin_without_limit(request, request.changes)
    return _start(request)


def _checked(
    status: RunStatus,
    pipeline_id: str,
    run_id: str | None,
    given: dict[str, Any],
    *,
    by: str | None,
    now: datetime | None,
) -> StartRequest:
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
    return StartRequest(target, item, given, changes, once | {"created_at": item.created_at}, by, at)


def _begin_without_limit(request: StartRequest, changes: Mapping[str, Any]) -> PipelineRunLog:
    starting = request.item.status is RunStatus.RUNNING
    queued = PipelineRunLog.status == RunStatus.PENDING if starting else None
    if queued is not None and (rule := records_rule(changes)) is not None:
        queued &= rule
    try:
        run: PipelineRunLog = writes.create_or_update(
            request.target, changes, allowed=queued, by=request.by, now=request.now, once=request.once
        )
    except ConflictError as error:
        return _same_or_taken(request, error)
    return run


def _start(request: StartRequest) -> PipelineRunLog:
    """Start a run, with a slot where its pipeline has a limit. Two requests, and two more where a slot is stale."""
    for attempt in count():
        context = slots.read_context(request.target)
        if context.max_concurrent_runs is None:
            return _begin_without_limit(request, request.leased(slots.next_token()))
        if context.run is not None and context.run.status is not RunStatus.PENDING:
            return _same_or_taken(request, ConflictError(f"{request.target.name} exists", context.run))
        try:
            if (started := _start_in_slot(request, context)) is not None:
                return started
            if attempt == 0:
                continue  # slots were freed, or the run has one: look again at once
        except ConflictError as error:
            if isinstance(error, RunLimitError):
                raise
        if not back_off(attempt):
            name = request.target.name
            raise out_of_time(ThrottledError(f"{name}: others kept taking slots; safe to try again"), name)
    raise AssertionError("counted to infinity")


def _start_in_slot(request: StartRequest, context: slots.RunContext) -> PipelineRunLog | None:
    """Take a slot and start the run as it was read; None where it must be read again first.

    Raises:
        RunLimitError: no slot is free.
        UnreadableItemError: no slot is free, and of a run that has one the lease cannot be judged.
        ConflictError: somebody else was faster.
    """
    pipeline_id, run_id = request.target.key.values()
    limit = context.max_concurrent_runs or 0
    if len(context.holders) >= limit or run_id in context.holders:
        running = _free_stale_slots(request, context)
        if len(running) >= limit and run_id not in running:
            raise _full(request, running)
        return None  # the run itself may hold one: BatchGetItem is no snapshot, and it was read before it started
    token = slots.next_token(context.last_token)
    after = _started(request, context.run, token)
    part = slots.update_run(request.target, context.run, after, by=request.by, now=request.now)
    slot = slots.claim_slot(context, pipeline_id, run_id, token)
    try:
        transactions.transact(request.target.name, PipelineRunLog, part, slot)
    except ConflictError as error:
        return slots.own_write(request.target, after, error)
    return after


def _started(request: StartRequest, queued: PipelineRunLog | None, token: int) -> PipelineRunLog:
    """Return the run as it will be, started in a slot."""
    before = queued.attribute_values if queued else {}
    values = {**request.once, **{name: value for name, value in before.items() if value is not None}}
    if queued is None and request.by is not None:
        values["created_by"] = request.by
    after = copy.copy(request.item)
    after.attribute_values = {**request.target.key, **values, **request.leased(token), "holds_slot": True}
    after.updated_at = request.now
    after.serialize()
    return after


def _free_stale_slots(request: StartRequest, context: slots.RunContext) -> dict[str, slots.Holder]:
    """Free the slots whose run is gone, has ended or has let its lease expire; return the others by run.

    Of those of which the lease cannot be judged nobody knows: they keep their slots.
    """
    pipeline_id = request.target.key["pipeline_id"]
    holders = slots.read_holders(request.target.name, pipeline_id, context.holders)
    looked_at = {
        run_id: _unless_stale(request, run_id, token, holders[run_id]) for run_id, token in context.holders.items()
    }
    return {run_id: holder for run_id, holder in looked_at.items() if holder is not None}


def _unless_stale(request: StartRequest, run_id: str, token: int, holder: slots.Holder) -> slots.Holder | None:
    """Return who holds a slot; None where the slot was stale, and has been freed."""
    run, unreadable = holder.run, holder.unreadable
    if run is None and unreadable is not None:
        return holder
    if run is None or not run.holds_slot or run.status is not RunStatus.RUNNING or run.lease_token != token:
        slots.free_without_run(run_target(request.target.key["pipeline_id"], run_id), run, token)
        return None
    if not is_expired(run, request.now):
        return holder
    if unreadable is not None:
        return None if _expire_part(run, unreadable, request) else slots.Holder(None, unreadable)
    # where somebody was faster, it has been renewed or has ended: what is true now is to be read
    expire_run(run, by=request.by, now=request.now)
    return None


def _expire_part(run: PipelineRunLog, unreadable: UnreadableItemError, request: StartRequest) -> bool:
    """End a run of whose item a part cannot be read, and say whether that is possible."""
    warn_unreadable(_log, unreadable.item)
    with suppress(ConflictError):  # as above
        try:
            expire_part(run, by=request.by, now=request.now)
        except (SummaryError, ItemTooLargeError, UnreadableItemError):
            return False
    return True


def is_expired(run: PipelineRunLog, now: datetime) -> bool:
    """Say whether the run's lease has expired, whichever of two clocks within the allowance one looks at."""
    before = shifted(now, -current_config().clock_skew_seconds)
    return run.lease_expires_at is not None and run.lease_expires_at < before


def _full(request: StartRequest, holding: Mapping[str, slots.Holder]) -> PipemodelsError:
    """Return the error that says who holds the slots, or of whom that cannot be said."""
    pipeline_id = request.target.key["pipeline_id"]
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


def _same_or_taken(request: StartRequest, error: ConflictError) -> PipelineRunLog:
    """Return the run that exists, if all that was said of this one is true of it."""
    target, item, given = request.target, request.item, request.given
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
