"""Results: lazy listings in pages, with cursors, over the shards of an index."""

from __future__ import annotations

import json
import logging
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Generic, TypeVar

from pynamodb.connection import TableConnection
from pynamodb.expressions.condition import Condition

from pipemodels import wire
from pipemodels.config import DynamoDBConfig, current_config, using
from pipemodels.errors import (
    StorageError,
    UnreadableItem,
    UnreadableItemError,
    ValidationError,
    is_invalid_request,
)
from pipemodels.models.base import Model
from pipemodels.models.unreadable import read_item, warn_unreadable
from pipemodels.queries.cursors import (
    END,
    START,
    Position,
    decode_cursor,
    encode_cursor,
    is_position,
    wrong_cursor,
)
from pipemodels.storage.batches import MAX_KEYS, read_batch
from pipemodels.storage.sending import limited, sent

_log = logging.getLogger("pipemodels.queries")
_M = TypeVar("_M", bound=Model)
_LEAST_FILTERED = 100  # with a filter most of what is read may be dropped: read enough at a time
MAX_PAGE = 1_000


@dataclass(frozen=True, slots=True)
class Page(Generic[_M]):
    """Some items in order, and the cursor of what follows; None where nothing does.

    `unreadable` are the stored items between them that were passed over, because the model cannot read them.
    """

    items: list[_M]
    cursor: str | None
    unreadable: tuple[UnreadableItem, ...] = ()

    def __iter__(self) -> Iterator[_M]:
        return iter(self.items)

    def __len__(self) -> int:
        return len(self.items)


@dataclass(frozen=True, kw_only=True)
class Query(Generic[_M]):
    """What a listing asks of DynamoDB: the same index partition by partition, or a whole table."""

    model: type[_M]
    name: str
    """Names the query and its arguments; a cursor is bound to it."""
    arguments: Mapping[str, str | None]
    index_name: str | None = None
    partitions: tuple[str | None, ...] = (None,)
    """Hash keys; (None,) scans the table."""
    order: str | None = None
    """The stored name of the attribute by which the index sorts."""
    newest_first: bool = False
    range_condition: Condition | None = None
    filter_condition: Condition | None = None

    def canonical(self, config: DynamoDBConfig) -> str:
        """Return the text to which cursors are bound; the number of partitions may grow."""
        return json.dumps([config.table_name(self.model.Meta.base_name), self.name, dict(self.arguments)])


class Results(Generic[_M]):
    """A lazy listing: nothing is asked before it is read, and every reading asks anew.

    Iterating reads all of it in bounded memory. The items are summaries, which hold what the index holds and are
    read-only; `in_full()` gives whole items. Indexes follow the table a moment later: they are eventually consistent.

    A stored item that the model cannot read, because something else wrote it, is passed over: it is logged as a
    warning of `pipemodels.queries`, and stands in `unreadable` and in its page's. `count()` counts it all the same.
    `get_…` of it raises `UnreadableItemError`.

    A listing is true if there is an item in it. There is no `len()`, because `list()` asks for that too and so would
    read everything twice: use `count()`.

    `time_limit_seconds` of the configuration covers each page as a whole. Iterating and `count()` read for as long as
    there are items, so that they have the limit for each request and its repeats.
    """

    def __init__(self, query: Query[_M], config: DynamoDBConfig | None = None, *, whole: bool = False) -> None:
        self._query = query
        self._config = config or current_config()
        self._whole = whole
        self._unreadable: list[UnreadableItem] = []

    def __repr__(self) -> str:
        return f"<Results {self._query.name} {dict(self._query.arguments)}>"

    def __bool__(self) -> bool:
        """Say whether there is an item; asks the partitions of the index one by one until there is, at least once."""
        each = (replace(self._query, partitions=(one,)) for one in self._query.partitions)
        return any(Results(one, self._config, whole=self._whole).first() is not None for one in each)

    @property
    def unreadable(self) -> tuple[UnreadableItem, ...]:
        """The stored items that the last reading of this listing has passed over so far."""
        return tuple(self._unreadable)

    def in_full(self) -> Results[_M]:
        """Return the same listing with whole items, read strongly consistent by their keys, 100 to a request.

        An item that was deleted meanwhile is left out; one that was changed shows how it is now.
        """
        return Results(self._query, self._config, whole=self._query.index_name is not None)

    def __iter__(self) -> Iterator[_M]:
        merge = _Merge(self._query, self._config, _from_start(self._query), limit=None)
        passed_over = self._unreadable = []
        while batch := merge.take(MAX_KEYS):
            yield from self._items(batch, passed_over)

    def page(self, limit: int, cursor: str | None = None) -> Page[_M]:
        """Return the next `limit` items, fewer only where the results end.

        Args:
            limit: 1 to 1,000.
            cursor: that of the page before; None for the first.

        Raises:
            ValidationError: a limit out of range, or a cursor that is not of this query.
            ThrottledError: DynamoDB was busy for the whole time limit.
            StorageError: no reply came within it; or the page needs more requests than fit in it, as where a filter
                keeps few items: iterate instead.
        """
        if isinstance(limit, bool) or not isinstance(limit, int) or not 1 <= limit <= MAX_PAGE:
            raise ValidationError.of("limit", limit, f"must be a whole number from 1 to {MAX_PAGE}")
        canonical = self._query.canonical(self._config)
        positions = _from_start(self._query) if cursor is None else self._positions(canonical, cursor)
        try:
            return self._page(canonical, positions, limit)
        except StorageError as error:
            if cursor is not None and is_invalid_request(error):  # e.g. it starts outside the period of the query
                raise wrong_cursor(cursor) from error
            raise

    def _page(self, canonical: str, positions: list[Position], limit: int) -> Page[_M]:
        merge = _Merge(self._query, self._config, positions, limit=limit)
        passed_over = self._unreadable = []
        items: list[_M] = []
        with using(self._config), limited():
            while len(items) < limit and (batch := merge.take(limit - len(items))):
                items += self._items(batch, passed_over)
            following = None if merge.ended() else encode_cursor(canonical, merge.positions())
        return Page(items, following, tuple(passed_over))

    def _positions(self, canonical: str, cursor: object) -> list[Position]:
        """Return where a cursor stands in each partition.

        Raises:
            ValidationError: it is not of this query.
        """
        query = self._query
        positions = decode_cursor(canonical, cursor, len(query.partitions))
        types, hash_name = _key_types(query.model, query.index_name), _hash_name(query.model, query.index_name)
        for partition, position in zip(query.partitions, positions, strict=True):
            known = {} if partition is None else {hash_name: partition}
            if not is_position(position, types, known):
                raise wrong_cursor(cursor)
        return positions

    def first(self) -> _M | None:
        """Return the first item, or None."""
        return next(iter(self.page(1)), None)

    def count(self) -> int:
        """Return how many there are, readable or not; DynamoDB counts, page by page, and no item travels."""
        return sum(map(self._count, self._query.partitions))

    def _count(self, partition: str | None) -> int:
        total = 0
        start: Any = None
        while True:
            answer = _ask(self._query, self._config, partition, start, None, select="COUNT")
            total += int(answer["Count"])
            start = answer.get("LastEvaluatedKey")
            if start is None:
                return total

    def _items(self, raw: list[Any], passed_over: list[UnreadableItem]) -> list[_M]:
        """Return the objects of these items; those that cannot be read are added to the others instead."""
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


def _from_start(query: Query[Any]) -> list[Position]:
    return [START for _ in query.partitions]


class _Merge:
    """Reads the partitions of a query side by side and gives out their items in one order."""

    def __init__(
        self, query: Query[Any], config: DynamoDBConfig, positions: list[Position], *, limit: int | None
    ) -> None:
        self._query = query
        # one more than the page, to know whether anything follows it
        size = None if limit is None else limit + 1
        if size is not None and query.filter_condition is not None:
            size = max(size, _LEAST_FILTERED)
        self._streams = [
            _Stream(query, config, partition, position, size)
            for partition, position in zip(query.partitions, positions, strict=True)
        ]
        self._positions = positions
        self._taken: dict[int, Mapping[str, Any]] = {}  # the last item given out of each partition
        self._heads: dict[int, str] = {}  # the sort key of what comes next in each, by its number
        self._unknown = range(len(self._streams))  # the partitions whose head is not known
        self._choose = max if query.newest_first else min

    def take(self, count: int) -> list[Mapping[str, Any]]:
        """Return the next items, fewer only where all partitions have ended."""
        taken: list[Mapping[str, Any]] = []
        while len(taken) < count and (number := self._next()) is not None:
            item = self._taken[number] = self._streams[number].items.popleft()
            self._unknown = range(number, number + 1)
            taken.append(item)
        return taken

    def ended(self) -> bool:
        """Say whether nothing follows."""
        return self._next() is None

    def positions(self) -> list[Position]:
        """Return the position behind what was given out of each partition."""
        return [self._position(number) for number in range(len(self._streams))]

    def _position(self, number: int) -> Position:
        stream = self._streams[number]
        if number not in self._heads and number not in self._unknown:
            return END
        return stream.key_of(self._taken[number]) if number in self._taken else self._positions[number]

    def _next(self) -> int | None:
        """Return the partition whose head comes next: by the sort key, then by the partition's number."""
        for number in self._unknown:
            head = self._streams[number].head()
            if head is None:
                self._heads.pop(number, None)
            else:
                self._heads[number] = self._sort_key(head)
        self._unknown = range(0)
        if len(self._heads) < 2:
            return next(iter(self._heads), None)
        return self._choose(self._heads, key=self._heads.__getitem__)  # the first of equal ones, as they were put in

    def _sort_key(self, item: Mapping[str, Any]) -> str:
        if self._query.order is None or len(self._streams) == 1:
            return ""
        # code points order as UTF-8 bytes do, by which DynamoDB orders text
        return str(next(iter(_part(item, self._query.order).values())))


@dataclass
class _Stream:
    """One partition, read page by page from a position."""

    query: Query[Any]
    config: DynamoDBConfig
    partition: str | None
    position: Position
    size: int | None
    items: deque[Mapping[str, Any]] = field(default_factory=deque)

    def head(self) -> Mapping[str, Any] | None:
        """Return the next item without taking it; asks DynamoDB until there is one or the partition ends."""
        while not self.items and self.position != END:
            start = None if self.position is START else self.position
            answer = _ask(self.query, self.config, self.partition, start, self.size)
            self.items.extend(wire.stored_items(answer["Items"]))
            self.position = answer.get("LastEvaluatedKey", END)
        return self.items[0] if self.items else None

    def key_of(self, item: Mapping[str, Any]) -> dict[str, Any]:
        """Return the position behind an item: the keys of the table and of the index."""
        return {name: _part(item, name) for name in _key_types(self.query.model, self.query.index_name)}


def _part(item: Mapping[str, Any], name: str) -> Any:
    """Return a part of the key of the table, or of the index, of an item; without one it would not be there."""
    try:
        return item[name]
    except KeyError:
        raise StorageError(f"the reply is not DynamoDB's: an item of it has no {name!r}, which is its key") from None


def _key_types(model: type[Model], index_name: str | None) -> dict[str, str]:
    """Return the type of each part of the keys of the table and of the index, by stored name."""
    attributes = list(model.get_attributes().values())
    if index_name:
        attributes += model._indexes[index_name].Meta.attributes.values()
    return {one.attr_name: str(one.attr_type) for one in attributes if one.is_hash_key or one.is_range_key}


def _hash_name(model: type[Model], index_name: str | None) -> str:
    """Return the stored name of the hash key of an index, or of the table."""
    of = model._indexes[index_name].Meta.attributes if index_name else model.get_attributes()
    return next(str(one.attr_name) for one in of.values() if one.is_hash_key)


def _ask(
    query: Query[Any],
    config: DynamoDBConfig,
    partition: str | None,
    start: Any,
    limit: int | None,
    *,
    select: str | None = None,
) -> dict[str, Any]:
    """Ask for one page of one partition, under the configuration with which the listing was made."""
    common = {
        "filter_condition": query.filter_condition,
        "exclusive_start_key": start,
        "limit": limit,
    }

    def asked() -> dict[str, Any]:
        connection = query.model._get_connection()
        if partition is None and select is not None:
            return _count_table(connection, start)
        if partition is None:
            return dict(connection.scan(**common))
        return dict(
            connection.query(
                partition,
                range_key_condition=query.range_condition,
                index_name=query.index_name,
                scan_index_forward=not query.newest_first,
                select=select,
                **common,
            )
        )

    with using(config), wire.reading(query.model):
        return sent(asked, subject=query.name, table=query.model.Meta.table_name)


def _count_table(connection: TableConnection, start: Any) -> dict[str, Any]:
    """Count a page of a whole table; PynamoDB's scan cannot be asked for a count."""
    request = {"TableName": connection.table_name, "Select": "COUNT"}
    return dict(connection.connection.dispatch("Scan", request | ({"ExclusiveStartKey": start} if start else {})))


def _whole_items(model: type[Model], config: DynamoDBConfig, raw: list[Any]) -> list[Any]:
    """Return the whole items of these keys, in their order; those that are gone are left out."""
    names = sorted(_key_types(model, None))
    found: dict[str, Any] = {}
    with using(config), wire.reading(model):
        table = model.Meta.table_name
        for start in range(0, len(raw), MAX_KEYS):
            keys = [{name: _part(item, name) for name in names} for item in raw[start : start + MAX_KEYS]]
            for item in read_batch(model.__name__, {table: {"Keys": keys}})[table]:
                found[_identity(item, names)] = item
    whole = (found.get(_identity(item, names)) for item in raw)
    return [item for item in whole if item is not None]


def _identity(item: Mapping[str, Any], names: list[str]) -> str:
    return json.dumps([_part(item, name) for name in names])
