"""What the listings share: how much of them to read, and the fields of an item as JSON shows them."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime
from difflib import get_close_matches
from typing import Annotated, Any, Generic, TypeVar
from zoneinfo import ZoneInfo

import typer

from pipemodels import queries
from pipemodels.cli.formatting import moment_text
from pipemodels.cli.options import usage
from pipemodels.cli.output import Cell, Screen, json_text
from pipemodels.errors import ItemNotFoundError, ValidationError
from pipemodels.models.base import Model
from pipemodels.models.stamped import stored_fields
from pipemodels.queries.results import MAX_PAGE, Results

_M = TypeVar("_M", bound=Model)
_INTERNAL = frozenset({"active_shard", "environment_shard", "table_type_shard", "status_shard", "start_epoch"})
_SUGGESTED_FROM = 1_000  # pipelines at the most that are read for a better name

LimitOption = Annotated[int | None, typer.Option("--limit", min=1, metavar="N", help="This many at the most.")]
FullOption = Annotated[bool, typer.Option("--full", help="With --json: whole items instead of what the index holds.")]


@dataclass(frozen=True)
class Listed(Generic[_M]):
    """Items that were read, and how the listing goes on."""

    items: list[_M]
    cursor: str | None
    unreadable: int
    """How many stored items were passed over because they cannot be read."""

    @property
    def is_empty(self) -> bool:
        """Whether nothing is stored that would be listed."""
        return not self.items and not self.unreadable

    @property
    def notes(self) -> list[str]:
        """The line that says how to go on, if there is more."""
        return [f"next page: --cursor {self.cursor}"] if self.cursor else []


def read(
    results: Results[_M], limit: int | None, cursor: str | None = None, *, keep: Callable[[_M], bool] = lambda _: True
) -> Listed[_M]:
    """Read those items of a listing that are to be kept, all of them if there is no limit.

    Raises:
        typer.BadParameter: the cursor is none of this listing.
    """
    items: list[_M] = []
    unreadable = 0
    wanted = limit
    while True:
        try:
            page = results.page(MAX_PAGE if wanted is None else min(wanted, MAX_PAGE), cursor)
        except ValidationError as error:
            raise usage(error, cursor="--cursor") from error
        items += filter(keep, page.items)
        unreadable += len(page.unreadable)
        cursor = page.cursor
        wanted = None if limit is None else limit - len(items)
        if cursor is None or wanted == 0:
            return Listed(items, cursor, unreadable)


def document(item: Model) -> dict[str, Any]:
    """Return an item's stored fields, without those that only place it in an index."""
    return {name: value for name, value in stored_fields(item).items() if name not in _INTERNAL}


def no_pipeline(pipeline_id: str) -> ItemNotFoundError:
    """Return the error for a pipeline that does not exist, with the nearest name that does."""
    known = [pipeline.pipeline_id for pipeline in queries.all_pipelines().page(_SUGGESTED_FROM)]
    near = get_close_matches(pipeline_id, known, n=1)
    hint = f"did you mean {near[0]!r}?" if near else "look at: pipemodels pipelines list"
    return ItemNotFoundError(f"there is no pipeline {pipeline_id!r}; {hint}")


def require_pipeline(pipeline_id: str) -> None:
    """Refuse a pipeline that does not exist.

    Raises:
        ItemNotFoundError: there is none, with the nearest name that there is.
    """
    if queries.find_pipeline(pipeline_id) is None:
        raise no_pipeline(pipeline_id)


def item_facts(item: Model, zone: ZoneInfo, screen: Screen, *, without: Collection[str] = ()) -> dict[str, Cell]:
    """Return an item's fields for people, in the model's order: times in the user's zone, documents as JSON."""
    fields = document(item)
    declared = [name for name in (*vars(type(item)), *fields) if name in fields and name not in without]
    shown: dict[str, Cell] = {}
    for name in dict.fromkeys(declared):
        at = getattr(item, name)
        shown[name] = moment_text(at, zone, screen) if isinstance(at, datetime) else _fact(fields[name])
    return shown


def _fact(value: Any) -> Cell:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return json_text(value) if isinstance(value, dict | list) else str(value)
