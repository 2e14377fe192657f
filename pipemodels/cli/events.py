"""`pipemodels ingest`: record runs from OpenLineage events."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipemodels.cli.app import app, store_command
from pipemodels.cli.formatting import plural
from pipemodels.cli.options import ByOption, author, usage
from pipemodels.cli.output import Report
from pipemodels.cli.progress import shown_progress
from pipemodels.cli.stores import Store
from pipemodels.errors import ValidationError

if TYPE_CHECKING:
    from pipemodels.interop.openlineage.ingesting import IngestReport

FilesArgument = Annotated[
    list[str], typer.Argument(metavar="FILE…", help="Files with JSON, a JSON array or NDJSON; - for standard input.")
]

AssumeTimezoneOption = Annotated[
    str | None,
    typer.Option(
        metavar="ZONE",
        help="Time zone of times that have no UTC offset, e.g. Europe/Paris. Without it, such times are refused.",
    ),
]


@store_command(app, "ingest")
def ingest(
    store: Store, files: FilesArgument, by: ByOption = None, assume_timezone: AssumeTimezoneOption = None
) -> Report:
    """Record runs from OpenLineage events, in any order; safe to repeat. Bad events are refused, others recorded."""
    from pipemodels.interop.openlineage.ingesting import ingest_events

    with shown_progress("ingesting") as progress:
        try:
            report = ingest_events(files, by=author(by), progress=progress, assume_timezone=assume_timezone)
        except ValidationError as error:
            raise usage(error, assume_timezone="--assume-timezone") from error
    return Report(
        document=ingest_document(report),
        show=lambda screen: screen.line(ingested_text(report), "bold"),
        exit_code=1 if report.refused else 0,
        notes=_refusals(report),
    )


def ingest_document(report: IngestReport) -> dict[str, Any]:
    """Return the report for `--json`."""
    refused = [{"file": refusal.file, "line": refusal.line, "reason": refusal.reason} for refusal in report.refused]
    return {"events": report.events, "runs": report.runs, "pipelines": report.pipelines, "refused": refused}


def ingested_text(report: IngestReport) -> str:
    """Return the numbers of events, runs, pipelines and refused events as text."""
    runs, pipelines = plural(report.runs, "run"), plural(report.pipelines, "pipeline")
    refused = f", {len(report.refused):,} refused" if report.refused else ""
    return f"{plural(report.events, 'event')} of {runs} of {pipelines}{refused}"


def _refusals(report: IngestReport) -> list[str]:
    lines = [f"{refusal.file}:{refusal.line}: {refusal.reason}" for refusal in report.refused]
    return [*lines, f"{plural(len(lines), 'event')} refused: correct and ingest again"] if lines else []
