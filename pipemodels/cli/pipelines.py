"""`pipemodels pipelines`: list, show, activate and deactivate pipelines."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import typer
from rich.text import Text

from pipemodels import commands, queries
from pipemodels.cli.app import pipelines, store_command
from pipemodels.cli.formatting import moment_text, plural
from pipemodels.cli.listing import FullOption, LimitOption, document, item_facts, no_pipeline, read
from pipemodels.cli.options import ByOption, CursorOption, author
from pipemodels.cli.output import Cell, Column, Report, Screen
from pipemodels.cli.runs import show_runs
from pipemodels.cli.stores import Store
from pipemodels.errors import ItemNotFoundError
from pipemodels.models import PipelineConfig, TableConfig
from pipemodels.queries import Results

_COLUMNS = (
    Column(name="pipeline", gives_way=True),
    Column(name="active"),
    Column(name="env"),
    Column(name="from → to", gives_way=True),
    Column(name="schedule", gives_way=True),
    Column(name="version"),
    Column(name="changed"),
)
_TABLE_COLUMNS = (Column(name="table"), Column(name="type"), Column(name="format"), Column(name="location"))
_LATEST_RUNS = 5
_WIDE = 100  # terminals at least this wide show all columns
_SUMMARY = (PipelineConfig.held_by("ActivePipelinesIndex") or frozenset()) | {"is_active"}

PipelineArgument = Annotated[str, typer.Argument(metavar="PIPELINE", help="The pipeline's id.")]
PipelinesArgument = Annotated[list[str], typer.Argument(metavar="PIPELINE…", help="The pipelines' ids.")]


@store_command(pipelines, "list")
def list_pipelines(
    store: Store,
    active: Annotated[
        bool | None,
        typer.Option(
            "--active/--inactive", help="Only active or only inactive pipelines. Default: all.", show_default=False
        ),
    ] = None,
    environment: Annotated[
        str | None, typer.Option("--environment", "-e", metavar="NAME", help="Only pipelines of this environment.")
    ] = None,
    limit: LimitOption = None,
    cursor: CursorOption = None,
    full: FullOption = False,
) -> Report:
    """List pipelines by id; with --limit, page by page in the order of the store."""
    results = _results(active, environment)
    listed = read(
        results.in_full() if full else results,
        limit,
        cursor,
        keep=lambda pipeline: active is None or pipeline.is_active is active,
    )
    found = listed.items
    if limit is None and cursor is None:
        found.sort(key=lambda pipeline: pipeline.pipeline_id)
    return Report(
        document=[document(pipeline) if full else _summary(pipeline) for pipeline in found],
        show=lambda screen: _show_list(screen, store, found),
        notes=listed.notes,
    )


def _results(active: bool | None, environment: str | None) -> Results[PipelineConfig]:
    if environment is not None:
        return queries.pipelines_by_environment(environment, active)
    return queries.active_pipelines() if active else queries.all_pipelines()


def _summary(pipeline: PipelineConfig) -> dict[str, Any]:
    return {name: value for name, value in document(pipeline).items() if name in _SUMMARY}


def _show_list(screen: Screen, store: Store, found: Sequence[PipelineConfig]) -> None:
    if not found:
        screen.line("No pipelines found. To register some: pipemodels apply FILE…")
        return
    show_pipelines(screen, store.zone, found)
    if screen.is_terminal:
        active = sum(pipeline.is_active for pipeline in found)
        counts = f"{plural(len(found), 'pipeline')}, {active} active"
        screen.line(f"{counts} · times in {store.zone.key} · {store.name}", "bright_black")


def show_pipelines(screen: Screen, zone: ZoneInfo, found: Sequence[PipelineConfig]) -> None:
    """Print pipelines as a table."""
    left_out = {"from → to", "version"} if screen.is_terminal and screen.width < _WIDE else set()
    kept = [number for number, column in enumerate(_COLUMNS) if column.name not in left_out]
    rows = [_row(pipeline, zone, screen) for pipeline in found]
    screen.table([_COLUMNS[number] for number in kept], [[row[number] for number in kept] for row in rows])


def _row(pipeline: PipelineConfig, zone: ZoneInfo, screen: Screen) -> list[Cell]:
    mark = Text("● yes" if screen.is_terminal else "yes", "green")
    return [
        pipeline.pipeline_id,
        mark if pipeline.is_active else Text("○ no" if screen.is_terminal else "no", "bright_black"),
        pipeline.environment or "",
        f"{pipeline.source_type or '?'} → {pipeline.destination_type or '?'}",
        pipeline.schedule_expression or "",
        pipeline.version,
        moment_text(pipeline.updated_at, zone, screen),
    ]


@store_command(pipelines, "show")
def show_pipeline(store: Store, pipeline_id: PipelineArgument) -> Report:
    """Show a pipeline: its configuration, its tables and its latest runs."""
    pipeline = queries.find_pipeline(pipeline_id)
    if pipeline is None:
        raise no_pipeline(pipeline_id)
    if store.options.json:
        return Report(document=document(pipeline), show=lambda screen: None)
    tables = list(queries.tables_of_pipeline(pipeline_id))
    latest = queries.runs_of_pipeline(pipeline_id).page(_LATEST_RUNS).items

    def show(screen: Screen) -> None:
        screen.facts(item_facts(pipeline, store.zone, screen))
        _show_tables(screen, tables)
        if latest:
            screen.heading("latest runs")
            show_runs(screen, store.zone, latest)

    return Report(document=None, show=show)


def _show_tables(screen: Screen, tables: Sequence[TableConfig]) -> None:
    if tables:
        screen.heading("tables")
        rows = [(table.table_id, table.table_type, table.data_format, table.location) for table in tables]
        screen.table(_TABLE_COLUMNS, rows)


@store_command(pipelines, "activate")
def activate(store: Store, pipeline_ids: PipelinesArgument, by: ByOption = None) -> Report:
    """Activate pipelines. If any of them does not exist, none is activated."""
    return _switched("activated", commands.activate_pipelines, pipeline_ids, by)


@store_command(pipelines, "deactivate")
def deactivate(store: Store, pipeline_ids: PipelinesArgument, by: ByOption = None) -> Report:
    """Deactivate pipelines. If any of them does not exist, none is deactivated."""
    return _switched("deactivated", commands.deactivate_pipelines, pipeline_ids, by)


def _switched(done: str, switch: Callable[..., list[str]], pipeline_ids: Sequence[str], by: str | None) -> Report:
    try:
        ids = switch(pipeline_ids, by=author(by))
    except ItemNotFoundError as error:
        missing = next(
            (pipeline_id for pipeline_id in pipeline_ids if queries.find_pipeline(pipeline_id) is None), None
        )
        raise (no_pipeline(missing) if missing else error) from error

    def show(screen: Screen) -> None:
        for pipeline_id in ids:
            screen.line(f"{done} {pipeline_id}")

    return Report(document={done: ids}, show=show)
