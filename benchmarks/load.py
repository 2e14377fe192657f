"""Time calls of one kind, distributed over threads, in a separate process.

    python -m benchmarks.load WORK THREADS CALLS ENDPOINT PREFIX PIPELINE RUN

The tables of that prefix have the items; PIPELINE and RUN name one of them.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from pipemodels import DynamoDBConfig, commands, configure, queries
from pipemodels.models import PipelineRunLog

_WARM_UP = 3
_WRITTEN = 100  # items: one transaction


def works(pipeline_id: str, run_id: str) -> dict[str, Callable[[], Any]]:
    """Return the kinds of calls by name."""
    return {
        "get": lambda: queries.get_run(pipeline_id, run_id),
        "page": lambda: list(PipelineRunLog.query(pipeline_id)),
        "listing": lambda: list(queries.runs_of_pipeline(pipeline_id)),
        "write": _write,
        "run": lambda: _run(pipeline_id),
    }


def _write() -> None:
    name = uuid.uuid4().hex
    with PipelineRunLog.batch_write() as batch:
        for number in range(_WRITTEN):
            run_id = f"{name}-{number}"
            batch.save(PipelineRunLog(pipeline_id="written", run_id=run_id, status="pending", trigger_type="manual"))


def _run(pipeline_id: str) -> None:
    run = commands.start_run(pipeline_id=pipeline_id + "-load")
    commands.finish_run(pipeline_id=run.pipeline_id, run_id=run.run_id, lease_token=run.lease_token)


def loaded(call: Callable[[], Any], threads: int, calls: int) -> dict[str, Any]:
    """Make all calls on these threads; return calls per second, processor µs per call, and latencies in ms."""

    def timed(_: int) -> float:
        began = time.perf_counter()
        call()
        return (time.perf_counter() - began) * 1e3

    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(timed, range(_WARM_UP * threads)))  # opens connections and starts threads
        wall, processor = time.perf_counter(), time.process_time()
        latencies = list(pool.map(timed, range(calls)))
        wall, processor = time.perf_counter() - wall, time.process_time() - processor
    cuts = statistics.quantiles(latencies, n=100, method="inclusive")
    return {
        "a_second": calls / wall,
        "processor": processor / calls * 1e6,
        "p50": cuts[49],
        "p95": cuts[94],
        "p99": cuts[98],
    }


def main(work: str, threads: str, calls: str, endpoint: str, prefix: str, pipeline_id: str, run_id: str) -> None:
    """Make the calls and print the results."""
    configure(DynamoDBConfig.for_local_development(endpoint, table_prefix=prefix))
    print(json.dumps(loaded(works(pipeline_id, run_id)[work], int(threads), int(calls))))


if __name__ == "__main__":
    main(*sys.argv[1:])
