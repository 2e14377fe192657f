"""Print how many requests and capacity units one whole run takes, with and without a limit, and the fewest possible.

    python -m benchmarks.lifecycle [ENDPOINT]

Counted as DynamoDB itself reports them (`ReturnConsumedCapacity`), on the embedded store or at an endpoint, e.g. that
of `python tools/localstack.py start`. The fewest: one request for each thing that is said, and the units that the
same items in the same tables and indexes cost to write; under a limit, a read too, for no transaction returns the
token.
"""

from __future__ import annotations

import sys
import tempfile
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pipemodels import DynamoDBConfig, commands, create_tables, drop_tables, using
from pipemodels.config import connection_of
from pipemodels.local import embedded_store

READS = {"GetItem", "BatchGetItem", "Query", "Scan", "TransactGetItems"}


@dataclass
class Bill:
    """What some work has cost: requests, and the units read and written."""

    requests: int = 0
    read: float = 0.0
    written: float = 0.0
    operations: list[str] = field(default_factory=list)

    def add(self, operation: str, reply: dict[str, Any]) -> None:
        """Count one request."""
        consumed = reply.get("ConsumedCapacity", [])
        units = sum(one["CapacityUnits"] for one in (consumed if isinstance(consumed, list) else [consumed]))
        self.requests += 1
        self.operations.append(operation)
        if operation in READS:
            self.read += units
        else:
            self.written += units

    def __add__(self, other: Bill) -> Bill:
        return Bill(
            self.requests + other.requests,
            self.read + other.read,
            self.written + other.written,
            self.operations + other.operations,
        )


@contextmanager
def billed(config: DynamoDBConfig) -> Iterator[Bill]:
    """Count what this configuration's client sends inside the block."""
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
    """One command of the lifecycle: what it cost, and the fewest requests and units that it could."""

    command: str
    bill: Bill
    fewest: Bill


def lifecycle(config: DynamoDBConfig, limit: int | None) -> list[Line]:
    """Live one whole run and return what each command cost."""
    pipeline_id = f"orders-{uuid.uuid4().hex[:8]}"
    key = {"pipeline_id": pipeline_id, "run_id": "scheduled__2026-05-17T12:00:00+00:00"}
    lines: list[Line] = []

    def line(name: str, call: Callable[[], Any], reads_needed: int = 0) -> Any:
        with billed(config) as bill:
            result = call()
        lines.append(Line(name, bill, Bill(1 + reads_needed, float(reads_needed), bill.written)))
        return result

    with using(config):
        commands.create_pipeline(
            pipeline_id=pipeline_id,
            pipeline_name="Orders",
            source_type="s3",
            destination_type="iceberg",
            max_concurrent_runs=limit,
        )
        run = line("start_run", lambda: commands.start_run(**key), reads_needed=0 if limit is None else 1)
        mine = {**key, "lease_token": run.lease_token}
        line("start_stage", lambda: commands.start_stage(**mine, stage_name="extract"))
        line("heartbeat", lambda: commands.heartbeat(run))
        line("record_metrics", lambda: commands.record_metrics(**mine, total_records_processed=7))
        line("finish_stage", lambda: commands.finish_stage(**mine, stage_name="extract", records_processed=7))
        line("finish_run", lambda: commands.finish_run(**mine))
    return lines


def table(lines: list[Line]) -> str:
    """Return the lines as a Markdown table, with their sum."""
    total = Line("in all", sum((one.bill for one in lines), Bill()), sum((one.fewest for one in lines), Bill()))
    head = ["| command | requests | read units | write units | fewest requests | fewest read | fewest write |"]
    head += ["| --- | ---: | ---: | ---: | ---: | ---: | ---: |"]
    return "\n".join([*head, *(_row(one) for one in [*lines, total])])


def _row(one: Line) -> str:
    numbers = [value for bill in (one.bill, one.fewest) for value in (bill.requests, bill.read, bill.written)]
    return f"| {one.command} | " + " | ".join(f"{value:g}" for value in numbers) + " |"


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
                print(f"{title}:\n\n{table(lifecycle(config, limit))}\n")
            drop_tables()


if __name__ == "__main__":
    main(*sys.argv[1:])
