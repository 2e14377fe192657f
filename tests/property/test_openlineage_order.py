"""The order of a run's events, and repeats of them, change nothing that is stored."""

from __future__ import annotations

import io
import itertools
import json
from collections.abc import Iterator
from functools import reduce
from random import Random
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pipemodels import PipelineRunLog, RunStatus, parse_instant, queries
from pipemodels.interop import ingest_events
from pipemodels.interop.run_events.events import read_event
from pipemodels.interop.run_events.facts import RunFacts, joined
from pipemodels.interop.run_events.reasons import NO_MESSAGE
from pipemodels.models.base import stored_fields
from tests.helpers.moto_store import moto_store

_STAMPS = {"pipeline_id", "created_at", "updated_at", "revision"}
_ENDS = {"COMPLETE": RunStatus.SUCCESS, "ABORT": RunStatus.CANCELLED, "FAIL": RunStatus.FAILED}
_fresh = itertools.count()
_RUN = "run-1"
_RUNS = (_RUN, "run-2")


@pytest.fixture(scope="module", autouse=True)
def _store() -> Iterator[None]:
    with moto_store():
        yield


def _failure(message: str) -> dict[str, Any]:
    return _event("FAIL", 1, facets={"errorMessage": {"message": message}})


def _event(kind: str, second: int, *, run_id: str = _RUN, **more: Any) -> dict[str, Any]:
    return {
        "eventType": kind,
        "eventTime": f"2026-01-02T03:04:{second:02d}Z",
        "run": {"runId": run_id, "facets": more.pop("facets", {})},
        "job": {"namespace": "replaced", "name": "job"},
        **more,
    }


_datasets = st.lists(  # few names, so that many are the same
    st.builds(
        lambda name, rows, passed: {
            "namespace": "db",
            "name": name,
            "outputFacets": {"outputStatistics": {"rowCount": rows, "size": rows * 10}} if rows else {},
            "facets": {"dataQualityAssertions": {"assertions": [{"assertion": "unique", "success": passed}]}},
        },
        st.sampled_from("abc"),
        st.integers(0, 3),
        st.booleans(),
    ),
    max_size=2,
)
_facets = st.fixed_dictionaries(
    {},
    optional={
        "errorMessage": st.fixed_dictionaries(
            {"message": st.sampled_from(["boom", "crash"])},
            optional={"stackTrace": st.sampled_from(["at 1", "at 2"])},
        ),
        "processing_engine": st.sampled_from([{"name": "spark", "version": "3.5"}, {"name": "dbt"}]),
        "parent": st.builds(
            lambda run: {"run": {"runId": run}, "job": {"namespace": "up", "name": "dag"}}, st.sampled_from("xy")
        ),
    },
)
_events = st.lists(
    st.builds(
        _event,
        st.sampled_from(["START", "RUNNING", "COMPLETE", "FAIL", "ABORT", "OTHER"]),
        st.integers(0, 3),  # so few that many are at one time
        run_id=st.sampled_from(_RUNS),
        facets=_facets,
        inputs=_datasets,
        outputs=_datasets,
    ),
    min_size=1,
    max_size=6,
)


@st.composite
def _retellings(draw: st.DrawFn) -> tuple[list[dict[str, Any]], list[list[dict[str, Any]]]]:
    """Draw events, and a retelling: every event at least once, in any order, in several files."""
    events = draw(_events)
    repeats = draw(st.lists(st.sampled_from(events), max_size=3))
    shuffled = draw(st.permutations(events + repeats))
    cuts = sorted(draw(st.lists(st.integers(0, len(shuffled)), max_size=3)))
    return events, [shuffled[start:end] for start, end in itertools.pairwise([0, *cuts, len(shuffled)])]


def _ingest(namespace: str, events: list[dict[str, Any]]) -> None:
    lines = [json.dumps(event | {"job": {"namespace": namespace, "name": "job"}}) for event in events]
    report = ingest_events([io.BytesIO("\n".join(lines).encode())])
    assert (report.events, report.refused) == (len(events), [])


def _stored(namespace: str) -> list[dict[str, Any]]:
    """Return the whole runs of a namespace, but for who wrote them when."""
    runs = [queries.find_run(f"{namespace}/job", run_id) for run_id in _RUNS]
    return [{name: value for name, value in stored_fields(run).items() if name not in _STAMPS} for run in runs if run]


def _namespace() -> str:
    return f"space-{next(_fresh)}"


@settings(max_examples=300, deadline=None)
@given(_events, st.randoms(use_true_random=False))
def test_facts_join_in_any_order(events: list[dict[str, Any]], random: Random) -> None:
    """Joining facts is commutative, associative and idempotent."""
    facts = [read_event(event).facts for event in events]
    retold = random.choices(facts, k=3) + facts
    random.shuffle(retold)
    middle = random.randrange(len(retold))
    halves = [reduce(joined, half, RunFacts()) for half in (retold[:middle], retold[middle:])]
    assert joined(*halves) == reduce(joined, facts, RunFacts())


@settings(max_examples=40, deadline=None)
@given(_retellings())
@example(([_event("COMPLETE", 1), _event("START", 2)], [[_event("START", 2)], [_event("COMPLETE", 1)]]))
@example(([_event("OTHER", 0), _event("START", 1)], [[_event("START", 1)], [_event("OTHER", 0)]]))
@example(([_event("FAIL", 1), _event("COMPLETE", 1)], [[_event("COMPLETE", 1)], [_event("FAIL", 1)]]))
@example(([_failure("boom"), _failure("crash")], [[_failure("crash")], [_failure("boom")]]))
@example(([_failure("boom"), _event("FAIL", 1)], [[_event("FAIL", 1)], [_failure("boom")]]))
def test_any_order_with_repeats_over_several_files_stores_the_same(
    told: tuple[list[dict[str, Any]], list[list[dict[str, Any]]]],
) -> None:
    """Events in another order, repeated and in several files, store the same whole items."""
    events, retold = told
    once, again = _namespace(), _namespace()
    _ingest(once, events)
    for file in retold:
        _ingest(again, file)
    assert _stored(again) == _stored(once)
    assert _stored(once)


@settings(max_examples=30, deadline=None)
@given(_retellings(), st.sampled_from(["pending", "running", "success", "failed", "cancelled"]))
def test_order_does_not_matter_to_a_run_that_a_job_recorded_itself(
    told: tuple[list[dict[str, Any]], list[list[dict[str, Any]]]], state: str
) -> None:
    """Events join into a run that a job recorded, whatever its state, to the same item in any order."""
    events, retold = told
    once, again = _namespace(), _namespace()
    for namespace in (once, again):
        _record(f"{namespace}/job", state)
    _ingest(once, events)
    for file in retold:
        _ingest(again, file)
    assert _stored(again) == _stored(once)


def _record(pipeline_id: str, state: str) -> None:
    """Store a run as the commands would leave it; in one put, because updates are what is slow in moto."""
    at = parse_instant("2026-01-02T03:04:01.5Z")
    facts: dict[str, Any] = {"status": state, "trigger_type": "manual", "start_time": at}
    if state != "pending":
        facts |= {"input_tables": ["z", "db/a"], "tags": {"team": "shop"}}
    if state in {"success", "failed", "cancelled"}:
        facts |= {"end_time": at, "total_records_processed": 7}
    if state == "failed":
        facts |= {"error_message": "disk full"}
    PipelineRunLog(pipeline_id=pipeline_id, run_id=_RUN, **facts).save()


@settings(max_examples=40, deadline=None)
@given(_events)
def test_a_run_is_what_its_events_say(events: list[dict[str, Any]]) -> None:
    """Status, times, message and tables follow from the set of events, worked out here in another way."""
    namespace = _namespace()
    _ingest(namespace, events)
    for run_id in {event["run"]["runId"] for event in events}:
        run = queries.get_run(f"{namespace}/job", run_id)
        own = [event for event in events if event["run"]["runId"] == run_id]
        assert _said(run) == _expected(own)


def _said(run: PipelineRunLog) -> dict[str, Any]:
    return {
        "status": run.status,
        "start": run.start_time,
        "end": run.end_time,
        "failed with": run.error_message if run.status is RunStatus.FAILED else None,
        "inputs": run.input_tables or [],
        "passed": run.data_quality_passed,
    }


def _expected(events: list[dict[str, Any]]) -> dict[str, Any]:
    counted = [event for event in events if event["eventType"] != "OTHER"]
    ends = [event for event in counted if event["eventType"] in _ENDS]
    # ISO texts of one offset sort as their times do, and so do the types in this order
    last = max((event["eventTime"], list(_ENDS).index(event["eventType"])) for event in ends) if ends else None
    status = RunStatus.RUNNING if counted else RunStatus.PENDING
    if last:
        status = list(_ENDS.values())[last[1]]
    messages = [
        event["run"]["facets"].get("errorMessage", {}).get("message", "")
        for event in ends
        if (event["eventTime"], event["eventType"]) == (last and last[0], "FAIL")
    ]
    datasets = [dataset for event in events for dataset in event["inputs"] + event["outputs"]]
    checks = [d["facets"]["dataQualityAssertions"]["assertions"][0]["success"] for d in datasets]
    return {
        "status": status,
        "start": parse_instant(min(event["eventTime"] for event in counted or events)),
        "end": parse_instant(last[0]) if last else None,
        "failed with": (max(messages) or NO_MESSAGE) if status is RunStatus.FAILED else None,
        "inputs": sorted({f"db/{d['name']}" for event in events for d in event["inputs"]}),
        "passed": all(checks) if checks else None,
    }
