"""Write events to the store, grouped by run: one read per 100 runs, one conditional write per changed run."""

from __future__ import annotations

import copy
import logging
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from pipemodels.commands.pipelines import create_pipeline
from pipemodels.errors import (
    AlreadyExistsError,
    ConflictError,
    ItemNotFoundError,
    ItemTooLargeError,
    UnreadableItemError,
    ValidationError,
)
from pipemodels.interop.openlineage.events import RunEvent
from pipemodels.interop.openlineage.facts import RunFacts, joined
from pipemodels.interop.openlineage.stored import changes_to, emptied, facts_of, least_of
from pipemodels.interop.reports import IngestReport, LineRefusal, Progress
from pipemodels.lifecycle.ending import end_as_read
from pipemodels.lifecycle.rules import run_target
from pipemodels.models.pipeline import PipelineConfig
from pipemodels.models.run import PipelineRunLog, RunStatus
from pipemodels.storage import targets, writes
from pipemodels.storage.batch_reads import stored_items

ORIGIN = "openlineage"
_RUNS = 500
_EVENTS = 20_000
_CHARACTERS = 16 << 20
_KNOWN_PIPELINES = 50_000
_TRIES = 10
_TOGETHER = ("status", "start_time", "end_time")  # the duration is computed from all three
_log = logging.getLogger("pipemodels.interop")
_Key = tuple[str, str]


@dataclass
class _Gathered:
    """The facts in the events of one run, and the places of these events."""

    pipeline_name: str
    facts: RunFacts
    places: list[tuple[str, int]] = field(default_factory=list)


class Recorder:
    """Groups events by run and records the runs; `flush()` writes the pending events.

    Args:
        by: the user who records the runs.
        progress: called with the number of events read so far, and None.
    """

    def __init__(self, by: str | None, progress: Progress) -> None:
        self._by, self._progress = by, progress
        self._gathered: dict[_Key, _Gathered] = {}
        self._characters = self._pending = self._read = self._events = 0
        self._known: set[str] = set()
        # hashes: the ids of millions of runs would take too much memory
        self._runs: set[int] = set()
        self._pipelines: set[int] = set()
        self._refused: list[LineRefusal] = []

    def refuse(self, file: str, line: int, reason: str) -> None:
        """Report a refused event or file."""
        self._refused.append(LineRefusal(file, line, reason))

    def add(self, file: str, line: int, event: RunEvent) -> None:
        """Add an event; write the pending events if there are many."""
        key = event.pipeline_id, event.run_id
        there = self._gathered.get(key)
        if there is None:
            there = self._gathered[key] = _Gathered(event.pipeline_name, event.facts)
        else:
            there.facts = joined(there.facts, event.facts)
        there.places.append((file, line))
        self._characters += _characters(event)
        self._pending += 1
        self._read += 1
        self._progress(self._read, None)
        if len(self._gathered) >= _RUNS or self._pending >= _EVENTS or self._characters >= _CHARACTERS:
            self.flush()

    def flush(self) -> None:
        """Write all pending events."""
        gathered, self._gathered = self._gathered, {}
        self._characters = self._pending = 0
        refused = self._register(gathered)
        good = {key: run for key, run in gathered.items() if key[0] not in refused}
        stored = stored_items(PipelineRunLog, good)
        for key, run in gathered.items():
            try:
                if key[0] in refused:
                    raise refused[key[0]]
                self._record(key, run.facts, stored.get(key))
            except (ValidationError, UnreadableItemError) as error:
                for file, line in run.places:
                    self.refuse(file, line, str(error))
            else:
                self._events += len(run.places)
                self._runs.add(hash(key))
                self._pipelines.add(hash(key[0]))

    def report(self) -> IngestReport:
        """Return the report of the events recorded so far."""
        refused = sorted(self._refused, key=lambda refusal: (refusal.file, refusal.line))
        return IngestReport(self._events, len(self._runs), len(self._pipelines), refused)

    def _register(self, gathered: Mapping[_Key, _Gathered]) -> dict[str, ValidationError]:
        """Create the unknown pipelines; return an error for each pipeline that cannot be stored."""
        names = {key[0]: run.pipeline_name for key, run in gathered.items() if key[0] not in self._known}
        there = stored_items(PipelineConfig, ((pipeline_id,) for pipeline_id in names))
        refused: dict[str, ValidationError] = {}
        for pipeline_id, name in names.items():
            if (pipeline_id,) in there:
                continue
            try:
                _create(pipeline_id, name, self._by)
            except ValidationError as error:
                refused[pipeline_id] = error
        if len(self._known) > _KNOWN_PIPELINES:
            self._known.clear()
        self._known |= names.keys() - refused.keys()
        return refused

    def _record(self, key: _Key, facts: RunFacts, stored: PipelineRunLog | None) -> None:
        """Join the facts into the stored run; retry if others write the run at the same time."""
        for _ in range(_TRIES):
            if not (changes := changes_to(stored, facts)):
                return
            try:
                self._write_what_fits(key, stored, facts, changes)
            except ConflictError as error:
                stored = error.current
            except ItemNotFoundError:
                stored = None
            else:
                return
        raise ValidationError.of(
            "run", "/".join(key), f"was changed by others {_TRIES} times in the meantime: try again"
        )

    def _write_what_fits(
        self, key: _Key, stored: PipelineRunLog | None, facts: RunFacts, changes: Mapping[str, Any]
    ) -> None:
        """Write the changes; if they do not fit into an item, cut long lists and texts first.

        The end of a run is always recorded before less important fields.

        Raises:
            ItemTooLargeError: the run is so large that not even its end fits.
        """
        try:
            self._write(key, stored, changes)
            return
        except ItemTooLargeError:
            cut = changes_to(stored, facts, is_full=True)
        if not cut:
            return
        name = "/".join(key)
        try:
            self._write_cut(key, stored, facts, cut)
            _log.warning("run %s exceeds the 400 KB of an item: its lists and texts were cut", name)
        except ItemTooLargeError:
            least = {field: value for field, value in least_of(changes).items() if value != getattr(stored, field)}
            if not least:
                raise
            self._write(key, stored, least)
            _log.warning("run %s is full: only the status, times and reason in its events were recorded", name)

    def _write_cut(self, key: _Key, stored: PipelineRunLog | None, facts: RunFacts, cut: Mapping[str, Any]) -> None:
        """Write the cut changes.

        moto counts the old values of updated fields as well as the new ones, so the long fields are removed first.
        """
        try:
            self._write(key, stored, cut)
        except ItemTooLargeError as error:
            if stored is None or error.__cause__ is None:  # the package's own check refused it
                raise
            every = joined(facts_of(stored), facts)
            after = self._write(key, stored, emptied(cut, stored))
            with suppress(ItemTooLargeError):  # the essential fields are already stored
                self._write(key, after, changes_to(after, every, is_full=True))

    def _write(self, key: _Key, stored: PipelineRunLog | None, changes: Mapping[str, Any]) -> PipelineRunLog:
        target = run_target(*key)
        if stored is None:
            fields = {"trigger_type": ORIGIN, **changes, **target.key}
            item = writes.new_item(PipelineRunLog, targets.with_environment(fields), by=self._by, now=None)
            return writes.insert(target, item)
        if changes.keys() & set(_TOGETHER):
            changes = {**{name: getattr(stored, name) for name in _TOGETHER}, **changes}
        checked = targets.check_values(PipelineRunLog, changes)
        _refuse_unstorable(stored, checked)
        if stored.holds_slot and checked.get("status", RunStatus.RUNNING) is not RunStatus.RUNNING:
            return end_as_read(target, stored, checked, by=self._by)
        revision = stored.revision
        after: PipelineRunLog = writes.update_existing(
            target, checked, expected_revision=revision, by=self._by, now=None
        )
        return after


def _create(pipeline_id: str, name: str, by: str | None) -> None:
    try:
        create_pipeline(
            by=by, pipeline_id=pipeline_id, pipeline_name=name, source_type=ORIGIN, destination_type=ORIGIN
        )
    except (AlreadyExistsError, UnreadableItemError):  # it exists, and events add nothing to a pipeline
        return


def _refuse_unstorable(stored: PipelineRunLog, changes: Mapping[str, Any]) -> None:
    """Refuse changes that make the run invalid or larger than an item may be.

    Raises:
        ValidationError: with every problem.
    """
    after = copy.copy(stored)
    after.attribute_values = dict(stored.attribute_values)
    for name, value in changes.items():
        setattr(after, name, value)
    after.serialize()


def _characters(event: RunEvent) -> int:
    names: Iterable[str] = event.facts.inputs | event.facts.outputs | event.facts.checks.keys()
    errors = [text for told in event.facts.errors.values() for text in (told.message, told.trace)]
    texts = [event.pipeline_name, *errors, *names]
    return sum(len(text) for text in texts if text)
