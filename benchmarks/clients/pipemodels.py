"""pipemodels: `PipelineRunLog`, and `queries` for the listing."""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar

from benchmarks.clients import Client, by_position
from pipemodels import DynamoDBConfig, configure, queries
from pipemodels.models import PipelineRunLog
from pipemodels.records import Record

_REWRITTEN = frozenset({"revision", "updated_at", "write_id"})


class Bench(Client):
    """Write in transactions, because the batch write keeps revisions and writes `write_id`."""

    title = "pipemodels"
    rewrites: ClassVar[frozenset[str]] = _REWRITTEN

    def __init__(self, endpoint: str) -> None:
        configure(DynamoDBConfig.for_local_development(endpoint, table_prefix="bench_"))

    def page(self, pipeline_id: str) -> list[Any]:
        """Query the table."""
        return list(PipelineRunLog.query(pipeline_id))

    def listing(self, pipeline_id: str) -> list[Any]:
        """List summaries."""
        return list(queries.runs_of_pipeline(pipeline_id))

    def get(self, pipeline_id: str, run_id: str) -> Any:
        """Get a run."""
        return queries.get_run(pipeline_id, run_id)

    def prepare(self, values: dict[str, Any]) -> Any:
        """Leave out the values that the package computes itself."""
        given = {name: value for name, value in values.items() if name not in PipelineRunLog.DERIVED | _REWRITTEN}
        if "stages" not in values:
            return given
        stages = [
            {name: value for name, value in stage.items() if name != "duration_seconds"} for stage in values["stages"]
        ]
        return given | {"stages": stages}

    def prepare_nested(self, values: dict[str, Any]) -> Any:
        """Separate the keys from the other values."""
        return by_position(self.prepare(values))

    def write(self, prepared: list[Any]) -> None:
        """Write transactions of up to 100."""
        with PipelineRunLog.batch_write() as batch:
            for values in prepared:
                batch.save(PipelineRunLog(**values))

    def write_nested(self, prepared: list[Any]) -> None:
        """Write the same, with keys by position."""
        with PipelineRunLog.batch_write() as batch:
            for keys, values in prepared:
                batch.save(PipelineRunLog(*keys, **values))

    def plain(self, item: Any) -> dict[str, Any]:
        """Read the attributes, and the fields of records."""
        return {name: _plain(value) for name, value in item.attribute_values.items()}


def _plain(value: Any) -> Any:
    if isinstance(value, Record):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}  # type: ignore[arg-type]
    return [_plain(element) for element in value] if isinstance(value, list) else value
