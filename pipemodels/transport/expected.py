"""What a whole reply holds, operation by operation: the one place that decides it.

A reply is held against this after botocore's parser, or the wire's, has read it. Source: the API reference of
DynamoDB, held against what moto, ministack and DynamoDB Local send.
"""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec

from pipemodels.errors import shown

# -- values ---------------------------------------------------------------------------------------------------------


Item = dict[str, dict[str, Any]]
"""An item: its values are looked at by `is_item`."""

_KINDS = {
    "S": str, "N": str, "B": bytes, "BOOL": bool, "NULL": bool, "M": dict, "L": list, "SS": list, "NS": list, "BS": list,
}  # fmt: skip


def is_item(item: Any) -> bool:
    """Say whether this is an item as botocore returns it, with one typed value for each name."""
    return type(item) is dict and all(map(is_value, item.values()))


def is_value(tagged: Any) -> bool:
    """Say whether this is a typed value: a map of one type, which there is, and a value of it."""
    if type(tagged) is not dict or len(tagged) != 1:
        return False
    ((tag, value),) = tagged.items()
    if type(value) is not _KINDS.get(tag):
        return tag == "B" and _is_base64(value)
    if tag == "M":
        return all(map(is_value, value.values()))
    if tag == "L":
        return all(map(is_value, value))
    if tag == "BS":
        return all(type(part) is bytes or _is_base64(part) for part in value)
    return tag not in ("SS", "NS") or all(type(part) is str for part in value)


def _is_base64(value: Any) -> bool:
    """Say whether these are bytes as the JSON of an error has them, which botocore has not read yet."""
    try:
        return type(value) is str and b64decode(value) is not None
    except ValueError:
        return False


class Held(msgspec.Struct):
    """What a transaction has read: an item, or none."""

    Item: dict[str, Any] | None = None


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
    """From which a batch reads."""


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
    )


class Whole(NamedTuple):
    """The members of a whole reply that are looked at, their types, and which of them it always has."""

    members: dict[str, Any]
    always: frozenset[str] = frozenset()


def _always(**members: Any) -> Whole:
    return Whole(members, frozenset(members))


_COUNTED = Whole({"Count": int, "ScannedCount": int, "LastEvaluatedKey": Item}, frozenset({"Count", "ScannedCount"}))
_PAGE = Whole(_COUNTED.members | {"Items": list[Item]}, _COUNTED.always | {"Items"})
_WRITTEN = Whole({"Attributes": Item})
_WHOLE = {
    "GetItem": Whole({"Item": Item}),
    "PutItem": _WRITTEN,
    "UpdateItem": _WRITTEN,
    "DeleteItem": _WRITTEN,
    "Query": _PAGE,
    "Scan": _PAGE,
    "BatchGetItem": _always(Responses=dict[str, list[Item]], UnprocessedKeys=dict[str, dict[str, Any]]),
    "BatchWriteItem": _always(UnprocessedItems=dict[str, list[dict[str, Any]]]),
    "TransactWriteItems": Whole({}),
    "TransactGetItems": _always(Responses=list[Held]),
    "DescribeTable": _always(Table=Table),
    "CreateTable": _always(TableDescription=Named),
    "UpdateTable": _always(TableDescription=Named),
    "DeleteTable": _always(TableDescription=Named),
    "ListTables": _always(TableNames=list[str]),
    "DescribeTimeToLive": _always(TimeToLiveDescription=dict[str, Any]),
    "UpdateTimeToLive": _always(TimeToLiveSpecification=dict[str, Any]),
}
_ALL_NEW = _always(Attributes=Item)
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
    for name, kind in members.items():
        value = parsed.get(name)
        if value is None:
            if name in always:
                return f"{name} is missing"
            continue
        is_empty = False
        if not _fits(value, kind):
            return f"{name} is not of its type"
        if not asked.in_part and _has_empty(value, kind):
            return f"{name} is, or holds, an empty item"
    if is_empty:  # botocore's parser takes what is no JSON, and a null, for a reply without members
        return _fault_of_empty(body, _MEMBERS if operation in _WHOLE else frozenset())
    if members is _COUNTED.members and parsed.get("Items"):
        return "it holds items, and was asked for their number"
    if "Items" in members and parsed["Count"] != len(parsed["Items"]):
        return f"Count is {parsed['Count']}, and there are {len(parsed['Items'])} items"
    return _fault_of_responses(asked, parsed["Responses"]) if "Responses" in members else None


def _fault_of_responses(asked: Asked, responses: Any) -> str | None:
    """Return why the responses of a batch, or of a transaction, are not to what was asked."""
    if isinstance(responses, list):
        fits = asked.actions in (None, len(responses))
        return None if fits else f"{len(responses)} Responses to {asked.actions} actions"
    others = set() if asked.tables is None else responses.keys() - asked.tables
    return f"Responses holds {shown(min(others))}, which was not asked for" if others else None


_MEMBERS = frozenset(name for one in _WHOLE.values() for name in one.members)


def _fault_of_empty(body: bytes, names: frozenset[str]) -> str | None:
    """Return why a reply is not one that has nothing to say; None: it is."""
    try:
        said = msgspec.json.decode(body, type=dict[str, Any])
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return "it is not a JSON object"
    others = names & said.keys()
    return f"it holds {min(others)}, which is null or belongs to another request" if others else None


def _fits(value: Any, kind: Any) -> bool:
    """Say whether a value is of a type; what the wire has read for a model, it has held against that."""
    if kind is int:
        return type(value) is int and value >= 0
    if kind is Item:
        return _are_items([_taken(value)])
    if kind == list[Item]:
        return isinstance(value, list) and _are_items(_taken(value))
    if kind == dict[str, list[Item]]:
        return type(value) is dict and all(_fits(items, list[Item]) for items in value.values())
    if kind == list[Held]:
        return _converts(value, kind) and all(is_item(held.get("Item", {})) for held in value)
    if kind is Table and isinstance(value, dict) and value.get("TableStatus") == "DELETING":
        kind = Named
    return _converts(value, kind)


def _has_empty(value: Any, kind: Any) -> bool:
    """Say whether an item, or one of these, has nothing: it would have a key."""
    if kind is Item:
        return not value
    if kind == list[Item]:
        return not all(map(_has_any, _taken(value)))
    return kind == dict[str, list[Item]] and any(_has_empty(items, list[Item]) for items in value.values())


def _has_any(item: Any) -> bool:
    return bool(item) if isinstance(item, dict) else item != type(item)()


def _taken(value: Any) -> Any:
    """Return items, or one, as they were read: in a model's form, or plain."""
    return value.taken() if hasattr(value, "taken") else value


def _are_items(values: Any) -> bool:
    return all(is_item(value) for value in values if not isinstance(value, msgspec.Struct))


def _converts(value: Any, kind: Any) -> bool:
    try:
        msgspec.convert(value, kind)
    except msgspec.MsgspecError:
        return False
    return True


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
    code = refusal.type.rpartition("#")[2].partition(":")[0]
    if not code:
        return "its __type names no error"
    if refusal.Item is not msgspec.UNSET and not _is_stored(refusal.Item):
        return "its Item is empty, or not of its type"
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
