"""Sending an operation on a run together with the release of its slot; recognising a write whose reply was lost."""

from __future__ import annotations

from pipemodels.errors import ConflictError
from pipemodels.lifecycle import reading
from pipemodels.lifecycle.slots import Operation, release_slot
from pipemodels.models.run import PipelineRunLog
from pipemodels.storage import targets, transactions, writes
from pipemodels.translation import failed_conditions


def carry_out_and_release(
    target: targets.Target, run: PipelineRunLog, operation: Operation, after: PipelineRunLog | None
) -> PipelineRunLog:
    """Send an operation on a run and the release of its slot as one transaction.

    Returns:
        `after`; if that is None, the operation deletes the run, and the result is the run as it was read.

    Raises:
        ConflictError: the run has changed since it was read; `current` is the run as it is now.
    """
    pipeline_id, run_id = target.key.values()
    operations = [operation, release_slot(pipeline_id, run_id, run.lease_token or 0)]
    try:
        transactions.transact(target.name, PipelineRunLog, *operations)
    except ConflictError as error:
        if failed_conditions(error) == [1]:
            transactions.transact(target.name, PipelineRunLog, operation)  # the slot was removed by hand
        elif after is not None:
            return own_write(target, after, error)
        elif (stored := reading.read_run(target)) is not None:
            raise ConflictError(f"{target.name} has changed since it was read", stored) from error
    return after or run


def own_write(target: targets.Target, after: PipelineRunLog, error: ConflictError) -> PipelineRunLog:
    """Return the run if this very write was done and only its reply was lost.

    Raises:
        ConflictError: it was not done; `current` is the run as it is now.
    """
    stored = reading.read_run(target)
    if stored is not None and writes.is_done(stored, str(after.write_id)):
        return stored
    raise ConflictError(f"{target.name} has changed since it was read", stored) from error
