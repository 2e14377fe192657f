"""Queries on pipelines."""

from __future__ import annotations

from pipemodels.models.pipeline import ACTIVE, PipelineConfig
from pipemodels.models.sharding import shards_of
from pipemodels.queries.partitions import Query
from pipemodels.queries.results import Results
from pipemodels.records import checked_values
from pipemodels.storage.reads import find_item, get_item


def get_pipeline(pipeline_id: str) -> PipelineConfig:
    """Return the pipeline by a strongly consistent read. Makes one request.

    Raises:
        ItemNotFoundError: the pipeline does not exist.
    """
    return get_item(PipelineConfig, f"pipeline {pipeline_id!r}", pipeline_id=pipeline_id)


def find_pipeline(pipeline_id: str) -> PipelineConfig | None:
    """Return the pipeline, or None if it does not exist. Makes one request."""
    return find_item(PipelineConfig, f"pipeline {pipeline_id!r}", pipeline_id=pipeline_id)


def active_pipelines(environment: str | None = None) -> Results[PipelineConfig]:
    """Return the active pipelines, last changed first; of one environment if given."""
    environment = checked_values(PipelineConfig.get_attributes(), {"environment": environment})["environment"]
    condition = None if environment is None else PipelineConfig.environment == environment
    return Results(
        Query(
            model=PipelineConfig,
            name="active_pipelines",
            arguments={"environment": environment},
            index_name="ActivePipelinesIndex",
            partitions=tuple(shards_of(ACTIVE)),
            order="updated_at",
            newest_first=True,
            filter_condition=condition,
        )
    )


def pipelines_by_environment(environment: str, is_active: bool | None = None) -> Results[PipelineConfig]:
    """Return the pipelines of an environment, newest first; `is_active` selects the active or the inactive ones."""
    given = {"environment": environment, "is_active": is_active}
    environment = checked_values(PipelineConfig.get_attributes(), given, required={"environment"})["environment"]
    condition = None if is_active is None else PipelineConfig.is_active == is_active
    return Results(
        Query(
            model=PipelineConfig,
            name="pipelines_by_environment",
            arguments={"environment": environment, "is_active": None if is_active is None else str(is_active)},
            index_name="EnvironmentIndex",
            partitions=tuple(shards_of(environment)),
            order="created_at",
            newest_first=True,
            filter_condition=condition,
        )
    )


def all_pipelines() -> Results[PipelineConfig]:
    """Return all pipelines as whole items, in no particular order. Scans the whole table."""
    return Results(Query(model=PipelineConfig, name="all_pipelines", arguments={}))
