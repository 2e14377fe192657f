"""Measure growth with items and threads, and whole calls on stores; write the results to `docs/benchmarks.md`.

    python -m benchmarks.scale [--most ITEMS] [--dry-run]

Growth and threads are measured on the canned endpoint, whole calls on the embedded store, and on the LocalStack at
`PIPEMODELS_LOCALSTACK_ENDPOINT`, if that is set.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks import report
from benchmarks.corpus import Corpus
from benchmarks.endpoint import running
from benchmarks.growth import SIZES
from benchmarks.items import corpus
from pipemodels import DynamoDBConfig, commands, create_tables, drop_tables, using
from pipemodels.connections import connection_of
from pipemodels.local import embedded_store

ENDPOINT_VARIABLE = "PIPEMODELS_LOCALSTACK_ENDPOINT"
THREADS = (1, 2, 4, 8)
KINDS = {"whole": "whole items of a table", "listed": "summaries of an index"}
CALLS = {"get": 400, "page": 40, "listing": 40, "write": 20, "run": 100}
"""The calls of `benchmarks.load`, and how many of each are timed on a store."""
TITLES = {
    "get": "get a run",
    "page": "read 500 whole runs",
    "listing": "list 500 summaries",
    "write": "write 100 runs, one transaction",
    "run": "start a run and finish it",
}
_THREADED = {"get": 800, "page": 32}
_BATCH = 25


def _child(module: str, *arguments: object) -> Any:
    """Run a benchmark module in a separate process, and return the JSON that it prints."""
    command = [sys.executable, "-m", f"benchmarks.{module}", *map(str, arguments)]
    print(" ".join(command[2:]), file=sys.stderr)
    return json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout)


def growth(endpoint: str, most: int) -> str:
    """Measure iterating up to `most` items; return a table."""
    rows = []
    for kind, title in KINDS.items():
        for size in (size for size in SIZES if size <= most):
            found = _child("growth", kind, size, endpoint)
            rows.append([title, f"{size:,}", f"{found['microseconds']:.1f}", f"{found['megabytes']:.0f}"])
    return report.table(["iterated, none kept", "items", "processor, µs an item", "peak memory, MB"], rows)


def threads(endpoint: str, items: Corpus) -> str:
    """Measure calls on 1 to 8 threads; return a table."""
    rows = []
    for work, calls in _THREADED.items():
        for number in THREADS:
            found = _child("load", work, number, calls, endpoint, "bench_", "easy", items.easy[0]["run_id"]["S"])
            shown = [f"{found['a_second']:,.0f}", f"{found['processor']:,.0f}", *_latencies(found)]
            rows.append([TITLES[work], str(number), *shown])
    head = ["on the canned endpoint", "threads", "calls a second", "processor, µs a call", *_LATENCIES]
    return report.table(head, rows)


_LATENCIES = ("p50, ms", "p95, ms", "p99, ms")


def _latencies(found: dict[str, float]) -> list[str]:
    return [f"{found[name]:.1f}" for name in ("p50", "p95", "p99")]


def whole_calls(name: str, store: DynamoDBConfig, items: Corpus) -> str:
    """Measure calls on a real store, with separate tables that are dropped at the end; return a table."""
    rows = []
    with _filled(store, items) as config:
        for number in (1, THREADS[-1]):
            for work, calls in CALLS.items():
                key = [items.easy[0][part]["S"] for part in ("pipeline_id", "run_id")]
                found = _child("load", work, number, calls, config.endpoint_url, config.table_prefix, *key)
                rows.append([TITLES[work], str(number), f"{found['a_second']:,.1f}", *_latencies(found)])
    return report.table([f"on {name}", "threads", "calls a second", *_LATENCIES], rows)


@contextmanager
def _filled(store: DynamoDBConfig, items: Corpus) -> Iterator[DynamoDBConfig]:
    config = replace(store, table_prefix=f"scale_{uuid.uuid4().hex[:8]}_")
    with using(config):
        create_tables()
        try:
            kind: dict[str, Any] = {"source_type": "s3", "destination_type": "iceberg"}
            pipeline_id = items.easy[0]["pipeline_id"]["S"] + "-load"
            commands.create_pipeline(pipeline_id=pipeline_id, pipeline_name="Orders", **kind)
            client = connection_of(config).client
            for start in range(0, len(items.easy), _BATCH):
                puts = [{"PutRequest": {"Item": item}} for item in items.easy[start : start + _BATCH]]
                client.batch_write_item(RequestItems={config.table_name("pipeline_run_logs"): puts})
            yield config
        finally:
            drop_tables()


def measured(most: int) -> Iterator[str]:
    """Yield the tables of results."""
    items = corpus()
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "corpus.json"
        items.save(path)
        with running(path) as endpoint:
            yield growth(endpoint, most)
            yield threads(endpoint, items)
        with embedded_store(Path(directory) / "store", start_timeout_seconds=30.0) as store:
            yield whole_calls("the embedded store", store, items)
    if localstack := os.environ.get(ENDPOINT_VARIABLE):
        yield whole_calls("LocalStack", DynamoDBConfig.for_local_development(localstack), items)


def main() -> None:
    """Measure and write the results."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scale")
    parser.add_argument("--most", type=int, default=SIZES[-1], help=f"iterate at most this many items; {SIZES[-1]:,}")
    parser.add_argument("--dry-run", action="store_true", help="print the results, write no file")
    given = parser.parse_args()
    text = "\n\n".join([f"{report.circumstances()}.", *measured(given.most)])
    print(text)
    if not given.dry_run:
        report.write("scale", text)


if __name__ == "__main__":
    main()
