"""Definitions in files: pipelines and tables as they should be, applied to the store.

    pipelines:
      - pipeline_id: orders_daily
        pipeline_name: Orders
        source_type: postgres
        destination_type: iceberg
    tables:
      - {table_id: orders, pipeline_id: orders_daily, table_name: orders, table_type: destination, …}

A definition is the whole truth of its item. A field that it does not name is cleared, or gets its default back
(`version`), but for those that somebody else fills:

- `is_active` and `environment` stay as they are. A new item is active, in the configuration's environment.
- `last_updated_data`, `record_count` and `size_bytes` of a table stay as they are.

`null` is the same as not naming a field, but that it clears those of them that may be empty. An item that no file
names stays. Keys that begin with `x-` at the top of a document are passed over: room for anchors.

Applying twice changes nothing and writes nothing. A changed item costs one request, under the condition that nobody
wrote it since it was read; where somebody did, the difference is worked out anew.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

from pipemodels.errors import (
    AlreadyExistsError,
    ItemNotFoundError,
    Problem,
    StaleRevisionError,
    UnreadableItemError,
    ValidationError,
)
from pipemodels.interop.definitions.collecting import Collection, Wanted, collect
from pipemodels.interop.definitions.kinds import KINDS
from pipemodels.interop.definitions.spool import Spool
from pipemodels.interop.reports import ApplyReport, FieldChange, Progress, Refusal, silent
from pipemodels.models.pipeline import PipelineConfig
from pipemodels.storage import targets, writes
from pipemodels.storage.batch_reads import stored_items

__all__ = ["ApplyReport", "FieldChange", "Refusal", "apply_definitions"]

_CHUNK = 100  # DynamoDB: keys in one BatchGetItem
_TRIES = 10
_Ready = tuple[Wanted, dict[str, Any], Any]  # what a file has, what it says, and the item that this means


def apply_definitions(
    paths: Iterable[str | Path],
    *,
    dry_run: bool = False,
    by: str | None = None,
    progress: Progress | None = None,
) -> ApplyReport:
    """Make the store hold what definition files say; what is good is done, what is not is refused.

    All files are read to their ends before anything is written; a file that is no YAML or JSON is refused whole, and
    so is every entry whose id another one has. Takes bounded memory, whatever the size of a file: one request reads
    100 items, one request writes one. Each request has the time limit for itself.

    Args:
        paths: files, globs, and directories, which mean all `.yaml`, `.yml` and `.json` files below them.
        dry_run: write nothing and report what would be done.
        by: who applies them.
        progress: called with the number of entries that were read, and None; then with how many of all are done.

    Raises:
        ValidationError: `by` is no id, a path is empty, or a file is YAML and PyYAML is not installed; nothing was
            done.
    """
    targets.check_values(PipelineConfig, {"updated_by": by})
    progress = progress or silent
    with Spool[Wanted]() as spool:
        found = collect(paths, spool, progress)
        report = ApplyReport(refused=found.refused)
        done, everything = 0, iter(spool)
        while chunk := list(islice(everything, _CHUNK)):
            _apply_chunk(_ready(chunk, found, by), report, dry_run=dry_run, by=by)
            done += len(chunk)
            progress(done, len(spool))
    return report


def _ready(chunk: Iterable[Wanted], found: Collection, by: str | None) -> list[_Ready]:
    """Return the entries that are good in themselves, and refuse the others."""
    ready: list[_Ready] = []
    for wanted in chunk:
        if wanted.file in found.broken:
            continue
        if (problem := found.problem(wanted)) is not None:
            found.refused.append(wanted.refusal([problem]))
            continue
        try:
            said = wanted.kind.given(wanted.entry.values)
            ready.append((wanted, said, wanted.kind.item(said, by=by)))
        except ValidationError as error:
            found.refused.append(wanted.refusal(error.problems))
    return ready


def _apply_chunk(ready: list[_Ready], report: ApplyReport, *, dry_run: bool, by: str | None) -> None:
    stored = _stored(ready)
    for one in ready:
        wanted = one[0]
        try:
            _apply(one, stored[wanted.entry.section].get((wanted.id,)), report, dry_run=dry_run, by=by)
        except ValidationError as error:
            report.refused.append(wanted.refusal(error.problems))
        except UnreadableItemError as error:
            report.refused.append(wanted.refusal(map(_stored_problem, error.problems)))


def _stored_problem(problem: Problem) -> Problem:
    """Return the problem of a stored item as one that is not of the file."""
    return Problem(f"stored {problem.field}", problem.value, f"{problem.reason}; mend the stored item or delete it")


def _stored(ready: list[_Ready]) -> Mapping[str, Mapping[tuple[str, ...], Any]]:
    """Return the items that there are by id, for each section."""
    return {
        section: stored_items(kind.model, [(one.id,) for one, _, _ in ready if one.entry.section == section])
        for section, kind in KINDS.items()
    }


def _apply(one: _Ready, stored: Any, report: ApplyReport, *, dry_run: bool, by: str | None) -> None:
    """Bring one item to what its definition says, and report it; others may write it at the same time."""
    wanted, said, item = one
    for _ in range(_TRIES):
        changes = wanted.kind.differences(item, said, stored)
        try:
            if not dry_run and changes:
                _write(wanted, item, stored, changes, by)
        except (AlreadyExistsError, StaleRevisionError) as error:
            stored = error.current
        except ItemNotFoundError:
            stored = None
        else:
            _report(wanted.id, stored, changes, report, dry_run=dry_run)
            return
    problem = Problem(wanted.kind.key, wanted.id, f"was written by others {_TRIES} times meanwhile: apply it again")
    report.refused.append(wanted.refusal([problem]))


def _write(wanted: Wanted, item: Any, stored: Any, changes: list[FieldChange], by: str | None) -> None:
    if stored is None:
        writes.insert(wanted.kind.target(wanted.id), item)
    else:
        after = {change.field: change.after for change in changes}
        wanted.kind.update(wanted.id, changes=after, expected_revision=stored.revision, by=by)


def _report(item_id: str, stored: Any, changes: list[FieldChange], report: ApplyReport, *, dry_run: bool) -> None:
    (report.created if stored is None else report.updated if changes else report.unchanged).append(item_id)
    if changes and (dry_run or stored is not None):
        report.changes.setdefault(item_id, []).extend(changes)
