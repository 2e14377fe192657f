"""TableConfig: the tables that pipelines read and write."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, ClassVar

from pynamodb.indexes import GlobalSecondaryIndex

from pipemodels.attributes.documents import DocumentAttribute, TextMapAttribute
from pipemodels.attributes.lists import DocumentListAttribute, TextListAttribute
from pipemodels.attributes.scalars import EnumAttribute, FlagAttribute, IdAttribute, IntegerAttribute, TextAttribute
from pipemodels.attributes.times import UTCInstantAttribute
from pipemodels.errors import Problem
from pipemodels.models.base import ConfiguredTable
from pipemodels.models.sharding import shard_of
from pipemodels.models.stamped import StampedModel
from pipemodels.models.summaries import summary


class TableType(StrEnum):
    """How a pipeline uses a table."""

    SOURCE = "source"
    DESTINATION = "destination"
    LOOKUP = "lookup"
    INTERMEDIATE = "intermediate"


class DataFormat(StrEnum):
    """The file format of a table's data."""

    PARQUET = "parquet"
    JSON = "json"
    CSV = "csv"
    AVRO = "avro"
    DELTA = "delta"
    ICEBERG = "iceberg"
    ORC = "orc"


_SUMMARY = (
    "table_name", "data_format", "location", "environment", "is_active", "last_updated_data",
    "record_count", "size_bytes", "created_at", "updated_at",
)  # fmt: skip


class PipelineTablesIndex(GlobalSecondaryIndex["TableConfig"]):
    """The tables of a pipeline by type."""

    class Meta:
        index_name = "PipelineTablesIndex"
        projection = summary(*_SUMMARY)

    pipeline_id = IdAttribute(hash_key=True)
    table_type = EnumAttribute(TableType, range_key=True)


class TableTypeIndex(GlobalSecondaryIndex["TableConfig"]):
    """The tables of a type by pipeline."""

    class Meta:
        index_name = "TableTypeIndex"
        projection = summary(*_SUMMARY, "table_type")

    table_type_shard = TextAttribute(hash_key=True)
    pipeline_id = IdAttribute(range_key=True)


class TableConfig(StampedModel):
    """One table: its location, its format, and how its pipeline uses it."""

    DERIVED: ClassVar[frozenset[str]] = frozenset({"table_type_shard"})

    class Meta(ConfiguredTable):
        base_name = "table_config"

    table_id = IdAttribute(hash_key=True)
    pipeline_id = IdAttribute()
    table_name = TextAttribute()
    table_type = EnumAttribute(TableType)
    data_format = EnumAttribute(DataFormat)
    schema_definition = DocumentAttribute(null=True)
    partition_columns = TextListAttribute(null=True)
    primary_key_columns = TextListAttribute(null=True)
    location = TextAttribute()
    connection_config = DocumentAttribute(null=True)
    read_options = DocumentAttribute(null=True)
    write_options = DocumentAttribute(null=True)
    validation_rules = DocumentAttribute(null=True)
    data_quality_checks = DocumentListAttribute(null=True)
    caching_enabled = FlagAttribute(null=True)
    cache_level = TextAttribute(null=True)
    retention_days = IntegerAttribute(minimum=1, null=True)
    archive_after_days = IntegerAttribute(minimum=0, null=True)
    environment = IdAttribute(null=True)
    is_active = FlagAttribute(default_for_new=True)
    description = TextAttribute(null=True)
    tags = TextMapAttribute(null=True)
    last_updated_data = UTCInstantAttribute(null=True)
    record_count = IntegerAttribute(minimum=0, null=True)
    size_bytes = IntegerAttribute(minimum=0, null=True)

    table_type_shard = TextAttribute(null=True)

    pipeline_tables_index = PipelineTablesIndex()
    table_type_index = TableTypeIndex()

    @classmethod
    def derived_sources(cls) -> frozenset[str]:
        """Return the name from which the index shard is derived."""
        return frozenset({"table_type"})

    @classmethod
    def derived(cls, values: Mapping[str, Any]) -> dict[str, Any]:
        """Return the index shard."""
        if values.get("table_type") is None:
            return {}
        return {"table_type_shard": shard_of(str(values["table_type"]), values["table_id"])}

    def rule_problems(self) -> list[Problem]:
        """Return a problem if the data would be deleted before it is archived."""
        archive, retention = self.archive_after_days, self.retention_days
        if archive is None or retention is None or archive < retention:
            return []
        return [Problem("archive_after_days", archive, f"must be less than retention_days ({retention})")]
