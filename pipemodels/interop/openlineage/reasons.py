"""The errors that events tell, whichever event tells them, and which of them is the reason of a failure.

Of FAIL, of ABORT and of all other events the latest error is kept. The reason of a failure is what FAIL told; else
what another event told; else a data quality check that failed. That of a cancellation is what ABORT told.

The run's `error_message` and `error_stack_trace` hold the reason. An error that they do not hold stands in
`log_messages`: `{"source": "openlineage", "level": "error", "event": "RUNNING", "time": …, "message": …,
"stack_trace": …}`. Both together say again what the events told.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import pendulum

from pipemodels.errors import ValidationError
from pipemodels.instants import instant_text, read_stored_instant
from pipemodels.interop.openlineage.checks import CHECK_FAILED, Check, failure_text
from pipemodels.models.run import RunStatus

NO_MESSAGE = "The run failed; its events told no reason."
SOURCE = "openlineage"
FAIL, ABORT, OTHERS = "FAIL", "ABORT", "OTHER"
MESSAGE_CHARACTERS = 4_000
TRACE_CHARACTERS = 50_000
_KINDS = {RunStatus.FAILED: (FAIL, OTHERS), RunStatus.CANCELLED: (ABORT,)}
_OWN = {RunStatus.FAILED: FAIL, RunStatus.CANCELLED: ABORT}


@dataclass(frozen=True, slots=True)
class Told:
    """An error that an event told: the event's type, its time, and what it said."""

    event: str
    at: pendulum.DateTime
    message: str | None
    trace: str | None

    @property
    def kind(self) -> str:
        """Return whether FAIL, ABORT or another event told it."""
        return self.event if self.event in {FAIL, ABORT} else OTHERS

    @property
    def key(self) -> tuple[Any, ...]:
        """Return what orders errors of one kind; equal for equal ones only."""
        texts = self.message or "", self.trace is not None, self.trace or ""
        return self.message is not None, self.at, *texts, self.event


Errors = Mapping[str, Told]  # by kind


def errors_of(told: Told | None) -> dict[str, Told]:
    """Return an error, if there is one, by its kind."""
    return {} if told is None else {told.kind: told}


def joined_errors(one: Errors, other: Errors) -> dict[str, Told]:
    """Return the latest error of each kind."""
    both = {kind: max(one[kind], other[kind], key=lambda told: told.key) for kind in one.keys() & other.keys()}
    return {**one, **other, **both}


def reason(
    status: RunStatus, errors: Errors, checks: Mapping[str, Check], *, there_are_more: bool
) -> tuple[str | None, str | None]:
    """Return message and stack of a run that ended so.

    Args:
        status: how it ended.
        errors: what events told.
        checks: the data quality checks.
        there_are_more: some checks were left out.
    """
    told = [errors[kind] for kind in _KINDS.get(status, ()) if kind in errors]
    first = next((one for one in told if one.message is not None), None)
    traces = [one.trace for one in told if one is first or one.message is None]
    trace = next((one for one in traces if one is not None), None)
    message = None if first is None else first.message
    if message is None and status is RunStatus.FAILED:
        message = failure_text(checks, there_are_more=there_are_more) or NO_MESSAGE
    return message and message[:MESSAGE_CHARACTERS], trace


# -- as they are stored -------------------------------------------------------------------------------------------


def in_fields(
    status: RunStatus, at: pendulum.DateTime, message: str | None, trace: str | None, logged: Errors
) -> Told | None:
    """Return the error that the run's own fields hold; None where they hold what stands in the log, or a stand-in."""
    if status not in _OWN or _OWN[status] in logged:
        return None
    elsewhere = [logged[kind] for kind in _KINDS[status] if kind in logged]
    if message in {NO_MESSAGE, *(one.message for one in elsewhere)} or (message or "").startswith(CHECK_FAILED):
        message = None
    if trace in {one.trace for one in elsewhere}:
        trace = None
    return None if message is None and trace is None else Told(_OWN[status], at, message, trace)


def to_log(status: RunStatus, at: pendulum.DateTime, fields: tuple[str | None, str | None], errors: Errors) -> Errors:
    """Return the errors that the log must hold, because the run's fields do not say them."""
    own = _OWN.get(status, "")
    logged = {kind: told for kind, told in errors.items() if kind != own}
    return logged if in_fields(status, at, *fields, logged) == errors.get(own) else errors


def log_entries(errors: Errors) -> list[dict[str, Any]]:
    """Return errors as entries of `log_messages`, by time."""
    return [_entry(told) for told in sorted(errors.values(), key=lambda told: (told.at, told.event))]


def _entry(told: Told) -> dict[str, Any]:
    texts = {"message": told.message, "stack_trace": told.trace}
    named = {"source": SOURCE, "level": "error", "event": told.event, "time": instant_text(told.at)}
    return {**named, **{name: text for name, text in texts.items() if text is not None}}


def read_entry(entry: Any) -> Told | None:
    """Return the error that an entry of `log_messages` holds; None for one of somebody else."""
    if not isinstance(entry, dict) or (entry.get("source"), entry.get("level")) != (SOURCE, "error"):
        return None
    try:
        told = Told(
            entry["event"], read_stored_instant(entry["time"], "time"), entry.get("message"), entry.get("stack_trace")
        )
    except (KeyError, ValidationError):  # it has another shape: somebody else wrote it
        return None
    return told if _entry(told) == entry and isinstance(told.event, str) else None


def logged_errors(entries: Iterable[Any]) -> Errors:
    """Return the errors that `log_messages` hold."""
    found: Errors = {}
    for entry in entries:
        found = joined_errors(found, errors_of(read_entry(entry)))
    return found
