"""Queries on tables."""

from __future__ import annotations

from pipemodels.models.sharding import shards_of
from pipemodels.models.table import TableConfig, TableType
from pipemodels.queries.partitions import Query
from pipemodels.queries.results import Results
from pipemodels.records import checked_values
from pipemodels.storage.reads import find_item, get_item


def get_table(table_id: str) -> TableConfig:
    """Return the table by a strongly consistent read. Makes one request.

    Raises:
        ItemNotFoundError: the table does not exist.
    """
    return get_item(TableConfig, f"table {table_id!r}", table_id=table_id)


def find_table(table_id: str) -> TableConfig | None:
    """Return the table, or None if it does not exist. Makes one request."""
    return find_item(TableConfig, f"table {table_id!r}", table_id=table_id)


def tables_of_pipeline(pipeline_id: str, table_type: TableType | str | None = None) -> Results[TableConfig]:
    """Return the tables of a pipeline, sorted by type; of one type if given."""
    given = {"pipeline_id": pipeline_id, "table_type": table_type}
    checked = checked_values(TableConfig.get_attributes(), given, required={"pipeline_id"})
    pipeline_id, kind = checked["pipeline_id"], checked["table_type"]
    return Results(
        Query(
            model=TableConfig,
            name="tables_of_pipeline",
            arguments={"pipeline_id": pipeline_id, "table_type": kind and kind.value},
            index_name="PipelineTablesIndex",
            partitions=(pipeline_id,),
            order="table_type",
            range_condition=None if kind is None else TableConfig.table_type == kind,
        )
    )


def tables_by_type(table_type: TableType | str) -> Results[TableConfig]:
    """Return the tables of a type, sorted by pipeline."""
    kind = checked_values(TableConfig.get_attributes(), {"table_type": table_type}, required={"table_type"})[
        "table_type"
    ]
    return Results(
        Query(
            model=TableConfig,
            name="tables_by_type",
            arguments={"table_type": kind.value},
            index_name="TableTypeIndex",
            partitions=tuple(shards_of(kind.value)),
            order="pipeline_id",
        )
    )


def all_tables() -> Results[TableConfig]:
    """Return all tables as whole items, in no particular order. Scans the whole table."""
    return Results(Query(model=TableConfig, name="all_tables", arguments={}))
