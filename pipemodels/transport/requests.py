"""Requests: botocore's own serializer of DynamoDB's JSON, without its walk along the shapes.

The walk copies every value and turns bytes into base64. Here msgspec holds the parameters against the shape: what is
exactly of it, and holds no bytes, is written as it stands; all else goes botocore's way. All that comes before and
after, events, endpoint and signature, is botocore's.
"""

from __future__ import annotations

from types import GenericAlias
from typing import Any

import msgspec
from botocore.serialize import JSONSerializer

from pipemodels.transport.fallbacks import Fallback, IrregularError
from pipemodels.transport.lazy import Written
from pipemodels.transport.schemas import ready

_OPERATIONS = frozenset(
    {
        "PutItem", "UpdateItem", "DeleteItem", "GetItem", "Query", "Scan", "BatchGetItem", "BatchWriteItem",
        "TransactWriteItems", "TransactGetItems",
    }
)  # fmt: skip
_TRANSACTION, _BATCH = "TransactWriteItemsInput", "BatchWriteItemInput"
_WRITTEN = {"TransactWriteItem": "Put", "PutRequest": "Item"}  # what may be written already, by what it is a part of
_KINDS = {"string": str, "integer": int, "long": int, "boolean": bool}
_Shape = Any  # botocore carries no types


_ABSENT: Any = None  # one that is given is refused


class Value(msgspec.Struct, gc=False, omit_defaults=True, forbid_unknown_fields=True):
    """A tagged value of any kind but bytes."""

    S: str = _ABSENT
    N: str = _ABSENT
    M: dict[str, Value] = _ABSENT
    L: list[Value] = _ABSENT
    BOOL: bool = _ABSENT
    NULL: bool = _ABSENT
    SS: list[str] = _ABSENT
    NS: list[str] = _ABSENT


class WireSerializer(JSONSerializer):  # type: ignore[misc]  # botocore carries no types
    """botocore's serializer, faster."""

    def serialize_to_request(self, parameters: Any, operation_model: Any) -> Any:
        """Return the request as a dict."""
        if operation_model.name in _OPERATIONS and operation_model.endpoint is None:
            try:
                body = _body(parameters, operation_model.input_shape)
            except Exception as error:  # whatever it was: botocore writes it, or says in its own words what is wrong
                fallback = Fallback("writing a request", operation_model.name, error)
            else:
                return self._empty(operation_model) | {"body": body}
            request = super().serialize_to_request(parameters, operation_model)
            fallback.happened()
            return request
        return super().serialize_to_request(parameters, operation_model)

    def _empty(self, operation_model: Any) -> dict[str, Any]:
        """Return an operation's request without parameters."""
        kept = self.__dict__.setdefault("_wire_kept", {})
        if operation_model.name not in kept:
            kept[operation_model.name] = super().serialize_to_request({}, operation_model)
        empty: dict[str, Any] = kept[operation_model.name]
        return {name: part.copy() if type(part) is dict else part for name, part in empty.items()}


_types: dict[str, Any] = {}


def _body(parameters: Any, shape: _Shape) -> bytes:
    if shape.name not in _types:
        _types[shape.name] = ready(_type_of(shape))
    request = msgspec.convert(parameters, _types[shape.name])
    if shape.name == _TRANSACTION:
        for one in request.TransactItems:
            if one.Put is not msgspec.UNSET:
                one.Put = _as_sent(one.Put, _types["Put"])
    elif shape.name == _BATCH:
        for ones in request.RequestItems.values():
            for one in ones:
                if one.PutRequest is not None:
                    one.PutRequest.Item = _as_sent(one.PutRequest.Item, _types["Item"])
    try:
        return msgspec.json.encode(request)
    except (TypeError, ValueError):  # a value that is of no type of JSON, or a text that is no Unicode
        raise IrregularError from None


def _as_sent(given: Any, kind: Any) -> Any:
    """Return an item, or a put, as it is sent: its JSON, unless somebody has looked at it."""
    json = given.unread() if type(given) is Written else None
    return msgspec.convert(given, kind) if json is None else msgspec.Raw(json)


def _type_of(shape: _Shape) -> Any:
    """Return the type that takes what is exactly of a shape."""
    if shape.name == "AttributeValue":
        return Value
    if shape.type_name == "list":
        return GenericAlias(list, (_type_of(shape.member),))
    if shape.type_name == "map":
        return GenericAlias(dict, (str, _type_of(shape.value)))
    if shape.type_name != "structure":
        if shape.type_name not in _KINDS:
            raise IrregularError
        return _KINDS[shape.type_name]
    if any(member.serialization.get("name", name) != name for name, member in shape.members.items()):
        raise IrregularError
    fields: list[Any] = []
    for name, member in shape.members.items():
        if _WRITTEN.get(shape.name) == name:
            _types[name] = ready(_type_of(member))
            fields.append((name, Any, msgspec.UNSET))
        else:
            fields.append((name, _type_of(member), None))
    return msgspec.defstruct(shape.name, fields, gc=False, omit_defaults=True, forbid_unknown_fields=True)


def install(client: Any) -> None:
    """Have a client write requests by this serializer."""
    if type(client._serializer) is not JSONSerializer:
        raise TypeError(f"the serializer is a {type(client._serializer).__qualname__}")
    client._serializer = WireSerializer()
