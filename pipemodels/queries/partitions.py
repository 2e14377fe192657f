"""Read the partitions of an index side by side and merge them into one order."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from pynamodb.connection import TableConnection
from pynamodb.expressions.condition import Condition

from pipemodels.codecs import facade
from pipemodels.config import DynamoDBConfig, using
from pipemodels.errors import StorageError
from pipemodels.models.base import Model
from pipemodels.queries.cursors import END, START, Position
from pipemodels.storage.sending import sent

_M = TypeVar("_M", bound=Model)
_LEAST_FILTERED = 100  # a filter may drop most of the items, so read at least this many at a time


@dataclass(frozen=True, kw_only=True)
class Query(Generic[_M]):
    """The DynamoDB query behind a listing: one index, partition by partition, or a whole table."""

    model: type[_M]
    name: str
    """Identifies the query, with `arguments`; a cursor belongs to one name and its arguments."""
    arguments: Mapping[str, str | None]
    index_name: str | None = None
    partitions: tuple[str | None, ...] = (None,)
    """The hash keys to read; (None,) scans the table."""
    order: str | None = None
    """The stored name of the index's range key, which sorts its items."""
    newest_first: bool = False
    range_condition: Condition | None = None
    filter_condition: Condition | None = None

    def canonical(self, config: DynamoDBConfig) -> str:
        """Return the text that identifies the query in cursors; without the partitions, whose number may grow."""
        return json.dumps([config.table_name(self.model.Meta.base_name), self.name, dict(self.arguments)])


def from_start(query: Query[Any]) -> list[Position]:
    """Return the position before the first item of each partition."""
    return [START for _ in query.partitions]


class Merge:
    """Reads the partitions of a query side by side and returns their items in one order."""

    def __init__(
        self, query: Query[Any], config: DynamoDBConfig, positions: list[Position], *, limit: int | None
    ) -> None:
        self._query = query
        # one more than the page, to learn whether more items follow
        size = None if limit is None else limit + 1
        if size is not None and query.filter_condition is not None:
            size = max(size, _LEAST_FILTERED)
        self._streams = [
            Stream(query, config, partition, position, size)
            for partition, position in zip(query.partitions, positions, strict=True)
        ]
        self._positions = positions
        self._taken: dict[int, Mapping[str, Any]] = {}  # the last item returned from each partition
        self._heads: dict[int, str] = {}  # the sort key of the next item of each partition
        self._unknown = range(len(self._streams))  # the partitions whose next item is not known yet
        self._choose = max if query.newest_first else min

    def take(self, count: int) -> list[Mapping[str, Any]]:
        """Return the next `count` items, or fewer if all partitions end first."""
        taken: list[Mapping[str, Any]] = []
        while len(taken) < count and (number := self._next()) is not None:
            item = self._taken[number] = self._streams[number].items.popleft()
            self._unknown = range(number, number + 1)
            taken.append(item)
        return taken

    def ended(self) -> bool:
        """Return whether all partitions have ended."""
        return self._next() is None

    def positions(self) -> list[Position]:
        """Return, for each partition, the position after the last item that was returned."""
        return [self._position(number) for number in range(len(self._streams))]

    def _position(self, number: int) -> Position:
        stream = self._streams[number]
        if number not in self._heads and number not in self._unknown:
            return END
        return stream.key_of(self._taken[number]) if number in self._taken else self._positions[number]

    def _next(self) -> int | None:
        """Return the number of the partition whose item comes next: by sort key, then by partition number."""
        for number in self._unknown:
            head = self._streams[number].head()
            if head is None:
                self._heads.pop(number, None)
            else:
                self._heads[number] = self._sort_key(head)
        self._unknown = range(0)
        if len(self._heads) < 2:
            return next(iter(self._heads), None)
        return self._choose(self._heads, key=self._heads.__getitem__)  # of equal keys, the first inserted

    def _sort_key(self, item: Mapping[str, Any]) -> str:
        if self._query.order is None or len(self._streams) == 1:
            return ""
        # code points sort like UTF-8 bytes, and DynamoDB sorts text by its UTF-8 bytes
        return str(next(iter(key_part(item, self._query.order).values())))


@dataclass
class Stream:
    """Reads one partition page by page from a position."""

    query: Query[Any]
    config: DynamoDBConfig
    partition: str | None
    position: Position
    size: int | None
    items: deque[Mapping[str, Any]] = field(default_factory=deque)

    def head(self) -> Mapping[str, Any] | None:
        """Return the next item without removing it; ask DynamoDB until an item comes or the partition ends."""
        while not self.items and self.position != END:
            start = None if self.position is START else self.position
            answer = ask(self.query, self.config, self.partition, start, self.size)
            self.items.extend(facade.stored_items(answer["Items"]))
            self.position = answer.get("LastEvaluatedKey", END)
        return self.items[0] if self.items else None

    def key_of(self, item: Mapping[str, Any]) -> dict[str, Any]:
        """Return the position after an item: its key attributes in the table and in the index."""
        return {name: key_part(item, name) for name in key_types(self.query.model, self.query.index_name)}


def key_part(item: Mapping[str, Any], name: str) -> Any:
    """Return a key attribute of an item; an item without it can be neither in the table nor in the index."""
    try:
        return item[name]
    except KeyError:
        raise StorageError(f"the reply is not DynamoDB's: an item in it lacks its key attribute {name!r}") from None


def key_types(model: type[Model], index_name: str | None) -> dict[str, str]:
    """Return the types of the key attributes of the table and of the index, by stored name."""
    attributes = list(model.get_attributes().values())
    if index_name:
        attributes += model._indexes[index_name].Meta.attributes.values()
    return {
        attribute.attr_name: str(attribute.attr_type)
        for attribute in attributes
        if attribute.is_hash_key or attribute.is_range_key
    }


def hash_name(model: type[Model], index_name: str | None) -> str:
    """Return the stored name of the hash key of an index, or of the table."""
    attributes = model._indexes[index_name].Meta.attributes if index_name else model.get_attributes()
    return next(str(attribute.attr_name) for attribute in attributes.values() if attribute.is_hash_key)


def ask(
    query: Query[Any],
    config: DynamoDBConfig,
    partition: str | None,
    start: Any,
    limit: int | None,
    *,
    select: str | None = None,
) -> dict[str, Any]:
    """Request one page of one partition, with the configuration of the listing."""
    common = {
        "filter_condition": query.filter_condition,
        "exclusive_start_key": start,
        "limit": limit,
    }

    def request_page() -> dict[str, Any]:
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

    with using(config), facade.reading(query.model):
        return sent(request_page, subject=query.name, table=query.model.Meta.table_name)


def _count_table(connection: TableConnection, start: Any) -> dict[str, Any]:
    """Count one page of a whole table; PynamoDB's `scan()` cannot request a count."""
    request = {"TableName": connection.table_name, "Select": "COUNT"}
    return dict(connection.connection.dispatch("Scan", request | ({"ExclusiveStartKey": start} if start else {})))
