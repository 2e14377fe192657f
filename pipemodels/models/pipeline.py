"""PipelineConfig: the pipelines and their configuration."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from pynamodb.indexes import GlobalSecondaryIndex

from pipemodels.attributes.documents import DocumentAttribute, TextMapAttribute
from pipemodels.attributes.scalars import (
    DecimalAttribute,
    FlagAttribute,
    IdAttribute,
    IntegerAttribute,
    ScheduleAttribute,
    SemVerAttribute,
    TextAttribute,
    TimezoneAttribute,
)
from pipemodels.attributes.times import UTCInstantAttribute
from pipemodels.models.base import ConfiguredTable
from pipemodels.models.sharding import shard_of
from pipemodels.models.slots import MAX_SLOTS
from pipemodels.models.stamped import StampedModel
from pipemodels.models.summaries import summary

ACTIVE = "active"  # the value of the shards of ActivePipelinesIndex

_SUMMARY = (
    "pipeline_name",
    "source_type",
    "destination_type",
    "schedule_expression",
    "is_active",
    "environment",
    "version",
)


class ActivePipelinesIndex(GlobalSecondaryIndex["PipelineConfig"]):
    """The active pipelines by the time of their last update."""

    class Meta:
        index_name = "ActivePipelinesIndex"
        projection = summary(*_SUMMARY, "created_at")

    active_shard = TextAttribute(hash_key=True)
    updated_at = UTCInstantAttribute(range_key=True)


class EnvironmentIndex(GlobalSecondaryIndex["PipelineConfig"]):
    """The pipelines of an environment by the time of their creation."""

    class Meta:
        index_name = "EnvironmentIndex"
        projection = summary(*_SUMMARY, "updated_at")

    environment_shard = TextAttribute(hash_key=True)
    created_at = UTCInstantAttribute(range_key=True)


class PipelineConfig(StampedModel):
    """One pipeline: its source and destination, its schedule and its resources.

    `schedule_timezone` is the IANA name of the time zone of `schedule_expression`; None means UTC.
    """

    DERIVED: ClassVar[frozenset[str]] = frozenset({"active_shard", "environment_shard"})

    class Meta(ConfiguredTable):
        base_name = "pipeline_config"

    pipeline_id = IdAttribute(hash_key=True)
    pipeline_name = TextAttribute()
    description = TextAttribute(null=True)
    config = DocumentAttribute(null=True)
    source_type = TextAttribute()
    source_config = DocumentAttribute(null=True)
    destination_type = TextAttribute()
    destination_config = DocumentAttribute(null=True)
    schedule_expression = ScheduleAttribute(null=True)
    schedule_timezone = TimezoneAttribute(default_for_new="UTC", null=True)
    is_active = FlagAttribute(default_for_new=True)
    environment = IdAttribute(null=True)
    version = SemVerAttribute(default_for_new="1.0.0")
    spark_config = DocumentAttribute(null=True)
    cpu_cores = IntegerAttribute(minimum=1, null=True)
    memory_gb = DecimalAttribute(minimum=0, null=True)
    tags = TextMapAttribute(null=True)
    max_concurrent_runs = IntegerAttribute(minimum=1, maximum=MAX_SLOTS, null=True)
    max_attempts = IntegerAttribute(minimum=1, null=True)

    active_shard = TextAttribute(null=True)
    environment_shard = TextAttribute(null=True)

    active_pipelines_index = ActivePipelinesIndex()
    environment_index = EnvironmentIndex()

    @classmethod
    def derived_sources(cls) -> frozenset[str]:
        """Return the names from which the index shards are derived."""
        return frozenset({"is_active", "environment"})

    @classmethod
    def derived(cls, values: Mapping[str, Any]) -> dict[str, Any]:
        """Return the index shards; `active_shard` is None unless the pipeline is active."""
        pipeline_id, shards = values["pipeline_id"], {}
        if "is_active" in values:
            shards["active_shard"] = shard_of(ACTIVE, pipeline_id) if values["is_active"] else None
        if "environment" in values:
            environment = values["environment"]
            shards["environment_shard"] = shard_of(environment, pipeline_id) if environment else None
        return shards
