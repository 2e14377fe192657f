"""Count the instructions per item; write them to `docs/benchmarks.md`. Needs valgrind.

    python -m benchmarks.instructions [--clients NAME…] [--dry-run]

Other load on the machine hardly affects a count, unlike a time. Each client runs under callgrind and does its
work in two lengths; the difference is divided by the number of additional items, so that one-time work, such as
the start of the process, does not count. The system's instructions are not counted.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks import report
from benchmarks.clients import NAMES
from benchmarks.compare import OURS, WORKS, Work
from benchmarks.endpoint import running
from benchmarks.items import corpus
from benchmarks.processes import WorkerProcess

SIZE = 100  # items of a page: callgrind is fifty times as slow as the processor
LENGTHS: Mapping[str, tuple[int, int]] = {"get": (5, 25)}
_PAGES = (1, 3)
_CALLGRIND = ("valgrind", "-q", "--tool=callgrind", "--instr-atstart=no")
_TOTALS = re.compile(r"^totals: (\d+)$", re.M)

Counts = dict[tuple[str, str], float]
"""Thousands of instructions per item, by client and work."""


class Counted:
    """A client under callgrind, which counts the instructions from one dump to the next."""

    def __init__(self, worker: WorkerProcess, dumps: Path) -> None:
        self._worker, self._dumps, self._looks = worker, dumps, 0
        self._control("-i", "on")
        self._count()  # the first dump includes translating the process

    def _control(self, *order: str) -> None:
        subprocess.run(["callgrind_control", *order, str(self._worker.pid)], check=True, capture_output=True)

    def _count(self) -> int:
        """Return the instructions since the last dump."""
        self._control("--dump")
        self._looks += 1
        found = _TOTALS.search(Path(f"{self._dumps}.{self._looks}").read_text())
        assert found is not None, "callgrind writes a line of totals"
        return int(found[1])

    def an_item(self, work: str) -> float:
        """Return the thousands of instructions that one more item takes."""
        counts, items = [], []
        for calls in LENGTHS.get(work, _PAGES):
            items.append(self._worker.timed(work, calls)["items"])
            counts.append(self._count())
        return (counts[1] - counts[0]) / (items[1] - items[0]) / 1_000


def measure(names: Sequence[str]) -> tuple[Counts, dict[str, str]]:
    """Count all work of the clients, one client after the other; return the counts and the titles of the clients."""
    counts: Counts = {}
    titles = {}
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "corpus.json"
        corpus(SIZE).save(path)
        for name in names:
            dumps = Path(directory) / name
            callgrind = [*_CALLGRIND, f"--callgrind-out-file={dumps}"]
            with running(path) as endpoint, WorkerProcess(name, path, endpoint, under=callgrind) as worker:
                titles[name] = worker.title
                counted = Counted(worker, dumps)
                counts |= {(name, work.name): counted.an_item(work.name) for work in WORKS}
            # now, so that an interrupted run has printed something
            shown = (f"{work.label} {counts[name, work.name]:,.0f}" for work in WORKS)
            print(f"{name}: {', '.join(shown)}", file=sys.stderr, flush=True)
    return counts, titles


def table(counts: Counts, titles: Mapping[str, str]) -> str:
    """Return a Markdown table of the counts with their ratios, the fewest for a page first."""
    rows = [
        [f"**{titles[name]}**" if name == OURS else titles[name], *(_cell(counts, name, work) for work in WORKS)]
        for name in sorted(titles, key=lambda name: counts[name, "page"])
    ]
    return report.table(["thousands of instructions", *(f"{work.label}, {work.unit}" for work in WORKS)], rows)


def _cell(counts: Counts, name: str, work: Work) -> str:
    reference = counts.get((name if work.reference_work != work.name else work.reference, work.reference_work))
    mine = counts[name, work.name]
    return f"{mine:,.0f}" + (f" ({mine / reference:.2f})" if reference else "")


def main() -> None:
    """Count and write the results."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.instructions")
    parser.add_argument("--clients", nargs="+", choices=NAMES, default=NAMES, metavar="NAME", help=" ".join(NAMES))
    parser.add_argument("--dry-run", action="store_true", help="print the results, write no file")
    given = parser.parse_args()
    if shutil.which("callgrind_control") is None:
        sys.exit("valgrind is not installed: `apt-get install valgrind`, or your system's package of that name")
    text = f"{report.circumstances()}.\n\n{table(*measure(given.clients))}"
    print(text)
    if not given.dry_run:
        report.write("instructions", text)


if __name__ == "__main__":
    main()
