"""Reading a run together with what decides about it: the limits of its pipeline, and the runs that hold slots."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from pipemodels.config import current_config
from pipemodels.errors import UnreadableItemError
from pipemodels.models.base import Model
from pipemodels.models.pipeline import PipelineConfig
from pipemodels.models.run import PipelineRunLog
from pipemodels.models.slots import RunSlots
from pipemodels.models.unreadable import read_item, read_part
from pipemodels.storage import targets
from pipemodels.storage.batch_reads import read_batch

# the stored names of the fields that judge a lease and identify a run
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
        """The lease token of each run that holds a slot, by run_id."""
        return self.slots.holders if self.slots else {}

    @property
    def last_token(self) -> int:
        """The last token that the slots gave; 0 if they gave none."""
        return self.slots.last_token if self.slots else 0


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
    pipeline, slots, run = read
    return RunContext(
        getattr(pipeline, "max_concurrent_runs", None), getattr(pipeline, "max_attempts", None), slots, run
    )


def read_run(target: targets.Target) -> PipelineRunLog | None:
    """Read a run, strongly consistent; return None if it does not exist. One request."""
    pipeline_id, run_id = target.key.values()
    items = _read_runs(target.name, pipeline_id, [run_id])
    return next((read_item(PipelineRunLog, item) for item in items), None)


@dataclass(frozen=True, slots=True)
class Holder:
    """A run that holds a slot.

    Attributes:
        run: the run; a summary, if only some of its fields can be read; None, if its lease cannot be read or the run
            does not exist.
        unreadable: why some fields of its item cannot be read.
    """

    run: PipelineRunLog | None = None
    unreadable: UnreadableItemError | None = None

    @classmethod
    def of(cls, stored: Any) -> Holder:
        """Read as many fields of a run as can be read."""
        try:
            return cls(read_item(PipelineRunLog, stored))
        except UnreadableItemError as error:
            unreadable = error
        try:
            return cls(read_part(PipelineRunLog, stored, _LEASE), unreadable)
        except UnreadableItemError:
            return cls(None, unreadable)


def read_holders(subject: str, pipeline_id: str, run_ids: Iterable[str]) -> dict[str, Holder]:
    """Read up to 100 runs of a pipeline, strongly consistent, and return them by run_id. One request."""
    run_ids = list(run_ids)
    found = {stored["run_id"]["S"]: Holder.of(stored) for stored in _read_runs(subject, pipeline_id, run_ids)}
    return {run_id: found.get(run_id, Holder()) for run_id in run_ids}


def _read_runs(subject: str, pipeline_id: str, run_ids: Iterable[str]) -> list[Any]:
    keys = [_run_key(pipeline_id, run_id) for run_id in run_ids]
    return _read_together(subject, {PipelineRunLog: {"Keys": keys}})[PipelineRunLog] if keys else []


def _run_key(pipeline_id: str, run_id: str) -> dict[str, Any]:
    return {"pipeline_id": {"S": pipeline_id}, "run_id": {"S": run_id}}


def _read_together(subject: str, wanted: Mapping[type[Model], dict[str, Any]]) -> dict[type[Model], list[Any]]:
    """Read items of several tables with one BatchGetItem and return them, as stored, by model."""
    tables = {current_config().table_name(model.Meta.base_name): model for model in wanted}
    found = read_batch(subject, {name: wanted[model] for name, model in tables.items()})
    return {model: found[name] for name, model in tables.items()}
