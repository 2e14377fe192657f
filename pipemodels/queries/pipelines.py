"""Queries on pipelines."""

from __future__ import annotations

from pipemodels.models.pipeline import ACTIVE, PipelineConfig
from pipemodels.models.sharding import shards_of
from pipemodels.queries.partitions import Query
from pipemodels.queries.results import Results
from pipemodels.records import checked_values
from pipemodels.storage.reads import find_item, get_item


def get_pipeline(pipeline_id: str) -> PipelineConfig:
    """Return the pipeline, read strongly consistent. One request.

    Raises:
        ItemNotFoundError: there is none.
    """
    return get_item(PipelineConfig, f"pipeline {pipeline_id!r}", pipeline_id=pipeline_id)


def find_pipeline(pipeline_id: str) -> PipelineConfig | None:
    """Return the pipeline, or None. One request."""
    return find_item(PipelineConfig, f"pipeline {pipeline_id!r}", pipeline_id=pipeline_id)


def active_pipelines(environment: str | None = None) -> Results[PipelineConfig]:
    """List the active pipelines, of one environment or of all, the last changed first."""
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
    """List the pipelines of an environment, the last created first; only active or only inactive ones, if said."""
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
    """List all pipelines, whole, in no order: a scan, which reads the whole table."""
    return Results(Query(model=PipelineConfig, name="all_pipelines", arguments={}))
