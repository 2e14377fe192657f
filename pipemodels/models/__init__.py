"""The stored format: the tables, and the attributes of their items."""

from pipemodels.models.base import ConfiguredTable, Model
from pipemodels.models.pipeline import PipelineConfig
from pipemodels.models.run import DataQualityResult, PipelineRunLog, RunStatus, StageInfo
from pipemodels.models.slots import RunSlots
from pipemodels.models.table import DataFormat, TableConfig, TableType

MODELS = (PipelineConfig, TableConfig, PipelineRunLog, RunSlots)

__all__ = [
    "MODELS",
    "ConfiguredTable",
    "DataFormat",
    "DataQualityResult",
    "Model",
    "PipelineConfig",
    "PipelineRunLog",
    "RunSlots",
    "RunStatus",
    "StageInfo",
    "TableConfig",
    "TableType",
]
