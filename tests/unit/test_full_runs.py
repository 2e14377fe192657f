"""Runs whose events exceed the 400 KB of an item."""

from __future__ import annotations

import io
import itertools
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest

from pipemodels import commands, queries
from pipemodels.checks import MAX_ITEM_BYTES
from pipemodels.documents import field_sizes
from pipemodels.interop import IngestReport, ingest_events
from pipemodels.interop.openlineage import cutting
from pipemodels.interop.openlineage.facts import RunFacts, joined
from pipemodels.models.stamped import stored_fields
from tests.helpers.moto_store import moto_store

_fresh = itertools.count()
_STAMPS = {"pipeline_id", "run_id", "status_shard", "created_at", "updated_at", "revision", "start_epoch"}


@pytest.fixture(scope="module", autouse=True)
def _store() -> Iterator[None]:
    with moto_store():
        yield


def tables(numbers: Any, width: int = 40) -> list[dict[str, Any]]:
    """Return datasets whose names have so many characters."""
    return [{"namespace": "s3", "name": f"{number:0{width}d}"} for number in numbers]


def event(kind: str, second: int, **more: Any) -> dict[str, Any]:
    """Return an event of the run of a test."""
    run = {"runId": "r", "facets": more.pop("facets", {})}
    return {"eventType": kind, "eventTime": f"2026-01-02T03:04:{second:02d}Z", "run": run, **more}


def ingest(namespace: str, *events: dict[str, Any]) -> IngestReport:
    """Ingest events of the run of a namespace."""
    lines = [json.dumps(one | {"job": {"namespace": namespace, "name": "j"}}) for one in events]
    return ingest_events([io.BytesIO("\n".join(lines).encode())])


def stored(namespace: str) -> dict[str, Any]:
    """Return the run of a namespace but for its stamps."""
    run = stored_fields(queries.get_run(f"{namespace}/j", "r"))
    return {name: value for name, value in run.items() if name not in _STAMPS}


def size_of(namespace: str) -> int:
    """Return how many bytes the run of a namespace takes."""
    return sum(field_sizes(queries.get_run(f"{namespace}/j", "r").serialize()).values())


def notes(run: dict[str, Any]) -> dict[str, int]:
    """Return by field the count that a run tells of what it cannot hold."""
    return {one["field"]: one["count"] for one in run.get("log_messages", []) if one["level"] == "warning"}


def in_every_delivery(*events: dict[str, Any]) -> dict[str, Any]:
    """Return what is stored of a run that ends at second 9; the same in one delivery, and in several in any order."""
    forms = [[list(events)], [[one] for one in events], [[one] for one in (*reversed(events), events[-1])]]
    found = []
    for deliveries in forms:
        namespace = f"full-{next(_fresh)}"
        for delivery in deliveries:
            assert ingest(namespace, *delivery).refused == []
        found.append(stored(namespace))
        assert size_of(namespace) <= MAX_ITEM_BYTES
    assert found[1] == found[0]
    assert found[2] == found[0]
    assert (found[0]["status"], found[0]["end_time"]) == ("failed", "2026-01-02T03:04:09.000000Z")
    return found[0]


FAILED = {"errorMessage": {"message": "disk full", "stackTrace": "at 1"}}


def test_the_end_of_a_run_is_not_lost_for_the_length_of_its_lists(caplog: pytest.LogCaptureFixture) -> None:
    """Those with the shortest names stay; the log tells how many there are, each counted once."""
    first, last = tables(range(6_000)), tables(range(5_000, 12_000))
    with caplog.at_level(logging.WARNING, "pipemodels.interop"):
        run = in_every_delivery(event("START", 0, inputs=first), event("FAIL", 9, inputs=last, facets=FAILED))
    every = sorted(f"s3/{one['name']}" for one in tables(range(12_000)))
    held = len(run["input_tables"])
    assert 1_000 < held < 6_000
    (note,) = run["log_messages"]
    assert run == {
        "status": "failed",
        "trigger_type": "openlineage",
        "attempt": 1,
        "start_time": "2026-01-02T03:04:00.000000Z",
        "end_time": "2026-01-02T03:04:09.000000Z",
        "duration_seconds": 9,
        "error_message": "disk full",
        "error_stack_trace": "at 1",
        "input_tables": every[:held],
        "log_messages": [
            {
                "source": "openlineage",
                "level": "warning",
                "field": "input_tables",
                "count": 12_000,
                "message": "input_tables holds the tables with the shortest names only: "
                "all 12,000 would exceed the 400 KB of an item",
                "left_out": note["left_out"],
            }
        ],
    }
    assert "exceeds the 400 KB of an item: its lists and texts were cut" in caplog.text


def test_whatever_is_long_is_cut() -> None:
    """Inputs, outputs, checks and their values, stacks and messages of every event, the engine's name."""
    assertions = [
        {
            "assertion": "unique",
            "name": f"{number:0500d}",
            "success": number > 20,
            "expected": "x" * 900,
            "actual": "y" * 900,
        }
        for number in range(2_000)
    ]
    facets = {"facets": {"dataQualityAssertions": {"assertions": assertions}}}
    error = {"errorMessage": {"message": "🧀" * 5_000, "stackTrace": "ü" * 60_000}}
    start = event("START", 0, inputs=tables(range(3_000)), outputs=tables(range(4_000), 60), facets=error)
    middle = event("ABORT", 5, inputs=[*tables([1]), {"namespace": "s3", "name": "x", **facets}], facets=error)
    engine = {"processing_engine": {"name": "e" * 100_000}}
    run = in_every_delivery(start, middle, event("FAIL", 9, facets={**error, **engine}))
    assert notes(run) == {"input_tables": 3_001, "output_tables": 4_000, "data_quality_results": 2_000}
    assert run["error_message"] == "🧀" * 1_000
    assert [one["event"] for one in run["log_messages"] if one["level"] == "error"] == ["START", "ABORT", "FAIL"]
    assert set(run["error_stack_trace"]) == {"ü"}
    failed = [one for one in run["data_quality_results"] if not one["passed"]]
    assert len(failed) == 21
    assert run["data_quality_passed"] is False
    assert run["tags"] == {"processing_engine": "e" * 1_000}


def test_a_name_that_alone_exceeds_an_item_is_left_out() -> None:
    """The short ones stay."""
    long = {"namespace": "s3", "name": "x" * 500_000}
    run = in_every_delivery(event("START", 0, inputs=[*tables([1]), long]), event("FAIL", 9, inputs=tables([2])))
    assert run["input_tables"] == [f"s3/{one['name']}" for one in tables([1, 2])]
    assert notes(run) == {"input_tables": 3}


def test_lists_that_fit_are_whole() -> None:
    """Also where they nearly fill an item."""
    run = in_every_delivery(event("START", 0, inputs=tables(range(7_000))), event("FAIL", 9))
    assert len(run["input_tables"]) == 7_000
    assert "log_messages" not in run


@pytest.mark.parametrize("own", [200_000, 300_000, 380_000, 400_000])
def test_a_run_that_a_job_has_nearly_filled_gets_its_end(own: int) -> None:
    """Data that the job recorded are never cut, however little room they leave."""
    namespace = f"full-{next(_fresh)}"
    commands.put_pipeline(pipeline_id=f"{namespace}/j", pipeline_name="x", source_type="a", destination_type="b")
    snapshot = {"a": "x" * own}
    commands.start_run(pipeline_id=f"{namespace}/j", run_id="r", config_snapshot=snapshot, lease_seconds=None)
    end = event("FAIL", 9, inputs=tables(range(8_000)), facets=FAILED) | {"eventTime": "2036-01-02T03:04:05Z"}
    assert ingest(namespace, end).refused == []
    run = stored(namespace)
    assert (run["status"], run["end_time"], run["error_message"]) == (
        "failed",
        "2036-01-02T03:04:05.000000Z",
        "disk full",
    )
    assert run["config_snapshot"] == snapshot
    assert size_of(namespace) <= MAX_ITEM_BYTES


def test_of_a_run_that_is_full_to_the_brim_the_end_is_kept_and_the_start_of_its_reason() -> None:
    """Nothing else finds room; the same events again change nothing."""
    namespace = f"full-{next(_fresh)}"
    commands.put_pipeline(pipeline_id=f"{namespace}/j", pipeline_name="x", source_type="a", destination_type="b")
    key: dict[str, Any] = {"pipeline_id": f"{namespace}/j", "run_id": "r"}
    commands.start_run(**key, config_snapshot={"a": "x"}, lease_seconds=None)
    room = 404_000 - size_of(namespace)  # moto's limit lies below DynamoDB's
    commands.delete_run(**key)
    commands.start_run(**key, config_snapshot={"a": "x" * room}, lease_seconds=None)
    before = stored(namespace)
    error = {"errorMessage": {"message": "x" * 4_000}}
    end = event("FAIL", 9, inputs=tables([1]), facets=error) | {"eventTime": "2036-01-02T03:04:05Z"}
    assert ingest(namespace, end).refused == []
    run = stored(namespace)
    ended = {"status": "failed", "end_time": "2036-01-02T03:04:05.000000Z", "error_message": "x" * 200}
    assert run == before | ended | {"duration_seconds": run["duration_seconds"]}


def test_more_names_than_digests_find_room_for_are_estimated() -> None:
    """The count is then marked as an estimate, is close to the true value, and is the same in any order."""
    names = [f"{number:040d}" for number in range(60_000)]
    halves = [RunFacts(inputs=frozenset(names[:40_000])), RunFacts(inputs=frozenset(names[20_000:]))]
    once = cutting.fitted(joined(*halves), 0)
    again = cutting.fitted(joined(cutting.fitted(halves[1], 0), cutting.fitted(halves[0], 0)), 0)
    assert again == once
    (note,) = cutting.notes_of(once, 0)
    assert not note.is_exact
    assert abs(note.count - 60_000) < 3_000
    assert "all about" in cutting.note_entry(note)["message"]
    assert cutting.read_note(cutting.note_entry(note)) == (note.field, note.digests)


def test_a_failed_check_that_finds_no_room_still_says_that_the_data_are_bad() -> None:
    """Also where other checks pass, before or after it."""
    bad = {"assertion": "a" * 300_000, "success": False}
    good = {"assertion": "b", "success": True}
    wide = {"outputs": tables(range(2), 150_000)}

    def checked(second: int, assertion: dict[str, Any]) -> dict[str, Any]:
        facets = {"inputFacets": {"dataQualityAssertions": {"assertions": [assertion]}}}
        return event(
            "FAIL" if second == 9 else "RUNNING", second, inputs=[{"namespace": "n", "name": "t", **facets}], **wide
        )

    run = in_every_delivery(checked(1, good), checked(2, bad), checked(9, good))
    assert (run["data_quality_passed"], [one["check_name"] for one in run["data_quality_results"]]) == (
        False,
        ["n/t: b"],
    )
