"""Time the package and other clients on the same items; write `docs/benchmarks.md` and `docs/benchmarks.svg`.

    python -m benchmarks.compare [--rounds N] [--seconds S] [--clients NAME…] [--dry-run]

Each client runs in a separate process, and they take turns: in each round every client does all work, in a
different order than in the round before, so that other load on the machine affects all of them. A ratio is
computed within a round; the tables show the median of all rounds, with quartiles. If a client returns a wrong
item, no figures are printed.
"""

from __future__ import annotations

import argparse
import random
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks import report
from benchmarks.clients import NAMES
from benchmarks.endpoint import running
from benchmarks.items import corpus
from benchmarks.picture import Panel, bars
from benchmarks.processes import WorkerProcess

OURS, SWAPPED = "pipemodels", "pipemodels_base"
ROUNDS, SECONDS = 15, 180.0


@dataclass(frozen=True)
class Work:
    """Work to time, how often in a round, and the client and work to compare it with.

    Attributes:
        calls: calls in one turn of a client.
        turns: turns of each client in a round; short work has several, to average over the load of the machine.
    """

    name: str
    label: str
    title: str
    calls: int
    reference: str
    reference_work: str
    goal: float
    unit: str = "an item"
    turns: int = 1


WORKS = (
    Work("page", "page", "a page of 500 run logs, whole objects kept", 1, "pydynox", "page", 0.45),
    Work("hard", "hard page", "the same, stack traces and escapes", 1, "pydynox", "hard", 0.6),
    Work(
        "nested",
        "page of documents",
        "a page of 500 of another shape: documents and lists",
        1,
        "pydynox",
        "nested",
        0.45,
    ),
    Work("write", "batch write", "batch write of 500: made, encoded, sent", 1, "pydynox", "write", 0.95),
    Work(
        "nested_write",
        "of documents",
        "the same of the other shape, keys by position",
        1,
        "pydynox",
        "nested_write",
        1.1,
    ),
    Work("get", "get", "one get", 20, "pynamodb", "get", 0.6, "a call", 6),
    Work("listing", "listing", "a listing of 500 summaries", 2, OURS, "page", 0.5),
)
CLOCKS = ("processor", "wall")


@dataclass
class Times:
    """Microseconds per item by client, work and clock, with a number for each round."""

    rounds: dict[tuple[str, str, str], list[float]] = field(default_factory=dict)

    def add(self, client: str, work: str, found: Mapping[str, float]) -> None:
        """Add the result of one round."""
        for clock in CLOCKS:
            self.rounds.setdefault((client, work, clock), []).append(found[clock] / found["items"] * 1e6)

    def median(self, client: str, work: str, clock: str) -> float:
        """Return the median of the rounds."""
        return statistics.median(self.rounds[client, work, clock])

    def ratio(self, client: str, work: Work, clock: str) -> tuple[float, float, float] | None:
        """Return the first quartile, the median and the third quartile of the ratios; None without a reference."""
        # a listing is compared with the page of the same client
        reference = client if work.reference_work != work.name else work.reference
        theirs = self.rounds.get((reference, work.reference_work, clock))
        if theirs is None:
            return None
        ratios = [ours / other for ours, other in zip(self.rounds[client, work.name, clock], theirs, strict=True)]
        return tuple(statistics.quantiles(ratios, n=4, method="inclusive"))  # type: ignore[return-value]  # three


@contextmanager
def workers(names: Sequence[str]) -> Iterator[dict[str, WorkerProcess]]:
    """Start the canned endpoint and the clients, and check each client."""
    with tempfile.TemporaryDirectory() as directory, ExitStack() as stack:
        path = Path(directory) / "corpus.json"
        corpus().save(path)
        endpoint = stack.enter_context(running(path))
        # one after the other: a check reads the items that its client wrote
        yield {name: stack.enter_context(WorkerProcess(name, path, endpoint)) for name in names}


def measure(clients: Mapping[str, WorkerProcess], rounds: int, seconds: float) -> Times:
    """Let the clients take turns, for this many rounds or seconds, but at least three rounds."""
    times = Times()
    end = time.monotonic() + seconds
    for number in range(rounds):
        if number >= 3 and time.monotonic() > end:
            break
        order = random.Random(number)  # the order of turns
        for work in WORKS:
            for name, found in _taken_in_turns(clients, work, order).items():
                times.add(name, work.name, found)
        print(f"round {number + 1}", file=sys.stderr)
    return times


def _taken_in_turns(
    clients: Mapping[str, WorkerProcess], work: Work, order: random.Random
) -> dict[str, Counter[str]]:
    """Let every client do the work in all its turns; return the sums."""
    found = {name: Counter[str]() for name in clients}
    held_together = {OURS, SWAPPED, work.reference}  # next to each other, because the load may change every second
    for _ in range(work.turns):
        for name in sorted(order.sample(sorted(clients), len(clients)), key=held_together.__contains__):
            found[name].update(clients[name].timed(work.name, work.calls))
    return found


def tables(clients: Mapping[str, WorkerProcess], times: Times) -> str:
    """Return the results as Markdown tables."""
    parts = [_goals(clients, times)] if OURS in clients else []
    decoding = report.table(
        ["client", "decodes"], [[client.title, client.decodes] for client in clients.values()], texts=2
    )
    return "\n\n".join([*parts, decoding, *(_table(work, clients, times) for work in WORKS)])


def _goals(clients: Mapping[str, WorkerProcess], times: Times) -> str:
    rows = []
    for work in WORKS:
        against = "the whole object's" if work.name == "listing" else work.reference
        shown = [_ratio(times.ratio(OURS, work, clock)) for clock in CLOCKS]
        swapped = _ratio(times.ratio(SWAPPED, work, CLOCKS[0])) if SWAPPED in clients else "-"
        rows.append([work.title, against, *shown, swapped, f"≤ {work.goal}"])
    head = ["work", "held against", "by processor time", "by wall clock", "base swapped, processor", "goal"]
    return report.table(head, rows)


def _table(work: Work, clients: Mapping[str, WorkerProcess], times: Times) -> str:
    against = "its own page" if work.name == "listing" else work.reference
    head = [
        f"{work.title}",
        f"processor, µs {work.unit}",
        "wall, µs",
        f"to {against}, processor",
        f"to {against}, wall",
    ]
    order = sorted(clients, key=lambda name: times.median(name, work.name, "processor"))
    rows = [
        [
            f"**{clients[name].title}**" if name == OURS else clients[name].title,
            *(f"{times.median(name, work.name, clock):,.1f}" for clock in CLOCKS),
            *(_ratio(times.ratio(name, work, clock)) for clock in CLOCKS),
        ]
        for name in order
    ]
    return report.table(head, rows)


def _ratio(found: tuple[float, float, float] | None) -> str:
    return "-" if found is None else f"{found[1]:.2f} ({found[0]:.2f} to {found[2]:.2f})"


def picture(clients: Mapping[str, WorkerProcess], times: Times) -> str:
    """Return the processor times as an SVG picture."""
    panels = [
        Panel(
            f"{work.title}: µs of processor time {work.unit}",
            {clients[name].title: times.median(name, work.name, "processor") for name in clients},
        )
        for work in WORKS
    ]
    return bars(panels, clients[OURS].title if OURS in clients else "")


def main() -> None:
    """Measure and write the results."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.compare")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"most rounds; {ROUNDS}")
    parser.add_argument("--seconds", type=float, default=SECONDS, help=f"start no round after these; {SECONDS:g}")
    parser.add_argument("--clients", nargs="+", choices=NAMES, default=NAMES, metavar="NAME", help=" ".join(NAMES))
    parser.add_argument("--dry-run", action="store_true", help="print the results, write no file")
    given = parser.parse_args()
    with workers(given.clients) as clients:
        times = measure(clients, given.rounds, given.seconds)
    count = len(next(iter(times.rounds.values())))
    text = f"{report.circumstances()}; {count} rounds.\n\n{tables(clients, times)}"
    print(text)
    if not given.dry_run:
        report.write("times", text)
        report.PICTURE.write_text(picture(clients, times))


if __name__ == "__main__":
    main()
