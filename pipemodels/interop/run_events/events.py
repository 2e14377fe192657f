"""OpenLineage's run events, one at a time: what each says of which run.

Source: OpenLineage's object model (RunEvent of openlineage.io/spec/2-0-2/OpenLineage.json) and its standard facets
errorMessage, parent, processing_engine, outputStatistics, inputStatistics and dataQualityAssertions. A facet that has
not its standard shape is passed over; what the event itself must hold is required.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pendulum

from pipemodels.checks import number_problem, text_problem
from pipemodels.errors import Problem, ValidationError
from pipemodels.instants import parse_instant
from pipemodels.interop.run_events.facts import NO_MESSAGE, Ending, RunFacts
from pipemodels.interop.run_events.naming import id_of
from pipemodels.models.run import RunStatus

STARTING = frozenset({"START", "RUNNING"})
ENDING = {"COMPLETE": RunStatus.SUCCESS, "FAIL": RunStatus.FAILED, "ABORT": RunStatus.CANCELLED}
OTHER = "OTHER"  # also what an event without a type is: the specification does not require one
_TYPES = [*sorted(STARTING), *ENDING, OTHER]
_MESSAGE_CHARACTERS = 4_000
_TRACE_CHARACTERS = 50_000  # its end says most
_NO_COLON = re.compile(r"(.*[0-9][+-][0-9]{2})([0-9]{2})", re.ASCII | re.DOTALL)
_NO_OFFSET = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(?:\.\d+)?", re.ASCII)
_BASIC = re.compile(r"(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)((?:\.\d+)?(?:Z|[+-]\d\d:?\d\d))", re.ASCII)


@dataclass(frozen=True, slots=True)
class RunEvent:
    """What one event says, and of which run of which pipeline."""

    pipeline_id: str
    pipeline_name: str
    run_id: str
    facts: RunFacts


def is_event(value: Any) -> bool:
    """Say whether a JSON value has the look of an event."""
    return isinstance(value, dict) and ("eventTime" in value or "eventType" in value)


def read_event(value: Any) -> RunEvent:
    """Read a run event.

    Raises:
        ValidationError: it is none, or what it must hold is missing or wrong: the job's namespace and name, the run's
            id, the time with its offset, a type that the specification knows.
    """
    if not isinstance(value, dict):
        raise ValidationError.of("event", value, "must be a JSON object")
    job, run = _mapping(value, "job"), _mapping(value, "run")
    namespace, name = _text(job, "namespace", "job."), _text(job, "name", "job.")
    run_id = _text(run, "runId", "run.")
    event_type = value.get("eventType") or OTHER
    if event_type not in _TYPES:
        raise ValidationError.of("eventType", event_type, f"must be one of: {', '.join(_TYPES)}")
    full_name = f"{namespace}/{name}"
    facts = _facts(value, event_type, event_time(value.get("eventTime")), run_id)
    return RunEvent(id_of(full_name), full_name, id_of(run_id), facts)


def event_time(text: object) -> pendulum.DateTime:
    """Read an event's time: RFC 3339, and the two forms of ISO 8601 that real producers write.

    Those are an offset without its colon (`+0000`) and the basic format (`20230329T100236+0000`).

    Raises:
        ValidationError: it is another form, or has no offset: nobody can say which instant it means.
    """
    if not isinstance(text, str):
        raise ValidationError.of("eventTime", text, "is required: text such as 2026-11-22T06:04:09Z")
    if _NO_OFFSET.fullmatch(text):
        raise ValidationError.of("eventTime", text, "has no UTC offset: write Z, or an offset such as +02:00")
    spelt = text
    if basic := _BASIC.fullmatch(spelt):
        year, month, day, hour, minute, second, rest = basic.groups()
        spelt = f"{year}-{month}-{day}T{hour}:{minute}:{second}{rest}"
    if offset := _NO_COLON.fullmatch(spelt):
        spelt = f"{offset[1]}:{offset[2]}"
    try:
        return parse_instant(spelt, "eventTime")
    except ValidationError as error:
        raise ValidationError(Problem("eventTime", text, problem.reason) for problem in error.problems) from None


def _facts(value: Mapping[str, Any], event_type: str, at: pendulum.DateTime, run_id: str) -> RunFacts:
    run_facets = _facets(value["run"], "facets")
    inputs, outputs = list(_datasets(value, "inputs")), list(_datasets(value, "outputs"))
    return RunFacts(
        started=event_type != OTHER,
        start=at,
        ending=_ending(ENDING[event_type], at, run_facets) if event_type in ENDING else None,
        inputs=frozenset(name for name, _ in inputs),
        outputs=frozenset(name for name, _ in outputs),
        input_bytes=_total(inputs, "inputFacets", "inputStatistics", "size"),
        output_bytes=_total(outputs, "outputFacets", "outputStatistics", "size"),
        records=_total(outputs, "outputFacets", "outputStatistics", "rowCount"),
        checks=_checks([*inputs, *outputs]),
        parent=_parent(run_facets),
        engine=_engine(run_facets),
        full_id=run_id if id_of(run_id) != run_id else None,
    )


def _ending(status: RunStatus, at: pendulum.DateTime, facets: Mapping[str, Any]) -> Ending:
    facet = _facets(facets, "errorMessage") if status is not RunStatus.SUCCESS else {}
    message, trace = _optional(facet, "message"), _optional(facet, "stackTrace")
    if message is None and status is RunStatus.FAILED:
        message = NO_MESSAGE
    return Ending(status, at, message and message[:_MESSAGE_CHARACTERS], trace and trace[-_TRACE_CHARACTERS:])


# -- what must be there -------------------------------------------------------------------------------------------


def _mapping(value: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    part = value.get(name)
    if part is None:
        raise ValidationError.of(name, None, "is required of a run event")
    if not isinstance(part, dict):
        raise ValidationError.of(name, part, "must be an object")
    return part


def _text(value: Mapping[str, Any], name: str, path: str) -> str:
    text = value.get(name)
    if not text:
        raise ValidationError.of(f"{path}{name}", text, "is required")
    if reason := text_problem(text):
        raise ValidationError.of(f"{path}{name}", text, reason)
    return str(text)


def _datasets(value: Mapping[str, Any], name: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield the full name of each dataset, and all that the event says of it."""
    datasets = value.get(name) or []
    if not isinstance(datasets, list):
        raise ValidationError.of(name, datasets, "must be a list")
    for position, dataset in enumerate(datasets):
        path = f"{name}[{position}]"
        if not isinstance(dataset, dict):
            raise ValidationError.of(path, dataset, "must be an object")
        namespace, own = _text(dataset, "namespace", f"{path}."), _text(dataset, "name", f"{path}.")
        yield f"{namespace}/{own}", dataset


# -- what may be there: facets ------------------------------------------------------------------------------------


def _facets(value: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    part = value.get(name)
    return part if isinstance(part, dict) and part.get("_deleted") is not True else {}


def _optional(facet: Mapping[str, Any], name: str) -> str | None:
    text = facet.get(name)
    return text if isinstance(text, str) and text and text_problem(text) is None else None


def _total(datasets: list[tuple[str, Mapping[str, Any]]], facets: str, facet: str, name: str) -> int | None:
    """Return the sum over the datasets of the event; a dataset that is named twice counts once, with its greatest."""
    numbers: dict[str, int] = {}
    for dataset, value in datasets:
        number = _facets(_facets(value, facets), facet).get(name)
        if isinstance(number, int) and not isinstance(number, bool) and number >= 0:
            numbers[dataset] = max(number, numbers.get(dataset, 0))
    total = sum(numbers.values())
    return total if numbers and number_problem(total) is None else None


def _checks(datasets: list[tuple[str, Mapping[str, Any]]]) -> dict[str, bool]:
    """Return the assertions by `dataset: assertion(column)`, and whether each held."""
    checks: dict[str, bool] = {}
    for dataset, value in datasets:
        for facets in ("facets", "inputFacets", "outputFacets"):
            assertions = _facets(_facets(value, facets), "dataQualityAssertions").get("assertions")
            for one in assertions if isinstance(assertions, list) else []:
                if not isinstance(one, dict) or not isinstance(one.get("success"), bool):
                    continue
                if (assertion := _optional(one, "assertion")) is not None:
                    column = _optional(one, "column")
                    name = f"{dataset}: {assertion}" + (f"({column})" if column else "")
                    checks[name] = checks.get(name, True) and one["success"]
    return checks


def _parent(facets: Mapping[str, Any]) -> tuple[str, str] | None:
    """Return pipeline_id and run_id of the run that started this one."""
    facet = _facets(facets, "parent")
    run_id = _optional(_facets(facet, "run"), "runId")
    job = _facets(facet, "job")
    namespace, name = _optional(job, "namespace"), _optional(job, "name")
    if run_id is None or namespace is None or name is None:
        return None
    return id_of(f"{namespace}/{name}"), id_of(run_id)


def _engine(facets: Mapping[str, Any]) -> str | None:
    facet = _facets(facets, "processing_engine")
    parts = [_optional(facet, "name"), _optional(facet, "version")]
    return " ".join(part for part in parts if part) or None
