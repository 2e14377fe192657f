"""Run one client: check it once, then time it on request.

    python -m benchmarks.worker CLIENT CORPUS ENDPOINT

reads lines `WORK CALLS` and answers each with a line of JSON: the seconds of wall clock, those of the processor
(all threads of the process, and the system's work for it), and the number of items that were read or written.
"""

from __future__ import annotations

import gc
import json
import sys
import time
from collections.abc import Callable
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from benchmarks.clients import Client, client
from benchmarks.corpus import Corpus, Item
from benchmarks.values import Fidelity, comparable, decoded, expected

WORKS = ("page", "hard", "write", "get", "listing", "nested", "nested_write")


class WrongResult(Exception):
    """A client returned or wrote a wrong item: its times would mean nothing."""


class Worker:
    """A client, and its work by name."""

    def __init__(self, bench: Client, corpus: Corpus) -> None:
        self.bench, self._corpus = bench, corpus
        self._prepared = [bench.prepare(decoded(item)) for item in corpus.easy]
        self._nested = [bench.prepare_nested(decoded(item)) for item in corpus.nested]
        self._key = corpus.easy[0]["pipeline_id"]["S"], corpus.easy[0]["run_id"]["S"]
        self.works: dict[str, Callable[[], Any]] = {
            "page": lambda: bench.page("easy"),
            "hard": lambda: bench.page("hard"),
            "write": lambda: bench.write(self._prepared),
            "get": lambda: bench.get(*self._key),
            "listing": lambda: bench.listing("easy"),
            "nested": lambda: bench.page("nested"),
            "nested_write": lambda: bench.write_nested(self._nested),
        }
        self.items = {name: 1 if name == "get" else len(corpus.easy) for name in WORKS}

    def check(self, endpoint: str) -> None:
        """Do all work once and compare the results with the stored items, as far as the client decodes them.

        Raises:
            WrongResult: a value differs.
        """
        self._compare("page", self.works["page"](), self._corpus.easy)
        self._compare("hard", self.works["hard"](), self._corpus.hard)
        self._compare("listing", self.works["listing"](), self._corpus.listed)
        self._compare("nested", self.works["nested"](), self._corpus.nested)
        self._compare("get", [self.works["get"]()], self._corpus.easy[:1])
        self._compare("paged", self.bench.page("pages-3"), self._corpus.easy * 3)
        written(endpoint)  # discard earlier writes
        for work, stored in (("write", self._corpus.easy), ("nested_write", self._corpus.nested)):
            self.works[work]()
            self._compare_written(work, written(endpoint), stored)

    def _compare(self, work: str, found: list[Any], stored: list[Item]) -> None:
        fidelity = self.bench.fidelity
        got = [comparable(self.bench.plain(item), exact=fidelity.exact) for item in found]
        self._refuse(work, got, [expected(item, fidelity) for item in stored])

    def _compare_written(self, work: str, items: list[Item], stored: list[Item]) -> None:
        fidelity = Fidelity(exact=self.bench.fidelity.exact)
        left_out = self.bench.rewrites

        def rest(item: Item) -> Any:
            return expected({name: value for name, value in item.items() if name not in left_out}, fidelity)

        self._refuse(work, list(map(rest, items)), list(map(rest, stored)))

    def _refuse(self, work: str, got: list[Any], wanted: list[Any]) -> None:
        if len(got) != len(wanted):
            raise WrongResult(f"{self.bench.title}, {work}: {len(got)} items instead of {len(wanted)}")
        for number, (item, right) in enumerate(zip(got, wanted, strict=True)):
            if item != right:
                names = sorted(name for name in item | right if item.get(name) != right.get(name))
                pairs = "; ".join(f"{name} {item.get(name)!r} instead of {right.get(name)!r}" for name in names)
                raise WrongResult(f"{self.bench.title}, {work}, item {number}: {pairs}")

    def timed(self, work: str, calls: int) -> dict[str, float]:
        """Repeat the work this many times; the result of a call is dropped before the next."""
        call = self.works[work]
        gc.collect()  # do not time the garbage of other work
        wall, processor = time.perf_counter(), time.process_time()
        for _ in range(calls):
            call()
        return {
            "processor": time.process_time() - processor,
            "wall": time.perf_counter() - wall,
            "items": calls * self.items[work],
        }


def written(endpoint: str) -> list[Item]:
    """Return the items that an endpoint has received since the last call, in order."""
    connection = HTTPConnection(urlsplit(endpoint).netloc)
    connection.request("GET", "/written")
    bodies = json.loads(connection.getresponse().read())
    connection.close()
    return [item for body in bodies for item in _puts(body)]


def _puts(body: dict[str, Any]) -> list[Item]:
    if "TransactItems" in body:
        return [action["Put"]["Item"] for action in body["TransactItems"]]
    return [put["PutRequest"]["Item"] for puts in body["RequestItems"].values() for put in puts]


def main(name: str, corpus: str, endpoint: str) -> None:
    """Check the client, print its title, then time work until standard input ends."""
    worker = Worker(client(name)(endpoint), Corpus.load(Path(corpus)))
    try:
        worker.check(endpoint)
    except WrongResult as error:
        sys.exit(str(error))
    print(json.dumps({"title": worker.bench.title, "decodes": worker.bench.decodes()}), flush=True)
    for line in sys.stdin:
        work, calls = line.split()
        print(json.dumps(worker.timed(work, int(calls))), flush=True)
    worker.bench.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
