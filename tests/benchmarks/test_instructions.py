"""What a client's instructions are divided by."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from benchmarks.compare import WORKS
from benchmarks.instructions import Counted, table


class CountedWorker:
    """A worker that needs 5,000,000 instructions for each call, and 777 to read its order."""

    pid = 0

    def __init__(self, dumps: Path) -> None:
        self._dumps, self._looks, self._since = dumps, 0, 10**9  # its start

    def timed(self, work: str, calls: int) -> dict[str, float]:
        """Count the calls."""
        self._since += 5_000_000 * calls + 777
        return {"items": calls * (1 if work == "get" else 100)}

    def control(self, *order: str) -> None:
        """Write what has been counted, as callgrind does, and begin anew."""
        if order == ("--dump",):
            self._looks += 1
            Path(f"{self._dumps}.{self._looks}").write_text(f"summary: 1\n\ntotals: {self._since}\n")
            self._since = 0


@pytest.mark.parametrize(("work", "wanted"), [("page", 50), ("get", 5_000)])
def test_only_what_each_item_adds_is_counted(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, work: str, wanted: float
) -> None:
    """Neither the start of the process nor the reading of an order."""
    worker: Any = CountedWorker(tmp_path / "count")
    monkeypatch.setattr(Counted, "_control", lambda _, *order: worker.control(*order))
    counted = Counted(worker, tmp_path / "count")
    assert counted.an_item(work) == wanted
    assert counted.an_item(work) == wanted


def test_a_count_stands_beside_its_ratio() -> None:
    """A listing's is to the same client's page; the others' to the reference, where that was counted."""
    counts = {("pipemodels", work.name): 50.0 for work in WORKS} | {("pydynox", work.name): 100.0 for work in WORKS}
    counts["pydynox", "listing"] = 25.0
    rows = table(counts, {"pydynox": "peer", "pipemodels": "ours"}).splitlines()[2:]
    assert rows == [
        "| **ours** | 50 (0.50) | 50 (0.50) | 50 (0.50) | 50 (0.50) | 50 (0.50) | 50 | 50 (1.00) |",
        "| peer | 100 (1.00) | 100 (1.00) | 100 (1.00) | 100 (1.00) | 100 (1.00) | 100 | 25 (0.25) |",
    ]
