"""Read the facts in a stored run, and compute the changes that new facts require."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from typing import Any

from pipemodels.documents import field_sizes
from pipemodels.interop.openlineage.checks import Check, results_of, stored_checks
from pipemodels.interop.openlineage.cutting import CHECKS, fitted, note_entry, notes_of, read_note, start_of
from pipemodels.interop.openlineage.facts import FIRST_INSTANT, Ending, RunFacts, joined
from pipemodels.interop.openlineage.reasons import (
    errors_of,
    in_fields,
    joined_errors,
    log_entries,
    logged_errors,
    read_entry,
    reason,
    to_log,
)
from pipemodels.models.run import TRANSITIONS, PipelineRunLog, RunStatus

PARENT_TAGS = ("parent_pipeline", "parent_run")
ENGINE_TAG = "processing_engine"
FULL_ID_TAG = "openlineage_run_id"
_FILLED = frozenset(
    {
        "status", "start_time", "end_time", "input_tables", "output_tables", "data_quality_results",
        "data_quality_passed", "error_message", "error_stack_trace",
    }
)  # fmt: skip
_SMALL = frozenset(  # fields that any run may have; RESERVE covers them
    {
        "pipeline_id", "run_id", "trigger_type", "environment", "attempt", "created_at", "updated_at", "created_by",
        "updated_by", "revision", "write_id", "status_shard", "start_epoch", "duration_seconds", "owner", "retry_of",
        "lease_token", "lease_seconds", "lease_expires_at", "heartbeat_at", "holds_slot", "expires_at",
        "input_data_size_bytes", "output_data_size_bytes", "total_records_processed", "total_records_failed",
    }
)  # fmt: skip
_LONG = ("input_tables", "output_tables", "data_quality_results", "error_stack_trace", "log_messages")
_LEAST = ("status", "start_time", "end_time", "error_message")
_LEAST_MESSAGE = 200


def facts_of(run: PipelineRunLog) -> RunFacts:
    """Return the facts in a stored run."""
    tags = run.tags or {}
    parent = tuple(tags.get(name, "") for name in PARENT_TAGS)
    ending = Ending(run.status, run.end_time) if not TRANSITIONS[run.status] else None
    entries = run.log_messages or []
    errors = logged_errors(entries)
    if ending is not None:
        at = ending.at or FIRST_INSTANT
        own = in_fields(ending.status, at, run.error_message, run.error_stack_trace, errors)
        errors = joined_errors(errors, errors_of(own))
    return RunFacts(
        started=run.status is not RunStatus.PENDING,
        start=run.start_time,
        ending=ending,
        errors=errors,
        inputs=frozenset(run.input_tables or ()),
        outputs=frozenset(run.output_tables or ()),
        input_bytes=run.input_data_size_bytes,
        output_bytes=run.output_data_size_bytes,
        records=run.total_records_processed,
        checks=stored_checks(run.data_quality_results or ()),
        parent=(parent[0], parent[1]) if any(parent) else None,
        engine=tags.get(ENGINE_TAG),
        full_id=tags.get(FULL_ID_TAG),
        left_out=dict(filter(None, map(read_note, entries))),
    )


def changes_to(run: PipelineRunLog | None, facts: RunFacts, *, is_full: bool = False) -> dict[str, Any]:
    """Return the fields to change in the stored run, or to set in a new one; empty if the run is up to date.

    Args:
        run: the stored run; None for a new one.
        facts: the facts in the events.
        is_full: the facts do not fit into an item, so cut them. A run that was cut before is always cut again.
    """
    before = RunFacts() if run is None else facts_of(run)
    told = joined(before, facts)
    every, own_bytes = told.checks, 0
    if is_full or told.left_out:
        own_bytes = 0 if run is None else _own_bytes(run)
        told = fitted(told, own_bytes)
    after = _values(told, before, run) | _additions(told, run, own_bytes) | _verdict(told, every, run)
    return {name: value for name, value in after.items() if value != getattr(run, name, None)}


def least_of(changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return the essential changes: the status, the times, and the start of the reason."""
    least = {name: changes[name] for name in _LEAST if name in changes}
    if least.get("error_message"):
        least["error_message"] = start_of(least["error_message"], _LEAST_MESSAGE)
    return least


def emptied(changes: Mapping[str, Any], stored: PipelineRunLog) -> dict[str, Any]:
    """Return the essential changes, and remove the long fields that `changes` would replace."""
    long = [name for name in _LONG if name in changes and getattr(stored, name) is not None]
    return {**least_of(changes), **dict.fromkeys(long)}


def _own_bytes(run: PipelineRunLog) -> int:
    """Return the size of the fields that no event sets; 0 extra for a run that was recorded from events only."""
    own = copy.copy(run)
    kept = {name: value for name, value in run.attribute_values.items() if name not in _FILLED | _SMALL}
    own.attribute_values = kept
    own.log_messages = _others_entries(run.log_messages or ()) or None
    ours = {*PARENT_TAGS, ENGINE_TAG, FULL_ID_TAG}
    own.tags = {name: value for name, value in (run.tags or {}).items() if name not in ours} or None
    return sum(field_sizes(own.serialize(null_check=False)).values())


def _others_entries(entries: Iterable[Any]) -> list[Any]:
    return [entry for entry in entries if read_entry(entry) is None and read_note(entry) is None]


def _values(told: RunFacts, before: RunFacts, run: PipelineRunLog | None) -> dict[str, Any]:
    ending = told.ending
    values: dict[str, Any] = {
        "status": ending.status if ending else RunStatus.RUNNING if told.started else RunStatus.PENDING,
        "start_time": told.start,
        "input_data_size_bytes": told.input_bytes,
        "output_data_size_bytes": told.output_bytes,
        "total_records_processed": told.records,
    }
    if ending is None:
        return values
    values["end_time"] = ending.at
    if ending.status in {RunStatus.FAILED, RunStatus.CANCELLED} or ending != before.ending:
        values["error_message"], values["error_stack_trace"] = _reason(told)
    return values


def _reason(told: RunFacts) -> tuple[str | None, str | None]:
    if told.ending is None:
        return None, None
    there_are_more = "data_quality_results" in told.left_out
    return reason(told.ending.status, told.errors, told.checks, there_are_more=there_are_more)


def _additions(told: RunFacts, run: PipelineRunLog | None, own_bytes: int) -> dict[str, Any]:
    """Return the collections that grow; entries that did not come from events are kept unchanged."""
    values: dict[str, Any] = {}
    for name, tables in {"input_tables": told.inputs, "output_tables": told.outputs}.items():
        if tables != frozenset(getattr(run, name, None) or ()):
            values[name] = sorted(tables) or None
    results = getattr(run, "data_quality_results", None) or []
    before = stored_checks(results)
    if told.checks != before:
        values["data_quality_results"] = results_of(told.checks, results) or None
    tags = dict(getattr(run, "tags", None) or {})
    if tags != (more := tags | _tags(told)):
        values["tags"] = more
    return values | _log(told, run, own_bytes)


def _verdict(told: RunFacts, every: Mapping[str, Check], run: PipelineRunLog | None) -> dict[str, bool]:
    """Return `data_quality_passed` according to all known checks, including those that do not fit.

    False stays False if the job set it without a failed check, or if checks were left out.
    """
    before = stored_checks(getattr(run, "data_quality_results", None) or [])
    if every == before:
        return {}
    is_known_why = CHECKS not in told.left_out and any(check.failed for check in before.values())
    is_overruled = getattr(run, "data_quality_passed", None) is False and not is_known_why
    return {"data_quality_passed": not is_overruled and not any(check.failed for check in every.values())}


def _log(told: RunFacts, run: PipelineRunLog | None, own_bytes: int) -> dict[str, Any]:
    """Return the log with the errors that no field holds, and with the notes of names left out."""
    errors = told.errors
    if told.ending is not None:
        errors = to_log(told.ending.status, told.ending.at or FIRST_INSTANT, _reason(told), errors)
    ours = log_entries(errors) + [note_entry(note) for note in notes_of(told, own_bytes)]
    there = getattr(run, "log_messages", None) or []
    others = _others_entries(there)
    kept = [entry for entry in there if read_entry(entry) is not None or read_note(entry) is not None]
    return {} if kept == ours else {"log_messages": others + ours or None}


def _tags(told: RunFacts) -> dict[str, str]:
    tags = dict(zip(PARENT_TAGS, told.parent, strict=True)) if told.parent else {}
    named = {ENGINE_TAG: told.engine, FULL_ID_TAG: told.full_id}
    return tags | {name: value for name, value in named.items() if value is not None}
