"""Results: lazy listings over the shards of an index, with pages and cursors."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar

from pipemodels.codecs import facade
from pipemodels.config import DynamoDBConfig, current_config, using
from pipemodels.errors import StorageError, UnreadableItem, UnreadableItemError, ValidationError
from pipemodels.models.base import Model
from pipemodels.models.unreadable import read_item, warn_unreadable
from pipemodels.queries.cursors import Position, decode_cursor, encode_cursor, is_position, wrong_cursor
from pipemodels.queries.partitions import Merge, Query, ask, from_start, hash_name, key_part, key_types
from pipemodels.storage.batch_reads import MAX_KEYS, read_batch
from pipemodels.storage.sending import limited
from pipemodels.translation import is_invalid_request

_log = logging.getLogger("pipemodels.queries")

_M = TypeVar("_M", bound=Model)

MAX_PAGE = 1_000


@dataclass(frozen=True, slots=True)
class Page(Generic[_M]):
    """A page of items in order, and the cursor of the next page, or None if this is the last.

    `unreadable` holds the stored items of this page that were left out because the model cannot read them.
    """

    items: list[_M]
    cursor: str | None
    unreadable: tuple[UnreadableItem, ...] = ()

    def __iter__(self) -> Iterator[_M]:
        return iter(self.items)

    def __len__(self) -> int:
        return len(self.items)


class Results(Generic[_M]):
    """A lazy listing: it sends no request until it is read, and reads from DynamoDB again each time.

    Iterating reads the whole listing in bounded memory. The items are read-only summaries with the attributes that
    the index holds; `in_full()` returns whole items. Indexes are eventually consistent with their table.

    A stored item that the model cannot read, because another program wrote it, is left out: it is logged as a warning
    to `pipemodels.queries` and listed in `unreadable` and in the page's `unreadable`. `count()` includes it, and
    `get_…` raises `UnreadableItemError` for it.

    A listing is true if it contains an item. It has no `len()`, because `list()` would call it and so read everything
    twice: use `count()`.

    The configuration's `time_limit_seconds` covers each page as a whole. Iterating and `count()` may take longer:
    there, the limit covers each request and its retries.
    """

    def __init__(self, query: Query[_M], config: DynamoDBConfig | None = None, *, whole: bool = False) -> None:
        self._query = query
        self._config = config or current_config()
        self._whole = whole
        self._unreadable: list[UnreadableItem] = []

    def __repr__(self) -> str:
        return f"<Results {self._query.name} {dict(self._query.arguments)}>"

    def __bool__(self) -> bool:
        """Return whether there is an item; read the partitions one after another until an item is found."""
        queries = (replace(self._query, partitions=(partition,)) for partition in self._query.partitions)
        return any(Results(query, self._config, whole=self._whole).first() is not None for query in queries)

    @property
    def unreadable(self) -> tuple[UnreadableItem, ...]:
        """The unreadable stored items that the latest reading of this listing has left out so far."""
        return tuple(self._unreadable)

    def in_full(self) -> Results[_M]:
        """Return the same listing with whole items, fetched by strongly consistent reads of 100 keys each.

        Items that have been deleted meanwhile are left out, and changed items show their current values.
        """
        return Results(self._query, self._config, whole=self._query.index_name is not None)

    def __iter__(self) -> Iterator[_M]:
        merge = Merge(self._query, self._config, from_start(self._query), limit=None)
        passed_over = self._unreadable = []
        while batch := merge.take(MAX_KEYS):
            yield from self._items(batch, passed_over)

    def page(self, limit: int, cursor: str | None = None) -> Page[_M]:
        """Return the next `limit` items, or fewer if the listing ends.

        Args:
            limit: 1 to 1,000.
            cursor: the cursor of the previous page, or None for the first page.

        Raises:
            ValidationError: the limit is out of range, or the cursor does not belong to this query.
            ThrottledError: DynamoDB throttled the requests for the whole time limit.
            StorageError: no reply came within the time limit, or the page needs more requests than fit in it, for
                example because a filter keeps few items: iterate over the listing instead.
        """
        if isinstance(limit, bool) or not isinstance(limit, int) or not 1 <= limit <= MAX_PAGE:
            raise ValidationError.of("limit", limit, f"must be a whole number from 1 to {MAX_PAGE}")
        canonical = self._query.canonical(self._config)
        positions = from_start(self._query) if cursor is None else self._positions(canonical, cursor)
        try:
            return self._page(canonical, positions, limit)
        except StorageError as error:
            if cursor is not None and is_invalid_request(error):  # e.g. it lies outside the query's period
                raise wrong_cursor(cursor) from error
            raise

    def _page(self, canonical: str, positions: list[Position], limit: int) -> Page[_M]:
        merge = Merge(self._query, self._config, positions, limit=limit)
        passed_over = self._unreadable = []
        items: list[_M] = []
        with using(self._config), limited():
            while len(items) < limit and (batch := merge.take(limit - len(items))):
                items += self._items(batch, passed_over)
            following = None if merge.ended() else encode_cursor(canonical, merge.positions())
        return Page(items, following, tuple(passed_over))

    def _positions(self, canonical: str, cursor: object) -> list[Position]:
        """Return the position of a cursor in each partition.

        Raises:
            ValidationError: the cursor does not belong to this query.
        """
        query = self._query
        positions = decode_cursor(canonical, cursor, len(query.partitions))
        types = key_types(query.model, query.index_name)
        partition_name = hash_name(query.model, query.index_name)
        for partition, position in zip(query.partitions, positions, strict=True):
            known = {} if partition is None else {partition_name: partition}
            if not is_position(position, types, known):
                raise wrong_cursor(cursor)
        return positions

    def first(self) -> _M | None:
        """Return the first item, or None."""
        return next(iter(self.page(1)), None)

    def count(self) -> int:
        """Return the number of items, including unreadable ones; DynamoDB counts page by page and sends no items."""
        return sum(map(self._count, self._query.partitions))

    def _count(self, partition: str | None) -> int:
        total = 0
        start: Any = None
        while True:
            answer = ask(self._query, self._config, partition, start, None, select="COUNT")
            total += int(answer["Count"])
            start = answer.get("LastEvaluatedKey")
            if start is None:
                return total

    def _items(self, raw: list[Any], passed_over: list[UnreadableItem]) -> list[_M]:
        """Return the readable ones of these items as objects, and add the unreadable ones to `passed_over`."""
        model = self._query.model
        held = None if self._whole else model.held_by(self._query.index_name)
        items: list[_M] = []
        stored = _whole_items(model, self._config, raw) if self._whole else raw
        with using(self._config):
            for item in stored:
                try:
                    items.append(read_item(model, item, held))
                except UnreadableItemError as error:
                    passed_over.append(error.item)
                    warn_unreadable(_log, error.item)
        return items


def _whole_items(model: type[Model], config: DynamoDBConfig, raw: list[Any]) -> list[Any]:
    """Return the whole items of these keys, in the same order, without those that no longer exist."""
    names = sorted(key_types(model, None))
    found: dict[str, Any] = {}
    with using(config), facade.reading(model):
        table = model.Meta.table_name
        for start in range(0, len(raw), MAX_KEYS):
            keys = [{name: key_part(item, name) for name in names} for item in raw[start : start + MAX_KEYS]]
            for item in read_batch(model.__name__, {table: {"Keys": keys}})[table]:
                found[_identity(item, names)] = item
    whole = (found.get(_identity(item, names)) for item in raw)
    return [item for item in whole if item is not None]


def _identity(item: Mapping[str, Any], names: list[str]) -> str:
    return json.dumps([key_part(item, name) for name in names])
