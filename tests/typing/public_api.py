"""What a user's type checker sees; checked by mypy in `test_typing.py`, never run."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, assert_type

from pendulum import DateTime

from pipemodels import (
    DynamoDBConfig,
    PipelineConfig,
    PipelineRunLog,
    RunStatus,
    StageInfo,
    TableConfig,
    TableType,
    commands,
    create_tables,
    parse_instant,
    queries,
    using,
)
from pipemodels.attributes import IdAttribute, UTCInstantAttribute
from pipemodels.queries import Page, Results
from pipemodels.schema import TableStatus

pipeline = queries.get_pipeline("p")
assert_type(pipeline, PipelineConfig)
assert_type(queries.find_pipeline("p"), PipelineConfig | None)
assert_type(queries.get_table("t"), TableConfig)
assert_type(queries.find_run(run_id="r"), PipelineRunLog | None)
assert_type(queries.runs_of_pipeline("p"), Results[PipelineRunLog])
assert_type(queries.active_pipelines().page(5), Page[PipelineConfig])
assert_type(queries.active_pipelines().in_full().first(), PipelineConfig | None)
assert_type(queries.tables_by_type("source").count(), int)
assert_type([run.status for run in queries.running_runs()], list[RunStatus])

assert_type(pipeline.pipeline_name, str)
assert_type(pipeline.is_active, bool)
assert_type(pipeline.cpu_cores, int)
assert_type(pipeline.memory_gb, Decimal)
assert_type(pipeline.config, dict[str, Any])
assert_type(pipeline.created_at, DateTime)
assert_type(pipeline.revision, int)
assert_type(PipelineConfig.pipeline_id, IdAttribute)
assert_type(PipelineConfig.created_at, UTCInstantAttribute)

run = PipelineRunLog.get("p", "r")
assert_type(run, PipelineRunLog)
assert_type(run.status, RunStatus)
assert_type(run.stages, list[StageInfo])
assert_type(run.stages[0].start_time, datetime | None)
assert_type(queries.get_table("t").table_type, TableType)

assert_type(next(PipelineConfig.active_pipelines_index.query("active#0")), PipelineConfig)
assert_type(next(PipelineRunLog.query("p", PipelineRunLog.run_id.startswith("r"))), PipelineRunLog)
assert_type(next(PipelineConfig.batch_get(["p"])), PipelineConfig)
with PipelineConfig.batch_write() as batch:
    batch.save(pipeline)

assert_type(commands.start_run(pipeline_id="p", now=datetime.now(UTC)), PipelineRunLog)
assert_type(commands.update_pipeline(pipeline_id="p", changes={"version": "1.0.0"}), PipelineConfig)
assert_type(commands.activate_pipelines(["p"]), list[str])
with commands.recorded_run(pipeline_id="p") as recorded:
    assert_type(recorded, commands.RecordedRun)
    assert_type(recorded.run, PipelineRunLog)
    with recorded.stage("load") as nothing:
        assert_type(nothing, None)


@commands.recorded_run(pipeline_id="p")
def load(number: int) -> str:
    """Load it."""
    return str(number)


@commands.recorded_run(pipeline_id="p")
async def wait(number: int) -> str:
    """Wait for it."""
    async with commands.recorded_run(pipeline_id="p") as run, run.stage("load"):
        assert_type(run, commands.RecordedRun)
    return str(number)


assert_type(load(1), str)

assert_type(parse_instant("2026-11-22T06:04:09Z"), DateTime)
assert_type(create_tables(), list[TableStatus])
with using(DynamoDBConfig(region_name="eu-central-1")) as config:
    assert_type(config, DynamoDBConfig)
