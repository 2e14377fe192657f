"""`pipemodels demo`: a tour of the main commands, on an embedded store of its own."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from importlib.resources import as_file
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from pipemodels import queries
from pipemodels.cli import samples
from pipemodels.cli.app import app, command
from pipemodels.cli.chart.timeline import draw_timeline
from pipemodels.cli.definitions import applied_text, apply_document
from pipemodels.cli.events import ingest_document, ingested_text
from pipemodels.cli.formatting import plural
from pipemodels.cli.listing import document
from pipemodels.cli.options import Options
from pipemodels.cli.output import Report, Screen
from pipemodels.cli.pipelines import show_pipelines
from pipemodels.cli.runs import show_runs, show_stats, stats_document
from pipemodels.cli.stores import Store, embedded
from pipemodels.instants import utc_now
from pipemodels.models import PipelineConfig, PipelineRunLog
from pipemodels.queries import RunStatistics
from pipemodels.schema import create_tables

if TYPE_CHECKING:
    from pipemodels.interop.definitions.applying import ApplyReport
    from pipemodels.interop.openlineage.ingesting import IngestReport

_DAYS = 7
_LATEST = 12  # number of runs listed; the timeline draws all


@dataclass(frozen=True, kw_only=True)
class _Story:
    """What the demo did, and the data that it shows afterwards."""

    store: Store
    kept: bool
    tables: list[str]
    applied: ApplyReport
    ingested: IngestReport
    moved: timedelta
    recorded: list[PipelineRunLog]
    active: list[PipelineConfig]
    runs: list[PipelineRunLog]
    statistics: RunStatistics
    now: datetime

    @property
    def next_commands(self) -> list[str]:
        """Three commands to try next."""
        name = _command_name()
        if self.kept:
            store = f"--store {self.store.name}"
            first = f"{name} runs show {self.recorded[-1].run_id} {store}"
            return [first, f"{name} runs list --status failed --since 24h {store}", f"{name} runs timeline {store}"]
        shop = Path(str(samples.EXAMPLES / samples.DEFINITIONS))
        return [
            f"{name} demo --keep my-demo",
            f"{name} runs timeline --store local:my-demo",
            f"{name} apply --dry-run {_short(shop)}",
        ]


@command(app, "demo")
def demo(
    options: Options,
    keep: Annotated[
        Path | None, typer.Option("--keep", metavar="DIR", help="Keep the store in this new directory.")
    ] = None,
) -> Report:
    """Show in seconds what pipemodels does: a small shop's pipelines and runs, in an embedded store of its own."""
    if options.store:
        reason = "the demo uses a store of its own: leave out --store, or keep the demo's store with --keep DIR"
        raise typer.BadParameter(reason, param_hint="--store")
    with _directory(keep) as directory, embedded(f"local:{directory}", options) as store:
        story = _told(store, kept=keep is not None)
    return Report(document=_document(story), show=lambda screen: _show(screen, story))


@contextmanager
def _directory(keep: Path | None) -> Iterator[str]:
    if keep is None:
        with tempfile.TemporaryDirectory(prefix="pipemodels-demo-") as temporary:
            yield temporary
    elif keep.exists() and (not keep.is_dir() or any(keep.iterdir())):
        raise typer.BadParameter(f"{os.fspath(keep)!r} already exists: name a new directory", param_hint="--keep")
    else:
        yield os.fspath(keep)


def _told(store: Store, *, kept: bool) -> _Story:
    """Run the steps of the demo."""
    from pipemodels.interop.definitions.applying import apply_definitions  # loads PyYAML
    from pipemodels.interop.openlineage.ingesting import ingest_events

    with _steps() as step, tempfile.TemporaryDirectory() as temporary:
        step("creating the tables")
        tables = [table.name for table in create_tables()]
        step("applying the example definitions")
        with as_file(samples.EXAMPLES / samples.DEFINITIONS) as path:
            applied = apply_definitions([path], by="demo")
        step("ingesting the example events")
        events, moved = samples.recent_events(Path(temporary), utc_now())
        ingested = ingest_events([events], by="demo")
        active = sorted(queries.active_pipelines(), key=lambda pipeline: pipeline.pipeline_id)
        step("recording two runs")
        recorded = samples.record_runs([pipeline.pipeline_id for pipeline in active])
        step("reading the runs")
        now = utc_now()
        since = now - timedelta(days=_DAYS)
        runs = list(queries.all_runs(since).in_full())
        busiest = Counter(run.pipeline_id for run in runs).most_common(1)[0][0]
        statistics = queries.run_statistics(busiest, since)
    return _Story(
        store=store, kept=kept, tables=tables, applied=applied, ingested=ingested, moved=moved, recorded=recorded,
        active=active, runs=runs, statistics=statistics, now=now,
    )  # fmt: skip


@contextmanager
def _steps() -> Iterator[Any]:
    """Yield a function that shows the current step on a terminal."""
    console = Console(file=sys.stderr)
    if not console.is_terminal:
        yield lambda step: None
        return
    with console.status("starting") as status:
        yield lambda step: status.update(f"{step} …")


def _document(story: _Story) -> dict[str, Any]:
    return {
        "store": story.store.name,
        "kept": story.kept,
        "tables": story.tables,
        "apply": apply_document(story.applied),
        "ingest": ingest_document(story.ingested),
        "recorded": [document(run) for run in story.recorded],
        "active_pipelines": [document(pipeline) for pipeline in story.active],
        "recent_runs": [document(run) for run in story.runs],
        "statistics": stats_document(story.statistics),
        "next": story.next_commands,
    }


def _show(screen: Screen, story: _Story) -> None:
    zone = story.store.zone
    _show_steps(screen, story)
    screen.heading("active pipelines · pipemodels pipelines list --active")
    show_pipelines(screen, zone, story.active)
    screen.heading(f"recent runs, times in {zone.key} · pipemodels runs list --limit {_LATEST}")
    show_runs(screen, zone, story.runs[:_LATEST])
    name = story.statistics.pipeline_id
    screen.heading(f"statistics of one pipeline, last {_DAYS} days · pipemodels runs stats {name} --since {_DAYS}d")
    show_stats(screen, story.statistics, zone)
    screen.heading(f"all runs over time · pipemodels runs timeline --since {_DAYS}d")
    draw_timeline(screen, story.runs, zone, story.now)
    _show_end(screen, story)


def _show_steps(screen: Screen, story: _Story) -> None:
    removed = "" if story.kept else ", which is removed at the end"
    screen.facts(
        {
            "store": f"embedded, in {story.store.name.partition(':')[2]}{removed}",
            "tables": f"created {', '.join(story.tables)}",
            "apply": f"{samples.DEFINITIONS}: {applied_text(story.applied)}",
            "ingest": f"{samples.EVENTS}: {ingested_text(story.ingested)}, moved {_days(story.moved)} to end now",
            "record": f"{plural(len(story.recorded), 'run')} of simulated work, by recorded_run() with stages",
        }
    )


def _days(moved: timedelta) -> str:
    days, hours = moved.days, moved.seconds // 3_600
    parts = [plural(days, "day")] * bool(days) + [plural(hours, "hour")] * bool(hours or not days)
    return f"by {' and '.join(parts)}"


def _show_end(screen: Screen, story: _Story) -> None:
    screen.heading("try next")
    for line in story.next_commands:
        screen.verbatim(f"  {line}", "bold cyan")


def _command_name() -> str:
    """Return the name or path by which this command can be called again."""
    called = Path(sys.argv[0])
    if called.name != "pipemodels" or shutil.which("pipemodels"):
        return "pipemodels"
    return _short(called)


def _short(path: Path) -> str:
    """Return the path, relative to the working directory if that is shorter."""
    return min(os.fspath(path), os.path.relpath(path), key=len)
