"""OpenLineage events, recorded as runs."""

from __future__ import annotations

import io
import itertools
import json
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import pipemodels
from pipemodels import RunStatus, ValidationError, commands, parse_instant, queries
from pipemodels.checks import id_problem
from pipemodels.interop.openlineage import IngestReport, ingest_events, recorder
from pipemodels.interop.openlineage import ingesting as openlineage
from pipemodels.interop.openlineage.events import read_event
from pipemodels.interop.openlineage.facts import Ending
from pipemodels.interop.openlineage.naming import id_of
from pipemodels.interop.openlineage.reasons import NO_MESSAGE, Told
from pipemodels.interop.text.jsontext import JSONSource, Piece, decoded
from pipemodels.interop.text.loosejson import LooseValues
from pipemodels.models.stamped import stored_fields
from tests.helpers.moto_store import moto_store, requests

EXAMPLE = Path(pipemodels.__file__).parent / "examples" / "runs.ndjson"
_fresh = itertools.count()
_WRITES = {"PutItem", "UpdateItem", "DeleteItem", "TransactWriteItems", "BatchWriteItem"}


@pytest.fixture(scope="module", autouse=True)
def _store() -> Iterator[None]:
    with moto_store():
        yield


def event(kind: str = "START", second: int = 0, *, run: Any = None, **more: Any) -> dict[str, Any]:
    """Return an event of a run that no other test has, unless `run` names one."""
    run_id = run or f"run-{next(_fresh)}"
    return {
        "eventType": kind,
        "eventTime": f"2026-01-02T03:04:{second:02d}Z",
        "run": {"runId": run_id, "facets": more.pop("facets", {})},
        "job": {"namespace": "shop", "name": "orders"},
        **more,
    }


def ingest(*events: Any, **settings: Any) -> IngestReport:
    """Ingest events, an event a line."""
    return ingest_text("\n".join(json.dumps(one) for one in events), **settings)


def ingest_text(text: str | bytes, **settings: Any) -> IngestReport:
    """Ingest a text."""
    return ingest_events([io.BytesIO(text if isinstance(text, bytes) else text.encode())], **settings)


def run_of(one: dict[str, Any]) -> dict[str, Any]:
    """Return the stored run of an event."""
    return stored_fields(queries.get_run("shop/orders", one["run"]["runId"]))


def refusals(report: IngestReport) -> list[tuple[int, str]]:
    """Return line and reason of each refusal."""
    return [(one.line, one.reason) for one in report.refused]


@pytest.mark.parametrize(
    ("kind", "status"),
    [("START", "running"), ("RUNNING", "running"), ("COMPLETE", "success"), ("ABORT", "cancelled")],
)
def test_a_first_event_makes_a_run_of_its_status(kind: str, status: str) -> None:
    """The whole item follows from the event; a run known by its end alone began at its end."""
    one = event(kind)
    assert ingest(one, by="ci") == IngestReport(events=1, runs=1, pipelines=1, refused=[])
    stored = run_of(one)
    at = "2026-01-02T03:04:00.000000Z"
    expected = {
        "pipeline_id": "shop/orders",
        "run_id": one["run"]["runId"],
        "status": status,
        "trigger_type": "openlineage",
        "start_time": at,
        "start_epoch": 1767323040,
        "attempt": 1,
        "created_by": "ci",
        "updated_by": "ci",
        "revision": 1,
    }
    ended = {} if status == "running" else {"end_time": at, "duration_seconds": 0}
    stamps = {name: stored[name] for name in ("created_at", "updated_at", "status_shard")}
    assert stored == expected | ended | stamps


def test_a_failure_keeps_message_and_stack() -> None:
    """FAIL makes the run failed, with what its errorMessage facet says."""
    one = event("FAIL", facets={"errorMessage": {"message": "boom", "stackTrace": "at line 1"}})
    ingest(one)
    stored = run_of(one)
    assert (stored["status"], stored["error_message"], stored["error_stack_trace"]) == ("failed", "boom", "at line 1")


@pytest.mark.parametrize(
    "facets",
    [
        {},
        {"errorMessage": None},
        {"errorMessage": {"message": 3}},
        {"errorMessage": {"message": "x", "_deleted": True}},
    ],
)
def test_a_failure_without_a_reason_says_so(facets: dict[str, Any]) -> None:
    """A FAIL whose facet is missing, malformed or deleted gets a message that says that there is no reason."""
    one = event("FAIL", facets=facets)
    ingest(one)
    assert run_of(one)["error_message"] == NO_MESSAGE


@pytest.mark.parametrize("kind", ["OTHER", None])
def test_other_events_leave_the_status(kind: str | None) -> None:
    """OTHER, and an event without a type, add facts to a run, and do not change its status and times."""
    one = event("COMPLETE", 5)
    ingest(one)
    before = run_of(one)
    later = event("OTHER", 1, run=one["run"]["runId"], inputs=[{"namespace": "db", "name": "orders"}])
    ingest(later | {"eventType": kind})
    stored = run_of(one)
    assert stored == before | {
        "input_tables": ["db/orders"],
        "revision": 2,
        "updated_at": stored["updated_at"],
    }


def test_a_run_of_other_events_alone_is_pending_until_it_starts() -> None:
    """Before START nothing says that the run began; then its start is that of START, though OTHER was earlier."""
    one = event("OTHER", 1)
    ingest(one)
    assert run_of(one)["status"] == "pending"
    ingest(event("START", 2, run=one["run"]["runId"]))
    assert (run_of(one)["status"], run_of(one)["start_time"]) == ("running", "2026-01-02T03:04:02.000000Z")


@pytest.mark.parametrize("together", [True, False])
def test_a_run_of_which_only_the_end_was_told_began_at_its_end(together: bool) -> None:
    """An ending says that the run was running, and OTHER says nothing of when: in one file and over two."""
    other = event("OTHER", 1)
    end = event("COMPLETE", 5, run=other["run"]["runId"])
    for events in [(other, end)] if together else [(other,), (end,)]:
        ingest(*events)
    stored = run_of(other)
    at = "2026-01-02T03:04:05.000000Z"
    assert (stored["status"], stored["start_time"], stored["end_time"]) == ("success", at, at)


def test_inputs_and_outputs_are_collected_over_the_events() -> None:
    """Datasets of all events are kept once each, sorted, as namespace/name."""
    one = event("START", inputs=[{"namespace": "db", "name": "b"}, {"namespace": "db", "name": "a"}])
    end = event("COMPLETE", 1, run=one["run"]["runId"], inputs=[{"namespace": "db", "name": "a"}])
    ingest(one, end | {"outputs": [{"namespace": "s3://lake", "name": "x/ü 🧀"}]})
    stored = run_of(one)
    assert (stored["input_tables"], stored["output_tables"]) == (["db/a", "db/b"], ["s3://lake/x/ü 🧀"])


def test_facets_that_have_a_field_are_kept() -> None:
    """Rows and bytes, assertions, the parent run and the engine go where a user looks for them."""
    dataset = {
        "namespace": "db",
        "name": "a",
        "outputFacets": {"outputStatistics": {"rowCount": 10, "size": 100}},
        "inputFacets": {
            "inputStatistics": {"size": 50},
            "dataQualityAssertions": {"assertions": [{"assertion": "unique", "column": "id", "success": False}, {}]},
        },
    }
    facets = {
        "parent": {"run": {"runId": "r"}, "job": {"namespace": "airflow", "name": "dag"}},
        "processing_engine": {"name": "spark", "version": "3.5.3"},
    }
    one = event("COMPLETE", inputs=[dataset], outputs=[dataset, dataset], facets=facets)
    ingest(one)
    stored = run_of(one)
    assert stored["tags"] == {
        "parent_pipeline": "airflow/dag",
        "parent_run": "r",
        "processing_engine": "spark 3.5.3",
    }
    assert stored["data_quality_results"] == [{"check_name": "db/a: unique(id)", "passed": False}]
    assert stored["data_quality_passed"] is False
    numbers = ("total_records_processed", "output_data_size_bytes", "input_data_size_bytes")
    assert [stored[name] for name in numbers] == [10, 100, 50]


@pytest.mark.parametrize("held", [(False, True), (True, False)])
def test_a_check_that_failed_once_in_an_event_has_failed(held: tuple[bool, bool]) -> None:
    """Whichever of its assertions comes last, within a dataset's facet or in another."""
    assertions = [{"assertion": "unique", "success": success} for success in held]
    together = {"facets": {"dataQualityAssertions": {"assertions": assertions}}}
    apart = {
        name: {"dataQualityAssertions": {"assertions": [one]}}
        for name, one in zip(("facets", "outputFacets"), assertions, strict=True)
    }
    for facets in (together, apart):
        one = event("COMPLETE", outputs=[{"namespace": "db", "name": "a", **facets}])
        ingest(one)
        assert run_of(one)["data_quality_results"] == [{"check_name": "db/a: unique", "passed": False}]
        assert run_of(one)["data_quality_passed"] is False


@pytest.mark.parametrize("wrong", [None, "x", 3, [], {"rowCount": -1}, {"rowCount": True}, {"rowCount": 10**40 + 1}])
def test_a_malformed_facet_is_passed_over(wrong: Any) -> None:
    """A malformed facet does not refuse the event."""
    dataset = {"namespace": "db", "name": "a", "outputFacets": {"outputStatistics": wrong}}
    facets = {"parent": wrong, "processing_engine": wrong, "errorMessage": wrong}
    one = event("COMPLETE", outputs=[dataset], facets=facets)
    assert ingest(one).refused == []
    assert {"tags", "total_records_processed"}.isdisjoint(run_of(one))


@pytest.mark.parametrize(
    ("changes", "kind", "about"),
    [
        ({"schemaURL": "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/JobEvent"}, "JobEvent", "a job"),
        (
            {"schemaURL": "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/JobEvent", "run": None},
            "JobEvent",
            "a job",
        ),
        (
            {"schemaURL": "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/DatasetEvent"},
            "DatasetEvent",
            "a dataset",
        ),
        ({}, "JobEvent", "a job"),
        ({"job": ..., "dataset": {"namespace": "db", "name": "a"}}, "DatasetEvent", "a dataset"),
    ],
)
def test_events_of_jobs_and_datasets_are_refused_by_their_name(changes: Any, kind: str, about: str) -> None:
    """The refusal of an event that is not about a run names its kind; the next event is recorded."""
    good = event()
    strange = {name: value for name, value in good.items() if name not in {"run", "eventType"}} | changes
    strange = {name: value for name, value in strange.items() if value is not ...}
    report = ingest(strange, good)
    reason = f"event: {kind!r} describes {about}, not a run: only run events are recorded, so remove it"
    assert (report.events, refusals(report)) == (1, [(1, reason)])


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"run": {}}, "run.runId: None is required"),
        ({"run": {"runId": ""}}, "run.runId: '' is required"),
        ({"run": {"runId": 3}}, "run.runId: 3 must be text, not int"),
        ({"run": None}, "run: None is required in a run event"),
        ({"job": None}, "job: None is required in a run event"),
        ({"run": "x"}, "run: 'x' must be an object"),
        ({"job": {"name": "x"}}, "job.namespace: None is required"),
        ({"job": {"namespace": "x", "name": "\ud800"}}, "job.name: '\\ud800' contains half of a surrogate pair"),
        ({"eventType": "DONE"}, "eventType: 'DONE' must be one of: RUNNING, START, COMPLETE, FAIL, ABORT, OTHER"),
        ({"eventType": ["START"]}, "eventType: ['START'] must be one of"),
        ({"inputs": {}}, None),
        ({"inputs": "x"}, "inputs: 'x' must be a list"),
        ({"inputs": [1]}, "inputs[0]: 1 must be an object"),
        ({"outputs": [{"name": "x"}]}, "outputs[0].namespace: None is required"),
        ({"eventTime": "2026-01-02T03:04:05"}, "eventTime: '2026-01-02T03:04:05' has no UTC offset"),
    ],
)
def test_an_event_that_lacks_what_it_must_hold_is_refused_by_line(changes: Any, reason: str | None) -> None:
    """The refusal names line, field, value and reason; the events around it are recorded."""
    before, after = event(), event()
    report = ingest(before, event() | changes, after)
    assert report.events == (3 if reason is None else 2)
    assert [line for line, _ in refusals(report)] == ([] if reason is None else [2])
    assert all(text.startswith(reason or "") for _, text in refusals(report))
    assert run_of(before)["status"] == run_of(after)["status"] == "running"


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("hello", "is not valid JSON: Expecting value (column 1)"),
        ("3", "event: 3 must be a JSON object"),
        ('{"a": tru}', "is not valid JSON: Expecting value (column 7)"),
        ('{"a": "b', "is not valid JSON: a string in it is not closed"),
        ('{"a": {"b": 1}', "is incomplete: another value begins before its end"),
        ('{"a": "\udcff"}', "is not UTF-8 (byte 7)"),
        ("{" * 2000 + "}" * 2000, "is nested too deeply"),
        ('{"a":' * 2000 + "1" + "}" * 2000, "is nested too deeply"),
    ],
)
def test_a_line_that_is_no_json_is_refused_and_the_next_is_read(line: str, reason: str) -> None:
    """Whatever is wrong with a line, its number and the reason are reported, and the next line is an event again."""
    before, after = event(), event()
    text = f"{json.dumps(before)}\n\n{line}\n{json.dumps(after)}\n".encode(errors="surrogateescape")
    report = ingest_text(text)
    assert report.events == 2
    ((number, found),) = refusals(report)
    assert (number, found[: len(reason)]) == (3, reason)


@pytest.mark.parametrize("prefix", ["", "\ufeff", "\n \n"])
@pytest.mark.parametrize("layout", ["lines", "windows lines", "pretty", "array", "array of lines", "end to end"])
def test_events_are_read_in_every_layout(layout: str, prefix: str) -> None:
    """A line each, over many lines, in an array, files put end to end; with a byte order mark, with blank lines."""
    events = [event(), event(), event()]
    lines = [json.dumps(one) for one in events]
    text = {
        "lines": "\n".join(lines),
        "windows lines": "\r\n\r\n".join(lines) + "\r\n",
        "pretty": "\n".join(json.dumps(one, indent=2) for one in events),
        "array": json.dumps(events),
        "array of lines": "[\n" + ",\n".join(lines) + "\n]\n",
        "end to end": "".join(json.dumps(one, indent=2) for one in events),
    }[layout]
    assert ingest_text(prefix + text) == IngestReport(3, 3, 1, [])
    assert {run_of(one)["status"] for one in events} == {"running"}


def test_a_broken_event_of_many_lines_is_one_refusal() -> None:
    """What is left of it is no event, nor a list of errors; the next event is read."""
    good = event()
    text = f'{{\n"eventType": "START\n"eventTime": "x",\n"run": [],\n}}\n{json.dumps(good)}'
    report = ingest_text(text)
    assert refusals(report) == [(1, "is not valid JSON: a string in it is not closed")]
    assert (report.events, run_of(good)["status"]) == (1, "running")


def test_a_part_of_an_event_on_a_line_of_its_own_is_no_event() -> None:
    """An event continues until it is complete, even if one of its lines is valid JSON by itself."""
    one = event("COMPLETE", inputs=[{"namespace": "db", "name": "a"}, {"namespace": "db", "name": "b"}])
    text = json.dumps(one).replace('{"namespace": "db"', '\n{"namespace": "db"').replace('"},', '"}\n,')
    assert '\n{"namespace": "db", "name": "a"}\n' in text
    assert ingest_text(text) == IngestReport(events=1, runs=1, pipelines=1, refused=[])
    assert run_of(one)["input_tables"] == ["db/a", "db/b"]


def test_what_is_left_of_a_broken_array_is_read() -> None:
    """Its events behind the place where it breaks, also those that share a line."""
    good = [event() for _ in range(4)]
    first, second, third, fourth = map(json.dumps, good)
    report = ingest_text(f"[{first} !\n{second}, {third},\n{fourth}\n]")
    assert (report.events, report.runs) == (4, 4)
    assert [line for line, _ in refusals(report)][:1] == [1]


def test_a_value_of_many_lines_that_is_too_long_is_not_held() -> None:
    """Of such a value only where it may have begun is kept: reading takes a small part of its length."""
    line, count = b'"' + b"x" * 1_000 + b'",\n', 20_000
    stream = io.BytesIO(b'{"a": [\n' + line * count + b"0]}\n{}")
    values = LooseValues(JSONSource(stream), 1 << 20, lambda value: True)
    tracemalloc.start()
    found = list(values)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8 << 20
    assert [(one.line, one.reason) for one in found] == [(1, "is longer than 1,048,576 bytes"), (count + 3, None)]


def test_a_value_may_be_as_long_as_the_limit() -> None:
    """One that is a byte longer is not held; what follows is read all the same."""
    source = JSONSource(io.BytesIO(b'{"a": 12} {"a": 123}\n"abc"'))
    assert [source.take_value(9).text for _ in range(2)] == [b'{"a": 12}', None]
    assert source.take_value(5) == Piece(2, b'"abc"')


def test_brackets_in_a_text_are_no_nesting() -> None:
    """However many; and what is nested too deeply is no less so for them."""
    brackets = "[{" * 200 + '\\" ' + "[" * 200
    assert decoded(f'{{"a": "{brackets}"}}'.encode()) == {"a": brackets.replace('\\"', '"')}
    with pytest.raises(ValueError, match="is nested too deeply"):
        decoded(f'["{brackets}", {"[" * 200}{"]" * 200}]'.encode())


def test_an_array_that_is_broken_gives_what_came_before() -> None:
    """Elements before the break are recorded, and the break is reported with its line."""
    one = event()
    report = ingest_text(f"[\n{json.dumps(one)},\n{{}},\n{json.dumps(event())}\n")
    assert report.events == 2
    assert refusals(report) == [
        (3, "job: None is required in a run event"),
        (5, "has a malformed array: a comma or ] is missing"),
    ]


class _Endless:
    """A hundred megabytes of one line, made as they are read, and then an event."""

    name = "endless"

    def __init__(self, after: bytes) -> None:
        self._left, self._after = 100 << 20, after

    def read(self, size: int) -> bytes:
        """Return the next bytes."""
        if self._left:
            size = min(size, self._left)
            self._left -= size
            return b'"' + b"x" * (size - 1) if self._left == (100 << 20) - size else b"x" * size
        found, self._after = self._after[:size], self._after[size:]
        return found


@pytest.mark.parametrize("start", ["", '{"a":\n'])
def test_a_line_of_100_mb_is_refused_without_being_held(start: str) -> None:
    """It is refused by line and reason, in less memory than a quarter of it; the event behind it is recorded."""
    one = event()
    stream: Any = _Endless(f'"\n{json.dumps(one)}\n'.encode())
    if start:
        stream = _Joined(start.encode(), stream)
    tracemalloc.start()
    report = ingest_events([stream])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 25 << 20
    assert refusals(report)[-1] == (1 + bool(start), "is longer than 8,388,608 bytes")
    assert report.events == 1
    assert run_of(one)["status"] == "running"


class _Joined:
    def __init__(self, first: bytes, then: _Endless) -> None:
        self._first, self._then = first, then

    def read(self, size: int) -> bytes:
        if size and self._first:
            found, self._first = self._first[:size], self._first[size:]
            return found
        return self._then.read(size)


def test_events_come_from_standard_input_and_from_text_streams(monkeypatch: pytest.MonkeyPatch) -> None:
    """`-` is standard input, and an open stream of text is read like one of bytes; it stays open."""
    first, second = event(), event()
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(json.dumps(first).encode())))
    text = io.StringIO(f"{json.dumps(second)}\n{{")
    report = ingest_events(["-", text])
    assert (report.events, text.closed) == (2, False)
    assert [(one.file, one.line) for one in report.refused] == [("stream", 2)]


def test_files_globs_and_directories_are_read(tmp_path: Path) -> None:
    """A directory means its .json, .ndjson and .jsonl files; what is missing is refused and holds nothing up."""
    for name in ("a.json", "b.ndjson", "c.jsonl", "d.txt"):
        (tmp_path / name).write_text(json.dumps(event()))
    report = ingest_events([tmp_path, str(tmp_path / "*.txt"), tmp_path / "none.json", tmp_path / "*.none"])
    assert report.events == 4
    assert sorted((Path(one.file).name, one.line, one.reason) for one in report.refused) == [
        ("*.none", 0, "matches no file"),
        ("none.json", 0, "cannot be read: No such file or directory"),
    ]


def test_a_pipeline_that_is_not_known_is_registered_once() -> None:
    """A pipeline gets its full name and is created once for all its runs; an existing pipeline is not changed."""
    job = {"job": {"namespace": "shop", "name": f"new-{next(_fresh)}"}}
    pipeline_id = f"shop/{job['job']['name']}"
    with requests() as asked:
        ingest(event() | job, event() | job)
    assert asked.count("PutItem") == 3
    there = queries.get_pipeline(pipeline_id)
    assert (there.pipeline_name, there.source_type, there.is_active) == (pipeline_id, "openlineage", True)
    commands.deactivate_pipelines([pipeline_id])
    before = stored_fields(queries.get_pipeline(pipeline_id))
    assert ingest(event() | job).pipelines == 1
    assert stored_fields(queries.get_pipeline(pipeline_id)) == before


@pytest.mark.parametrize(
    "name",
    [
        "x" * 300,
        "ü" * 254 + "🧀",
        "🧀" * 255,
        "日本語の仕事" * 60,
        "two\nlines",
        " padded ",
        "\t",
        "\x85",
        "x" * 5_000,
    ],
)
def test_names_that_make_no_id_get_one_and_keep_their_full_name(name: str) -> None:
    """Too long, control characters, white space at the ends: the id is valid and ends in a hash of the whole."""
    one = event(run=name) | {"job": {"namespace": "n", "name": name}}
    assert ingest(one, one).refused == []
    pipeline_id = id_of(f"n/{name}")
    assert id_problem(pipeline_id) is None
    assert queries.get_pipeline(pipeline_id).pipeline_name == f"n/{name}"
    run = queries.get_run(pipeline_id, id_of(name))
    assert (run.tags or {}).get("openlineage_run_id", run.run_id) == name


def test_long_names_that_begin_alike_get_different_ids() -> None:
    """The hash is of the whole name, so what differs far behind still differs; the form is part of what is stored."""
    assert id_of("x" * 300 + "a") != id_of("x" * 300 + "b")
    assert id_of("a\nb") == "a_b~7e18f737311b2dc3b2f269dd78396b03"
    assert id_of("plain/ünïcode") == "plain/ünïcode"


def test_events_join_a_run_that_a_job_recorded_itself() -> None:
    """The earliest start, the union of tables and the latest end stand; what the job said besides stays."""
    one = event("COMPLETE", 9, inputs=[{"namespace": "db", "name": "a"}])
    run_id = one["run"]["runId"]
    at = parse_instant("2026-01-02T03:04:05Z")
    commands.start_run(
        pipeline_id="shop/orders", run_id=run_id, trigger_type="schedule", start_time=at, tags={"k": "v"}
    )
    ingest(event("START", 4, run=run_id), one)
    stored = run_of(one)
    assert (stored["status"], stored["trigger_type"], stored["tags"]) == ("success", "schedule", {"k": "v"})
    assert (stored["start_time"][17:19], stored["end_time"][17:19], stored["duration_seconds"]) == ("04", "09", 5)


@pytest.mark.parametrize("success", [True, False])
def test_checks_join_what_a_job_recorded_itself(success: bool) -> None:
    """A check keeps the values that the job told; it fails where the event says so, and one of another stays."""
    assertion = {"assertion": "unique", "success": success}
    facets = {"dataQualityAssertions": {"assertions": [assertion]}}
    one = event("RUNNING", 9, inputs=[{"namespace": "db", "name": "a", "facets": facets}])
    key = {"pipeline_id": "shop/orders", "run_id": one["run"]["runId"]}
    commands.start_run(**key, start_time=parse_instant("2026-01-02T03:04:05Z"), lease_seconds=None)
    own = {"check_name": "own", "passed": True, "expected_value": 3, "actual_value": 3}
    told = {
        "check_name": "db/a: unique",
        "passed": True,
        "expected_value": 1,
        "actual_value": 2,
        "error_message": "m",
    }
    commands.record_quality(**key, results=[told, own])
    ingest(one)
    assert run_of(one)["data_quality_results"] == [told | {"passed": success}, own]
    assert run_of(one)["data_quality_passed"] is success


def test_a_job_that_said_that_its_data_are_bad_is_not_overruled() -> None:
    """Whatever the checks of its events say: a job may know more than they do."""
    facets = {"dataQualityAssertions": {"assertions": [{"assertion": "unique", "success": True}]}}
    one = event("RUNNING", 9, inputs=[{"namespace": "db", "name": "a", "facets": facets}])
    key = {"pipeline_id": "shop/orders", "run_id": one["run"]["runId"]}
    commands.start_run(**key, start_time=parse_instant("2026-01-02T03:04:05Z"), lease_seconds=None)
    commands.record_metrics(**key, data_quality_passed=False)
    ingest(one)
    assert run_of(one)["data_quality_results"] == [{"check_name": "db/a: unique", "passed": True}]
    assert run_of(one)["data_quality_passed"] is False


def test_a_start_that_comes_late_changes_the_start_alone() -> None:
    """START after COMPLETE moves the start back and leaves the success."""
    end = event("COMPLETE", 9)
    ingest(end)
    before = run_of(end)
    ingest(event("START", 1, run=end["run"]["runId"]))
    stored = run_of(end)
    changed = {"start_time", "start_epoch", "duration_seconds", "revision", "updated_at"}
    assert {name for name in stored if stored[name] != before.get(name)} == changed
    assert stored["duration_seconds"] == 8


def test_the_latest_end_stands() -> None:
    """A run that failed and then succeeded is a success, without the message of its failure."""
    failed = event("FAIL", 5, facets={"errorMessage": {"message": "boom", "stackTrace": "at 1"}})
    ingest(event("COMPLETE", 6, run=failed["run"]["runId"]))
    ingest(failed)
    stored = run_of(failed)
    assert stored["status"] == "success"
    assert {"error_message", "error_stack_trace"}.isdisjoint(stored)


@pytest.mark.parametrize(
    ("one", "other", "told"),
    [
        (("FAIL", "boom"), ("COMPLETE", None), ("failed", "boom")),
        (("FAIL", "boom"), ("ABORT", "stopped"), ("failed", "boom")),
        (("FAIL", None), ("ABORT", "stopped"), ("failed", NO_MESSAGE)),
        (("ABORT", None), ("COMPLETE", None), ("cancelled", None)),
        (("FAIL", "A reason"), ("FAIL", None), ("failed", "A reason")),
    ],
)
@pytest.mark.parametrize("together", [True, False])
def test_of_two_ends_at_one_time_the_worse_stands(one: Any, other: Any, told: Any, together: bool) -> None:
    """A failure wins over a cancellation, a cancellation over a success, and a reason over none, in any order."""
    for ends in ((one, other), (other, one)):
        run = f"ends-{next(_fresh)}"
        events = [
            event(kind, 5, run=run, facets={"errorMessage": {"message": message}} if message else {})
            for kind, message in ends
        ]
        for part in [events] if together else [[each] for each in events]:
            ingest(*part)
        stored = run_of(events[0])
        assert (stored["status"], stored.get("error_message")) == told


def test_each_run_is_written_once_for_all_its_events() -> None:
    """The events of a file are grouped by run: one write for each run, and none when they are repeated."""
    runs = [[event("COMPLETE", 3), event("START", 1)] for _ in range(20)]
    for end, start in runs:
        start["run"] = end["run"]
    events = [one for pair in runs for one in pair]
    ingest(event())
    with requests() as asked:
        ingest(*events)
    assert sorted(asked) == ["BatchGetItem"] * 2 + ["PutItem"] * 20
    with requests() as asked:
        report = ingest(*reversed(events))
    assert (report.events, report.runs) == (40, 20)
    assert not _WRITES & set(asked)


def test_large_files_are_written_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is gathered is written when it grows; a run whose events lie in different parts is still one run."""
    monkeypatch.setattr(recorder, "_RUNS", 2)
    first, second, third = event(), event(), event()
    told: list[tuple[int, int | None]] = []
    ends = [event("COMPLETE", 5, run=one["run"]["runId"]) for one in (first, second, third)]
    report = ingest(first, second, third, *ends, progress=lambda done, total: told.append((done, total)))
    assert report == IngestReport(events=6, runs=3, pipelines=1, refused=[])
    assert {run_of(one)["duration_seconds"] for one in (first, second, third)} == {5}
    assert told == [(number, None) for number in range(1, 7)]


def test_what_others_wrote_meanwhile_is_joined(monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that was written, created or deleted between reading and writing is read again and joined."""
    written, created, deleted = event(), event(), event()
    ingest(written, deleted)
    keys = [("shop/orders", one["run"]["runId"]) for one in (written, deleted)]
    stale = {key: queries.get_run(*key) for key in keys}
    commands.record_metrics(pipeline_id="shop/orders", run_id=keys[0][1], total_records_processed=7)
    commands.delete_run(pipeline_id="shop/orders", run_id=keys[1][1])
    ingest(created)
    monkeypatch.setattr(recorder, "stored_items", lambda model, wanted: stale)
    monkeypatch.setattr(recorder, "create_pipeline", lambda **fields: None)
    fewer = {"namespace": "db", "name": "a", "outputFacets": {"outputStatistics": {"rowCount": 5}}}
    ends = [
        event("COMPLETE", 5, run=one["run"]["runId"], outputs=[fewer] if one is written else [])
        for one in (written, created, deleted)
    ]
    assert ingest(*ends).refused == []
    assert (run_of(written)["total_records_processed"], run_of(written)["duration_seconds"]) == (7, 5)
    assert (run_of(created)["duration_seconds"], run_of(deleted)["duration_seconds"]) == (5, 0)


@pytest.mark.parametrize("together", [True, False])
def test_a_pipeline_name_that_no_item_holds_refuses_its_events(
    together: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name of half a megabyte is refused by line, and the other events are recorded; also in parts of a file."""
    if not together:
        monkeypatch.setattr(recorder, "_RUNS", 1)
    job = {"namespace": "n", "name": "x" * 500_000}
    one, again, other = event() | {"job": job}, event() | {"job": job}, event()
    report = ingest(one, again, other)
    assert [line for line, _ in refusals(report)] == [1, 2]
    assert run_of(other)["status"] == "running"
    assert all(queries.find_run(run_id=each["run"]["runId"]) is None for each in (one, again))


def test_long_error_texts_are_cut() -> None:
    """A message keeps its beginning and a stack its end, so that they fit into an item."""
    facet = {"message": "m" * 10_000 + "end", "stackTrace": "start" + "s" * 100_000}
    at = parse_instant("2026-01-02T03:04:00Z")
    facts = read_event(event("FAIL", facets={"errorMessage": facet})).facts
    assert facts.errors == {"FAIL": Told("FAIL", at, "m" * 4_000, "s" * 50_000)}
    assert facts.ending == Ending(RunStatus.FAILED, at)


def test_who_ingests_is_checked_before_anything_is_read() -> None:
    """An invalid `by` raises."""
    with pytest.raises(ValidationError, match="updated_by"):
        ingest(event(), by=" ")


def test_the_shipped_example_tells_of_every_way_a_run_may_go() -> None:
    """The example's runs succeeded, failed with a reason, were cancelled, and one still runs; nothing is refused."""
    lines = EXAMPLE.read_text().splitlines()
    told = [json.loads(line) for line in lines]
    report = ingest_events([EXAMPLE])
    assert (report.events, report.refused) == (len(lines), [])
    assert report.runs == len({one["run"]["runId"] for one in told})
    runs = [queries.get_run(f"{one['job']['namespace']}/{one['job']['name']}", one["run"]["runId"]) for one in told]
    assert {run.status for run in runs} == {
        RunStatus.SUCCESS,
        RunStatus.FAILED,
        RunStatus.CANCELLED,
        RunStatus.RUNNING,
    }
    assert NO_MESSAGE not in {run.error_message for run in runs}


def test_a_value_of_many_lines_that_is_too_long_is_refused_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """An event over many lines that is longer than the limit is reported by its first line; the next is recorded."""
    monkeypatch.setattr(openlineage, "MAX_EVENT_BYTES", 2_000)
    one = event()
    report = ingest_text(f"{json.dumps(event(extra=['x' * 90] * 30), indent=1)}\n{json.dumps(one)}")
    assert (report.events, refusals(report)) == (1, [(1, "is longer than 2,000 bytes")])


def test_a_source_that_breaks_off_keeps_what_it_gave() -> None:
    """Where reading fails in the middle, the events before are recorded and the failure is reported."""
    one = event()

    class Breaking(io.BytesIO):
        name = "breaking"

        def read(self, size: int | None = -1, /) -> bytes:
            if size == 0 or (found := super().read(size)):
                return b"" if size == 0 else found
            raise OSError(5, "Input/output error")

    report = ingest_events([Breaking(f"{json.dumps(one)}\n".encode())])
    assert report.events == 1
    assert [(r.file, r.line, r.reason) for r in report.refused] == [
        ("breaking", 0, "cannot be read: Input/output error")
    ]


def test_utf_16_is_refused_with_what_to_do() -> None:
    """The refusal of events in UTF-16 names the encoding."""
    assert refusals(ingest_text(json.dumps(event()).encode("utf-16"))) == [(1, "is UTF-16: save it as UTF-8")]
