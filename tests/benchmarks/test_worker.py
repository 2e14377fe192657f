"""A client is measured only if it does its work: the check passes right clients, and no other."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from benchmarks.clients import Client, client
from benchmarks.corpus import Corpus
from benchmarks.endpoint import running
from benchmarks.items import corpus
from benchmarks.processes import WorkerProcess
from benchmarks.worker import WORKS, Worker, WrongResult

# those whose libraries are here; all are checked by `make bench`, before it measures
HERE = ("pipemodels", "pipemodels_base", "pynamodb", "boto3_resource", "boto3_pydantic")


@pytest.mark.parametrize("name", HERE)
def test_a_client_does_its_work(name: str, endpoint: str, items: Corpus) -> None:
    """Every page, listing and get of it, and all that it writes, is right as far as it decodes."""
    worker = Worker(client(name)(endpoint), items)
    worker.check(endpoint)
    assert set(worker.works) == set(WORKS)


def test_time_is_counted_over_all_calls(endpoint: str, items: Corpus) -> None:
    """With the items of all of them, by both clocks."""
    worker = Worker(client("boto3_resource")(endpoint), items)
    found = [worker.timed("page", 2), worker.timed("get", 3)]
    assert [one["items"] for one in found] == [60, 3]
    assert all(one["processor"] > 0 and one["wall"] > 0 for one in found)


def lost_one(bench: type[Any]) -> type[Any]:
    """A client whose pages lack an item."""

    class Lost(bench):  # type: ignore[misc]  # what it derives from is drawn
        def page(self, pipeline_id: str) -> list[Any]:
            return list(super().page(pipeline_id)[1:])

    return Lost


def lazy_listing(bench: type[Any]) -> type[Any]:
    """A client whose listing gives the same item again and again."""

    class Lazy(bench):  # type: ignore[misc]  # what it derives from is drawn
        def listing(self, pipeline_id: str) -> list[Any]:
            items = super().listing(pipeline_id)
            return [items[0]] * len(items)

    return Lazy


def half_decoded(bench: type[Any]) -> type[Any]:
    """A client that leaves a stage's instants text, and does not say so."""

    class Half(bench):  # type: ignore[misc]  # what it derives from is drawn
        def plain(self, item: Any) -> dict[str, Any]:
            values: dict[str, Any] = super().plain(item)
            stages = [one | {"end_time": str(one["end_time"])} for one in values.get("stages") or []]
            return values | ({"stages": stages} if stages else {})

    return Half


def shifted_write(bench: type[Any]) -> type[Any]:
    """A client that writes another number than it was given."""

    class Shifted(bench):  # type: ignore[misc]  # what it derives from is drawn
        def prepare(self, values: dict[str, Any]) -> Any:
            return super().prepare(values | {"attempt": 2})

    return Shifted


def wrong_get(bench: type[Any]) -> type[Any]:
    """A client whose get gives another item."""

    class Wrong(bench):  # type: ignore[misc]  # what it derives from is drawn
        def get(self, pipeline_id: str, run_id: str) -> Any:
            return super().page("easy")[1]

    return Wrong


@pytest.mark.parametrize(
    ("broken", "says"),
    [
        (lost_one, "page: 29 items instead of 30"),
        (lazy_listing, "listing, item 1: .*run_id"),
        (half_decoded, "page, item 0: stages"),
        (shifted_write, "write, item 0: attempt"),
        (wrong_get, "get, item 0: .*run_id"),
    ],
)
@pytest.mark.parametrize("name", ["pipemodels", "boto3_pydantic"])
def test_a_client_that_does_less_is_refused(name: str, broken: Any, says: str, endpoint: str, items: Corpus) -> None:
    """Whatever it leaves out, and its message says what that is."""
    bench: type[Client] = broken(client(name))
    with pytest.raises(WrongResult, match=says):
        Worker(bench(endpoint), items).check(endpoint)


def test_there_are_no_figures_of_a_wrong_client(
    items: Corpus, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """A worker in its own process answers orders only if what it read is what is stored; it says what differs."""
    right, other = tmp_path / "right", tmp_path / "other"
    items.save(right)
    corpus(size=30, seed=1).save(other)
    with running(right) as endpoint:
        with WorkerProcess("boto3_resource", right, endpoint) as worker:
            assert worker.timed("get", 4)["items"] == 4
        with pytest.raises(RuntimeError, match="boto3_resource has ended with 1: no figures"):
            WorkerProcess("boto3_resource", other, endpoint).__enter__()
    assert "boto3 resource, page, item 0: " in capfd.readouterr().err
