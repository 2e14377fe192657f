"""Commands on runs: the state machine, its stages and what a run reports.

pending → running | cancelled | skipped | failed; running → success | failed | cancelled; the rest is terminal. Saying
the same ending twice with the same facts is a success, so that a retry after a lost reply is harmless.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from pynamodb.expressions.condition import Condition

from pipemodels.checks import MAX_ID_BYTES, MAX_ID_CHARACTERS
from pipemodels.commands import _writing as writing
from pipemodels.errors import (
    AlreadyExistsError,
    ConflictError,
    IllegalTransitionError,
    ItemNotFoundError,
    PipemodelsError,
    Problem,
    ValidationError,
    joined,
    shown,
)
from pipemodels.models.run import TRANSITIONS, DataQualityResult, PipelineRunLog, RunStatus

# what a run reports while it runs or as it ends; the rest is the state machine's
REPORTED = frozenset(
    {
        "total_records_processed", "total_records_failed", "input_data_size_bytes", "output_data_size_bytes",
        "spark_application_id", "cpu_hours", "memory_usage_gb", "data_quality_results", "data_quality_passed",
        "input_tables", "output_tables", "log_level", "log_messages", "monitoring_urls", "spark_version",
        "python_version", "tags", "expires_at",
    }
)  # fmt: skip
RETRYABLE = frozenset({RunStatus.FAILED, RunStatus.CANCELLED, RunStatus.SKIPPED})
INHERITED = ("pipeline_version", "config_snapshot", "environment", "input_tables", "output_tables", "tags")


def run_target(pipeline_id: str, run_id: str) -> writing.Target:
    """Return the run as what a command writes."""
    key = {"pipeline_id": pipeline_id, "run_id": run_id}
    return writing.Target(PipelineRunLog, key, f"run {pipeline_id!r} / {run_id!r}")


def start_run(
    *,
    pipeline_id: str,
    run_id: str | None = None,
    trigger_type: str | None = None,
    start_time: datetime | None = None,
    by: str | None = None,
    now: datetime | None = None,
    **facts: Any,
) -> PipelineRunLog:
    """Record that a run has started: a new one, or one that was queued. One request.

    Said again with the same facts it returns the run that exists and changes nothing.

    Args:
        pipeline_id: whose run.
        run_id: the scheduler's own id; a random one, if not given.
        trigger_type: what started it, e.g. `schedule`, `manual`, `event`; if not given, what it was queued with, or
            `manual`.
        start_time: when; `now`, if not given.
        by: who starts it.
        now: the clock, if not given.
        facts: other fields of `PipelineRunLog`; None is not said.

    Raises:
        ValidationError: with every problem of the input; nothing was sent.
        AlreadyExistsError: such a run exists with other facts; the message shows the difference.
    """
    given = {"trigger_type": trigger_type, "start_time": start_time, **facts}
    return _begin(RunStatus.RUNNING, pipeline_id, run_id, given, by=by, now=now)


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
    return _begin(RunStatus.PENDING, pipeline_id, run_id, {"trigger_type": trigger_type, **facts}, by=by, now=now)


def _begin(
    status: RunStatus,
    pipeline_id: str,
    run_id: str | None,
    given: dict[str, Any],
    *,
    by: str | None,
    now: datetime | None,
) -> PipelineRunLog:
    taken = sorted({"status", "end_time", "stages", "current_stage"} & given.keys())
    if taken:
        raise ValidationError(Problem(name, given[name], "is not for the start of a run") for name in taken)
    # None is not said: a run that was queued so would get the default environment when it is started
    given = {name: value for name, value in given.items() if value is not None}
    target = run_target(pipeline_id, uuid.uuid4().hex if run_id is None else run_id)
    at = writing.stamp(now)
    defaults = {"status": status, "start_time": at, "trigger_type": "manual"}
    fields = {**defaults, **writing.with_environment(given), **target.key}
    item = writing.new_item(PipelineRunLog, fields, by=by, now=at)
    item.serialize()
    other = {*writing.STAMPS, *target.key, *PipelineRunLog.DERIVED}
    values = {name: getattr(item, name) for name in item.get_attributes() if name not in other}
    # a queued run keeps what it was queued with, unless the start says otherwise
    kept = ("attempt", "environment", "trigger_type")
    once = {name: values.pop(name) for name in kept if values[name] and name not in given}
    changes = {name: value for name, value in values.items() if value is not None} | {"end_time": None}
    once |= {"created_at": item.created_at}
    queued = PipelineRunLog.status == RunStatus.PENDING if status is RunStatus.RUNNING else None
    if queued is not None and (rule := _records_rule(changes)) is not None:
        queued &= rule
    try:
        run: PipelineRunLog = writing.create_or_update(target, changes, allowed=queued, by=by, now=at, once=once)
    except ConflictError as error:
        return _same_or_taken(target, item, given, error)
    return run


def _same_or_taken(
    target: writing.Target, item: PipelineRunLog, given: Mapping[str, Any], error: ConflictError
) -> PipelineRunLog:
    """Return the run that exists, if all that was said of this one is true of it."""
    current: PipelineRunLog | None = error.current
    if current is None:
        raise error
    starting = item.status is RunStatus.RUNNING
    if starting and current.status is RunStatus.PENDING:
        raise _refusal(target, current, {name: getattr(item, name) for name in ("status", *given)}, error) from error
    if starting and current.status is RunStatus.SKIPPED:
        raise IllegalTransitionError(f"{target.name} was skipped and cannot be started", current) from error
    if not (other := _differences({name: getattr(item, name) for name in _comparable(given)}, current)):
        return current
    raise AlreadyExistsError(f"{target.name} exists with other facts: {other}", current) from error


def _comparable(facts: Mapping[str, Any]) -> Mapping[str, Any]:
    """Leave out what is said relative to the clock: it is another instant each time it is said."""
    return {name: value for name, value in facts.items() if not isinstance(value, timedelta)}


def _differences(facts: Mapping[str, Any], current: PipelineRunLog) -> str:
    return "; ".join(
        f"{name} is {shown(there)}, not {shown(value)}"
        for name, value in facts.items()
        if value is not None and (there := getattr(current, name)) != value
    )


def finish_run(
    *,
    pipeline_id: str,
    run_id: str,
    end_time: datetime | None = None,
    by: str | None = None,
    now: datetime | None = None,
    **report: Any,
) -> PipelineRunLog:
    """Record that a running run succeeded. One request.

    Args:
        pipeline_id: whose run.
        run_id: which run.
        end_time: when; `now`, if not given, or the start where that lies after this machine's clock.
        by: who says so.
        now: the clock, if not given.
        report: metrics and other facts, e.g. `total_records_processed`.

    Raises:
        ValidationError: the input cannot be stored, or ends the run before it started.
        ItemNotFoundError: there is no such run.
        IllegalTransitionError: it is not running, or ended otherwise; it stays as it is.
    """
    return _end(RunStatus.SUCCESS, pipeline_id, run_id, end_time, report, by=by, now=now)


def fail_run(
    *,
    pipeline_id: str,
    run_id: str,
    error_message: str,
    error_stack_trace: str | None = None,
    end_time: datetime | None = None,
    by: str | None = None,
    now: datetime | None = None,
    **report: Any,
) -> PipelineRunLog:
    """Record that a pending or running run failed, and why; otherwise like `finish_run`."""
    error = {"error_message": error_message}
    if error_stack_trace is not None:
        error["error_stack_trace"] = error_stack_trace
    return _end(RunStatus.FAILED, pipeline_id, run_id, end_time, report, error, by=by, now=now)


def cancel_run(
    *,
    pipeline_id: str,
    run_id: str,
    error_message: str | None = None,
    end_time: datetime | None = None,
    by: str | None = None,
    now: datetime | None = None,
    **report: Any,
) -> PipelineRunLog:
    """Record that a pending or running run was cancelled; otherwise like `finish_run`."""
    error = {} if error_message is None else {"error_message": error_message}
    return _end(RunStatus.CANCELLED, pipeline_id, run_id, end_time, report, error, by=by, now=now)


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
    return _end(RunStatus.SKIPPED, pipeline_id, run_id, end_time, {}, error, by=by, now=now)


def _end(
    status: RunStatus,
    pipeline_id: str,
    run_id: str,
    end_time: datetime | None,
    report: Mapping[str, Any],
    said: Mapping[str, Any] | None = None,
    *,
    by: str | None,
    now: datetime | None,
) -> PipelineRunLog:
    target = run_target(pipeline_id, run_id)
    told = {} if end_time is None else {"end_time": end_time}
    spoken = {**(said or {}), **told}
    _, facts, _, at = writing.all_checked(
        target.checked,
        lambda: _checked_report(report, spoken),
        lambda: writing.check_by(PipelineRunLog, by),
        lambda: writing.stamp(now),
    )
    if status is RunStatus.FAILED and not facts["error_message"]:
        raise ValidationError.of(
            "error_message", facts["error_message"], "is required of what failed: say what went wrong"
        )
    changes = {"status": status, "end_time": at, **facts}
    try:
        return _end_at(target, changes, by=by, now=at)
    except ConflictError as failed:
        conflict = failed
    current: PipelineRunLog | None = conflict.current
    late = current is not None and status in TRANSITIONS[current.status] and "end_time" not in told
    if late and current is not None and current.start_time is not None and current.start_time > at:
        # this machine's clock runs behind the one that started the run: it ends at its start, not never
        changes["end_time"] = current.start_time
        try:
            return _end_at(target, changes, by=by, now=at)
        except ConflictError as failed:
            conflict = failed
    comparable = {name: facts[name] for name in _comparable({**report, **spoken})}
    return _same_or_refused(target, changes, comparable, conflict)


def _end_at(target: writing.Target, changes: dict[str, Any], *, by: str | None, now: Any) -> PipelineRunLog:
    sources = [source for source, goals in TRANSITIONS.items() if changes["status"] in goals]
    condition = PipelineRunLog.status.is_in(*sources) & (PipelineRunLog.start_time <= changes["end_time"])
    if (rule := _records_rule(changes)) is not None:
        condition &= rule
    run: PipelineRunLog = writing.update(target, changes, condition=condition, by=by, now=now)
    return run


def _same_or_refused(
    target: writing.Target, changes: Mapping[str, Any], facts: Mapping[str, Any], error: ConflictError
) -> PipelineRunLog:
    """Return the run, if it has ended so and all that was told of it is true."""
    status: RunStatus = changes["status"]
    current: PipelineRunLog | None = error.current
    if current is not None and current.status is status and not TRANSITIONS[status]:
        if not (other := _differences(facts, current)):
            return current
        raise IllegalTransitionError(f"{target.name} is {status} already, and {other}", current) from error
    raise _refusal(target, current, changes, error) from error


def _refusal(
    target: writing.Target, current: PipelineRunLog | None, changes: Mapping[str, Any], error: ConflictError
) -> PipemodelsError:
    """Return why a write to a run was refused, told from the run as it is stored."""
    if current is None:
        return ItemNotFoundError(f"there is no {target.name}")
    status = RunStatus(changes.get("status", current.status))
    reporting = "status" not in changes
    if (reporting and status is not RunStatus.RUNNING) or (
        not reporting and status not in TRANSITIONS[current.status]
    ):
        wanted = "report anything" if reporting else f"become {status}"
        return IllegalTransitionError(f"{target.name} is {current.status} and cannot {wanted}", current)
    after = {
        name: getattr(current, name) for name in ("start_time", "total_records_processed", "total_records_failed")
    }
    after |= changes
    end = after.get("end_time")
    if end is not None and after["start_time"] is None:
        return ValidationError.of("end_time", end, "needs a start_time, and the run has none")
    if end is not None and end < after["start_time"]:
        return ValidationError.of("end_time", end, f"is before start_time ({after['start_time']})")
    failed, processed = after["total_records_failed"], after["total_records_processed"]
    if failed is not None and processed is not None and failed > processed:
        return ValidationError.of("total_records_failed", failed, f"exceeds total_records_processed ({processed})")
    return error


def _checked_report(report: Mapping[str, Any], more: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return what a run reports, and what more its command says, normalised; report all problems together."""
    unknown = [
        Problem(name, value, "is not among what a run reports: " + ", ".join(sorted(REPORTED)))
        for name, value in report.items()
        if name not in REPORTED
    ]
    known = {name: value for name, value in report.items() if name in REPORTED}
    try:
        checked = writing.check_values(PipelineRunLog, {**known, **(more or {})})
    except ValidationError as error:
        raise joined([*unknown, *error.problems], [error]) from None
    if unknown:
        raise ValidationError(unknown)
    return checked


def _records_rule(changes: Mapping[str, Any]) -> Any:
    """Return the condition that no more records fail than are processed, where only one of the two is said."""
    failed, processed = changes.get("total_records_failed"), changes.get("total_records_processed")
    if failed is not None and processed is not None and failed > processed:
        raise ValidationError.of("total_records_failed", failed, f"exceeds total_records_processed ({processed})")
    if failed is not None and "total_records_processed" not in changes:
        there = PipelineRunLog.total_records_processed
        return there.does_not_exist() | (there >= failed)
    if processed is not None and "total_records_failed" not in changes:
        there = PipelineRunLog.total_records_failed
        return there.does_not_exist() | (there <= processed)
    return None


def record_metrics(
    *, pipeline_id: str, run_id: str, by: str | None = None, now: datetime | None = None, **report: Any
) -> PipelineRunLog:
    """Set metrics and other facts of a running run; the last value said stands. One request.

    Raises:
        ValidationError: nothing is said, or what no run reports, or more records failed than were processed.
        ItemNotFoundError: there is no such run.
        IllegalTransitionError: it is not running.
    """
    if not report:
        raise ValidationError.of("report", {}, "must name at least one metric and its value")
    target = run_target(pipeline_id, run_id)
    _, changes, *_ = writing.all_checked(
        target.checked,
        lambda: _checked_report(report),
        lambda: writing.check_by(PipelineRunLog, by),
        lambda: writing.stamp(now),
    )
    return _report(target, changes, _records_rule(changes), by=by, now=now)


def record_quality(
    *,
    pipeline_id: str,
    run_id: str,
    results: Iterable[DataQualityResult | Mapping[str, Any]],
    by: str | None = None,
    now: datetime | None = None,
) -> PipelineRunLog:
    """Set the data-quality results of a running run, in place of earlier ones. One request.

    `data_quality_passed` becomes true where all passed; no result at all clears both.

    Raises:
        ValidationError: a result cannot be stored; with its position.
        ItemNotFoundError: there is no such run.
        IllegalTransitionError: it is not running.
    """
    target = run_target(pipeline_id, run_id)
    _, values, *_ = writing.all_checked(
        target.checked,
        lambda: writing.check_values(PipelineRunLog, {"data_quality_results": list(results)}),
        lambda: writing.check_by(PipelineRunLog, by),
        lambda: writing.stamp(now),
    )
    checked = values["data_quality_results"]
    passed = all(result.passed for result in checked) if checked else None
    changes = {"data_quality_results": checked or None, "data_quality_passed": passed}
    return _report(target, changes, None, by=by, now=now)


def _report(
    target: writing.Target,
    changes: Mapping[str, Any],
    rule: Condition | None,
    *,
    by: str | None,
    now: datetime | None,
) -> PipelineRunLog:
    condition: Condition = PipelineRunLog.status == RunStatus.RUNNING
    if rule is not None:
        condition &= rule
    try:
        run: PipelineRunLog = writing.update(target, changes, condition=condition, by=by, now=writing.stamp(now))
    except ConflictError as error:
        raise _refusal(target, error.current, changes, error) from error
    return run


def retry_run(*, pipeline_id: str, run_id: str, by: str | None = None, now: datetime | None = None) -> PipelineRunLog:
    """Queue a new run in place of one that failed, was cancelled or skipped. Two requests: a read and a write.

    The new run has `retry_of`, the next `attempt`, and an id that follows from the old one: who retries the same run
    twice, or at the same time as somebody else, gets the same new run.

    Raises:
        ItemNotFoundError: there is no such run.
        IllegalTransitionError: it has not ended, or it succeeded.
    """
    target = run_target(pipeline_id, run_id)
    writing.all_checked(target.checked, lambda: writing.check_by(PipelineRunLog, by), lambda: writing.stamp(now))
    with target.translated():
        old = PipelineRunLog.get(pipeline_id, run_id, consistent_read=True)
    if old.status not in RETRYABLE:
        raise IllegalTransitionError(f"{target.name} is {old.status}: only what failed can be retried", old)
    attempt = (old.attempt or 1) + 1
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


def delete_run(*, pipeline_id: str, run_id: str, expected_revision: int | None = None) -> PipelineRunLog:
    """Delete the run and return it as it was. One request.

    Raises:
        ItemNotFoundError: there is no such run.
        StaleRevisionError: it has another revision than expected.
    """
    run: PipelineRunLog = writing.delete(
        run_target(pipeline_id, run_id).checked(), expected_revision=expected_revision
    )
    return run
