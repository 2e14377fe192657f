"""Commands on the stages of a run.

DynamoDB cannot find the element of a list by name. A command therefore reads the run, and writes under the condition
that the stages have not changed since. If the condition fails, the error holds the run as it is now, and the command
tries again with that.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from functools import partial

from pynamodb.expressions.condition import Condition

from pipemodels.checks import MAX_ITEM_BYTES
from pipemodels.errors import (
    AlreadyExistsError,
    ConflictError,
    IllegalTransitionError,
    ItemNotFoundError,
    ItemTooLargeError,
)
from pipemodels.lifecycle.error_texts import is_start_of, start_within
from pipemodels.lifecycle.fitting import stored_bytes
from pipemodels.lifecycle.rules import Lease, refusal, run_target
from pipemodels.models.run import PipelineRunLog, RunStatus, StageInfo
from pipemodels.storage import targets, writes
from pipemodels.storage.sending import with_deadline

_log = logging.getLogger("pipemodels.commands.stages")
_TRIES = 10
_Decide = Callable[[list[StageInfo]], list[StageInfo] | None]
_ROOM_FOR_THE_END = 2_000  # bytes that the message of a stage leaves for the end of its run
_FEWEST_BYTES = 40


def start_stage(
    *,
    pipeline_id: str,
    run_id: str,
    stage_name: str,
    start_time: datetime | None = None,
    lease_token: int | None = None,
    by: str | None = None,
    now: datetime | None = None,
) -> PipelineRunLog:
    """Record that a stage of a running run has started; it becomes `current_stage`. Two requests.

    A stage that is running already does not change.

    Raises:
        ValidationError: the input cannot be stored.
        ItemNotFoundError: the run does not exist.
        IllegalTransitionError: the run is not running.
        AlreadyExistsError: a stage of this name has ended.
        LeaseLostError: the run is no longer leased under `lease_token`.
    """
    target = run_target(pipeline_id, run_id)
    _, at, stage, _, lease = targets.all_checked(
        target.checked,
        lambda: targets.stamp(now),
        lambda: StageInfo(stage_name=stage_name, status=RunStatus.RUNNING, start_time=start_time),
        lambda: targets.check_by(PipelineRunLog, by),
        lambda: Lease.checked(lease_token),
    )
    stage = replace(stage, start_time=stage.start_time or at)

    def decide(stages: list[StageInfo]) -> list[StageInfo] | None:
        there = next((known for known in stages if known.stage_name == stage.stage_name), None)
        if there is None:
            return [*stages, stage]
        if there.status is RunStatus.RUNNING:
            return None
        raise AlreadyExistsError(f"stage {stage_name!r} of {target.name} is {there.status} already")

    return _change_stages(target, decide, lease, current_stage=stage.stage_name, by=by, now=at)


@with_deadline
def finish_stage(
    *,
    pipeline_id: str,
    run_id: str,
    stage_name: str,
    status: RunStatus | str = RunStatus.SUCCESS,
    end_time: datetime | None = None,
    records_processed: int | None = None,
    error_message: str | None = None,
    lease_token: int | None = None,
    by: str | None = None,
    now: datetime | None = None,
) -> PipelineRunLog:
    """Record how a stage ended: `success`, `failed` (with a message), `cancelled` or `skipped`. Two requests.

    A repeated call with the same facts changes nothing. If the message does not fit into the run's item, its start is
    stored; that takes two or three more requests.

    Raises:
        ValidationError: the input cannot be stored, or `end_time` is before the start of the stage; as an
            `ItemTooLargeError`, the item has no room for even the shortest message.
        ItemNotFoundError: the run does not exist, or has no such stage.
        IllegalTransitionError: the run is not running, or the stage has ended with another status or other facts.
        LeaseLostError: the run is no longer leased under `lease_token`.
    """
    target = run_target(pipeline_id, run_id)
    _, at, ended, _, lease = targets.all_checked(
        target.checked,
        lambda: targets.stamp(now),
        lambda: StageInfo(
            stage_name=stage_name,
            status=status,  # type: ignore[arg-type]  # the text of a status is accepted too
            # for the checks alone: the start of the stage is stored in the run
            start_time=end_time,
            end_time=end_time,
            records_processed=records_processed,
            error_message=error_message,
        ),
        lambda: targets.check_by(PipelineRunLog, by),
        lambda: Lease.checked(lease_token),
    )
    if ended.status in {RunStatus.PENDING, RunStatus.RUNNING}:
        raise IllegalTransitionError(f"a stage cannot end as {ended.status}")

    change = partial(_change_stages, target, lease=lease, by=by, now=at)
    try:
        return change(partial(_with_end, target, ended, at))
    except ItemTooLargeError:
        if not ended.error_message:
            raise
    _log.warning("%s: the message of stage %r did not fit, and is shortened", target.name, stage_name)
    try:
        return change(partial(_with_end, target, _shortened(ended, _room(writes.read(target))), at))
    except ItemTooLargeError:
        return change(partial(_with_end, target, _shortened(ended, _FEWEST_BYTES), at))


def _with_end(
    target: targets.Target, ended: StageInfo, at: datetime, stages: list[StageInfo]
) -> list[StageInfo] | None:
    """Return the stages with this one ended; None if it has ended in the same way already."""
    name = ended.stage_name
    there = next((stage for stage in stages if stage.stage_name == name), None)
    if there is None:
        raise ItemNotFoundError(f"there is no stage {name!r} in {target.name}")
    end = ended.end_time or max(at, there.start_time or at)
    wanted = replace(ended, start_time=there.start_time or end, end_time=end)
    if there.status is RunStatus.RUNNING:
        return [wanted if stage is there else stage for stage in stages]
    if there.error_message and ended.error_message and is_start_of(there.error_message, ended.error_message):
        wanted = replace(wanted, error_message=there.error_message)
    if there == (wanted if ended.end_time else replace(wanted, end_time=there.end_time)):
        return None
    raise IllegalTransitionError(f"stage {name!r} of {target.name} is {there.status} already")


def _shortened(ended: StageInfo, room: int) -> StageInfo:
    """Return the end of a stage with its message shortened to `room` bytes."""
    return replace(ended, error_message=start_within(ended.error_message or "", max(room, _FEWEST_BYTES)))


def _room(run: PipelineRunLog) -> int:
    """Return the number of bytes for a message that leaves room for the end of the run."""
    return MAX_ITEM_BYTES - stored_bytes(run) - _ROOM_FOR_THE_END


@with_deadline
def _change_stages(
    target: targets.Target,
    decide: _Decide,
    lease: Lease,
    *,
    current_stage: str | None = None,
    by: str | None,
    now: datetime,
) -> PipelineRunLog:
    """Write the stages that `decide` returns; None leaves the run as it is."""
    run: PipelineRunLog = writes.read(target)
    for _ in range(_TRIES):
        if not lease.holds(run):
            raise refusal(target, run, {}, ConflictError(f"{target.name}: the condition failed", run), lease)
        if run.status is not RunStatus.RUNNING:
            raise IllegalTransitionError(f"{target.name} is {run.status} and cannot report a stage", run)
        before = run.stages or []
        try:
            after = decide(before)
        except ConflictError as error:
            error.current = run
            raise
        if after is None:
            return run
        changes = {"stages": after} | ({"current_stage": current_stage} if current_stage else {})
        condition = (PipelineRunLog.status == RunStatus.RUNNING) & _unchanged(run.stages)
        if (leased := lease.condition()) is not None:
            condition &= leased
        try:
            written: PipelineRunLog = writes.update(target, changes, condition=condition, by=by, now=now)
        except ConflictError as error:
            if error.current is None:
                raise ItemNotFoundError(f"there is no {target.name}") from error
            run = error.current
            continue
        return written
    raise ConflictError(f"{target.name}: others kept changing its stages; try again", run)


def _unchanged(stages: list[StageInfo] | None) -> Condition:
    """Return the condition that the stages have not changed since they were read."""
    if stages is None:
        return PipelineRunLog.stages.does_not_exist()
    return PipelineRunLog.stages == stages
