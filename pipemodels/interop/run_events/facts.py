"""What is known of a run, joined from its events in any order, however often each comes.

`RunFacts` is a join-semilattice: `joined` is commutative, associative and idempotent, because each field is a least,
a greatest or a union. And everything in it can be read back from the stored run, so that events which come in later
files, or while others write the run, join all the same.

- started: whether START, RUNNING or an ending was seen. Before that the run is `pending`, whatever OTHER says.
- start: the earliest time of those events; of a pending run the earliest of any.
- ending: the terminal event with the latest time; of several at one time a failure wins over a cancellation, that
  over a success, and then a message that was told over none.
- inputs and outputs: the union. Statistics: the greatest that one event told. Checks: a failure wins.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pendulum

from pipemodels.models.run import TRANSITIONS, DataQualityResult, PipelineRunLog, RunStatus

NO_MESSAGE = "The run failed; its events told no reason."
PARENT_TAGS = ("parent_pipeline", "parent_run")
ENGINE_TAG = "processing_engine"
FULL_ID_TAG = "openlineage_run_id"
_RANK = (RunStatus.SKIPPED, RunStatus.SUCCESS, RunStatus.CANCELLED, RunStatus.FAILED)
_FIRST_INSTANT = pendulum.DateTime(1, 1, 1, tzinfo=pendulum.UTC)


@dataclass(frozen=True, slots=True)
class Ending:
    """How a run ended."""

    status: RunStatus
    at: pendulum.DateTime | None
    message: str | None = None
    trace: str | None = None

    @property
    def key(self) -> tuple[Any, ...]:
        """Return what orders endings: equal for equal endings only."""
        told = self.message is not None and self.message != NO_MESSAGE
        texts = (self.message is not None, self.message or "", self.trace is not None, self.trace or "")
        return self.at is not None, self.at or _FIRST_INSTANT, _RANK.index(self.status), told, *texts


@dataclass(frozen=True, slots=True)
class RunFacts:
    """What some events, or the stored run, say of a run."""

    started: bool = False
    start: pendulum.DateTime | None = None
    ending: Ending | None = None
    inputs: frozenset[str] = frozenset()
    outputs: frozenset[str] = frozenset()
    input_bytes: int | None = None
    output_bytes: int | None = None
    records: int | None = None
    checks: Mapping[str, bool] = field(default_factory=dict)
    parent: tuple[str, str] | None = None
    engine: str | None = None
    full_id: str | None = None
    """The run's id in the events, where it is too long or strange for one of ours."""


def joined(one: RunFacts, other: RunFacts) -> RunFacts:
    """Return what both know together."""
    names = one.checks.keys() | other.checks.keys()
    return RunFacts(
        started=one.started or other.started,
        start=_start(one, other),
        ending=max((end for end in (one.ending, other.ending) if end), key=lambda end: end.key, default=None),
        inputs=one.inputs | other.inputs,
        outputs=one.outputs | other.outputs,
        input_bytes=_greatest(one.input_bytes, other.input_bytes),
        output_bytes=_greatest(one.output_bytes, other.output_bytes),
        records=_greatest(one.records, other.records),
        checks={name: one.checks.get(name, True) and other.checks.get(name, True) for name in names},
        parent=_greatest(one.parent, other.parent),
        engine=_greatest(one.engine, other.engine),
        full_id=_greatest(one.full_id, other.full_id),
    )


def _start(one: RunFacts, other: RunFacts) -> pendulum.DateTime | None:
    """Return the earliest start; a time at which the run had not started yet counts only until it has."""
    started = one.started or other.started
    times = [facts.start for facts in (one, other) if facts.start is not None and facts.started == started]
    return min(times, default=None)


def _greatest(*values: Any) -> Any:
    return max((value for value in values if value is not None), default=None)


def facts_of(run: PipelineRunLog) -> RunFacts:
    """Read what the stored run says."""
    tags = run.tags or {}
    ended = not TRANSITIONS[run.status]
    parent = tuple(tags.get(name, "") for name in PARENT_TAGS)
    return RunFacts(
        started=run.status is not RunStatus.PENDING,
        start=run.start_time,
        ending=Ending(run.status, run.end_time, run.error_message, run.error_stack_trace) if ended else None,
        inputs=frozenset(run.input_tables or ()),
        outputs=frozenset(run.output_tables or ()),
        input_bytes=run.input_data_size_bytes,
        output_bytes=run.output_data_size_bytes,
        records=run.total_records_processed,
        checks=_passed(run.data_quality_results or ()),
        parent=(parent[0], parent[1]) if any(parent) else None,
        engine=tags.get(ENGINE_TAG),
        full_id=tags.get(FULL_ID_TAG),
    )


def _passed(results: Iterable[DataQualityResult]) -> dict[str, bool]:
    passed: dict[str, bool] = {}
    for result in results:
        passed[result.check_name] = passed.get(result.check_name, True) and result.passed
    return passed


def changes_to(run: PipelineRunLog | None, facts: RunFacts) -> dict[str, Any]:
    """Return the fields that change in the stored run, or make a new one; none where it says all this already."""
    told = facts if run is None else joined(facts_of(run), facts)
    after = _values(told) | _additions(told, run)
    return {name: value for name, value in after.items() if value != getattr(run, name, None)}


def _values(told: RunFacts) -> dict[str, Any]:
    running = RunStatus.RUNNING if told.started else RunStatus.PENDING
    ending = told.ending
    values: dict[str, Any] = {
        "status": ending.status if ending else running,
        "start_time": told.start,
        "input_data_size_bytes": told.input_bytes,
        "output_data_size_bytes": told.output_bytes,
        "total_records_processed": told.records,
    }
    if ending:
        values |= {"end_time": ending.at, "error_message": ending.message, "error_stack_trace": ending.trace}
    return values


def _additions(told: RunFacts, run: PipelineRunLog | None) -> dict[str, Any]:
    """Return the collections to which something is added; what is not of events keeps its form."""
    values: dict[str, Any] = {}
    for name, tables in {"input_tables": told.inputs, "output_tables": told.outputs}.items():
        if tables != frozenset(getattr(run, name, None) or ()):
            values[name] = sorted(tables)
    results = getattr(run, "data_quality_results", None) or []
    if told.checks != _passed(results):
        values["data_quality_results"] = _results(told.checks, results)
        said = getattr(run, "data_quality_passed", None)
        values["data_quality_passed"] = said is not False and all(told.checks.values())
    tags = dict(getattr(run, "tags", None) or {})
    if tags != (more := tags | _tags(told)):
        values["tags"] = more
    return values


def _results(checks: Mapping[str, bool], results: Iterable[DataQualityResult]) -> list[DataQualityResult]:
    """Return the results with what is new of them, sorted by name."""
    old = {result.check_name: result for result in results}
    after = {
        name: old[name] if name in old and old[name].passed == passed else _result(old.get(name), name, passed)
        for name, passed in checks.items()
    }
    return [after[name] for name in sorted(after)]


def _result(old: DataQualityResult | None, name: str, passed: bool) -> DataQualityResult:
    if old is None:
        return DataQualityResult(check_name=name, passed=passed)
    return DataQualityResult(
        check_name=name,
        passed=passed,
        expected_value=old.expected_value,
        actual_value=old.actual_value,
        error_message=old.error_message,
    )


def _tags(told: RunFacts) -> dict[str, str]:
    tags = dict(zip(PARENT_TAGS, told.parent, strict=True)) if told.parent else {}
    named = {ENGINE_TAG: told.engine, FULL_ID_TAG: told.full_id}
    return tags | {name: value for name, value in named.items() if value is not None}
