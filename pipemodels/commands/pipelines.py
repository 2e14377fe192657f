"""Commands on pipelines."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from pipemodels.models.pipeline import PipelineConfig
from pipemodels.storage import targets, transactions, writes


def pipeline_target(pipeline_id: str) -> targets.Target:
    """Return the pipeline as what a command writes."""
    return targets.Target(PipelineConfig, {"pipeline_id": pipeline_id}, f"pipeline {pipeline_id!r}")


def create_pipeline(*, by: str | None = None, now: datetime | None = None, **fields: Any) -> PipelineConfig:
    """Register a new pipeline. One request.

    Args:
        by: who creates it.
        now: when; the clock, if not given.
        fields: the fields of `PipelineConfig`; `pipeline_id`, `pipeline_name`, `source_type` and
            `destination_type` are required.

    Raises:
        ValidationError: with every problem of the input; nothing was sent.
        AlreadyExistsError: the id is taken; `current` is the pipeline that has it.
    """
    item = writes.new_item(PipelineConfig, targets.with_environment(fields), by=by, now=now)
    return writes.insert(pipeline_target(item.pipeline_id), item)


def put_pipeline(*, by: str | None = None, now: datetime | None = None, **fields: Any) -> PipelineConfig:
    """Create the pipeline, or replace all of it but `created_at` and `created_by`. One request.

    The last writer wins, and every write counts the revision. Fields that are not given are cleared.

    Raises:
        ValidationError: with every problem of the input; nothing was sent.
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
    """Change the named fields and no others; None clears one. One request.

    Args:
        pipeline_id: which pipeline.
        changes: new values by field.
        expected_revision: refuse if the pipeline has another revision; None takes any.
        by: who changes it.
        now: when; the clock, if not given.

    Raises:
        ValidationError: no change, an unknown or protected field, a value that cannot be stored; nothing was sent.
        ItemNotFoundError: there is no such pipeline.
        StaleRevisionError: somebody wrote it since; `current` is the newer one.
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
    """Make pipelines active and return their ids; all or nothing up to 100, above that by transactions of 100.

    Raises:
        ItemNotFoundError: one is missing; its transaction changed nothing, and `done` names what earlier ones did.
    """
    pipelines = map(pipeline_target, transactions.id_list(pipeline_ids))
    return transactions.update_together(pipelines, {"is_active": True}, by=by, now=now)


def deactivate_pipelines(
    pipeline_ids: Iterable[str], *, by: str | None = None, now: datetime | None = None
) -> list[str]:
    """Make pipelines inactive; otherwise like `activate_pipelines`."""
    pipelines = map(pipeline_target, transactions.id_list(pipeline_ids))
    return transactions.update_together(pipelines, {"is_active": False}, by=by, now=now)


def delete_pipeline(*, pipeline_id: str, expected_revision: int | None = None) -> PipelineConfig:
    """Delete the pipeline's configuration and return it as it was; its tables and runs stay. One request.

    Raises:
        ItemNotFoundError: there is no such pipeline.
        StaleRevisionError: it has another revision than expected.
    """
    item: PipelineConfig = writes.delete(pipeline_target(pipeline_id).checked(), expected_revision=expected_revision)
    return item
