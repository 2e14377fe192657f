"""The reasons of failures, and the data quality checks in events."""

from __future__ import annotations

import io
import itertools
import json
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from pipemodels import commands, parse_instant, queries
from pipemodels.interop import ingest_events
from pipemodels.interop.openlineage.reasons import NO_MESSAGE
from pipemodels.models.stamped import stored_fields
from tests.helpers.moto_store import moto_store

_fresh = itertools.count()
_STAMPS = {"pipeline_id", "run_id", "status_shard", "created_at", "updated_at", "revision", "start_epoch"}
_KEY = ("trigger_type", "openlineage"), ("attempt", 1), ("start_time", "2026-01-02T03:04:00.000000Z")


@pytest.fixture(scope="module", autouse=True)
def _store() -> Iterator[None]:
    with moto_store():
        yield


def event(kind: str, second: int, error: Any = None, checks: Any = (), **facets: Any) -> dict[str, Any]:
    """Return an event of the run of a test."""
    facet = {"message": error} if isinstance(error, str) else error
    run = {"runId": "r", "facets": {"errorMessage": facet} if facet else {}}
    assertions = {"dataQualityAssertions": {"assertions": list(checks)}}
    inputs = [{"namespace": "db", "name": "a", "inputFacets": assertions}] if checks else []
    return {"eventType": kind, "eventTime": f"2026-01-02T03:04:{second:02d}Z", "run": run, "inputs": inputs, **facets}


def check(success: bool, **more: Any) -> dict[str, Any]:
    """Return an assertion."""
    return {"assertion": "unique", "column": "id", "success": success, **more}


def ingested(*events: dict[str, Any], namespace: str | None = None) -> dict[str, Any]:
    """Return what is stored of a run after its events have come together; but for its stamps."""
    namespace = namespace or f"space-{next(_fresh)}"
    lines = [json.dumps(one | {"job": {"namespace": namespace, "name": "j"}}) for one in events]
    report = ingest_events([io.BytesIO("\n".join(lines).encode())])
    assert (report.events, report.refused) == (len(events), [])
    stored = stored_fields(queries.get_run(f"{namespace}/j", "r"))
    return {name: value for name, value in stored.items() if name not in _STAMPS}


def in_every_order(*events: dict[str, Any]) -> dict[str, Any]:
    """Return what is stored of a run; it is the same in any order, one by one, with repeats, and all together."""
    once = ingested(*events)
    orders = list(itertools.permutations(events))
    for order in [*orders[:: max(1, len(orders) // 5)], orders[-1]]:
        namespace = f"space-{next(_fresh)}"
        for one in (*order, order[0]):
            again = ingested(one, namespace=namespace)
        assert again == once
    return once


def ended(status: str, second: int, **more: Any) -> dict[str, Any]:
    """Return the item of a run that started at second 0."""
    end = {"end_time": f"2026-01-02T03:04:{second:02d}.000000Z", "duration_seconds": second}
    return {**dict(_KEY), "status": status, **end, **more}


def entry(kind: str, second: int, message: str, **more: Any) -> dict[str, Any]:
    """Return the entry of the log that keeps an error."""
    at = f"2026-01-02T03:04:{second:02d}.000000Z"
    return {"source": "openlineage", "level": "error", "event": kind, "time": at, "message": message, **more}


@pytest.mark.parametrize("kind", ["START", "RUNNING", "OTHER", "COMPLETE"])
@pytest.mark.parametrize("second", [1, 3])
def test_the_reason_of_a_failure_may_stand_in_any_event(kind: str, second: int) -> None:
    """The error may come before or after FAIL; the log names its event."""
    told = event(kind, second, {"message": "lock", "stackTrace": "at 1"})
    if kind == "COMPLETE" and second == 3:
        told["eventTime"] = "2026-01-02T03:04:02Z"  # a later COMPLETE would make the run a success
    stored = in_every_order(event("START", 0), told, event("FAIL", 2))
    log = entry(kind, 2 if told["eventTime"].endswith("02Z") else second, "lock", stack_trace="at 1")
    expected = ended("failed", 2, error_message="lock", error_stack_trace="at 1", log_messages=[log])
    assert stored == expected


def test_what_fail_tells_is_the_reason_whatever_others_tell() -> None:
    """The last FAIL that tells something; errors of other events stay in the log."""
    stored = in_every_order(event("START", 0), event("RUNNING", 3, "retry 2"), event("FAIL", 2, "disk full"))
    assert stored == ended("failed", 2, error_message="disk full", log_messages=[entry("RUNNING", 3, "retry 2")])
    stored = in_every_order(event("START", 0), event("FAIL", 1, "disk full"), event("FAIL", 2))
    assert stored == ended("failed", 2, error_message="disk full", log_messages=[entry("FAIL", 1, "disk full")])


def test_of_several_errors_the_latest_is_the_reason() -> None:
    """Of those that FAIL did not tell; only that one is kept."""
    stored = in_every_order(event("START", 0), event("RUNNING", 1, "z"), event("RUNNING", 2, "a"), event("FAIL", 3))
    assert stored == ended("failed", 3, error_message="a", log_messages=[entry("RUNNING", 2, "a")])


def test_an_error_of_a_run_that_goes_on_or_succeeds_stays_in_the_log() -> None:
    """An error of a run that did not fail is kept in the log."""
    stored = in_every_order(event("START", 0), event("RUNNING", 1, "retry"))
    assert stored == {**dict(_KEY), "status": "running", "log_messages": [entry("RUNNING", 1, "retry")]}
    stored = in_every_order(event("START", 0), event("FAIL", 1, "boom"), event("COMPLETE", 2))
    assert stored == ended("success", 2, log_messages=[entry("FAIL", 1, "boom")])


def test_an_error_that_two_events_tell_alike_is_known_of_both() -> None:
    """So that a later error of one of them does not hide what the other told."""
    same = event("START", 0), event("RUNNING", 1, "boom"), event("FAIL", 2, "boom"), event("RUNNING", 3, "late")
    assert in_every_order(*same)["error_message"] == "boom"
    told_so = event("START", 0), event("FAIL", 2, NO_MESSAGE), event("RUNNING", 3, "late")
    assert in_every_order(*told_so)["error_message"] == NO_MESSAGE


def test_the_log_of_a_job_stays() -> None:
    """Entries of others stand before ours, as they were, also those that look like ours."""
    own = [{"m": 1}, {"source": "openlineage", "level": "error", "event": "x"}]
    commands.put_pipeline(pipeline_id="own/j", pipeline_name="x", source_type="a", destination_type="b")
    commands.start_run(
        pipeline_id="own/j", run_id="r", start_time=parse_instant("2026-01-02T03:04:00Z"), log_messages=own
    )
    for second in (1, 2):
        stored = ingested(event("RUNNING", second, f"e{second}"), namespace="own")
    assert stored["log_messages"] == [*own, entry("RUNNING", 2, "e2")]


@pytest.mark.parametrize("severity", ["error", None, "ERROR", "fatal"])
def test_a_failed_check_is_the_reason_where_no_error_is_told(severity: str | None) -> None:
    """With its name, and what was expected and found."""
    one = check(False, name="id_unique", expected="0", actual="3", **({"severity": severity} if severity else {}))
    stored = in_every_order(event("START", 0), event("RUNNING", 1, checks=[one]), event("FAIL", 2))
    result = {
        "check_name": "db/a: unique(id): id_unique",
        "passed": False,
        "expected_value": "0",
        "actual_value": "3",
    }
    assert stored == ended(
        "failed",
        2,
        error_message="A data quality check failed: db/a: unique(id): id_unique (expected 0, actual 3)",
        data_quality_results=[result | ({"severity": severity} if severity else {})],
        data_quality_passed=False,
        input_tables=["db/a"],
    )


@pytest.mark.parametrize(
    ("more", "text"),
    [
        ([], ""),
        ([check(False, name="longer")], "; 1 other failed"),
        ([check(False, name="longer"), check(False, name="longest")], "; 2 others failed"),
        ([check(True, name="longer")], ""),
        ([check(False, name="a", severity="warn")], ""),
    ],
)
def test_of_several_failed_checks_one_is_named_and_the_others_counted(more: list[Any], text: str) -> None:
    """The one with the shortest name; what passed or only warns is no reason."""
    stored = in_every_order(event("START", 0), event("FAIL", 2, checks=[check(False, name="two"), *more]))
    assert stored["error_message"] == f"A data quality check failed: db/a: unique(id): two{text}"


def test_an_error_goes_before_a_failed_check() -> None:
    """Also where another event tells it, and in the same text as a check has."""
    failed = event("FAIL", 2, checks=[check(False)])
    assert in_every_order(event("RUNNING", 1, "lock"), failed)["error_message"] == "lock"
    told = "A data quality check failed: all of them"
    assert (
        in_every_order(event("FAIL", 2, told, checks=[check(False)]), event("OTHER", 3, "x"))["error_message"] == told
    )


def test_checks_of_one_kind_on_one_column_are_told_apart() -> None:
    """By their names; else by what they expect."""
    named = [check(True, name="new", expected="0", actual="0"), check(False, name="old", severity="warn", actual="5")]
    stored = in_every_order(event("START", 0), event("COMPLETE", 1, checks=named))
    new = {"check_name": "db/a: unique(id): new", "passed": True, "expected_value": "0", "actual_value": "0"}
    old = {"check_name": "db/a: unique(id): old", "passed": False, "actual_value": "5", "severity": "warn"}
    assert (stored["data_quality_results"], stored["data_quality_passed"]) == ([new, old], True)
    unnamed = [check(True, expected=1), check(False, expected=2.5, actual=[1.5])]
    stored = in_every_order(event("START", 0), event("COMPLETE", 1, checks=unnamed))
    one = {"check_name": "db/a: unique(id): expected 1", "passed": True, "expected_value": 1}
    two = {"check_name": "db/a: unique(id): expected 2.5", "passed": False, "expected_value": Decimal("2.5")}
    assert stored["data_quality_results"] == [one, two | {"actual_value": [Decimal("1.5")]}]


def test_a_check_that_is_told_again_keeps_its_failure_and_its_values() -> None:
    """A failure wins over a success, a value that differs from what was expected over one that does not."""
    good, bad = check(True, expected="100", actual="100"), check(False, expected="100", actual="3")
    stored = in_every_order(event("START", 0, checks=[good]), event("RUNNING", 1, checks=[bad]), event("COMPLETE", 2))
    result = {"check_name": "db/a: unique(id)", "passed": False, "expected_value": "100", "actual_value": "3"}
    assert stored["data_quality_results"] == [result]


def test_values_that_cannot_be_stored_are_kept_as_the_start_of_their_text() -> None:
    """A value of a megabyte, and one out of DynamoDB's range, do not refuse the event."""
    line = json.dumps(
        event("COMPLETE", 0, checks=[check(False, expected="x" * 1_000_000, actual=0)])
        | {"job": {"namespace": "wide", "name": "j"}}
    )
    report = ingest_events([io.BytesIO(line.replace('"actual": 0', '"actual": 1e400').encode())])
    assert report.refused == []
    ((result),) = stored_fields(queries.get_run("wide/j", "r"))["data_quality_results"]
    assert result == {
        "check_name": "db/a: unique(id)",
        "passed": False,
        "expected_value": "x" * 1_000 + "…",
        "actual_value": "Infinity",
    }
