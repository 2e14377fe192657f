"""Read a single OpenLineage run event.

Source: OpenLineage's object model (RunEvent of openlineage.io/spec/2-0-2/OpenLineage.json) and its standard facets
errorMessage, parent, processing_engine, outputStatistics, inputStatistics and dataQualityAssertions. Malformed facets
are ignored; missing or malformed required fields of the event itself are errors.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pendulum

from pipemodels.checks import number_problem, text_problem
from pipemodels.errors import ValidationError
from pipemodels.interop.openlineage.checks import checks_told, facet_of, optional_text
from pipemodels.interop.openlineage.cutting import start_of
from pipemodels.interop.openlineage.facts import Ending, RunFacts
from pipemodels.interop.openlineage.naming import id_of
from pipemodels.interop.openlineage.reasons import MESSAGE_CHARACTERS, TRACE_CHARACTERS, Told, errors_of
from pipemodels.interop.openlineage.times import Zone, event_time
from pipemodels.models.run import RunStatus

STARTING = frozenset({"START", "RUNNING"})
ENDING = {"COMPLETE": RunStatus.SUCCESS, "FAIL": RunStatus.FAILED, "ABORT": RunStatus.CANCELLED}
OTHER = "OTHER"  # also stands for an event without a type, which the specification allows
_TYPES = [*sorted(STARTING), *ENDING, OTHER]
_ID_BYTES = 8_000  # of the run's id in the event, which a tag keeps
_ENGINE_BYTES = 1_000
_OTHER_EVENTS = {"JobEvent": "a job", "DatasetEvent": "a dataset"}


@dataclass(frozen=True, slots=True)
class RunEvent:
    """The run and pipeline of an event, and the facts in the event."""

    pipeline_id: str
    pipeline_name: str
    run_id: str
    facts: RunFacts


def is_event(value: Any) -> bool:
    """Say whether a JSON value looks like an event."""
    return isinstance(value, dict) and ("eventTime" in value or "eventType" in value)


def read_event(value: Any, zone: Zone | None = None) -> RunEvent:
    """Read a run event.

    Args:
        value: the decoded JSON value.
        zone: the time zone of times without an offset; None refuses such times.

    Raises:
        ValidationError: the value is not a run event, or a required field is missing or invalid: the job's namespace
            and name, the run's id, the time with its offset, or the event type.
    """
    if not isinstance(value, dict):
        raise ValidationError.of("event", value, "must be a JSON object")
    _refuse_other_kinds(value)
    job, run = _mapping(value, "job"), _mapping(value, "run")
    namespace, name = _text(job, "namespace", "job."), _text(job, "name", "job.")
    run_id = _text(run, "runId", "run.")
    event_type = value.get("eventType") or OTHER
    if event_type not in _TYPES:
        raise ValidationError.of("eventType", event_type, f"must be one of: {', '.join(_TYPES)}")
    full_name = f"{namespace}/{name}"
    facts = _facts(value, event_type, event_time(value.get("eventTime"), zone), run_id)
    return RunEvent(id_of(full_name), full_name, id_of(run_id), facts)


def _refuse_other_kinds(value: Mapping[str, Any]) -> None:
    """Refuse an event about a job or a dataset, which its schema, or else its fields, identify.

    Raises:
        ValidationError: the event is about a job or a dataset.
    """
    schema = value.get("schemaURL")
    kind = schema.rstrip("/").rpartition("/")[2] if isinstance(schema, str) else ""
    if value.get("run") is not None or kind == "RunEvent":
        return
    if kind not in _OTHER_EVENTS and "eventType" not in value:
        kind = "JobEvent" if "job" in value else "DatasetEvent" if "dataset" in value else ""
    if kind in _OTHER_EVENTS:
        reason = f"describes {_OTHER_EVENTS[kind]}, not a run: only run events are recorded, so remove it"
        raise ValidationError.of("event", kind, reason)


def _facts(value: Mapping[str, Any], event_type: str, at: pendulum.DateTime, run_id: str) -> RunFacts:
    run_facets = facet_of(value["run"], "facets")
    inputs, outputs = list(_datasets(value, "inputs")), list(_datasets(value, "outputs"))
    return RunFacts(
        started=event_type != OTHER,
        start=at,
        ending=Ending(ENDING[event_type], at) if event_type in ENDING else None,
        errors=errors_of(_error(event_type, at, run_facets)),
        inputs=frozenset(name for name, _ in inputs),
        outputs=frozenset(name for name, _ in outputs),
        input_bytes=_total(inputs, "inputFacets", "inputStatistics", "size"),
        output_bytes=_total(outputs, "outputFacets", "outputStatistics", "size"),
        records=_total(outputs, "outputFacets", "outputStatistics", "rowCount"),
        checks=checks_told([*inputs, *outputs]),
        parent=_parent(run_facets),
        engine=_engine(run_facets),
        full_id=start_of(run_id, _ID_BYTES) if id_of(run_id) != run_id else None,
    )


def _error(event_type: str, at: pendulum.DateTime, facets: Mapping[str, Any]) -> Told | None:
    """Return the error in an event, with the start of a long message and the end of a long stack trace."""
    facet = facet_of(facets, "errorMessage")
    message, trace = optional_text(facet, "message"), optional_text(facet, "stackTrace")
    if message is None and trace is None:
        return None
    return Told(event_type, at, message and message[:MESSAGE_CHARACTERS], trace and trace[-TRACE_CHARACTERS:])


# -- required fields ----------------------------------------------------------------------------------------------


def _mapping(value: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    part = value.get(name)
    if part is None:
        raise ValidationError.of(name, None, "is required in a run event")
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
    """Yield the full name and the content of each dataset."""
    datasets = value.get(name) or []
    if not isinstance(datasets, list):
        raise ValidationError.of(name, datasets, "must be a list")
    for position, dataset in enumerate(datasets):
        path = f"{name}[{position}]"
        if not isinstance(dataset, dict):
            raise ValidationError.of(path, dataset, "must be an object")
        namespace, own = _text(dataset, "namespace", f"{path}."), _text(dataset, "name", f"{path}.")
        yield f"{namespace}/{own}", dataset


# -- optional facets ----------------------------------------------------------------------------------------------


def _total(datasets: list[tuple[str, Mapping[str, Any]]], facets: str, facet: str, name: str) -> int | None:
    """Return the sum over all datasets; a dataset that is repeated counts once, with its greatest value."""
    numbers: dict[str, int] = {}
    for dataset, value in datasets:
        number = facet_of(facet_of(value, facets), facet).get(name)
        if isinstance(number, int) and not isinstance(number, bool) and number >= 0:
            numbers[dataset] = max(number, numbers.get(dataset, 0))
    total = sum(numbers.values())
    return total if numbers and number_problem(total) is None else None


def _parent(facets: Mapping[str, Any]) -> tuple[str, str] | None:
    """Return the pipeline_id and run_id of the parent run."""
    facet = facet_of(facets, "parent")
    run_id = optional_text(facet_of(facet, "run"), "runId")
    job = facet_of(facet, "job")
    namespace, name = optional_text(job, "namespace"), optional_text(job, "name")
    if run_id is None or namespace is None or name is None:
        return None
    return id_of(f"{namespace}/{name}"), id_of(run_id)


def _engine(facets: Mapping[str, Any]) -> str | None:
    facet = facet_of(facets, "processing_engine")
    parts = [optional_text(facet, "name"), optional_text(facet, "version")]
    return start_of(" ".join(part for part in parts if part), _ENGINE_BYTES) or None
