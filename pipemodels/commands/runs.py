"""Commands on runs: the state machine, and what a run reports.

pending → running | cancelled | skipped | failed; running → success | failed | cancelled; the rest is terminal. Saying
the same ending twice with the same facts is a success, so that a retry after a lost reply is harmless.

A running run is leased: whoever gives its `lease_token` writes only as long as nobody has taken the run away.
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
from pipemodels.lifecycle import slots
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
    """Record that a run has started: a new one, or one that was queued. Two requests: a read and a write.

    Where the pipeline has `max_concurrent_runs`, the run takes one of its slots in the same transaction; slots of
    runs whose lease has expired are taken back first. Said again with the same facts it returns the run that exists
    and changes nothing.

    Args:
        pipeline_id: whose run.
        run_id: the scheduler's own id; a random one, if not given.
        trigger_type: what started it, e.g. `schedule`, `manual`, `event`; if not given, what it was queued with, or
            `manual`.
        start_time: when; `now`, if not given.
        owner: whose run it is from now on; this process (`host:pid`), if not given.
        lease_seconds: for how long it is that without a `heartbeat`: after that anybody may make it failed. None: for
            ever, until somebody ends it.
        by: who starts it.
        now: the clock, if not given.
        facts: other fields of `PipelineRunLog`; None is not said.

    Raises:
        ValidationError: with every problem of the input; nothing was sent.
        AlreadyExistsError: such a run exists with other facts; the message shows the difference.
        RunLimitError: the pipeline has as many running runs as it may; `holders` are those.
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
    """Record that a run waits to be started; `start_run` with its id starts it. One request.

    Until then `start_time` is the time at which it was queued, so that every listing shows it.

    Raises:
        ValidationError: with every problem of the input; nothing was sent.
        AlreadyExistsError: such a run exists with other facts; the message shows the difference.
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
    """Record that a running run succeeded. One request; two where it holds a slot, which it gives back.

    Args:
        pipeline_id: whose run.
        run_id: which run.
        end_time: when; `now`, if not given, or the start where that lies after this machine's clock.
        lease_token: that of the run; refuse if somebody has taken the run away since. None: whoever says so.
        by: who says so.
        now: the clock, if not given.
        report: metrics and other facts, e.g. `total_records_processed`.

    Raises:
        ValidationError: the input cannot be stored, or ends the run before it started.
        ItemNotFoundError: there is no such run.
        IllegalTransitionError: it is not running, or ended otherwise; it stays as it is.
        LeaseLostError: the run is not leased under this token any more; it stays as it is.
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
    """Record that a pending or running run failed, and why; otherwise like `finish_run`.

    The end is not lost for the size of its message: of what does not fit into the run's item, the end of the stack
    trace and the start of the message are stored. That takes two requests more.
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
    """Record that a pending or running run was cancelled; otherwise like `fail_run`."""
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
    """Record that a pending run will not be started; otherwise like `finish_run`."""
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
    """Set metrics and other facts of a running run; the last value said stands. One request.

    Raises:
        ValidationError: nothing is said, or what no run reports, or more records failed than were processed.
        ItemNotFoundError: there is no such run.
        IllegalTransitionError: it is not running.
        LeaseLostError: it is not leased under the `lease_token` that is given.
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
    """Set the data-quality results of a running run, in place of earlier ones. One request.

    `data_quality_passed` becomes true where all passed; no result at all clears both.

    Raises:
        ValidationError: a result cannot be stored; with its position.
        ItemNotFoundError: there is no such run.
        IllegalTransitionError: it is not running.
        LeaseLostError: it is not leased under the `lease_token` that is given.
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
    for one in (rule, lease.condition()):
        if one is not None:
            condition &= one
    try:
        run: PipelineRunLog = writes.update(target, changes, condition=condition, by=by, now=now)
    except ConflictError as error:
        raise refusal(target, error.current, changes, error, lease) from error
    return run


@with_deadline
def retry_run(*, pipeline_id: str, run_id: str, by: str | None = None, now: datetime | None = None) -> PipelineRunLog:
    """Queue a new run in place of one that failed, was cancelled or skipped. Two requests: a read and a write.

    The new run has `retry_of`, the next `attempt`, and an id that follows from the old one: who retries the same run
    twice, or at the same time as somebody else, gets the same new run.

    Raises:
        ItemNotFoundError: there is no such run.
        IllegalTransitionError: it has not ended, or it succeeded.
        AttemptLimitError: it was the last attempt that its pipeline's `max_attempts` allows.
    """
    target = run_target(pipeline_id, run_id)
    targets.all_checked(target.checked, lambda: targets.check_by(PipelineRunLog, by), lambda: targets.stamp(now))
    context = slots.read_context(target)
    old = context.run
    if old is None:
        raise ItemNotFoundError(f"there is no {target.name}")
    if old.status not in RETRYABLE:
        raise IllegalTransitionError(f"{target.name} is {old.status}: only what failed can be retried", old)
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
            return new  # it has gone on since, e.g. with other input_tables
        raise


def _retry_id(old: PipelineRunLog, attempt: int) -> str:
    """Return the id of the next attempt; shortened with a hash where it would be too long."""
    stem = old.run_id.removesuffix(f"__attempt_{old.attempt}") if old.retry_of else old.run_id
    suffix = f"__attempt_{attempt}"
    if len(stem + suffix) <= MAX_ID_CHARACTERS and len((stem + suffix).encode()) <= MAX_ID_BYTES:
        return stem + suffix
    return hashlib.sha256(old.run_id.encode()).hexdigest() + suffix


@with_deadline
def delete_run(*, pipeline_id: str, run_id: str, expected_revision: int | None = None) -> PipelineRunLog:
    """Delete the run and return it as it was. One request; two where it holds a slot, which it gives back.

    Where a reply is lost, the repeated deletion finds nothing and says ItemNotFoundError: gone is gone.

    Raises:
        ItemNotFoundError: there is no such run.
        StaleRevisionError: it has another revision than expected.
    """
    target = run_target(pipeline_id, run_id).checked()
    holds_none = PipelineRunLog.holds_slot.does_not_exist()
    run: PipelineRunLog | None = None
    for attempt in count():
        try:
            if run is not None and run.holds_slot:
                return slots.with_slot_freed(target, run, slots.delete_run(target, run), None)
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
