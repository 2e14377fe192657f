"""How a run begins: it is queued, or started with a lease and, if its pipeline has a limit, with a slot."""

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
from pipemodels.lifecycle import reading, slots
from pipemodels.lifecycle.carrying_out import own_write
from pipemodels.lifecycle.ending import expire_part, expire_run
from pipemodels.lifecycle.rules import comparable, differences, records_rule, refusal, run_target
from pipemodels.models.run import PipelineRunLog, RunStatus
from pipemodels.models.unreadable import warn_unreadable
from pipemodels.storage import targets, transactions, writes
from pipemodels.storage.sending import back_off, out_of_time, with_deadline

_log = logging.getLogger("pipemodels.commands.starting")

# a queued run keeps these values, unless the start gives new ones
_KEPT = ("attempt", "environment", "trigger_type")


@dataclass(frozen=True, slots=True)
class StartRequest:
    """The checked arguments of a start.

    Attributes:
        target: the run.
        item: the whole run, as a new item.
        given: the arguments of the caller, as given.
        changes: the checked values that are written to a new run and to a queued one.
        once: the checked values that are written only where the queued run has none.
        by: who starts it.
        now: the instant of the write.
    """

    target: targets.Target
    item: PipelineRunLog
    given: Mapping[str, Any]
    changes: Mapping[str, Any]
    once: Mapping[str, Any]
    by: str | None
    now: Any

    def leased(self, token: int) -> Mapping[str, Any]:
        """Return the changes together with the lease of a run that starts now."""
        seconds = self.item.lease_seconds
        lease: dict[str, Any] = {"owner": self.item.owner or default_owner(), "lease_token": token}
        if seconds is not None:
            lease["lease_expires_at"] = shifted(self.now, seconds)
        return {**self.changes, **lease}


def default_owner() -> str:
    """Return the name of this process as the owner of a run: `host:pid`."""
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
    """Queue or start a run, or return it if it has begun with the same facts already."""
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
        raise ValidationError(Problem(name, given[name], "cannot be given when a run starts") for name in taken)
    # None counts as not given: a run that was queued with None would get the default environment when it starts
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
    """Start a run, with a slot if its pipeline has a limit. Two requests, and two more for each stale slot."""
    for attempt in count():
        context = reading.read_context(request.target)
        if context.max_concurrent_runs is None:
            return _begin_without_limit(request, request.leased(slots.next_token()))
        if context.run is not None and context.run.status is not RunStatus.PENDING:
            return _same_or_taken(request, ConflictError(f"{request.target.name} exists", context.run))
        try:
            if (started := _start_in_slot(request, context)) is not None:
                return started
            if attempt == 0:
                continue  # slots were released, or the run holds one: read again at once
        except ConflictError as error:
            if isinstance(error, RunLimitError):
                raise
        if not back_off(attempt):
            name = request.target.name
            raise out_of_time(ThrottledError(f"{name}: other starts kept taking the slots; safe to try again"), name)
    raise AssertionError("counted to infinity")


def _start_in_slot(request: StartRequest, context: reading.RunContext) -> PipelineRunLog | None:
    """Claim a slot and start the run in one transaction; return None if the context must be read again first.

    Raises:
        RunLimitError: no slot is free.
        UnreadableItemError: no slot is free, and the lease of a run that holds one cannot be read.
        ConflictError: the run or the slots have changed since they were read.
    """
    pipeline_id, run_id = request.target.key.values()
    limit = context.max_concurrent_runs or 0
    if len(context.holders) >= limit or run_id in context.holders:
        running = _release_stale_slots(request, context)
        if len(running) >= limit and run_id not in running:
            raise _full(request, running)
        return None  # BatchGetItem is not a snapshot: it may show the slot of this very run, but not yet the run
    token = slots.next_token(context.last_token)
    after = _started(request, context.run, token)
    update = slots.update_run(request.target, context.run, after, by=request.by, now=request.now)
    claim = slots.claim_slot(context, pipeline_id, run_id, token)
    try:
        transactions.transact(request.target.name, PipelineRunLog, update, claim)
    except ConflictError as error:
        return own_write(request.target, after, error)
    return after


def _started(request: StartRequest, queued: PipelineRunLog | None, token: int) -> PipelineRunLog:
    """Return the run as it will be stored when it has started in a slot."""
    before = queued.attribute_values if queued else {}
    values = {**request.once, **{name: value for name, value in before.items() if value is not None}}
    if queued is None and request.by is not None:
        values["created_by"] = request.by
    after = copy.copy(request.item)
    after.attribute_values = {**request.target.key, **values, **request.leased(token), "holds_slot": True}
    after.updated_at = request.now
    after.serialize()
    return after


def _release_stale_slots(request: StartRequest, context: reading.RunContext) -> dict[str, reading.Holder]:
    """Release the slots of runs that were deleted, have ended or whose lease has expired; return the other holders.

    A run whose lease cannot be read keeps its slot.
    """
    pipeline_id = request.target.key["pipeline_id"]
    holders = reading.read_holders(request.target.name, pipeline_id, context.holders)
    checked = {
        run_id: _unless_stale(request, run_id, token, holders[run_id]) for run_id, token in context.holders.items()
    }
    return {run_id: holder for run_id, holder in checked.items() if holder is not None}


def _unless_stale(request: StartRequest, run_id: str, token: int, holder: reading.Holder) -> reading.Holder | None:
    """Return the holder of a slot; if the slot is stale, release it and return None."""
    run, unreadable = holder.run, holder.unreadable
    if run is None and unreadable is not None:
        return holder
    if run is None or not run.holds_slot or run.status is not RunStatus.RUNNING or run.lease_token != token:
        _release_stale_slot(run_target(request.target.key["pipeline_id"], run_id), run, token)
        return None
    if not is_expired(run, request.now):
        return holder
    if unreadable is not None:
        return None if _expire_part(run, unreadable, request) else reading.Holder(None, unreadable)
    # if this returns None, the run was renewed or has ended meanwhile; the caller reads again
    expire_run(run, by=request.by, now=request.now)
    return None


def _release_stale_slot(target: targets.Target, run: PipelineRunLog | None, token: int) -> None:
    """Release the slot of a run that is not running, unless the run or the slot has changed since it was read."""
    pipeline_id, run_id = target.key.values()
    operations = [slots.check_run(target, run), slots.release_slot(pipeline_id, run_id, token)]
    with suppress(ConflictError):
        transactions.transact(target.name, PipelineRunLog, *operations)


def _expire_part(run: PipelineRunLog, unreadable: UnreadableItemError, request: StartRequest) -> bool:
    """Try to end a run whose item can be read only in part; return False if that is not possible."""
    warn_unreadable(_log, unreadable.item)
    with suppress(ConflictError):  # renewed or ended meanwhile, as above
        try:
            expire_part(run, by=request.by, now=request.now)
        except (SummaryError, ItemTooLargeError, UnreadableItemError):
            return False
    return True


def is_expired(run: PipelineRunLog, now: datetime) -> bool:
    """Return whether the run's lease expired more than `clock_skew_seconds` ago."""
    before = shifted(now, -current_config().clock_skew_seconds)
    return run.lease_expires_at is not None and run.lease_expires_at < before


def _full(request: StartRequest, holding: Mapping[str, reading.Holder]) -> PipemodelsError:
    """Return the error that names the runs that hold the slots, or the item whose lease cannot be read."""
    pipeline_id = request.target.key["pipeline_id"]
    message = f"pipeline {pipeline_id!r} has reached its limit of running runs ({len(holding)})"
    for holder in holding.values():
        if holder.run is None and holder.unreadable is not None:
            unknown = f"{message}, and the lease of a run cannot be read: {holder.unreadable}"
            return UnreadableItemError(holder.unreadable.item, unknown)
    running = [holder.run for holder in holding.values() if holder.run is not None]
    return RunLimitError(f"{message}: {'; '.join(map(_named, running))}", None, tuple(running))


def _named(run: PipelineRunLog) -> str:
    with suppress(SummaryError):
        until = f" until {run.lease_expires_at}" if run.lease_expires_at else ""
        return f"{run.run_id!r} of {run.owner}{until}"
    return f"{run.run_id!r} of an owner that cannot be read"


def _same_or_taken(request: StartRequest, error: ConflictError) -> PipelineRunLog:
    """Return the run that exists, if it agrees with all facts that were given."""
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
