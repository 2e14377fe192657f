"""Shared code of the listings: read the items, and return their fields for JSON and for people."""

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
_SUGGESTED_FROM = 1_000  # read at most this many pipelines to suggest a name

LimitOption = Annotated[int | None, typer.Option("--limit", min=1, metavar="N", help="At most this many.")]
FullOption = Annotated[
    bool, typer.Option("--full", help="With --json: print all fields, not only those in the index.")
]


@dataclass(frozen=True)
class Listed(Generic[_M]):
    """The items that were read, and the cursor of the next page."""

    items: list[_M]
    cursor: str | None
    unreadable: int
    """The number of stored items that were left out because they cannot be read."""

    @property
    def is_empty(self) -> bool:
        """Whether the listing has no items, readable or not."""
        return not self.items and not self.unreadable

    @property
    def notes(self) -> list[str]:
        """The line that says how to get the next page, if there is one."""
        return [f"next page: --cursor {self.cursor}"] if self.cursor else []


def read(
    results: Results[_M], limit: int | None, cursor: str | None = None, *, keep: Callable[[_M], bool] = lambda _: True
) -> Listed[_M]:
    """Read up to `limit` items that `keep` accepts, or all of them if there is no limit.

    Raises:
        typer.BadParameter: the cursor does not belong to this listing.
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
    """Return an item's stored fields, without those that serve only the indexes."""
    return {name: value for name, value in stored_fields(item).items() if name not in _INTERNAL}


def no_pipeline(pipeline_id: str) -> ItemNotFoundError:
    """Return the error for a pipeline that does not exist; it suggests the most similar id."""
    known = [pipeline.pipeline_id for pipeline in queries.all_pipelines().page(_SUGGESTED_FROM)]
    near = get_close_matches(pipeline_id, known, n=1)
    hint = f"did you mean {near[0]!r}?" if near else "to see all: pipemodels pipelines list"
    return ItemNotFoundError(f"there is no pipeline {pipeline_id!r}; {hint}")


def require_pipeline(pipeline_id: str) -> None:
    """Check that a pipeline exists.

    Raises:
        ItemNotFoundError: the pipeline does not exist; the error suggests the most similar id.
    """
    if queries.find_pipeline(pipeline_id) is None:
        raise no_pipeline(pipeline_id)


def item_facts(item: Model, zone: ZoneInfo, screen: Screen, *, without: Collection[str] = ()) -> dict[str, Cell]:
    """Return an item's fields for people, in the model's order: times in the zone, lists and maps as JSON."""
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
