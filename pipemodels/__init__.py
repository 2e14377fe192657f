"""The metadata store of data pipelines, on Amazon DynamoDB.

from pipemodels import DynamoDBConfig, commands, configure, queries

configure(DynamoDBConfig.from_env())
commands.create_pipeline(pipeline_id="orders_daily", pipeline_name="Orders", source_type="s3",
destination_type="iceberg")
"""

from pipemodels import commands, queries
from pipemodels.config import DynamoDBConfig, configure, current_config, using
from pipemodels.errors import (
    AlreadyExistsError,
    ConflictError,
    IllegalTransitionError,
    ItemNotFoundError,
    ItemTooLargeError,
    NaiveDateTimeError,
    PipemodelsError,
    Problem,
    StaleRevisionError,
    StorageError,
    SummaryError,
    TableMissingError,
    ThrottledError,
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
from pipemodels.schema import create_tables, drop_tables, table_status

__version__ = "0.1.0"

__all__ = [
    "AlreadyExistsError",
    "ConflictError",
    "DataFormat",
    "DataQualityResult",
    "DynamoDBConfig",
    "IllegalTransitionError",
    "ItemNotFoundError",
    "ItemTooLargeError",
    "NaiveDateTimeError",
    "PipelineConfig",
    "PipelineRunLog",
    "PipemodelsError",
    "Problem",
    "RunStatus",
    "StageInfo",
    "StaleRevisionError",
    "StorageError",
    "SummaryError",
    "TableConfig",
    "TableMissingError",
    "TableType",
    "ThrottledError",
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
