"""Commands on runs: they change the status of a run, and record its metrics and other facts.

pending → running | cancelled | skipped | failed; running → success | failed | cancelled; other statuses are final.
Repeating a command with the same facts succeeds and changes nothing, so that a retry after a lost reply is harmless.

A command that is given the `lease_token` of a running run is refused once another process has ended the run.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from datetime import datetime
from itertools import count
from typing import Any, cast

from pynamodb.expressions.condition import Condition

from pipemodels.checks import MAX_ID_BYTES, MAX_ID_CHARACTERS
from pipemodels.errors import (
    AlreadyExistsError,
    AttemptLimitError,
    ConflictError,
    IllegalTransitionError,
    ItemNotFoundError,
    ThrottledError,
    ValidationError,
)
from pipemodels.lifecycle import reading, slots
from pipemodels.lifecycle.carrying_out import carry_out_and_release
from pipemodels.lifecycle.ending import end_run
from pipemodels.lifecycle.rules import Lease, checked_report, records_rule, refusal, run_target
from pipemodels.lifecycle.starting import begin_run
from pipemodels.models.run import DEFAULT_LEASE_SECONDS, DataQualityResult, PipelineRunLog, RunStatus
from pipemodels.storage import targets, writes
from pipemodels.storage.sending import back_off, out_of_time, with_deadline

RETRYABLE = frozenset({RunStatus.FAILED, RunStatus.CANCELLED, RunStatus.SKIPPED})
INHERITED = ("pipeline_version", "config_snapshot", "environment", "input_tables", "output_tables", "tags")


def start_run(
    *,
    pipeline_id: str,
    run_id: str | None = None,
    trigger_type: str | None = None,
    start_time: datetime | None = None,
    owner: str | None = None,
    lease_seconds: int | None = DEFAULT_LEASE_SECONDS,
    by: str | None = None,
    now: datetime | None = None,
    **facts: Any,
) -> PipelineRunLog:
    """Record that a new run, or a queued one, has started. Two requests: a read and a write.

    If the pipeline has `max_concurrent_runs`, the run claims a slot in the same transaction; if none is free, slots
    of expired runs are released first. A repeated call with the same facts returns the run and changes nothing.

    Args:
        pipeline_id: the pipeline of the run.
        run_id: the scheduler's id of the run; by default a random id.
        trigger_type: what started it, e.g. `schedule` or `event`; by default as it was queued, or `manual`.
        start_time: when it started; by default `now`.
        owner: the worker that runs it; by default this process (`host:pid`).
        lease_seconds: how long the lease lasts without a `heartbeat`; then the run may be reaped. None: for ever.
        by: who starts it.
        now: the instant of the write; by default the clock's.
        facts: other fields of `PipelineRunLog`; None counts as not given.

    Raises:
        ValidationError: the input is invalid; the error has every problem, and nothing was sent.
        AlreadyExistsError: the run exists with other facts; the message shows the difference.
        RunLimitError: the pipeline has reached `max_concurrent_runs`; `holders` are the runs that hold its slots.
    """
    given = {"trigger_type": trigger_type, "start_time": start_time, "owner": owner, "lease_seconds": lease_seconds}
    return begin_run(RunStatus.RUNNING, pipeline_id, run_id, {**given, **facts}, by=by, now=now)


def queue_run(
    *,
    pipeline_id: str,
    run_id: str | None = None,
    trigger_type: str | None = None,
    by: str | None = None,
    now: datetime | None = None,
    **facts: Any,
) -> PipelineRunLog:
    """Queue a run; `start_run` with the same id starts it. One request.

    Until it starts, `start_time` is the time at which it was queued, so that every listing shows it.

    Raises:
        ValidationError: the input is invalid; the error has every problem, and nothing was sent.
        AlreadyExistsError: the run exists with other facts; the message shows the difference.
    """
    given = {"trigger_type": trigger_type, **facts}
    return begin_run(RunStatus.PENDING, pipeline_id, run_id, given, by=by, now=now)


def finish_run(
    *,
    pipeline_id: str,
    run_id: str,
    end_time: datetime | None = None,
    lease_token: int | None = None,
    by: str | None = None,
    now: datetime | None = None,
    **report: Any,
) -> PipelineRunLog:
    """Record that a running run succeeded, and release its slot. One request, or two if the run holds a slot.

    Args:
        pipeline_id: the pipeline of the run.
        run_id: the run.
        end_time: when it ended; by default `now`, or the start time if that is later.
        lease_token: the token of the run's lease; if given, the run must still be leased under it.
        by: who ends it.
        now: the instant of the write; by default the clock's.
        report: metrics and other facts, e.g. `total_records_processed`.

    Raises:
        ValidationError: the input cannot be stored, or `end_time` is before the start of the run.
        ItemNotFoundError: the run does not exist.
        IllegalTransitionError: the run is not running, or has ended with another status or other facts.
        LeaseLostError: the run is no longer leased under `lease_token`.
    """
    return end_run(RunStatus.SUCCESS, pipeline_id, run_id, end_time, report, lease_token=lease_token, by=by, now=now)


def fail_run(
    *,
    pipeline_id: str,
    run_id: str,
    error_message: str,
    error_stack_trace: str | None = None,
    end_time: datetime | None = None,
    lease_token: int | None = None,
    by: str | None = None,
    now: datetime | None = None,
    **report: Any,
) -> PipelineRunLog:
    """Record that a pending or running run failed, and why; for the rest, see `finish_run`.

    If they do not fit into the run's item, the start of the message and the end of the stack trace are stored. That
    takes two more requests.
    """
    error = {"error_message": error_message}
    if error_stack_trace is not None:
        error["error_stack_trace"] = error_stack_trace
    return end_run(
        RunStatus.FAILED, pipeline_id, run_id, end_time, report, error, lease_token=lease_token, by=by, now=now
    )


def cancel_run(
    *,
    pipeline_id: str,
    run_id: str,
    error_message: str | None = None,
    end_time: datetime | None = None,
    lease_token: int | None = None,
    by: str | None = None,
    now: datetime | None = None,
    **report: Any,
) -> PipelineRunLog:
    """Record that a pending or running run was cancelled; for the rest, see `fail_run`."""
    error = {} if error_message is None else {"error_message": error_message}
    return end_run(
        RunStatus.CANCELLED, pipeline_id, run_id, end_time, report, error, lease_token=lease_token, by=by, now=now
    )


def skip_run(
    *,
    pipeline_id: str,
    run_id: str,
    error_message: str | None = None,
    end_time: datetime | None = None,
    by: str | None = None,
    now: datetime | None = None,
) -> PipelineRunLog:
    """Record that a pending run will not be started; for the rest, see `finish_run`."""
    error = {} if error_message is None else {"error_message": error_message}
    return end_run(RunStatus.SKIPPED, pipeline_id, run_id, end_time, {}, error, by=by, now=now)


def record_metrics(
    *,
    pipeline_id: str,
    run_id: str,
    lease_token: int | None = None,
    by: str | None = None,
    now: datetime | None = None,
    **report: Any,
) -> PipelineRunLog:
    """Set metrics and other facts of a running run, in place of earlier values. One request.

    Raises:
        ValidationError: no field is given, a field cannot be reported, or more records failed than were processed.
        ItemNotFoundError: the run does not exist.
        IllegalTransitionError: the run is not running.
        LeaseLostError: the run is no longer leased under `lease_token`.
    """
    if not report:
        raise ValidationError.of("report", {}, "must name at least one metric and its value")
    target = run_target(pipeline_id, run_id)
    _, changes, _, at, lease = targets.all_checked(
        target.checked,
        lambda: checked_report(report),
        lambda: targets.check_by(PipelineRunLog, by),
        lambda: targets.stamp(now),
        lambda: Lease.checked(lease_token),
    )
    return _report(target, changes, records_rule(changes), lease, by=by, now=at)


def record_quality(
    *,
    pipeline_id: str,
    run_id: str,
    results: Iterable[DataQualityResult | Mapping[str, Any]],
    lease_token: int | None = None,
    by: str | None = None,
    now: datetime | None = None,
) -> PipelineRunLog:
    """Set the data-quality results of a running run, in place of earlier results. One request.

    `data_quality_passed` becomes true if all checks passed. Empty results clear both fields.

    Raises:
        ValidationError: a result cannot be stored; the error has its position.
        ItemNotFoundError: the run does not exist.
        IllegalTransitionError: the run is not running.
        LeaseLostError: the run is no longer leased under `lease_token`.
    """
    target = run_target(pipeline_id, run_id)
    _, values, _, at, lease = targets.all_checked(
        target.checked,
        lambda: targets.check_values(PipelineRunLog, {"data_quality_results": list(results)}),
        lambda: targets.check_by(PipelineRunLog, by),
        lambda: targets.stamp(now),
        lambda: Lease.checked(lease_token),
    )
    checked = values["data_quality_results"]
    passed = all(result.passed for result in checked) if checked else None
    changes = {"data_quality_results": checked or None, "data_quality_passed": passed}
    return _report(target, changes, None, lease, by=by, now=at)


def _report(
    target: targets.Target,
    changes: Mapping[str, Any],
    rule: Condition | None,
    lease: Lease,
    *,
    by: str | None,
    now: datetime,
) -> PipelineRunLog:
    condition: Condition = PipelineRunLog.status == RunStatus.RUNNING
    for required in (rule, lease.condition()):
        if required is not None:
            condition &= required
    try:
        run: PipelineRunLog = writes.update(target, changes, condition=condition, by=by, now=now)
    except ConflictError as error:
        raise refusal(target, error.current, changes, error, lease) from error
    return run


@with_deadline
def retry_run(*, pipeline_id: str, run_id: str, by: str | None = None, now: datetime | None = None) -> PipelineRunLog:
    """Queue a new run in place of a run that failed, was cancelled or skipped. Two requests: a read and a write.

    The new run has `retry_of`, the next `attempt`, and an id that is derived from the old id. All callers that retry
    the same run, one after the other or at the same time, therefore get the same new run.

    Raises:
        ItemNotFoundError: the run does not exist.
        IllegalTransitionError: the run has not ended, or it succeeded.
        AttemptLimitError: the pipeline's `max_attempts` allows no further attempt.
    """
    target = run_target(pipeline_id, run_id)
    targets.all_checked(target.checked, lambda: targets.check_by(PipelineRunLog, by), lambda: targets.stamp(now))
    context = reading.read_context(target)
    old = context.run
    if old is None:
        raise ItemNotFoundError(f"there is no {target.name}")
    if old.status not in RETRYABLE:
        raise IllegalTransitionError(
            f"{target.name} is {old.status}: only a failed, cancelled or skipped run can be retried", old
        )
    attempt = (old.attempt or 1) + 1
    if context.max_attempts is not None and attempt > context.max_attempts:
        message = f"{target.name} was attempt {old.attempt}, and its pipeline allows {context.max_attempts}"
        raise AttemptLimitError(message, old)
    inherited = {name: getattr(old, name) for name in INHERITED if getattr(old, name) is not None}
    try:
        return queue_run(
            pipeline_id=pipeline_id,
            run_id=_retry_id(old, attempt),
            trigger_type="retry",
            retry_of=run_id,
            attempt=attempt,
            by=by,
            now=now,
            **inherited,
        )
    except AlreadyExistsError as error:
        new: PipelineRunLog = error.current
        if (new.retry_of, new.attempt) == (run_id, attempt):
            return new  # it was changed after it was queued, e.g. its input_tables
        raise


def _retry_id(old: PipelineRunLog, attempt: int) -> str:
    """Return the id of the next attempt; if it would be too long, a hash replaces the old id."""
    stem = old.run_id.removesuffix(f"__attempt_{old.attempt}") if old.retry_of else old.run_id
    suffix = f"__attempt_{attempt}"
    if len(stem + suffix) <= MAX_ID_CHARACTERS and len((stem + suffix).encode()) <= MAX_ID_BYTES:
        return stem + suffix
    return hashlib.sha256(old.run_id.encode()).hexdigest() + suffix


@with_deadline
def delete_run(*, pipeline_id: str, run_id: str, expected_revision: int | None = None) -> PipelineRunLog:
    """Delete the run, release its slot, and return the run as it was. One request, or two if it holds a slot.

    If the reply to a deletion is lost, the repeated deletion raises ItemNotFoundError.

    Raises:
        ItemNotFoundError: the run does not exist.
        StaleRevisionError: the run has another revision than expected.
    """
    target = run_target(pipeline_id, run_id).checked()
    holds_none = PipelineRunLog.holds_slot.does_not_exist()
    run: PipelineRunLog | None = None
    for attempt in count():
        try:
            if run is not None and run.holds_slot:
                return carry_out_and_release(target, run, slots.delete_run(target, run), None)
            return cast(PipelineRunLog, writes.delete(target, expected_revision=expected_revision, rules=holds_none))
        except ConflictError as error:
            run = error.current
            right = run is not None and expected_revision in {None, run.revision}
            if run is None or not right or not run.holds_slot:
                raise writes.refused(target, error, expected_revision) from error
        if attempt and not back_off(attempt):
            busy = ThrottledError(f"{target.name}: others kept writing it; safe to try again")
            raise out_of_time(busy, target.name)
    raise AssertionError("counted to infinity")
