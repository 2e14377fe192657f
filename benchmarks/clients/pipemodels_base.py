"""The model that PynamoDB's users would write, with only its base swapped for the package's."""

from __future__ import annotations

from typing import Any

from pynamodb.attributes import UnicodeAttribute
from pynamodb.indexes import GlobalSecondaryIndex, IncludeProjection

from benchmarks.clients import INDEX, TABLE
from benchmarks.clients.pynamodb import InstantAttribute, ModelBench, run_model
from pipemodels import DynamoDBConfig, configure
from pipemodels.models import PipelineRunLog
from pipemodels.models.base import ConfiguredTable, Model


class RunsIndex(GlobalSecondaryIndex[Any]):
    """The runs of a pipeline by start, as summaries."""

    class Meta:
        index_name = INDEX
        projection = IncludeProjection(sorted(PipelineRunLog.held_by(INDEX) or ()))

    pipeline_id = UnicodeAttribute(hash_key=True)
    start_time = InstantAttribute(range_key=True)


class _Meta(ConfiguredTable):
    base_name = TABLE


class Bench(ModelBench):
    """Write by BatchWriteItem, like the other clients, because the model has no revision."""

    title = "PynamoDB's model, base swapped"
    model = run_model(Model, _Meta, RunsIndex())

    def __init__(self, endpoint: str) -> None:
        configure(DynamoDBConfig.for_local_development(endpoint))
