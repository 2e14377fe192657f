"""What a whole reply holds, operation by operation: the one place that decides it.

A reply is held against this after botocore's parser, or the wire's, has read it. Source: the API reference of
DynamoDB, held against what moto, ministack and DynamoDB Local send.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec

# -- values ---------------------------------------------------------------------------------------------------------


class Value(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    """A typed value of an item, as JSON has it or as botocore gives it, which turns base64 into bytes."""

    S: str | msgspec.UnsetType = msgspec.UNSET
    N: str | msgspec.UnsetType = msgspec.UNSET
    B: bytes | msgspec.UnsetType = msgspec.UNSET
    M: dict[str, Value] | msgspec.UnsetType = msgspec.UNSET
    L: list[Value] | msgspec.UnsetType = msgspec.UNSET
    BOOL: bool | msgspec.UnsetType = msgspec.UNSET
    NULL: bool | msgspec.UnsetType = msgspec.UNSET
    SS: list[str] | msgspec.UnsetType = msgspec.UNSET
    NS: list[str] | msgspec.UnsetType = msgspec.UNSET
    BS: list[bytes] | msgspec.UnsetType = msgspec.UNSET


Item = dict[str, Value]


class Held(msgspec.Struct):
    """An item of a transaction that reads; an empty one where there is none."""

    Item: dict[str, Value] | None = None


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
    Item: dict[str, Value] | None = None


# -- replies --------------------------------------------------------------------------------------------------------


class Asked(NamedTuple):
    """What of a request its reply depends on."""

    select: str | None = None
    return_values: str | None = None
    actions: int | None = None
    """How many a transaction has."""


NOTHING = Asked()


def asked_of(parameters: Mapping[str, Any]) -> Asked:
    """Return what the reply to a request depends on."""
    actions = parameters.get("TransactItems")
    return Asked(
        parameters.get("Select"),
        parameters.get("ReturnValues"),
        len(actions) if isinstance(actions, list) else None,
    )


class Whole(NamedTuple):
    """The members of a whole reply, and their types."""

    always: Mapping[str, Any] = {}
    at_times: Mapping[str, Any] = {}


_COUNTS = {"Count": int, "ScannedCount": int}
_PAGE = Whole(_COUNTS | {"Items": list[Item]}, {"LastEvaluatedKey": Item})
_COUNTED = Whole(_COUNTS, {"LastEvaluatedKey": Item})
_WRITTEN = Whole({}, {"Attributes": Item})
_WHOLE = {
    "GetItem": Whole({}, {"Item": Item}),
    "PutItem": _WRITTEN,
    "UpdateItem": _WRITTEN,
    "DeleteItem": _WRITTEN,
    "Query": _PAGE,
    "Scan": _PAGE,
    "BatchGetItem": Whole({"Responses": dict[str, list[Item]], "UnprocessedKeys": dict[str, Any]}),
    "BatchWriteItem": Whole({"UnprocessedItems": dict[str, Any]}),
    "TransactGetItems": Whole({"Responses": list[Held]}),
    "DescribeTable": Whole({"Table": Table}),
    "CreateTable": Whole({"TableDescription": Named}),
    "UpdateTable": Whole({"TableDescription": Named}),
    "DeleteTable": Whole({"TableDescription": Named}),
    "ListTables": Whole({"TableNames": list[str]}),
    "DescribeTimeToLive": Whole({"TimeToLiveDescription": dict[str, Any]}),
    "UpdateTimeToLive": Whole({"TimeToLiveSpecification": dict[str, Any]}),
}
_ALL_NEW = Whole({"Attributes": Item})
_ANY = Whole()


def whole(operation: str, asked: Asked) -> Whole:
    """Return what a whole reply to a request holds; any JSON object is one to an operation that is not known here."""
    if asked.select == "COUNT" and operation in ("Query", "Scan"):
        return _COUNTED
    if asked.return_values == "ALL_NEW" and operation == "UpdateItem":
        return _ALL_NEW
    return _WHOLE.get(operation, _ANY)


def fault(operation: str, asked: Asked, parsed: Mapping[str, Any], body: bytes) -> str | None:
    """Return why a reply that was parsed is not whole; None: it is."""
    always, at_times = whole(operation, asked)
    for name, kind in always.items():
        if (value := parsed.get(name)) is None:
            return f"{name} is missing"
        if not _fits(value, kind):
            return f"{name} is not of its type"
    is_there = bool(always)
    for name, kind in at_times.items():
        if (value := parsed.get(name)) is not None:
            if not _fits(value, kind):
                return f"{name} is not of its type"
            is_there = True
    if not is_there:  # botocore's parser takes what is no JSON, and a null, for a reply without members
        return _fault_of_empty(body, at_times)
    if "Items" in always and parsed["Count"] != len(parsed["Items"]):
        return f"Count is {parsed['Count']}, and there are {len(parsed['Items'])} items"
    if operation == "TransactGetItems" and asked.actions not in (None, len(parsed["Responses"])):
        return f"{len(parsed['Responses'])} responses to {asked.actions} actions"
    return None


def _fault_of_empty(body: bytes, names: Mapping[str, Any]) -> str | None:
    try:
        said = msgspec.json.decode(body, type=dict[str, Any])
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return "it is not a JSON object"
    return next((f"{name} is null" for name in names if name in said), None)


def _fits(value: Any, kind: Any) -> bool:
    """Say whether a value is of a type; what the wire has read for a model, it has held against that."""
    if kind is int:
        return type(value) is int and value >= 0
    if kind is Item:
        # of an item that is there: it has a key
        return _is_read(value) or (_converts(value, kind) and len(value) > 0)
    if (read := getattr(value, "taken", None)) is not None:
        plain = [item for item in read() if isinstance(item, dict)]
        return not plain or _converts(plain, list[Item])
    if isinstance(value, dict) and any(hasattr(part, "taken") for part in value.values()):
        return all(_fits(part, list[Item]) for part in value.values())
    if kind is Table and isinstance(value, dict) and value.get("TableStatus") == "DELETING":
        kind = Named
    return _converts(value, kind)


def _is_read(value: Any) -> bool:
    return hasattr(value, "taken") and not isinstance(value.taken(), dict)


def _converts(value: Any, kind: Any) -> bool:
    try:
        msgspec.convert(value, kind)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return False
    return True


# -- refusals -------------------------------------------------------------------------------------------------------


class Refusal(msgspec.Struct):
    """What DynamoDB answers where it does not do what it is asked."""

    type: str = msgspec.field(name="__type")
    message: str | None = None
    Message: str | None = None
    Item: dict[str, Value] | msgspec.UnsetType = msgspec.UNSET
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
    if refusal.Item is not msgspec.UNSET and not refusal.Item:
        return "its Item is empty"
    if code == "TransactionCanceledException":
        return _fault_of_reasons(refusal.CancellationReasons, asked.actions)
    return None


def _fault_of_reasons(reasons: Any, actions: int | None) -> str | None:
    if reasons is msgspec.UNSET:
        return "a transaction was cancelled, and CancellationReasons is missing"
    if all(reason.Code in ("", "None") for reason in reasons):
        return "a transaction was cancelled, and CancellationReasons gives no reason"
    if actions not in (None, len(reasons)):
        return f"{len(reasons)} CancellationReasons for {actions} actions"
    return None
