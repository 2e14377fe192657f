"""`pipemodels tables`: create them, look at them, drop them."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Annotated, Any, TypeVar

import typer

from pipemodels.cli.app import store_command, tables
from pipemodels.cli.formatting import count_text, plural
from pipemodels.cli.options import WrongUsage
from pipemodels.cli.output import Column, Report, Screen, note
from pipemodels.cli.stores import Store
from pipemodels.errors import StorageError, ValidationError
from pipemodels.models import MODELS
from pipemodels.schema import TableStatus, create_tables, drop_tables, table_status

_T = TypeVar("_T")
_COLUMNS = (Column(name="table"), Column(name="state"), Column(name="items", right=True), Column(name="differences"))
_STATES = {"ACTIVE": "green", "MISSING": "yellow", "DIFFERENT": "bold red"}


@store_command(tables, "create", with_tables=False)
def create(store: Store) -> Report:
    """Create the tables that are missing and wait until all are active. Safe to repeat."""
    return _status_report(store, _unless_different(create_tables))


@store_command(tables, "status", with_tables=False)
def status(store: Store) -> Report:
    """Show each table: whether it is there, as it should be, and how many items DynamoDB last counted."""
    return _status_report(store, table_status())


@store_command(tables, "drop", with_tables=False)
def drop(
    store: Store,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> Report:
    """Delete the tables with everything in them; asks before."""
    there = [table.name for table in table_status() if table.state != "MISSING"]
    if there and not yes:
        _ask(store, there)
    dropped = _unless_different(drop_tables) if there else []
    return Report(document={"dropped": dropped}, show=lambda screen: _show_dropped(screen, store, dropped))


def _unless_different(work: Callable[[], _T]) -> _T:
    """Refuse, rather than call wrong usage, that a table of that name is somebody else's."""
    try:
        return work()
    except ValidationError as error:
        raise StorageError(str(error)) from error


def _ask(store: Store, names: Sequence[str]) -> None:
    """Ask for the prefix, or a `y` where there is none.

    Raises:
        WrongUsage: nobody can answer.
        typer.Exit: the answer is another one.
    """
    if not sys.stdin.isatty():
        raise WrongUsage("nobody is here to confirm that the tables are dropped: add --yes")
    expected = store.config.table_prefix or "y"
    note(f"This deletes {plural(len(names), 'table')} with everything in them, from {store.name}: {', '.join(names)}")
    answer = typer.prompt(f"Type {expected} to go on", default="", show_default=False, err=True)
    if answer.strip() != expected:
        note("Nothing was deleted.")
        raise typer.Exit(1)


def _show_dropped(screen: Screen, store: Store, dropped: Sequence[str]) -> None:
    for name in dropped:
        screen.line(f"dropped {name}")
    if not dropped:
        screen.line(f"There were no tables in {store.name}.")


def _status_report(store: Store, found: Sequence[TableStatus]) -> Report:
    return Report(document=[_document(table) for table in found], show=lambda screen: _show(screen, store, found))


def _document(table: TableStatus) -> dict[str, Any]:
    return {"name": table.name, "state": table.state, "items": table.items, "differences": list(table.differences)}


def _show(screen: Screen, store: Store, found: Sequence[TableStatus]) -> None:
    from rich.text import Text

    rows = [
        (
            table.name,
            Text(table.state, _STATES.get(table.state, "")),
            count_text(table.items),
            "; ".join(table.differences),
        )
        for table in found
    ]
    screen.table(_COLUMNS, rows)
    if screen.is_terminal:
        screen.line(f"{plural(len(MODELS), 'table')} in {store.name}", "bright_black")
    if any(table.state == "MISSING" for table in found):
        note("Create what is missing: pipemodels tables create")
