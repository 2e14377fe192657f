"""Writes: each command changes one item or raises. Arguments are keywords; `now=` replaces the clock."""

from pipemodels.commands.leases import heartbeat, reap_expired_runs
from pipemodels.commands.pipelines import (
    activate_pipelines,
    create_pipeline,
    deactivate_pipelines,
    delete_pipeline,
    put_pipeline,
    update_pipeline,
)
from pipemodels.commands.recording import RecordedRun, current_run, recorded_run
from pipemodels.commands.runs import (
    cancel_run,
    delete_run,
    fail_run,
    finish_run,
    queue_run,
    record_metrics,
    record_quality,
    retry_run,
    skip_run,
    start_run,
)
from pipemodels.commands.stages import finish_stage, start_stage
from pipemodels.commands.tables import (
    activate_tables,
    create_table,
    deactivate_tables,
    delete_table,
    put_table,
    record_table_statistics,
    update_table,
)

__all__ = [
    "RecordedRun",
    "activate_pipelines",
    "activate_tables",
    "cancel_run",
    "create_pipeline",
    "create_table",
    "current_run",
    "deactivate_pipelines",
    "deactivate_tables",
    "delete_pipeline",
    "delete_run",
    "delete_table",
    "fail_run",
    "finish_run",
    "finish_stage",
    "heartbeat",
    "put_pipeline",
    "put_table",
    "queue_run",
    "reap_expired_runs",
    "record_metrics",
    "record_quality",
    "record_table_statistics",
    "recorded_run",
    "retry_run",
    "skip_run",
    "start_run",
    "start_stage",
    "update_pipeline",
    "update_table",
]
