"""Measure whether time per item and memory stay the same from a thousand to a million items.

A separate process for each size iterates that many items, page by page from the canned endpoint, without keeping
them:

    python -m benchmarks.growth whole|listed ITEMS ENDPOINT
"""

from __future__ import annotations

import json
import re
import resource
import statistics
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from benchmarks.items import PAGE
from pipemodels import DynamoDBConfig, configure, queries
from pipemodels.models import PipelineRunLog

SIZES = (1_000, 10_000, 100_000, 1_000_000)
_ENOUGH = 20_000  # items for a stable figure: small sizes are iterated several times


def items(kind: str, count: int) -> Iterable[Any]:
    """Return an iterable of this many whole items of a table, or summaries of an index."""
    partition = f"pages-{count // PAGE}"
    return PipelineRunLog.query(partition) if kind == "whole" else queries.runs_of_pipeline(partition)


def iterated(kind: str, count: int) -> float:
    """Iterate the items without keeping them; return the microseconds of processor time per item.

    Raises:
        RuntimeError: the number of items is wrong.
    """
    began = time.process_time()
    seen = sum(1 for _ in items(kind, count))
    spent = time.process_time() - began
    if seen != count:
        raise RuntimeError(f"{seen} items instead of {count}")
    return spent / count * 1e6


def peak_megabytes() -> float:
    """Return the peak memory of this process."""
    status = Path("/proc/self/status")
    if status.exists():  # getrusage would include the memory of the parent process
        found = re.search(r"^VmHWM:\s+(\d+) kB$", status.read_text(), re.M)
        assert found is not None, "Linux writes it for every process"
        return int(found[1]) / 1_000
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1_000_000  # bytes on macOS


def main(kind: str, count: str, endpoint: str) -> None:
    """Measure one size."""
    configure(DynamoDBConfig.for_local_development(endpoint, table_prefix="bench_"))
    iterated(kind, PAGE)  # one-time work
    times = [iterated(kind, int(count)) for _ in range(max(1, _ENOUGH // int(count)))]
    print(json.dumps({"microseconds": statistics.median(times), "megabytes": peak_megabytes()}))


if __name__ == "__main__":
    main(*sys.argv[1:])
