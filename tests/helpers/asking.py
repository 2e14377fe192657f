"""How every public command and query is called, so that it asks DynamoDB for something."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from pipemodels import PipelineRunLog, commands, create_tables, drop_tables, queries, table_status

AT = datetime(2026, 11, 22, 6, tzinfo=UTC)
_PIPELINE: dict[str, Any] = {"pipeline_name": "n", "source_type": "s", "destination_type": "d"}
_TABLE: dict[str, Any] = {
    "table_name": "n",
    "table_type": "source",
    "pipeline_id": "p",
    "data_format": "csv",
    "location": "l",
}
_RUN: dict[str, Any] = {"pipeline_id": "p", "run_id": "r"}


def _run() -> PipelineRunLog:
    item = PipelineRunLog(**_RUN, status="running", start_time=AT, trigger_type="manual")
    item.lease_token, item.lease_seconds, item.lease_expires_at = 1, 300, AT
    return item


def _recorded() -> None:
    with commands.recorded_run(**_RUN):
        raise AssertionError("the block is entered")


COMMANDS: Mapping[str, Callable[[], Any] | None] = {
    "RecordedRun": None,
    "activate_pipelines": lambda: commands.activate_pipelines(["p", "q"]),
    "activate_tables": lambda: commands.activate_tables(["t", "u"]),
    "cancel_run": lambda: commands.cancel_run(**_RUN),
    "create_pipeline": lambda: commands.create_pipeline(pipeline_id="p", **_PIPELINE),
    "create_table": lambda: commands.create_table(table_id="t", **_TABLE),
    "current_run": None,  # of the block around, which `recorded_run` has entered
    "deactivate_pipelines": lambda: commands.deactivate_pipelines(["p", "q"]),
    "deactivate_tables": lambda: commands.deactivate_tables(["t", "u"]),
    "delete_pipeline": lambda: commands.delete_pipeline(pipeline_id="p"),
    "delete_run": lambda: commands.delete_run(**_RUN),
    "delete_table": lambda: commands.delete_table(table_id="t"),
    "fail_run": lambda: commands.fail_run(**_RUN, error_message="m"),
    "finish_run": lambda: commands.finish_run(**_RUN),
    "finish_stage": lambda: commands.finish_stage(**_RUN, stage_name="s"),
    "heartbeat": lambda: commands.heartbeat(_run()),
    "put_pipeline": lambda: commands.put_pipeline(pipeline_id="p", **_PIPELINE),
    "put_table": lambda: commands.put_table(table_id="t", **_TABLE),
    "queue_run": lambda: commands.queue_run(**_RUN),
    "reap_expired_runs": lambda: commands.reap_expired_runs(),
    "record_metrics": lambda: commands.record_metrics(**_RUN, total_records_processed=1),
    "record_quality": lambda: commands.record_quality(**_RUN, results=[{"check_name": "c", "passed": True}]),
    "record_table_statistics": lambda: commands.record_table_statistics(table_id="t", record_count=1),
    "recorded_run": _recorded,
    "retry_run": lambda: commands.retry_run(**_RUN),
    "skip_run": lambda: commands.skip_run(**_RUN),
    "start_run": lambda: commands.start_run(**_RUN),
    "start_stage": lambda: commands.start_stage(**_RUN, stage_name="s"),
    "update_pipeline": lambda: commands.update_pipeline(pipeline_id="p", changes={"description": "x"}),
    "update_table": lambda: commands.update_table(table_id="t", changes={"description": "x"}),
}
"""By name; None asks for nothing."""

QUERIES: Mapping[str, Callable[[], Any] | None] = {
    "Page": None,
    "Results": lambda: queries.all_pipelines().count(),
    "RunStatistics": None,
    "active_pipelines": lambda: list(queries.active_pipelines()),
    "all_pipelines": lambda: queries.all_pipelines().page(2),
    "all_runs": lambda: list(queries.all_runs()),
    "all_tables": lambda: list(queries.all_tables()),
    "expired_runs": lambda: queries.expired_runs().first(),
    "failed_runs": lambda: list(queries.failed_runs(AT)),
    "find_latest_run": lambda: queries.find_latest_run("p"),
    "find_pipeline": lambda: queries.find_pipeline("p"),
    "find_run": lambda: queries.find_run("p", "r"),
    "find_table": lambda: queries.find_table("t"),
    "get_pipeline": lambda: queries.get_pipeline("p"),
    "get_run": lambda: queries.get_run("p", "r"),
    "get_table": lambda: queries.get_table("t"),
    "in_timezone": None,
    "pipelines_by_environment": lambda: list(queries.pipelines_by_environment("dev")),
    "run_statistics": lambda: queries.run_statistics("p"),
    "running_runs": lambda: queries.running_runs().count(),
    "runs_by_status": lambda: list(queries.runs_by_status("failed")),
    "runs_of_pipeline": lambda: list(queries.runs_of_pipeline("p").in_full()),
    "tables_by_type": lambda: list(queries.tables_by_type("source")),
    "tables_of_pipeline": lambda: list(queries.tables_of_pipeline("p")),
}
"""By name; None asks for nothing."""

SCHEMA: Mapping[str, Callable[[], Any]] = {
    "create_tables": lambda: create_tables(timeout_seconds=0),
    "drop_tables": lambda: drop_tables(timeout_seconds=0),
    "table_status": table_status,
}
"""By name."""

ASKING = {name: ask for name, ask in {**COMMANDS, **QUERIES, **SCHEMA}.items() if ask is not None}
