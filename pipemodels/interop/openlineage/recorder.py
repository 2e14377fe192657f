"""Writes what events say: gathered by run, one read for 100 runs, one conditional write for each that changes."""

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
_TOGETHER = ("status", "start_time", "end_time")  # the duration follows from all of them
_log = logging.getLogger("pipemodels.interop")
_Key = tuple[str, str]


@dataclass
class _Gathered:
    """What the events of one run say, and where they are."""

    pipeline_name: str
    facts: RunFacts
    places: list[tuple[str, int]] = field(default_factory=list)


class Recorder:
    """Gathers events and records their runs; `flush()` writes what is gathered.

    Args:
        by: who records.
        progress: called with the number of events that were read, and None.
    """

    def __init__(self, by: str | None, progress: Progress) -> None:
        self._by, self._progress = by, progress
        self._gathered: dict[_Key, _Gathered] = {}
        self._characters = self._pending = self._read = self._events = 0
        self._known: set[str] = set()
        # hashes: of millions of runs the ids themselves would not stay small
        self._runs: set[int] = set()
        self._pipelines: set[int] = set()
        self._refused: list[LineRefusal] = []

    def refuse(self, file: str, line: int, reason: str) -> None:
        """Report what was not taken."""
        self._refused.append(LineRefusal(file, line, reason))

    def add(self, file: str, line: int, event: RunEvent) -> None:
        """Take one event; writes what is gathered where that has grown large."""
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
        """Write all that is gathered."""
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
        """Return what was recorded up to now."""
        refused = sorted(self._refused, key=lambda one: (one.file, one.line))
        return IngestReport(self._events, len(self._runs), len(self._pipelines), refused)

    def _register(self, gathered: Mapping[_Key, _Gathered]) -> dict[str, ValidationError]:
        """Create the pipelines that are not known; return those that cannot be stored, and why."""
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
        """Join the facts into the stored run; others may write it at the same time."""
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
        raise ValidationError.of("run", "/".join(key), f"was written by others {_TRIES} times meanwhile: try again")

    def _write_what_fits(
        self, key: _Key, stored: PipelineRunLog | None, facts: RunFacts, changes: Mapping[str, Any]
    ) -> None:
        """Write the changes; where an item cannot hold them, what is left when long lists are cut.

        The end of a run is never lost for what else there is to say of it.

        Raises:
            ItemTooLargeError: the run is so full that not even its end finds room.
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
            _log.warning("run %s is full: of its events only its state, times and reason were recorded", name)

    def _write_cut(self, key: _Key, stored: PipelineRunLog | None, facts: RunFacts, cut: Mapping[str, Any]) -> None:
        """Write what was cut to fit.

        moto counts what an update replaces beside what it sets: there the long fields are removed first.
        """
        try:
            self._write(key, stored, cut)
        except ItemTooLargeError as error:
            if stored is None or error.__cause__ is None:  # the package's own check has refused it
                raise
            every = joined(facts_of(stored), facts)
            after = self._write(key, stored, emptied(cut, stored))
            with suppress(ItemTooLargeError):  # what must not be lost is there by now
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
    except (AlreadyExistsError, UnreadableItemError):  # it is there, and no event says more of it
        return


def _refuse_unstorable(stored: PipelineRunLog, changes: Mapping[str, Any]) -> None:
    """Refuse what together with the rest of the run breaks a rule, or exceeds the size of an item.

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
