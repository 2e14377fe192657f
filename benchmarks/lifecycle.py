"""Print the requests and capacity units of a whole run, with and without a limit, and the fewest possible requests.

    python -m benchmarks.lifecycle [ENDPOINT]

The store reports the units (`ReturnConsumedCapacity`): the embedded store, or the one at an endpoint, such as
that of `python tools/localstack.py start`. A refused write reports none, although AWS bills it like a write. The
fewest possible requests are one for each command, and one to read the lease token of the last slot.
"""

from __future__ import annotations

import sys
import tempfile
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import astuple, dataclass, replace
from pathlib import Path
from typing import Any

from pipemodels import DynamoDBConfig, commands, create_tables, drop_tables, using
from pipemodels.connections import connection_of
from pipemodels.local import embedded_store

READS = {"GetItem", "BatchGetItem", "Query", "Scan", "TransactGetItems"}


@dataclass
class Bill:
    """The cost of some work: requests, refused requests, and read and write units."""

    requests: int = 0
    refused: int = 0
    read: float = 0.0
    written: float = 0.0

    def add(self, operation: str, reply: dict[str, Any]) -> None:
        """Count one request."""
        consumed = reply.get("ConsumedCapacity", [])
        units = sum(table["CapacityUnits"] for table in (consumed if isinstance(consumed, list) else [consumed]))
        self.requests += 1
        self.refused += "Error" in reply
        if operation in READS:
            self.read += units
        else:
            self.written += units

    def __add__(self, other: Bill) -> Bill:
        return Bill(*(mine + its for mine, its in zip(astuple(self), astuple(other), strict=True)))


@contextmanager
def billed(config: DynamoDBConfig) -> Iterator[Bill]:
    """Count the requests of this configuration's client inside the block."""
    bill = Bill()
    events = connection_of(config).client.meta.events

    def ask(params: dict[str, Any], **_: Any) -> None:
        params["ReturnConsumedCapacity"] = "TOTAL"

    def count(model: Any, parsed: dict[str, Any], **_: Any) -> None:
        bill.add(model.name, parsed)

    events.register("provide-client-params.dynamodb", ask)
    events.register("after-call.dynamodb", count)
    try:
        yield bill
    finally:
        events.unregister("provide-client-params.dynamodb", ask)
        events.unregister("after-call.dynamodb", count)


@dataclass(frozen=True)
class Line:
    """One command of the lifecycle: its cost, and the fewest possible requests."""

    command: str
    bill: Bill
    fewest: int


class Lifecycle:
    """One whole run, with a bill for each command."""

    def __init__(self, config: DynamoDBConfig, limit: int | None) -> None:
        self.config = config
        # a transaction returns no item, so the token must be read before
        self.start_needs = 1 if limit is None else 2
        self.key: dict[str, Any] = {"pipeline_id": f"orders-{uuid.uuid4().hex[:8]}", "run_id": "2026-05-17T12:00"}
        self.lines: list[Line] = []
        kind: dict[str, Any] = {"source_type": "s3", "destination_type": "iceberg"}
        commands.create_pipeline(
            pipeline_id=self.key["pipeline_id"], pipeline_name="Orders", max_concurrent_runs=limit, **kind
        )

    def line(self, name: str, call: Callable[[], Any], fewest: int = 1) -> Any:
        """Call a function and keep its bill as a line."""
        with billed(self.config) as bill:
            result = call()
        self.lines.append(Line(name, bill, fewest))
        return result

    def by_commands(self) -> list[Line]:
        """Record a run by separate commands, as a worker with its lease."""
        run = self.line("`start_run`", lambda: commands.start_run(**self.key), self.start_needs)
        mine = {**self.key, "lease_token": run.lease_token}
        stage = {**mine, "stage_name": "extract"}
        self.line("`start_stage`", lambda: commands.start_stage(**stage))
        self.line("`heartbeat`", lambda: commands.heartbeat(run))
        self.line("`record_metrics`", lambda: commands.record_metrics(**mine, total_records_processed=7))
        self.line("`finish_stage`", lambda: commands.finish_stage(**stage, records_processed=7))
        self.line("`finish_run`", lambda: commands.finish_run(**mine))
        in_all = sum((line.bill for line in self.lines), Bill())
        return [*self.lines, Line("in all", in_all, sum(line.fewest for line in self.lines))]

    def by_recorded_run(self) -> list[Line]:
        """Record the same, except the heartbeat, by `recorded_run`."""

        def work() -> None:
            with commands.recorded_run(**self.key) as run, run.stage("extract"):
                run.record_metrics(total_records_processed=7)

        self.line("`recorded_run`, with a stage and metrics", work, self.start_needs + 4)
        return self.lines


def table(lines: list[Line]) -> str:
    """Return the lines as a Markdown table."""
    head = ["| | requests | the fewest | refused | read units | write units |", "| --- |" + " ---: |" * 5]
    return "\n".join([*head, *map(_row, lines)])


def _row(line: Line) -> str:
    bill = line.bill
    numbers = (bill.requests, line.fewest, bill.refused, bill.read, bill.written)
    return f"| {line.command} | " + " | ".join(f"{value:g}" for value in numbers) + " |"


@contextmanager
def _store(endpoint: str | None) -> Iterator[DynamoDBConfig]:
    if endpoint is not None:
        yield DynamoDBConfig.for_local_development(endpoint)
        return
    with tempfile.TemporaryDirectory() as directory, embedded_store(Path(directory)) as config:
        yield config


def main(endpoint: str | None = None) -> None:
    """Measure and print."""
    with _store(endpoint) as store:
        config = replace(store, table_prefix=f"lifecycle_{uuid.uuid4().hex[:8]}_")
        with using(config):
            create_tables()
            for title, limit in (("Without a limit", None), ("With a limit", 1)):
                lines = Lifecycle(config, limit).by_commands() + Lifecycle(config, limit).by_recorded_run()
                print(f"{title}:\n\n{table(lines)}\n")
            drop_tables()


if __name__ == "__main__":
    main(*sys.argv[1:])
