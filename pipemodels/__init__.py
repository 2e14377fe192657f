"""A metadata store for data pipelines on Amazon DynamoDB.

from pipemodels import DynamoDBConfig, commands, configure, queries

configure(DynamoDBConfig.from_env())
commands.create_pipeline(pipeline_id="orders_daily", pipeline_name="Orders", source_type="s3",
destination_type="iceberg")
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from pipemodels.config import DynamoDBConfig, configure, current_config, using
from pipemodels.errors import (
    AlreadyExistsError,
    AttemptLimitError,
    ConflictError,
    IllegalTransitionError,
    ItemNotFoundError,
    ItemTooLargeError,
    LeaseLostError,
    NaiveDateTimeError,
    PipemodelsError,
    Problem,
    RunLimitError,
    StaleRevisionError,
    StorageError,
    SummaryError,
    TableMissingError,
    ThrottledError,
    UnreadableItem,
    UnreadableItemError,
    UnreapedRunsError,
    ValidationError,
)
from pipemodels.instants import parse_instant
from pipemodels.models import (
    DataFormat,
    DataQualityResult,
    PipelineConfig,
    PipelineRunLog,
    RunStatus,
    StageInfo,
    TableConfig,
    TableType,
)

if TYPE_CHECKING:
    from pipemodels import commands, queries
    from pipemodels.schema import create_tables, drop_tables, table_status

__version__ = "0.1.0"

# Imported on first use, so that a program which only needs the models starts faster.
_LATER = {
    "commands": "pipemodels.commands",
    "queries": "pipemodels.queries",
    "create_tables": "pipemodels.schema",
    "drop_tables": "pipemodels.schema",
    "table_status": "pipemodels.schema",
}


if not TYPE_CHECKING:  # a type checker would otherwise accept any name

    def __getattr__(name: str) -> Any:
        if name not in _LATER:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        module = import_module(_LATER[name])
        value = module if module.__name__ == f"{__name__}.{name}" else getattr(module, name)
        globals()[name] = value
        return value

    def __dir__() -> list[str]:
        return sorted({*globals(), *_LATER})


__all__ = [
    "AlreadyExistsError",
    "AttemptLimitError",
    "ConflictError",
    "DataFormat",
    "DataQualityResult",
    "DynamoDBConfig",
    "IllegalTransitionError",
    "ItemNotFoundError",
    "ItemTooLargeError",
    "LeaseLostError",
    "NaiveDateTimeError",
    "PipelineConfig",
    "PipelineRunLog",
    "PipemodelsError",
    "Problem",
    "RunLimitError",
    "RunStatus",
    "StageInfo",
    "StaleRevisionError",
    "StorageError",
    "SummaryError",
    "TableConfig",
    "TableMissingError",
    "TableType",
    "ThrottledError",
    "UnreadableItem",
    "UnreadableItemError",
    "UnreapedRunsError",
    "ValidationError",
    "__version__",
    "commands",
    "configure",
    "create_tables",
    "current_config",
    "drop_tables",
    "parse_instant",
    "queries",
    "table_status",
    "using",
]
