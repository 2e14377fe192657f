"""`pipemodels apply`: create and update pipelines and tables from definition files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.text import Text

from pipemodels.cli.app import app, store_command
from pipemodels.cli.formatting import plural
from pipemodels.cli.options import ByOption, author
from pipemodels.cli.output import Report, Screen, json_text
from pipemodels.cli.progress import shown_progress
from pipemodels.cli.stores import Store
from pipemodels.errors import Problem

if TYPE_CHECKING:
    from pipemodels.interop.definitions.applying import ApplyReport, FieldChange, Refusal

_LISTED = 50  # a terminal shows at most this many created, and this many updated, ids

FilesArgument = Annotated[
    list[str], typer.Argument(metavar="FILE…", help="YAML or JSON files, globs, or directories.")
]


@store_command(app, "apply")
def apply(
    store: Store,
    files: FilesArgument,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would change, but write nothing.")] = False,
    by: ByOption = None,
) -> Report:
    """Create and update pipelines and tables from definition files. Bad entries are refused, the others applied."""
    from pipemodels.interop.definitions.applying import apply_definitions  # loads PyYAML

    with shown_progress("applying") as progress:
        report = apply_definitions(files, dry_run=dry_run, by=author(by), progress=progress)
    return Report(
        document=apply_document(report),
        show=lambda screen: show_applied(screen, report, dry_run=dry_run),
        exit_code=1 if report.refused else 0,
        notes=_refusals(report),
    )


def apply_document(report: ApplyReport) -> dict[str, Any]:
    """Return the report for `--json`."""
    return {
        "created": report.created,
        "updated": report.updated,
        "unchanged": report.unchanged,
        "refused": [_refusal_document(refusal) for refusal in report.refused],
    }


def _refusal_document(refusal: Refusal) -> dict[str, Any]:
    return {
        "file": refusal.file,
        "entry": refusal.entry,
        "problems": [_problem_document(problem) for problem in refusal.problems],
    }


def _problem_document(problem: Problem) -> dict[str, Any]:
    return {"field": problem.field, "value": problem.value, "reason": problem.reason}


def _refusals(report: ApplyReport) -> list[str]:
    lines = [
        f"{refusal.file}: {refusal.entry}: {'; '.join(map(str, refusal.problems))}" for refusal in report.refused
    ]
    return [*lines, f"{plural(len(lines), 'entry', 'entries')} refused: correct and apply again"] if lines else []


def show_applied(screen: Screen, report: ApplyReport, *, dry_run: bool) -> None:
    """Print the created and the updated items, with each changed field."""
    _show_ids(screen, report.created, "+", "green", report.changes)
    _show_ids(screen, report.updated, "~", "yellow", report.changes)
    screen.line(f"{applied_text(report)}{' (dry run: nothing was written)' if dry_run else ''}", "bold")


def applied_text(report: ApplyReport) -> str:
    """Return the numbers of created, updated, unchanged and refused items as text."""
    counts = {name: len(getattr(report, name)) for name in ("created", "updated", "unchanged", "refused")}
    return ", ".join(f"{count:,} {name}" for name, count in counts.items() if count or name != "refused")


def _show_ids(screen: Screen, ids: list[str], sign: str, style: str, changes: dict[str, list[FieldChange]]) -> None:
    shown = ids[:_LISTED] if screen.is_terminal else ids
    for item_id in shown:
        screen.line(f"{sign} {item_id}", style)
        for change in changes.get(item_id, ()):
            screen.line(_change_text(change))
    if len(shown) < len(ids):
        screen.line(f"{sign} … and {len(ids) - len(shown):,} more", style)


def _change_text(change: FieldChange) -> Text:
    before, after = (json_text(value) for value in (change.before, change.after))
    if change.before is None:
        return Text.assemble(f"    {change.field}: ", (after, "green"))
    return Text.assemble(f"    {change.field}: ", (before, "red"), " → ", (after, "green"))
