"""Reads by key are strongly consistent. Stand-ins always are, so these tests look at what is asked for."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pipemodels import DynamoDBConfig, commands, queries, using
from pipemodels.connections import connection_of
from pipemodels.interop.definitions.applying import apply_definitions
from pipemodels.interop.openlineage.ingesting import ingest_events

PIPELINE: dict[str, Any] = {
    "pipeline_name": "n",
    "source_type": "s",
    "destination_type": "d",
    "max_concurrent_runs": 1,
}
TABLE: dict[str, Any] = {"table_name": "n", "table_type": "source", "data_format": "csv", "location": "x"}
EVENT = {
    "eventType": "START",
    "eventTime": "2026-11-22T06:04:09Z",
    "job": {"namespace": "n", "name": "j"},
    "run": {"runId": "event"},
}


@pytest.fixture(scope="module", autouse=True)
def stored(module_config: DynamoDBConfig) -> None:
    """Store what is read."""
    with using(module_config):
        commands.create_pipeline(pipeline_id="p", **PIPELINE)
        commands.create_table(table_id="t", pipeline_id="p", **TABLE)
        commands.start_run(pipeline_id="p", run_id="r")
        commands.queue_run(pipeline_id="p", run_id="failed")
        commands.fail_run(pipeline_id="p", run_id="failed", error_message="boom")


@pytest.fixture
def reads(config: DynamoDBConfig) -> Iterator[list[bool]]:
    """Return the list of what each read by keys asks for from now on: whether it is to be consistent."""
    asked: list[bool] = []

    def note(params: dict[str, Any], model: Any, **_: Any) -> None:
        if model.name == "GetItem":
            asked.append(params.get("ConsistentRead", False))
        if model.name == "BatchGetItem":
            asked.extend(one.get("ConsistentRead", False) for one in params["RequestItems"].values())

    events = connection_of(config).client.meta.events
    events.register("before-parameter-build.dynamodb", note)
    yield asked
    events.unregister("before-parameter-build.dynamodb", note)


def apply(path: Path) -> None:
    """Apply a definition."""
    file = path / "definition.json"
    file.write_text(json.dumps({"pipelines": [{"pipeline_id": "p", **PIPELINE}]}))
    assert apply_definitions([file]).unchanged == ["p"]


def ingest(path: Path) -> None:
    """Ingest an event."""
    file = path / "events.ndjson"
    file.write_text(json.dumps(EVENT))
    assert ingest_events([file]).events == 1


@pytest.mark.parametrize(
    ("read", "count"),
    [
        (lambda _: queries.get_pipeline("p"), 1),
        (lambda _: queries.find_table("t"), 1),
        (lambda _: queries.get_run("p", "r"), 1),
        (lambda _: queries.find_run(run_id="r"), 1),
        (lambda _: queries.find_latest_run("p"), 1),
        (lambda _: list(queries.running_runs().in_full()), 1),
        (lambda _: commands.start_stage(pipeline_id="p", run_id="r", stage_name="load"), 1),
        (lambda _: commands.start_run(pipeline_id="p", run_id="r"), 3),
        (lambda _: commands.retry_run(pipeline_id="p", run_id="failed"), 3),
        (apply, 1),
        (ingest, 2),
    ],
    ids=["get", "find", "run", "by run_id", "latest", "in full", "stage", "start", "retry", "apply", "ingest"],
)
def test_what_was_written_a_moment_ago_is_read(
    read: Callable[[Path], object], count: int, reads: list[bool], tmp_path: Path
) -> None:
    """Each read of an item by its key asks for the last write, whoever decides by it."""
    read(tmp_path)
    assert reads == [True] * count
