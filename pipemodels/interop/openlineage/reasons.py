"""Collect the errors in events, and choose the reason of a failure or cancellation.

The latest error each from FAIL, from ABORT and from all other events is kept. The reason of a failure is the error
from FAIL, else the error from another event, else a failed data quality check. The reason of a cancellation is the
error from ABORT.

The run's `error_message` and `error_stack_trace` hold the reason. The other errors are entries of `log_messages`:
`{"source": "openlineage", "level": "error", "event": "RUNNING", "time": …, "message": …, "stack_trace": …}`. All
errors can be read back from these fields.
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
    """An error in an event: the type and time of the event, the message, and the stack trace."""

    event: str
    at: pendulum.DateTime
    message: str | None
    trace: str | None

    @property
    def kind(self) -> str:
        """Return the kind of event: FAIL, ABORT, or OTHER for all others."""
        return self.event if self.event in {FAIL, ABORT} else OTHERS

    @property
    def key(self) -> tuple[Any, ...]:
        """Return a sort key for errors of one kind, which is equal for equal errors only."""
        texts = self.message or "", self.trace is not None, self.trace or ""
        return self.message is not None, self.at, *texts, self.event


Errors = Mapping[str, Told]  # by kind


def errors_of(told: Told | None) -> dict[str, Told]:
    """Return a mapping from kind to error; empty if there is no error."""
    return {} if told is None else {told.kind: told}


def joined_errors(first: Errors, second: Errors) -> dict[str, Told]:
    """Return the latest error of each kind."""
    both = {kind: max(first[kind], second[kind], key=lambda told: told.key) for kind in first.keys() & second.keys()}
    return {**first, **second, **both}


def reason(
    status: RunStatus, errors: Errors, checks: Mapping[str, Check], *, there_are_more: bool
) -> tuple[str | None, str | None]:
    """Return the error message and stack trace of a run that ended with this status.

    Args:
        status: the terminal status.
        errors: the errors in its events, by kind.
        checks: the data quality checks, by name.
        there_are_more: some checks were left out.
    """
    told = [errors[kind] for kind in _KINDS.get(status, ()) if kind in errors]
    first = next((error for error in told if error.message is not None), None)
    traces = [error.trace for error in told if error is first or error.message is None]
    trace = next((trace for trace in traces if trace is not None), None)
    message = None if first is None else first.message
    if message is None and status is RunStatus.FAILED:
        message = failure_text(checks, there_are_more=there_are_more) or NO_MESSAGE
    return message and message[:MESSAGE_CHARACTERS], trace


# -- stored in runs -----------------------------------------------------------------------------------------------


def in_fields(
    status: RunStatus, at: pendulum.DateTime, message: str | None, trace: str | None, logged: Errors
) -> Told | None:
    """Return the error in the run's own fields; None if they repeat a logged error or hold a substitute text."""
    if status not in _OWN or _OWN[status] in logged:
        return None
    elsewhere = [logged[kind] for kind in _KINDS[status] if kind in logged]
    if message in {NO_MESSAGE, *(error.message for error in elsewhere)} or (message or "").startswith(CHECK_FAILED):
        message = None
    if trace in {error.trace for error in elsewhere}:
        trace = None
    return None if message is None and trace is None else Told(_OWN[status], at, message, trace)


def to_log(status: RunStatus, at: pendulum.DateTime, fields: tuple[str | None, str | None], errors: Errors) -> Errors:
    """Return the errors that the log must hold because the run's own fields do not hold them."""
    own = _OWN.get(status, "")
    logged = {kind: told for kind, told in errors.items() if kind != own}
    return logged if in_fields(status, at, *fields, logged) == errors.get(own) else errors


def log_entries(errors: Errors) -> list[dict[str, Any]]:
    """Return the errors as entries of `log_messages`, ordered by time."""
    return [_entry(told) for told in sorted(errors.values(), key=lambda told: (told.at, told.event))]


def _entry(told: Told) -> dict[str, Any]:
    texts = {"message": told.message, "stack_trace": told.trace}
    named = {"source": SOURCE, "level": "error", "event": told.event, "time": instant_text(told.at)}
    return {**named, **{name: text for name, text in texts.items() if text is not None}}


def read_entry(entry: Any) -> Told | None:
    """Return the error in an entry of `log_messages`; None for an entry with another origin."""
    if not isinstance(entry, dict) or (entry.get("source"), entry.get("level")) != (SOURCE, "error"):
        return None
    try:
        told = Told(
            entry["event"], read_stored_instant(entry["time"], "time"), entry.get("message"), entry.get("stack_trace")
        )
    except (KeyError, ValidationError):  # not the expected shape: another program wrote it
        return None
    return told if _entry(told) == entry and isinstance(told.event, str) else None


def logged_errors(entries: Iterable[Any]) -> Errors:
    """Return the errors in `log_messages`, by kind."""
    found: Errors = {}
    for entry in entries:
        found = joined_errors(found, errors_of(read_entry(entry)))
    return found
