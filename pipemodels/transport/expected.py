"""Validation of successful replies: the members that a complete reply to each operation has.

A reply is validated after botocore's parser, or that of the fast path, has read it. Source: the API reference of
DynamoDB, checked against the replies of moto, ministack and DynamoDB Local.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import msgspec

from pipemodels.transport.asked import Asked, has_key, is_struct
from pipemodels.transport.typed_values import Item, is_item


class KeyElement(msgspec.Struct):
    """An element of a key."""

    AttributeName: str
    KeyType: str


class Definition(msgspec.Struct):
    """The type of a key attribute."""

    AttributeName: str
    AttributeType: str


class Projection(msgspec.Struct):
    """The projection of an index."""

    ProjectionType: str


class Index(msgspec.Struct):
    """An index of a table."""

    IndexName: str
    KeySchema: list[KeyElement]
    Projection: Projection


class Named(msgspec.Struct):
    """A table that is being created or deleted."""

    TableName: str
    TableStatus: str


class Table(Named):
    """An existing table."""

    KeySchema: list[KeyElement]
    AttributeDefinitions: list[Definition]
    GlobalSecondaryIndexes: list[Index] | None = None
    LocalSecondaryIndexes: list[Index] | None = None


class Keys(msgspec.Struct):
    """The keys of a table that a batch did not process."""

    Keys: list[Item]


_Check = Callable[[Any, Asked], bool]


def _taken(value: Any) -> Any:
    """Return the item or items as structs of the model's schema if they were read so, else as they are."""
    return value.taken() if hasattr(value, "taken") else value


def _stored(value: Any, asked: Asked) -> bool:
    item = _taken(value)
    if is_struct(item):
        return True
    return is_item(item) and (asked.in_part or bool(item))


def _own(value: Any, asked: Asked) -> bool:
    """Return whether this is the requested item; a proxy may return the reply to another request."""
    return _stored(value, asked) and has_key(_taken(value), asked)


def _next(value: Any, asked: Asked) -> bool:
    """Return whether the next page may start at this key; the start of this page would cause an endless loop."""
    return _stored(value, asked) and _taken(value) != asked.start


def _page_of_items(value: Any, asked: Asked) -> bool:
    if not isinstance(value, list):
        return False
    items = _taken(value)
    plain = [item for item in items if not isinstance(item, msgspec.Struct)]
    if len(plain) < len(items) and not asked.in_part:
        schema = next(type(item) for item in items if is_struct(item))
        if schema() in items:  # one comparison of all items, in C
            return False
    return all(_stored(item, asked) for item in plain)


def _items_by_table(value: Any, asked: Asked) -> bool:
    known = type(value) is dict and (asked.tables is None or value.keys() <= asked.tables)
    return known and all(_page_of_items(items, asked) for items in value.values())


def _left_out(kind: Any) -> _Check:
    """Return the check of the unprocessed keys or items of a batch; they must belong to the tables of the request."""
    is_right = _of(dict[str, kind])

    def belongs(value: Any, asked: Asked) -> bool:
        return is_right(value, asked) and (asked.tables is None or value.keys() <= asked.tables)

    return belongs


def _responses(value: Any, asked: Asked) -> bool:
    known = type(value) is list and asked.actions in (None, len(value))
    return known and all(type(reply) is dict and _stored(reply.get("Item", _SOME), asked) for reply in value)


def _count(value: Any, _: Asked) -> bool:
    return type(value) is int and value >= 0


def _of(kind: Any) -> _Check:
    """Return a check that converts the value to a type with msgspec."""

    def converts(value: Any, _: Asked) -> bool:
        try:
            msgspec.convert(value, kind)
        except msgspec.MsgspecError:
            return False
        return True

    return converts


def _table(value: Any, asked: Asked) -> bool:
    is_deleting = isinstance(value, dict) and value.get("TableStatus") == "DELETING"
    return (_is_named if is_deleting else _is_table)(value, asked)


_is_named, _is_table, _map = _of(Named), _of(Table), _of(dict[str, Any])
_SOME = {"": {"S": ""}}


class Whole(NamedTuple):
    """The validated members of a complete reply with their checks, and the names of the required members."""

    members: dict[str, _Check]
    always: frozenset[str] = frozenset()


def _always(**members: _Check) -> Whole:
    return Whole(members, frozenset(members))


_COUNTS = frozenset({"Count", "ScannedCount"})
_COUNTED = Whole({"Count": _count, "ScannedCount": _count, "LastEvaluatedKey": _next}, _COUNTS)
_PAGE = Whole(_COUNTED.members | {"Items": _page_of_items}, _COUNTS | {"Items"})
_WRITTEN = Whole({"Attributes": _own})
_WHOLE = {
    "GetItem": Whole({"Item": _own}),
    "PutItem": _WRITTEN,
    "UpdateItem": _WRITTEN,
    "DeleteItem": _WRITTEN,
    "Query": _PAGE,
    "Scan": _PAGE,
    "BatchGetItem": _always(Responses=_items_by_table, UnprocessedKeys=_left_out(Keys)),
    "BatchWriteItem": _always(UnprocessedItems=_left_out(list[dict[str, Any]])),
    "TransactWriteItems": Whole({}),
    "TransactGetItems": _always(Responses=_responses),
    "DescribeTable": _always(Table=_table),
    "CreateTable": _always(TableDescription=_is_named),
    "UpdateTable": _always(TableDescription=_is_named),
    "DeleteTable": _always(TableDescription=_is_named),
    "ListTables": _always(TableNames=_of(list[str])),
    "DescribeTimeToLive": _always(TimeToLiveDescription=_map),
    "UpdateTimeToLive": _always(TimeToLiveSpecification=_map),
}
_ALL_NEW = _always(Attributes=_own)
_ANY = Whole({})


def whole(operation: str, asked: Asked) -> Whole:
    """Return the members of a complete reply; of an unknown operation, every JSON object is one."""
    if asked.select == "COUNT" and operation in ("Query", "Scan"):
        return _COUNTED
    if asked.return_values == "ALL_NEW" and operation == "UpdateItem":
        return _ALL_NEW
    return _WHOLE.get(operation, _ANY)


def fault(operation: str, asked: Asked, parsed: Mapping[str, Any], body: bytes) -> str | None:
    """Return why a parsed reply is not complete, or None if it is."""
    members, always = whole(operation, asked)
    is_empty = True
    for name, is_right in members.items():
        value = parsed.get(name)
        if value is not None:
            is_empty = False
            if not is_right(value, asked):
                return f"{name} is not what {operation} returns"
        elif name in always:
            return f"{name} is missing"
    if is_empty:  # botocore's parser reads invalid JSON, and null, as a reply without members
        return _fault_of_empty(body, _MEMBERS if operation in _WHOLE else frozenset())
    return _fault_of_count(members, parsed) if "Count" in members else None


def _fault_of_count(members: Mapping[str, Any], parsed: Mapping[str, Any]) -> str | None:
    count, items = parsed["Count"], len(parsed.get("Items", ()))
    if "Items" not in members:
        return f"it has {items} items, but the request asks for a count" if items else None
    return None if count == items else f"Count is {count}, but there are {items} items"


_OF_REFUSALS = frozenset({"__type", "message", "Message"})
_MEMBERS = _OF_REFUSALS | {name for reply in _WHOLE.values() for name in reply.members}


def _fault_of_empty(body: bytes, names: frozenset[str]) -> str | None:
    """Return why a reply without known members is not a valid empty reply, or None if it is."""
    try:
        said = msgspec.json.decode(body, type=dict[str, Any])
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return "it is not a JSON object"
    others = names & said.keys()
    return f"it has {min(others)}, which is null or belongs to another request" if others else None
