"""How a run ends: once, in one request. If it holds a slot, the same transaction releases the slot."""

from __future__ import annotations

import copy
import logging
from collections.abc import Mapping
from datetime import datetime
from itertools import count
from typing import Any

from pipemodels.documents import refuse_too_large
from pipemodels.errors import (
    ConflictError,
    IllegalTransitionError,
    ItemNotFoundError,
    ItemTooLargeError,
    PipemodelsError,
    Problem,
    StorageError,
    ThrottledError,
    ValidationError,
)
from pipemodels.lifecycle import slots
from pipemodels.lifecycle.carrying_out import carry_out_and_release, own_write
from pipemodels.lifecycle.fitting import SPARED, fitted, is_told_shortened
from pipemodels.lifecycle.rules import (
    Lease,
    checked_report,
    comparable,
    differences,
    records_rule,
    refusal,
    run_target,
)
from pipemodels.models.run import TRANSITIONS, PipelineRunLog, RunStatus
from pipemodels.models.unreadable import read_item
from pipemodels.storage import targets, transactions, writes
from pipemodels.storage.sending import back_off, out_of_time, with_deadline
from pipemodels.translation import is_invalid_request

_log = logging.getLogger("pipemodels.commands.ending")


@with_deadline
def end_run(
    status: RunStatus,
    pipeline_id: str,
    run_id: str,
    end_time: datetime | None = None,
    report: Mapping[str, Any] | None = None,
    said: Mapping[str, Any] | None = None,
    *,
    lease_token: int | None = None,
    known: PipelineRunLog | None = None,
    by: str | None = None,
    now: datetime | None = None,
) -> PipelineRunLog:
    """End a run, or return it if it has ended with the same status and facts already.

    If the item has no room for the error message and the stack trace, they are shortened until they fit.

    Args:
        status: the status with which the run ends.
        pipeline_id: the pipeline of the run.
        run_id: the run.
        end_time: when it ended; by default `now`, or the start time if that is later.
        report: metrics and other facts that the caller reports.
        said: other fields that the command sets.
        lease_token: if given, the run must still be leased under it.
        known: the run as the caller knows it; if it is up to date, a run with a slot ends in one request.
        by: who ends it.
        now: the instant of the write; by default the clock's.
    """
    target, report = run_target(pipeline_id, run_id), report or {}
    spoken = {**(said or {}), **({} if end_time is None else {"end_time": end_time})}
    _, facts, _, at, lease = targets.all_checked(
        target.checked,
        lambda: checked_report(report, spoken),
        lambda: targets.check_by(PipelineRunLog, by),
        lambda: targets.stamp(now),
        lambda: Lease.checked(lease_token),
    )
    if status is RunStatus.FAILED and not facts["error_message"]:
        raise ValidationError.of(
            "error_message", facts["error_message"], "is required of what failed: say what went wrong"
        )
    changes = {"status": status, "end_time": at, **facts}
    said_again = {name: facts[name] for name in comparable({**report, **spoken})}
    exact = end_time is not None
    try:
        return _end(target, changes, said_again, exact=exact, lease=lease, known=known, by=by, now=at)
    except ItemTooLargeError:
        _log.warning("%s: its item has no room for the texts of this end; they are stored shortened", target.name)
    except (ConflictError, StorageError) as error:
        if not _is_unexplained(error):
            raise
    return _end_as_stored(target, changes, said_again, exact=exact, lease=lease, by=by, now=at)


@with_deadline
def expire_run(run: PipelineRunLog, *, by: str | None, now: datetime) -> PipelineRunLog | None:
    """Fail a run whose lease has expired; return None if its lease was renewed or the run has ended meanwhile.

    Raises:
        ValidationError: the stored fields break a rule; the error names the run.
    """
    last = f"last heartbeat {run.heartbeat_at}" if run.heartbeat_at else "no heartbeat ever"
    message = f"lease expired at {run.lease_expires_at}; {last}; owner {run.owner}"
    try:
        try:
            ended = _expire(run, {"error_message": message}, by=by, now=now)
        except ItemTooLargeError:
            ended = _expire(run, {"error_message": "lease expired", **SPARED}, by=None, now=now)
    except (ConflictError, ItemNotFoundError):
        return None
    except ValidationError as error:
        name = run_target(run.pipeline_id, run.run_id).name
        raise ValidationError(
            Problem(f"{name}: {problem.field}", problem.value, problem.reason) for problem in error.problems
        ) from error
    _log.info("reaped run %r / %r: %s", run.pipeline_id, run.run_id, message)
    return ended


@with_deadline
def expire_part(part: PipelineRunLog, *, by: str | None, now: datetime) -> None:
    """Fail a run whose lease has expired and whose item can be read only in part; other fields stay as they are.

    Args:
        part: a summary of a run that holds a slot.
        by: who ends it.
        now: the instant of the write.

    Raises:
        SummaryError: the start time of the run cannot be read.
        ItemTooLargeError: the item has no room for the end.
        ConflictError: the run has changed since it was read.
        UnreadableItemError: the run may have changed since it was read; it cannot be read again.
    """
    target, before, after = run_target(part.pipeline_id, part.run_id), copy.copy(part), copy.copy(part)
    message = f"lease expired at {part.lease_expires_at}; a part of the item cannot be read"
    changes = {"status": RunStatus.FAILED, "end_time": part.lease_expires_at, "error_message": message}
    before._held = after._held = None
    before.attribute_values = dict(part.attribute_values)
    after.attribute_values = {**part.attribute_values, **_not_before_start(changes, part, exact=False)}
    after.holds_slot = None
    after.derive()
    carry_out_and_release(target, before, slots.update_run(target, before, after, by=by, now=now), after)


def _expire(run: PipelineRunLog, said: Mapping[str, Any], *, by: str | None, now: datetime) -> PipelineRunLog:
    target, lease = run_target(run.pipeline_id, run.run_id), Lease(run.lease_token, run.lease_expires_at)
    changes = {"status": RunStatus.FAILED, "end_time": run.lease_expires_at, **said}
    try:
        return _end(target, changes, {}, exact=False, lease=lease, known=None, by=by, now=now, repeats=False)
    except (ConflictError, StorageError) as error:
        if not _is_unexplained(error):
            raise
    return _end_as_stored(target, changes, None, exact=False, lease=lease, by=by, now=now)


def _is_unexplained(error: PipemodelsError) -> bool:
    """Return whether a write failed although the run, as read, allows it.

    Another tool may have stored a value in another format, or not at all: without `start_epoch`, DynamoDB cannot
    compute the duration.
    """
    return is_invalid_request(error) or (type(error) is ConflictError and error.current is not None)


@with_deadline
def end_as_read(
    target: targets.Target, run: PipelineRunLog, changes: Mapping[str, Any], *, by: str | None
) -> PipelineRunLog:
    """End a run that holds a slot, if it has not changed since it was read. One request.

    Raises:
        ValidationError: the changes break a rule.
        ConflictError: the run has changed since it was read; `current` is the run as it is now.
    """
    return _end_holder(target, run, changes, by=by, now=targets.stamp(None))


@with_deadline
def _end(
    target: targets.Target,
    changes: dict[str, Any],
    said: Mapping[str, Any],
    *,
    exact: bool,
    lease: Lease,
    known: PipelineRunLog | None,
    by: str | None,
    now: datetime,
    repeats: bool = True,
) -> PipelineRunLog:
    """End a run; `exact` keeps the end time as given, and `repeats` accepts a run that has ended in the same way."""
    current, status = known, changes["status"]
    for attempt in count():
        holder = current if current is not None and current.holds_slot and _may_end(current, status, lease) else None
        try:
            if holder is not None:
                changes = _not_before_start(changes, holder, exact=exact)
                return _end_holder(target, holder, changes, by=by, now=now)
            return _end_at(target, changes, lease, by=by, now=now)
        except ConflictError as failed:
            conflict, current = failed, failed.current
        if current is None or not _may_end(current, status, lease):
            break
        later = _not_before_start(changes, current, exact=exact)
        if later is changes and not current.holds_slot:
            break  # a rule between fields was broken
        changes = later
        if holder is not None and not back_off(attempt):
            busy = ThrottledError(f"{target.name}: others kept writing it; safe to try again")
            raise out_of_time(busy, target.name)
    return _same_or_refused(target, changes, said if repeats else None, lease, conflict)


def _not_before_start(changes: dict[str, Any], run: PipelineRunLog, *, exact: bool) -> dict[str, Any]:
    """Move an end time before the start time to the start time; the clocks of two machines may differ."""
    if not exact and run.start_time is not None and run.start_time > changes["end_time"]:
        return {**changes, "end_time": run.start_time}
    return changes


def _may_end(run: PipelineRunLog, status: RunStatus, lease: Lease) -> bool:
    return status in TRANSITIONS[run.status] and lease.holds(run)


def _end_at(
    target: targets.Target, changes: dict[str, Any], lease: Lease, *, by: str | None, now: Any
) -> PipelineRunLog:
    """End a run that holds no slot. One request."""
    sources = [source for source, goals in TRANSITIONS.items() if changes["status"] in goals]
    condition = PipelineRunLog.status.is_in(*sources) & (PipelineRunLog.start_time <= changes["end_time"])
    condition &= PipelineRunLog.holds_slot.does_not_exist()
    for rule in (records_rule(changes), lease.condition()):
        if rule is not None:
            condition &= rule
    run: PipelineRunLog = writes.update(target, changes, condition=condition, by=by, now=now)
    return run


def _end_holder(
    target: targets.Target, run: PipelineRunLog, changes: Mapping[str, Any], *, by: str | None, now: datetime
) -> PipelineRunLog:
    """End a run that has not changed since it was read, and release its slot. One request.

    Raises:
        ItemTooLargeError: a text alone is larger than an item; DynamoDB would reject the request.
        ConflictError: the run has changed since it was read; `current` is the run as it is now.
    """
    refuse_too_large({name: {"S": value} for name, value in changes.items() if isinstance(value, str)})
    after = slots.changed_run(run, {**changes, "holds_slot": None})
    update = slots.update_run(target, run, after, by=by, now=now)
    return carry_out_and_release(target, run, update, after)


def _end_as_stored(
    target: targets.Target,
    changes: dict[str, Any],
    said: Mapping[str, Any] | None,
    *,
    exact: bool,
    lease: Lease,
    by: str | None,
    now: datetime,
) -> PipelineRunLog:
    """Read a run and end it, with its texts shortened to the room in its item. Two requests: a read and a write.

    Raises:
        ItemTooLargeError: the item has no room for the other fields of the end.
    """
    for attempt in count():
        stored = writes.read_item(target)
        run = read_item(PipelineRunLog, dict(stored))
        if not _may_end(run, changes["status"], lease):
            conflict = ConflictError(f"{target.name}: the condition failed", run)
            return _same_or_refused(target, changes, said, lease, conflict)
        changes = _not_before_start(changes, run, exact=exact)
        after = fitted(run, stored, changes, by=by, now=now)
        update = slots.update_run(target, run, after, by=after.updated_by, now=now)
        try:
            return _carry_out(target, run, update, after)
        except ConflictError as conflict:
            if not back_off(attempt):
                raise ThrottledError(f"{target.name}: others kept writing it; safe to try again") from conflict
    raise AssertionError("counted to infinity")


def _carry_out(
    target: targets.Target, run: PipelineRunLog, update: slots.Operation, after: PipelineRunLog
) -> PipelineRunLog:
    """Send the update that ends a run; if the run holds a slot, release it in the same transaction.

    Raises:
        ConflictError: the run has changed since it was read; `current` is the run as it is now.
    """
    if run.holds_slot:
        return carry_out_and_release(target, run, update, after)
    try:
        transactions.transact(target.name, PipelineRunLog, update)
    except ConflictError as error:
        return own_write(target, after, error)
    return after


def _same_or_refused(
    target: targets.Target,
    changes: Mapping[str, Any],
    said: Mapping[str, Any] | None,
    lease: Lease,
    error: ConflictError,
) -> PipelineRunLog:
    """Return the run if it has ended with the same status and facts; raise the reason of the refusal if not."""
    status: RunStatus = changes["status"]
    current: PipelineRunLog | None = error.current
    has_ended = current is not None and current.status is status and not TRANSITIONS[status]
    if said is not None and has_ended and current is not None and lease.token in {None, current.lease_token}:
        whole = {name: value for name, value in said.items() if not is_told_shortened(name, value, current)}
        if not (other := differences(whole, current)):
            return current
        if lease.token is None:
            raise IllegalTransitionError(f"{target.name} is {status} already, and {other}", current) from error
    raise refusal(target, current, changes, error, lease) from error
