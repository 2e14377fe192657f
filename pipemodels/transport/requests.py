"""Requests: a subclass of botocore's JSON serializer that does not copy each value.

botocore copies every value and turns bytes into base64. Here msgspec validates the parameters against the shape of
the operation; if they fit exactly and contain no bytes, it writes them unchanged. Otherwise botocore writes the
request. Events, endpoint and signature are botocore's.
"""

from __future__ import annotations

from types import GenericAlias
from typing import Any

import msgspec
from botocore.serialize import JSONSerializer

from pipemodels.transport.fallbacks import DeclinedError, Fallback
from pipemodels.transport.lazy import Written
from pipemodels.transport.schemas import ready

_OPERATIONS = frozenset(
    {
        "PutItem", "UpdateItem", "DeleteItem", "GetItem", "Query", "Scan", "BatchGetItem", "BatchWriteItem",
        "TransactWriteItems", "TransactGetItems",
    }
)  # fmt: skip
_TRANSACTION, _BATCH = "TransactWriteItemsInput", "BatchWriteItemInput"
_WRITTEN = {"TransactWriteItem": "Put", "PutRequest": "Item"}  # members that may be JSON already, by structure
_KINDS = {"string": str, "integer": int, "long": int, "boolean": bool}
_Shape = Any  # botocore carries no types


_ABSENT: Any = None  # the default of the fields; a given None is refused


class Value(msgspec.Struct, gc=False, omit_defaults=True, forbid_unknown_fields=True):
    """An attribute value of any type except bytes."""

    S: str = _ABSENT
    N: str = _ABSENT
    M: dict[str, Value] = _ABSENT
    L: list[Value] = _ABSENT
    BOOL: bool = _ABSENT
    NULL: bool = _ABSENT
    SS: list[str] = _ABSENT
    NS: list[str] = _ABSENT


class FastSerializer(JSONSerializer):  # type: ignore[misc]  # botocore carries no types
    """A fast serializer with the results of botocore's."""

    def serialize_to_request(self, parameters: Any, operation_model: Any) -> Any:
        """Return the request as a dict."""
        if operation_model.name in _OPERATIONS and operation_model.endpoint is None:
            try:
                body = _body(parameters, operation_model.input_shape)
            except Exception as error:  # any error: botocore writes the request, or raises its own error
                fallback = Fallback("writing a request", operation_model.name, error)
            else:
                return self._empty(operation_model) | {"body": body}
            request = super().serialize_to_request(parameters, operation_model)
            fallback.happened()
            return request
        return super().serialize_to_request(parameters, operation_model)

    def _empty(self, operation_model: Any) -> dict[str, Any]:
        """Return the request of an operation without parameters."""
        kept = self.__dict__.setdefault("_kept_requests", {})
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
        for action in request.TransactItems:
            if action.Put is not msgspec.UNSET:
                action.Put = _as_sent(action.Put, _types["Put"])
    elif shape.name == _BATCH:
        for writes in request.RequestItems.values():
            for write in writes:
                if write.PutRequest is not None:
                    write.PutRequest.Item = _as_sent(write.PutRequest.Item, _types["Item"])
    try:
        return msgspec.json.encode(request)
    except (TypeError, ValueError):  # a value without a JSON type, or a string that is not valid Unicode
        raise DeclinedError from None


def _as_sent(given: Any, kind: Any) -> Any:
    """Return an item or a put to send: its JSON if it is still unread, else its values."""
    json = given.unread() if type(given) is Written else None
    return msgspec.convert(given, kind) if json is None else msgspec.Raw(json)


def _type_of(shape: _Shape) -> Any:
    """Return the msgspec type of a shape."""
    if shape.name == "AttributeValue":
        return Value
    if shape.type_name == "list":
        return GenericAlias(list, (_type_of(shape.member),))
    if shape.type_name == "map":
        return GenericAlias(dict, (str, _type_of(shape.value)))
    if shape.type_name != "structure":
        if shape.type_name not in _KINDS:
            raise DeclinedError
        return _KINDS[shape.type_name]
    if any(member.serialization.get("name", name) != name for name, member in shape.members.items()):
        raise DeclinedError
    fields: list[Any] = []
    for name, member in shape.members.items():
        if _WRITTEN.get(shape.name) == name:
            _types[name] = ready(_type_of(member))
            fields.append((name, Any, msgspec.UNSET))
        else:
            fields.append((name, _type_of(member), None))
    return msgspec.defstruct(shape.name, fields, gc=False, omit_defaults=True, forbid_unknown_fields=True)


def install(client: Any) -> None:
    """Make a client write requests with `FastSerializer`."""
    if type(client._serializer) is not JSONSerializer:
        raise TypeError(f"the serializer is a {type(client._serializer).__qualname__}")
    client._serializer = FastSerializer()
