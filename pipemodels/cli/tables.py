"""`pipemodels tables`: create, inspect and drop the tables."""

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
    """Create the missing tables and wait until all are active. Safe to repeat."""
    return _status_report(store, _unless_different(create_tables))


@store_command(tables, "status", with_tables=False)
def status(store: Store) -> Report:
    """Show the state of each table and its number of items, which may be six hours old."""
    return _status_report(store, table_status())


@store_command(tables, "drop", with_tables=False)
def drop(
    store: Store,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask for confirmation.")] = False,
) -> Report:
    """Delete the tables with all their items, after a confirmation."""
    existing = [table.name for table in table_status() if table.state != "MISSING"]
    if existing and not yes:
        _confirm(store, existing)
    dropped = _unless_different(drop_tables) if existing else []
    return Report(document={"dropped": dropped}, show=lambda screen: _show_dropped(screen, store, dropped))


def _unless_different(work: Callable[[], _T]) -> _T:
    """Report a table that differs from its model as a failure, not as wrong usage."""
    try:
        return work()
    except ValidationError as error:
        raise StorageError(str(error)) from error


def _confirm(store: Store, names: Sequence[str]) -> None:
    """Ask the user to type the table prefix, or `y` if there is no prefix.

    Raises:
        WrongUsage: standard input is not a terminal.
        typer.Exit: the user typed something else.
    """
    if not sys.stdin.isatty():
        raise WrongUsage(
            "cannot ask for confirmation, because standard input is not a terminal: to drop the tables, add --yes"
        )
    expected = store.config.table_prefix or "y"
    note(f"This deletes {plural(len(names), 'table')} with all their items from {store.name}: {', '.join(names)}")
    answer = typer.prompt(f"Type {expected} to delete them", default="", show_default=False, err=True)
    if answer.strip() != expected:
        note("Nothing was deleted.")
        raise typer.Exit(1)


def _show_dropped(screen: Screen, store: Store, dropped: Sequence[str]) -> None:
    for name in dropped:
        screen.line(f"dropped {name}")
    if not dropped:
        screen.line(f"There were no tables in {store.name}; nothing was deleted.")


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
        note("To create the missing tables: pipemodels tables create")
