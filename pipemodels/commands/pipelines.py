"""Commands on pipelines."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from pipemodels.models.pipeline import PipelineConfig
from pipemodels.storage import targets, transactions, writes


def pipeline_target(pipeline_id: str) -> targets.Target:
    """Return the target of a command that writes a pipeline."""
    return targets.Target(PipelineConfig, {"pipeline_id": pipeline_id}, f"pipeline {pipeline_id!r}")


def create_pipeline(*, by: str | None = None, now: datetime | None = None, **fields: Any) -> PipelineConfig:
    """Register a new pipeline. One request.

    Args:
        by: who creates it.
        now: the instant of the write; by default the clock's.
        fields: the fields of `PipelineConfig`; `pipeline_id`, `pipeline_name`, `source_type` and
            `destination_type` are required.

    Raises:
        ValidationError: the input is invalid; the error has every problem, and nothing was sent.
        AlreadyExistsError: the id is taken; `current` is the pipeline that has it.
    """
    item = writes.new_item(PipelineConfig, targets.with_environment(fields), by=by, now=now)
    return writes.insert(pipeline_target(item.pipeline_id), item)


def put_pipeline(*, by: str | None = None, now: datetime | None = None, **fields: Any) -> PipelineConfig:
    """Create the pipeline, or replace all of its fields except `created_at` and `created_by`. One request.

    The last writer wins, and every write increments the revision. Fields that are not given are cleared.

    Raises:
        ValidationError: the input is invalid; the error has every problem, and nothing was sent.
    """
    fields = targets.with_environment(fields)
    target = pipeline_target(fields.get("pipeline_id", ""))
    item: PipelineConfig = writes.put(target, fields, by=by, now=now)
    return item


def update_pipeline(
    *,
    pipeline_id: str,
    changes: Mapping[str, Any],
    expected_revision: int | None = None,
    by: str | None = None,
    now: datetime | None = None,
) -> PipelineConfig:
    """Change the given fields; None clears a field. One request.

    Args:
        pipeline_id: the pipeline.
        changes: new values by field.
        expected_revision: the revision that the pipeline must have; None accepts any.
        by: who changes it.
        now: the instant of the write; by default the clock's.

    Raises:
        ValidationError: no change, an unknown or protected field, or a value that cannot be stored; nothing was sent.
        ItemNotFoundError: the pipeline does not exist.
        StaleRevisionError: the pipeline was written since it was read; `current` is the newer state.
    """
    target = pipeline_target(pipeline_id)
    _, checked, *_ = targets.all_checked(
        target.checked,
        lambda: targets.check_changes(PipelineConfig, changes, target.key),
        lambda: targets.check_by(PipelineConfig, by),
        lambda: targets.stamp(now),
    )
    item: PipelineConfig = writes.update_existing(
        target, checked, expected_revision=expected_revision, by=by, now=now
    )
    return item


def activate_pipelines(
    pipeline_ids: Iterable[str], *, by: str | None = None, now: datetime | None = None
) -> list[str]:
    """Make pipelines active and return their ids. One transaction for every 100 pipelines, each all or nothing.

    Raises:
        ItemNotFoundError: a pipeline does not exist; its transaction changed nothing. `done` has the ids of the
        pipelines that
            earlier transactions changed.
    """
    pipelines = map(pipeline_target, transactions.id_list(pipeline_ids))
    return transactions.update_together(pipelines, {"is_active": True}, by=by, now=now)


def deactivate_pipelines(
    pipeline_ids: Iterable[str], *, by: str | None = None, now: datetime | None = None
) -> list[str]:
    """Make pipelines inactive; for the rest, see `activate_pipelines`."""
    pipelines = map(pipeline_target, transactions.id_list(pipeline_ids))
    return transactions.update_together(pipelines, {"is_active": False}, by=by, now=now)


def delete_pipeline(*, pipeline_id: str, expected_revision: int | None = None) -> PipelineConfig:
    """Delete the pipeline's configuration and return it as it was; its tables and runs stay. One request.

    Raises:
        ItemNotFoundError: the pipeline does not exist.
        StaleRevisionError: the pipeline has another revision than expected.
    """
    item: PipelineConfig = writes.delete(pipeline_target(pipeline_id).checked(), expected_revision=expected_revision)
    return item
