"""Queries never write. `get_…` raises if the item does not exist, `find_…` returns None, plurals return `Results`."""

from pipemodels.queries.pipelines import (
    active_pipelines,
    all_pipelines,
    find_pipeline,
    get_pipeline,
    pipelines_by_environment,
)
from pipemodels.queries.results import Page, Results
from pipemodels.queries.runs import (
    all_runs,
    expired_runs,
    failed_runs,
    find_latest_run,
    find_run,
    get_run,
    running_runs,
    runs_by_status,
    runs_of_pipeline,
)
from pipemodels.queries.statistics import RunStatistics, run_statistics
from pipemodels.queries.tables import all_tables, find_table, get_table, tables_by_type, tables_of_pipeline
from pipemodels.queries.timezones import in_timezone

__all__ = [
    "Page",
    "Results",
    "RunStatistics",
    "active_pipelines",
    "all_pipelines",
    "all_runs",
    "all_tables",
    "expired_runs",
    "failed_runs",
    "find_latest_run",
    "find_pipeline",
    "find_run",
    "find_table",
    "get_pipeline",
    "get_run",
    "get_table",
    "in_timezone",
    "pipelines_by_environment",
    "run_statistics",
    "running_runs",
    "runs_by_status",
    "runs_of_pipeline",
    "tables_by_type",
    "tables_of_pipeline",
]
