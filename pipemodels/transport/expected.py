"""What a whole reply holds, operation by operation: the one place that decides it.

A reply is held against this after botocore's parser, or the wire's, has read it. Source: the API reference of
DynamoDB, held against what moto, ministack and DynamoDB Local send.
"""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import msgspec

# -- values ---------------------------------------------------------------------------------------------------------


Item = dict[str, dict[str, Any]]
"""An item: its values are looked at by `is_item`."""

_TYPES: dict[str, Any] = {
    "S": str, "N": str, "B": bytes, "BOOL": bool, "NULL": bool, "M": dict, "L": list,
    "SS": list, "NS": list, "BS": list,
}  # fmt: skip


def is_item(item: Any) -> bool:
    """Say whether this is an item as botocore returns it, with one typed value for each name."""
    return type(item) is dict and all(map(is_value, item.values()))


def is_value(tagged: Any) -> bool:
    """Say whether this is a typed value: a map of one type, which there is, and a value of it."""
    if type(tagged) is not dict or len(tagged) != 1:
        return False
    tag: str
    value: Any
    ((tag, value),) = tagged.items()
    if not _is_of(value, tag):
        return tag == "B" and _is_base64(value)
    if tag == "M":
        return all(map(is_value, value.values()))
    if tag == "L":
        return all(map(is_value, value))
    if tag == "BS":
        return all(type(part) is bytes or _is_base64(part) for part in value)
    return tag not in ("SS", "NS") or all(type(part) is str for part in value)


def _is_of(value: Any, tag: str) -> bool:
    return type(value) is _TYPES.get(tag)


def _is_base64(value: Any) -> bool:
    """Say whether these are bytes as the JSON of an error has them, which botocore has not read yet."""
    try:
        return type(value) is str and b64decode(value) is not None
    except ValueError:
        return False


class KeyElement(msgspec.Struct):
    """An element of a key."""

    AttributeName: str
    KeyType: str


class Definition(msgspec.Struct):
    """The type of an attribute that is part of a key."""

    AttributeName: str
    AttributeType: str


class Projection(msgspec.Struct):
    """What an index holds."""

    ProjectionType: str


class Index(msgspec.Struct):
    """An index of a table."""

    IndexName: str
    KeySchema: list[KeyElement]
    Projection: Projection


class Named(msgspec.Struct):
    """A table that comes or goes."""

    TableName: str
    TableStatus: str


class Table(Named):
    """A table that is there."""

    KeySchema: list[KeyElement]
    AttributeDefinitions: list[Definition]
    GlobalSecondaryIndexes: list[Index] | None = None
    LocalSecondaryIndexes: list[Index] | None = None


class Keys(msgspec.Struct):
    """What a batch left out of a table."""

    Keys: list[Item]


class Reason(msgspec.Struct):
    """Why an action of a transaction was refused; the code `None` says that it was not."""

    Code: str
    Message: str | None = None
    Item: Item | None = None


# -- replies --------------------------------------------------------------------------------------------------------


class Asked(NamedTuple):
    """What of a request its reply depends on."""

    select: str | None = None
    return_values: str | None = None
    actions: int | None = None
    """How many a transaction has."""
    in_part: bool = False
    """Whether attributes are named: an item may have none of them."""
    tables: frozenset[str] | None = None
    """Of which a batch reads or writes items."""
    key: Mapping[str, Any] | None = None
    """Of the item that is asked for."""
    start: Any = None
    """The key after which a page begins."""


NOTHING = Asked()


def asked_of(parameters: Mapping[str, Any]) -> Asked:
    """Return what the reply to a request depends on."""
    actions, returned = parameters.get("TransactItems"), parameters.get("ReturnValues")
    tables = parameters.get("RequestItems")
    return Asked(
        parameters.get("Select"),
        returned,
        None if actions is None else len(actions),
        "ProjectionExpression" in parameters or returned in ("UPDATED_OLD", "UPDATED_NEW"),
        None if tables is None else frozenset(tables),
        parameters.get("Key"),
        parameters.get("ExclusiveStartKey"),
    )


_Check = Callable[[Any, Asked], bool]


def _is_form(item: Any) -> bool:
    """Say whether the wire has read an item into a model's form, and has so held it against that."""
    return isinstance(item, msgspec.Struct)


def _taken(value: Any) -> Any:
    """Return items, or one, as they were read: in a model's form, or plain."""
    return value.taken() if hasattr(value, "taken") else value


def _stored(value: Any, asked: Asked) -> bool:
    item = _taken(value)
    if _is_form(item):
        return True
    return is_item(item) and (asked.in_part or bool(item))


def _own(value: Any, asked: Asked) -> bool:
    """Say whether this is an item, and the one that was asked for: a server in between may give another's reply."""
    return _stored(value, asked) and _has_key(_taken(value), asked)


def _has_key(item: Any, asked: Asked) -> bool:
    """Say whether an item has the key that was asked for, as far as both are texts."""
    return all(_text(item, name) in (None, value.get("S")) for name, value in (asked.key or {}).items())


def _text(item: Any, name: str) -> Any:
    if _is_form(item):
        return getattr(getattr(item, type(item).fields.get(name, ""), None), "S", None)
    return item.get(name, {}).get("S")


def _next(value: Any, asked: Asked) -> bool:
    """Say whether a listing may go on at this key: who goes on where the page began would never end."""
    return _stored(value, asked) and _taken(value) != asked.start


def _page_of_items(value: Any, asked: Asked) -> bool:
    if not isinstance(value, list):
        return False
    items = _taken(value)
    plain = [item for item in items if not isinstance(item, msgspec.Struct)]
    if len(plain) < len(items) and not asked.in_part:
        form = next(type(item) for item in items if _is_form(item))
        if form() in items:  # one comparison for all, in C
            return False
    return all(_stored(item, asked) for item in plain)


def _items_by_table(value: Any, asked: Asked) -> bool:
    known = type(value) is dict and (asked.tables is None or value.keys() <= asked.tables)
    return known and all(_page_of_items(items, asked) for items in value.values())


def _left_out(kind: Any) -> _Check:
    """Return the check for what a batch did not do, which will be asked for again; of its own tables."""
    is_right = _of(dict[str, kind])

    def belongs(value: Any, asked: Asked) -> bool:
        return is_right(value, asked) and (asked.tables is None or value.keys() <= asked.tables)

    return belongs


def _responses(value: Any, asked: Asked) -> bool:
    known = type(value) is list and asked.actions in (None, len(value))
    return known and all(type(one) is dict and _stored(one.get("Item", _SOME), asked) for one in value)


def _count(value: Any, _: Asked) -> bool:
    return type(value) is int and value >= 0


def _of(kind: Any) -> _Check:
    """Return the check for a type of msgspec's."""

    def converts(value: Any, _: Asked) -> bool:
        try:
            msgspec.convert(value, kind)
        except msgspec.MsgspecError:
            return False
        return True

    return converts


def _table(value: Any, asked: Asked) -> bool:
    is_going = isinstance(value, dict) and value.get("TableStatus") == "DELETING"
    return (_is_named if is_going else _is_table)(value, asked)


_is_named, _is_table, _map = _of(Named), _of(Table), _of(dict[str, Any])
_SOME = {"": {"S": ""}}


class Whole(NamedTuple):
    """The members of a whole reply that are looked at, the check of each, and which of them it always has."""

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
    """Return what a whole reply to a request holds; any JSON object is one to an operation that is not known here."""
    if asked.select == "COUNT" and operation in ("Query", "Scan"):
        return _COUNTED
    if asked.return_values == "ALL_NEW" and operation == "UpdateItem":
        return _ALL_NEW
    return _WHOLE.get(operation, _ANY)


def fault(operation: str, asked: Asked, parsed: Mapping[str, Any], body: bytes) -> str | None:
    """Return why a reply that was parsed is not whole; None: it is."""
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
    if is_empty:  # botocore's parser takes what is no JSON, and a null, for a reply without members
        return _fault_of_empty(body, _MEMBERS if operation in _WHOLE else frozenset())
    return _fault_of_count(members, parsed) if "Count" in members else None


def _fault_of_count(members: Mapping[str, Any], parsed: Mapping[str, Any]) -> str | None:
    count, items = parsed["Count"], len(parsed.get("Items", ()))
    if "Items" not in members:
        return f"it holds {items} items, and their number was asked for" if items else None
    return None if count == items else f"Count is {count}, and there are {items} items"


_OF_REFUSALS = frozenset({"__type", "message", "Message"})
_MEMBERS = _OF_REFUSALS | {name for one in _WHOLE.values() for name in one.members}


def _fault_of_empty(body: bytes, names: frozenset[str]) -> str | None:
    """Return why a reply is not one that has nothing to say; None: it is."""
    try:
        said = msgspec.json.decode(body, type=dict[str, Any])
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return "it is not a JSON object"
    others = names & said.keys()
    return f"it holds {min(others)}, which is null or belongs to another request" if others else None


# -- refusals -------------------------------------------------------------------------------------------------------


class Refusal(msgspec.Struct):
    """What DynamoDB answers where it does not do what it is asked."""

    type: str = msgspec.field(name="__type")
    message: str | None = None
    Message: str | None = None
    Item: Item | msgspec.UnsetType = msgspec.UNSET
    CancellationReasons: list[Reason] | msgspec.UnsetType = msgspec.UNSET


_refusals = msgspec.json.Decoder(Refusal)


def fault_of_refusal(asked: Asked, body: bytes) -> str | None:
    """Return why the body of an error is not one of DynamoDB's; None: it is."""
    try:
        str(body, "utf-8")
        refusal = _refusals.decode(body)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return "it is not a JSON object with a __type and what belongs to that"
    code = refusal.type.rpartition("#")[2].partition(":")[0].strip()
    if not code:
        return "its __type names no error"
    if refusal.Item is not msgspec.UNSET and not _is_stored(refusal.Item):
        return "its Item is empty, or not of its type"
    if refusal.Item is not msgspec.UNSET and not _has_key(refusal.Item, asked):
        return "its Item has another key"
    if code == "TransactionCanceledException":
        return _fault_of_reasons(refusal.CancellationReasons, asked.actions)
    return None


def _fault_of_reasons(reasons: Any, actions: int | None) -> str | None:
    if reasons is msgspec.UNSET:
        return "a transaction was cancelled, and CancellationReasons is missing"
    if all(reason.Code in ("", "None") for reason in reasons):
        return "a transaction was cancelled, and CancellationReasons gives no reason"
    if not all(_is_stored(reason.Item) for reason in reasons if reason.Item is not None):
        return "an Item of CancellationReasons is empty, or not of its type"
    if actions not in (None, len(reasons)):
        return f"{len(reasons)} CancellationReasons for {actions} actions"
    return None


def _is_stored(item: Any) -> bool:
    """Say whether this is a whole item, which has a key at the least."""
    return bool(item) and is_item(item)
