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
from pipemodels.checks import MAX_ITEM_BYTES
from pipemodels.interop import ingest_events
from pipemodels.interop.openlineage.checks import CHECK_FAILED, Check
from pipemodels.interop.openlineage.cutting import RESERVE, fitted, notes_of
from pipemodels.interop.openlineage.events import read_event
from pipemodels.interop.openlineage.facts import RunFacts, joined
from pipemodels.interop.openlineage.reasons import NO_MESSAGE
from pipemodels.models.stamped import stored_fields
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


def _warning(message: str, second: int) -> dict[str, Any]:
    return _event("RUNNING", second, facets={"errorMessage": {"message": message}})


def _event(kind: str, second: int, *, run_id: str = _RUN, **more: Any) -> dict[str, Any]:
    return {
        "eventType": kind,
        "eventTime": f"2026-01-02T03:04:{second:02d}Z",
        "run": {"runId": run_id, "facets": more.pop("facets", {})},
        "job": {"namespace": "replaced", "name": "job"},
        **more,
    }


_assertions = st.fixed_dictionaries(
    {"assertion": st.just("unique"), "success": st.booleans()},
    optional={
        "name": st.sampled_from(["one", "two"]),
        "severity": st.sampled_from(["warn", "error"]),
        "expected": st.sampled_from(["0", "10", 0, 0.5]),
        "actual": st.sampled_from(["0", "9", [1, 2.5], {"a": None}]),
    },
)
_datasets = st.lists(  # few names, so that many are the same
    st.builds(
        lambda name, rows, checks: {
            "namespace": "db",
            "name": name,
            "outputFacets": {"outputStatistics": {"rowCount": rows, "size": rows * 10}} if rows else {},
            "facets": {"dataQualityAssertions": {"assertions": checks}},
        },
        st.sampled_from("abc"),
        st.integers(0, 3),
        st.lists(_assertions, max_size=2),
    ),
    max_size=2,
)
_facets = st.fixed_dictionaries(
    {},
    optional={
        "errorMessage": st.fixed_dictionaries(
            {},
            optional={
                "message": st.sampled_from(["boom", "crash", NO_MESSAGE, CHECK_FAILED + "x"]),
                "stackTrace": st.sampled_from(["at 1", "at 2"]),
            },
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


_FULL = MAX_ITEM_BYTES - RESERVE - 4_000  # so few bytes are left that a few names fill them
_long = st.lists(
    st.builds(
        lambda inputs, outputs, checks: RunFacts(
            inputs=frozenset(inputs),
            outputs=frozenset(outputs),
            checks={name: Check(passed=passed, severity="error") for name, passed in checks.items()},
        ),
        *[st.sets(st.sampled_from([f"{'x' * (n % 40 * 5)}{n}" for n in range(150)]), max_size=30)] * 2,
        st.dictionaries(st.sampled_from([f"{'c' * (n % 7)}{n}" for n in range(30)]), st.booleans(), max_size=8),
    ),
    min_size=1,
    max_size=6,
)


@settings(max_examples=200, deadline=None)
@given(_long, st.randoms(use_true_random=False))
def test_what_is_cut_does_not_depend_on_the_order(told: list[RunFacts], random: Random) -> None:
    """Lists that are cut whenever something is added are cut to the same as all that was told at once."""
    once = fitted(reduce(joined, told, RunFacts()), _FULL)
    retold = random.choices(told, k=3) + told
    random.shuffle(retold)
    again = RunFacts()
    for facts in retold:
        again = fitted(joined(again, facts), _FULL)
    assert again == once
    every = reduce(joined, told, RunFacts())
    counts = {note.field: note.count for note in notes_of(once, _FULL) if note.is_exact}
    full = {"input_tables": every.inputs, "output_tables": every.outputs, "data_quality_results": every.checks}
    assert counts == {name: len(full[name]) for name in counts}


@settings(max_examples=40, deadline=None)
@given(_retellings())
@example(([_event("COMPLETE", 1), _event("START", 2)], [[_event("START", 2)], [_event("COMPLETE", 1)]]))
@example(([_event("OTHER", 0), _event("START", 1)], [[_event("START", 1)], [_event("OTHER", 0)]]))
@example(([_event("FAIL", 1), _event("COMPLETE", 1)], [[_event("COMPLETE", 1)], [_event("FAIL", 1)]]))
@example(([_failure("boom"), _failure("crash")], [[_failure("crash")], [_failure("boom")]]))
@example(([_failure("boom"), _event("FAIL", 1)], [[_event("FAIL", 1)], [_failure("boom")]]))
@example(([_warning("boom", 0), _event("FAIL", 1)], [[_event("FAIL", 1)], [_warning("boom", 0)]]))
@example(
    (
        [_warning("boom", 0), _failure("boom"), _warning("crash", 2)],
        [[_warning("boom", 0), _failure("boom")], [_warning("crash", 2)]],
    )
)
@example(([_failure(NO_MESSAGE), _warning("crash", 2)], [[_failure(NO_MESSAGE)], [_warning("crash", 2)]]))
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
        "failed with": _shown(run.error_message) if run.status is RunStatus.FAILED else None,
        "inputs": run.input_tables or [],
        "passed": run.data_quality_passed,
    }


def _shown(message: str | None) -> str | None:
    """Return the message, of one about checks its beginning; which of them it names is tested elsewhere."""
    is_told = message is None or not message.startswith(f"{CHECK_FAILED}db/")
    return message if is_told else CHECK_FAILED


def _expected(events: list[dict[str, Any]]) -> dict[str, Any]:
    counted = [event for event in events if event["eventType"] != "OTHER"]
    ends = [event for event in counted if event["eventType"] in _ENDS]
    # ISO texts of one offset sort as their times do, and so do the types in this order
    last = max((event["eventTime"], list(_ENDS).index(event["eventType"])) for event in ends) if ends else None
    status = RunStatus.RUNNING if counted else RunStatus.PENDING
    if last:
        status = list(_ENDS.values())[last[1]]
    results = _results(events)
    bad = {name for name, passed, severity in results if not passed and "error" in _severities(results, name)}
    return {
        "status": status,
        "start": parse_instant(min(event["eventTime"] for event in counted or events)),
        "end": parse_instant(last[0]) if last else None,
        "failed with": _reason(events, bad) if status is RunStatus.FAILED else None,
        "inputs": sorted({f"db/{d['name']}" for event in events for d in event["inputs"]}),
        "passed": not bad if results else None,
    }


def _reason(events: list[dict[str, Any]], bad: set[str]) -> str:
    """Return what FAIL told last, else what another event but ABORT told last, else the check that failed."""
    for told in (["FAIL"], ["START", "RUNNING", "COMPLETE", "OTHER"]):
        facets = [
            (one["eventTime"], one["run"]["facets"].get("errorMessage", {}))
            for one in events
            if one["eventType"] in told
        ]
        if messages := [(at, facet["message"]) for at, facet in facets if "message" in facet]:
            return str(max(messages)[1])
    return CHECK_FAILED if bad else NO_MESSAGE


def _results(events: list[dict[str, Any]]) -> list[tuple[str, bool, str | None]]:
    """Return each result that an event tells: the check's identity, whether it passed, and its severity."""
    found = []
    for event in events:
        datasets = event["inputs"] + event["outputs"]
        for name in {dataset["name"] for dataset in datasets}:
            own = [
                one
                for d in datasets
                if d["name"] == name
                for one in d["facets"]["dataQualityAssertions"]["assertions"]
            ]
            expected = {str(one["expected"]) for one in own if "name" not in one and "expected" in one}
            for one in own:
                apart = one.get("expected") if len(expected) > 1 and "name" not in one else None
                found.append((f"{name} {one.get('name')} {apart}", one["success"], one.get("severity")))
    return found


def _severities(results: list[tuple[str, bool, str | None]], name: str) -> set[str]:
    """Return the severities of a check; one that is told without a severity only is an error."""
    return {severity for one, _, severity in results if one == name and severity} or {"error"}
