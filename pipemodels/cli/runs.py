"""`pipemodels runs`: list, show, stats and timeline."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from datetime import datetime
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import typer
from rich.text import Text

from pipemodels import queries
from pipemodels.cli.app import runs, store_command
from pipemodels.cli.chart.timeline import draw_stages, draw_timeline
from pipemodels.cli.formatting import (
    STYLES,
    age_text,
    bar,
    count_text,
    duration_text,
    first_line,
    moment_text,
    plural,
    status_text,
)
from pipemodels.cli.listing import FullOption, LimitOption, document, item_facts, read, require_pipeline
from pipemodels.cli.options import CursorOption, SinceOption, UntilOption, moment_at
from pipemodels.cli.output import Cell, Column, Report, Screen, as_text
from pipemodels.cli.stores import Store
from pipemodels.errors import ItemNotFoundError
from pipemodels.instants import instant_text, utc_instant, utc_now
from pipemodels.models import DataQualityResult, PipelineRunLog, RunStatus, StageInfo
from pipemodels.queries import Results, RunStatistics

_ON_A_TERMINAL = 40  # default --limit of a listing on a terminal
_DRAWN = 200  # default --limit of a timeline
_WIDE = 110  # terminals at least this wide also show the number of records
_BAR = 40  # cells of a full bar
_DAYS = 14  # days in the statistics by day
_GOOD = 0.9  # success rates below this are red

PipelineOption = Annotated[
    str | None, typer.Option("--pipeline", "-p", metavar="PIPELINE", help="Only this pipeline's runs.")
]
StatusOption = Annotated[
    RunStatus | None, typer.Option("--status", help="Only runs with this status.", show_choices=True)
]


def _selected(
    pipeline_id: str | None, status: RunStatus | None, since: datetime | None, until: datetime | None
) -> Results[PipelineRunLog]:
    if pipeline_id is not None:
        return queries.runs_of_pipeline(pipeline_id, since, until, status)
    return queries.all_runs(since, until) if status is None else queries.runs_by_status(status, since, until)


@store_command(runs, "list")
def list_runs(
    store: Store,
    pipeline: PipelineOption = None,
    status: StatusOption = None,
    since: SinceOption = None,
    until: UntilOption = None,
    limit: LimitOption = None,
    cursor: CursorOption = None,
    full: FullOption = False,
) -> Report:
    """List runs, latest first. Without --limit, a terminal shows the latest 40, and a pipe gets all."""
    screen = Screen.of_stdout()
    results = _selected(pipeline, status, moment_at(since, store.zone), moment_at(until, store.zone))
    if limit is None and screen.is_terminal and not store.options.json:
        limit = _ON_A_TERMINAL
    listed = read(results.in_full() if full else results, limit, cursor)
    if pipeline is not None and listed.is_empty:
        require_pipeline(pipeline)
    return Report(
        document=[document(run) for run in listed.items],
        show=lambda screen: _show_list(screen, store, listed.items),
        notes=listed.notes,
    )


def _show_list(screen: Screen, store: Store, found: Sequence[PipelineRunLog]) -> None:
    if not found:
        screen.line("No runs found. To record some: recorded_run() in your code, or: pipemodels ingest FILE…")
        return
    show_runs(screen, store.zone, found)
    if screen.is_terminal:
        screen.line(f"{plural(len(found), 'run')} · times in {store.zone.key} · {store.name}", "bright_black")


def show_runs(screen: Screen, zone: ZoneInfo, found: Sequence[PipelineRunLog]) -> None:
    """Print runs as a table; on a narrow terminal, with the run's id and error below its pipeline."""
    names: tuple[str, ...]
    if not screen.is_terminal:
        names = ("pipeline", "run", "status", "started", "took", "records", "owner", "lease until", "error")
    elif screen.width < _WIDE:
        names = ("status", "pipeline, run", "started", "took")
    else:
        names = ("status", "pipeline", "started", "took", "records", "run, error")
    rows = [_cells(run, zone, screen) for run in found]
    screen.table([_COLUMNS[name] for name in names], [[row[name] for name in names] for row in rows])


_NAMES = (
    "status", "pipeline", "run", "pipeline, run", "started", "took", "records", "run, error", "owner", "lease until",
    "error",
)  # fmt: skip
_COLUMNS = {
    name: Column(
        name=name, right=name in {"took", "records"}, gives_way=name.startswith(("pipeline", "run", "error"))
    )
    for name in _NAMES
}


def _cells(run: PipelineRunLog, zone: ZoneInfo, screen: Screen) -> dict[str, Cell]:
    error = Text(first_line(run.error_message), "red" if run.status is RunStatus.FAILED else "yellow")
    until = moment_text(run.lease_expires_at, zone, screen) if run.lease_expires_at else ""
    leased = as_text(f"{run.owner}, lease until {until}", "bright_black") if until else Text()
    return {
        "status": status_text(run.status, screen),
        "pipeline": run.pipeline_id,
        "run": run.run_id,
        "pipeline, run": _lines(as_text(run.pipeline_id), as_text(run.run_id, "bright_black"), leased, error),
        "started": moment_text(run.start_time, zone, screen),
        "took": _took(run),
        "records": count_text(run.total_records_processed),
        "run, error": _lines(as_text(run.run_id), leased, error),
        "owner": run.owner or "",
        "lease until": until,
        "error": error,
    }


def _lines(*parts: Text) -> Text:
    return Text("\n").join(part for part in parts if part)


def _took(run: PipelineRunLog) -> Cell:
    if run.status is RunStatus.RUNNING and run.start_time is not None:
        return Text(f"{age_text(run.start_time, utc_now())} …", STYLES[run.status])
    return duration_text(run.duration_seconds)


@store_command(runs, "show")
def show_run(
    store: Store,
    run_id: Annotated[str, typer.Argument(metavar="RUN", help="The run's id.")],
    pipeline: PipelineOption = None,
) -> Report:
    """Show a run: its fields, its stages, its data-quality results and its error."""
    run = queries.find_run(pipeline, run_id)
    if run is None:
        of_pipeline = "" if pipeline is None else f" of pipeline {pipeline!r}"
        raise ItemNotFoundError(f"there is no run {run_id!r}{of_pipeline}; to see all: pipemodels runs list")
    return Report(document=document(run), show=lambda screen: _show_run(screen, store, run))


_APART = frozenset({"status", "stages", "data_quality_results", "error_message", "error_stack_trace"})
_STAGE_COLUMNS = (
    Column(name="stage"),
    Column(name="status"),
    Column(name="took", right=True),
    Column(name="records", right=True),
    Column(name="error"),
)
_CHECK_COLUMNS = (Column(name="check"), Column(name="passed"), Column(name="expected"), Column(name="actual"))


def _show_run(screen: Screen, store: Store, run: PipelineRunLog) -> None:
    facts: dict[str, Cell] = {"status": status_text(run.status, screen)}
    facts |= item_facts(run, store.zone, screen, without=_APART)
    if run.duration_seconds is not None:
        facts["duration_seconds"] = f"{run.duration_seconds} ({duration_text(run.duration_seconds)})"
    screen.facts(facts)
    if run.stages:
        draw_stages(screen, run, store.zone, utc_now())
        screen.table(_STAGE_COLUMNS, [_stage_row(stage, screen) for stage in run.stages])
    if run.data_quality_results:
        screen.heading("data quality")
        screen.table(_CHECK_COLUMNS, [_check_row(check) for check in run.data_quality_results])
    if run.error_message:
        screen.heading("error")
        screen.line(as_text(run.error_message, "red", keep_lines=True))
    if run.error_stack_trace:
        screen.line(as_text(run.error_stack_trace, "bright_black", keep_lines=True))


def _stage_row(stage: StageInfo, screen: Screen) -> list[Cell]:
    took, records = duration_text(stage.duration_seconds), count_text(stage.records_processed)
    return [stage.stage_name, status_text(stage.status, screen), took, records, first_line(stage.error_message)]


def _check_row(check: DataQualityResult) -> list[Cell]:
    passed = Text("yes", "green") if check.passed else Text("no", "bold red")
    values = ["" if value is None else str(value) for value in (check.expected_value, check.actual_value)]
    return [check.check_name, passed, *values]


@store_command(runs, "stats")
def run_stats(
    store: Store,
    pipeline_id: Annotated[str, typer.Argument(metavar="PIPELINE", help="The pipeline's id.")],
    since: SinceOption = None,
) -> Report:
    """Show statistics of a pipeline's runs: counts, success rate, durations, and runs by day."""
    statistics = queries.run_statistics(pipeline_id, moment_at(since, store.zone))
    if not statistics.runs and not statistics.unreadable:
        require_pipeline(pipeline_id)
    return Report(document=stats_document(statistics), show=lambda screen: show_stats(screen, statistics, store.zone))


def stats_document(statistics: RunStatistics) -> dict[str, Any]:
    """Return statistics for `--json`."""
    since = statistics.since
    stored = None if since is None else instant_text(utc_instant(since, "since"))
    by_day = {f"{day}": count for day, count in statistics.by_day.items()}
    fields = asdict(replace(statistics, unreadable=()))  # warnings have named them, so their number is enough
    return {**fields, "since": stored, "by_day": by_day, "unreadable": len(statistics.unreadable)}


def show_stats(screen: Screen, statistics: RunStatistics, zone: ZoneInfo) -> None:
    """Print statistics as numbers and bars."""
    rate, since = statistics.success_rate, statistics.since
    counts = [(RunStatus(status), count) for status, count in statistics.by_status.items()]
    facts: dict[str, Cell] = {
        "pipeline": statistics.pipeline_id,
        "since": "the beginning" if since is None else moment_text(since, zone, screen),
        "runs": Text(", ").join([Text(f"{count} {status}", STYLES[status]) for status, count in counts]) or "none",
    }
    if rate is not None:
        facts["succeeded"] = Text(f"{rate:.1%}", "green" if rate == 1 else "yellow" if rate >= _GOOD else "bold red")
        facts["duration"] = _durations(statistics)
    screen.facts(facts)
    if screen.is_terminal and counts:
        screen.drawn(bar([(count, STYLES[status]) for status, count in counts], _BAR))
    _show_days(screen, statistics)


def _durations(statistics: RunStatistics) -> str:
    named = {"p50": statistics.p50_seconds, "p95": statistics.p95_seconds, "mean": statistics.mean_seconds}
    return ", ".join(f"{name} {duration_text(value)}" for name, value in named.items() if value is not None)


def _show_days(screen: Screen, statistics: RunStatistics) -> None:
    days = sorted(statistics.by_day.items())[-_DAYS:]
    if not days:
        return
    screen.heading(f"runs by day ({statistics.timezone})")
    most, width = max(count for _, count in days), len(str(max(count for _, count in days)))
    for day, count in days:
        block = "▇" if screen.is_terminal else "#"
        drawn = Text(block * max(1, count * _BAR // most), "blue")
        screen.drawn(Text(f"{day:%a} {day}  {count:>{width}}  ") + drawn)


@store_command(runs, "timeline")
def timeline(
    store: Store,
    pipeline_id: Annotated[
        str | None, typer.Argument(metavar="[PIPELINE]", help="Only runs of this pipeline.")
    ] = None,
    since: SinceOption = None,
    until: UntilOption = None,
    limit: LimitOption = _DRAWN,
) -> Report:
    """Draw runs as bars over time, coloured by status and divided into stages."""
    period = (moment_at(since, store.zone), moment_at(until, store.zone))
    listed = read(_selected(pipeline_id, None, *period).in_full(), limit)
    if pipeline_id is not None and listed.is_empty:
        require_pipeline(pipeline_id)
    now = utc_now()

    def show(screen: Screen) -> None:
        if listed.items:
            draw_timeline(screen, listed.items, store.zone, now, *period)
        else:
            screen.line("No runs found. Record some, or choose an earlier --since.")

    older = [f"only the latest {len(listed.items)} runs are drawn; to draw more: --limit N"] if listed.cursor else []
    return Report(document=[document(run) for run in listed.items], show=show, notes=older)
