"""What is said of growth and load is of the items and the calls that it is said of."""

from __future__ import annotations

import threading
import time

import pytest

from benchmarks import growth
from benchmarks.growth import iterated, peak_megabytes
from benchmarks.load import loaded, works
from pipemodels import DynamoDBConfig, using


@pytest.fixture
def canned(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> DynamoDBConfig:
    """Yield how to reach the canned endpoint, whose pages are of 30 items."""
    monkeypatch.setattr(growth, "PAGE", 30)
    return DynamoDBConfig.for_local_development(endpoint, table_prefix="bench_")


@pytest.mark.parametrize("kind", ["whole", "listed"])
def test_so_many_items_are_iterated(canned: DynamoDBConfig, kind: str) -> None:
    """All pages of them, whole or as summaries; the time is that of one item."""
    with using(canned):
        assert len(list(growth.items(kind, 90))) == 90
        assert 0 < iterated(kind, 90) < 1e6


def test_a_missing_item_is_noticed(canned: DynamoDBConfig) -> None:
    """A time over fewer items than asked for would flatter."""
    with using(canned), pytest.raises(RuntimeError, match="90 items instead of 91"):
        iterated("whole", 91)


def test_the_peak_of_memory_is_of_this_process() -> None:
    """It grows with what is held, and does not shrink when that is gone."""
    before = peak_megabytes()
    held = bytearray(int(before * 1e6) + 50_000_000)  # more than there ever was
    assert len(held) / 1e6 < peak_megabytes()
    del held
    assert before + 50 < peak_megabytes()


def test_every_call_is_made_and_timed() -> None:
    """On as many threads as asked for; the latencies are those of the calls, in milliseconds."""
    seen: list[str] = []
    delays = iter([0.0] * 6 + [0.002] * 94 + [0.05] * 6)

    def call() -> None:
        seen.append(threading.current_thread().name)
        time.sleep(next(delays))

    found = loaded(call, threads=2, calls=100)
    assert len(seen) == 106  # three for each thread go before
    assert len(set(seen)) == 2
    assert 2 <= found["p50"] < found["p99"]
    assert found["p99"] >= 50
    assert found["a_second"] <= 2 * 100 / (94 * 0.002 + 6 * 0.05) * 1.01


@pytest.mark.parametrize(("work", "count"), [("page", 30), ("listing", 30)])
def test_a_page_of_a_load_is_all_of_it(canned: DynamoDBConfig, work: str, count: int) -> None:
    """What is timed as 500 runs reads as many as there are."""
    with using(canned):
        assert len(works("easy", "any")[work]()) == count
