"""Apply definition files, which describe the desired pipelines and tables, to the store.

    pipelines:
      - pipeline_id: orders_daily
        pipeline_name: Orders
        source_type: postgres
        destination_type: iceberg
    tables:
      - {table_id: orders, pipeline_id: orders_daily, table_name: orders, table_type: destination, …}

A definition is complete. A field that it does not name is cleared or reset to its default (`version`), with these
exceptions:

- `is_active` and `environment` keep their values. A new item is active, in the configuration's environment.
- `last_updated_data`, `record_count` and `size_bytes` of a table keep their values.

A field that is `null` is treated as if it were not named, except that `null` also clears the fields listed above if
they may be empty. Items that no file names are not changed. Top-level keys that begin with `x-` are ignored; use
them for anchors.

Applying a definition twice writes nothing the second time. Changing an item takes one conditional request, which
fails if the item has changed since it was read; the difference is then computed again.
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
_Ready = tuple[Wanted, dict[str, Any], Any]  # the entry, its values, and the item that they define


def apply_definitions(
    paths: Iterable[str | Path],
    *,
    dry_run: bool = False,
    by: str | None = None,
    progress: Progress | None = None,
) -> ApplyReport:
    """Apply definition files to the store: apply the valid entries, refuse the others.

    All files are read completely before anything is written. A file that is not valid YAML or JSON is refused as a
    whole. Entries that share an id are all refused. Memory is bounded, whatever the size of a file. One request reads
    100 items; one request writes one item. The time limit applies to each request separately.

    Args:
        paths: files, globs, and directories; a directory stands for all `.yaml`, `.yml` and `.json` files below it.
        dry_run: write nothing, and report what would change.
        by: the user who applies them.
        progress: called with the number of entries read so far and None; then with the number applied and the total.

    Raises:
        ValidationError: `by` is not a valid id, a path is empty, or a file is YAML and PyYAML is not installed;
            nothing was written.
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
    """Return the entries that are valid by themselves, and refuse the others."""
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
    for entry in ready:
        wanted = entry[0]
        try:
            _apply(entry, stored[wanted.entry.section].get((wanted.id,)), report, dry_run=dry_run, by=by)
        except ValidationError as error:
            report.refused.append(wanted.refusal(error.problems))
        except UnreadableItemError as error:
            report.refused.append(wanted.refusal(map(_stored_problem, error.problems)))


def _stored_problem(problem: Problem) -> Problem:
    """Return a problem that says that the stored item is invalid, not the file."""
    return Problem(f"stored {problem.field}", problem.value, f"{problem.reason}; repair the stored item or delete it")


def _stored(ready: list[_Ready]) -> Mapping[str, Mapping[tuple[str, ...], Any]]:
    """Return the stored items by id, for each section."""
    return {
        section: stored_items(kind.model, [(wanted.id,) for wanted, _, _ in ready if wanted.entry.section == section])
        for section, kind in KINDS.items()
    }


def _apply(ready: _Ready, stored: Any, report: ApplyReport, *, dry_run: bool, by: str | None) -> None:
    """Make one item match its definition, and report it; retry if others write the item at the same time."""
    wanted, said, item = ready
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
    reason = f"was changed by others {_TRIES} times in the meantime: apply it again"
    problem = Problem(wanted.kind.key, wanted.id, reason)
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
