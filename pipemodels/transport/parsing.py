"""Replies: a subclass of botocore's JSON parser that does not copy each value.

botocore reads the JSON and then copies it, value by value, by the shapes of the service model. That turns base64 into
bytes and changes nothing else, so valid values without bytes are used as msgspec reads them. A page for a model is
read directly with the schema of the model.

botocore handles errors, metadata, the checksum, retries and events as before.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import msgspec
from botocore.awsrequest import HeadersDict
from botocore.parsers import JSONParser, ResponseParserFactory

from pipemodels.transport import schemas
from pipemodels.transport.fallbacks import DeclinedError, Fallback
from pipemodels.transport.lazy import Item, Items
from pipemodels.transport.replies import GuardedFactory
from pipemodels.transport.wanted import wanted

_HELD = {"QueryOutput": "Items", "ScanOutput": "Items", "BatchGetItemOutput": "Responses", "GetItemOutput": "Item"}
_Shape = Any  # botocore carries no types


class FastParser(JSONParser):  # type: ignore[misc]  # botocore carries no types
    """A fast parser with the results of botocore's."""

    def parse(self, response: dict[str, Any], shape: _Shape) -> Any:
        """Parse a reply; give botocore its headers as a dict with lower-case names, as the metadata has them."""
        if type(response["headers"]) is HeadersDict:
            headers = {key._lower: value for key, value in response["headers"]._dict.items()}
            response = response | {"headers": headers}
        return super().parse(response, shape)

    def _parse_body_as_json(self, body_contents: bytes) -> Any:
        try:
            return msgspec.json.decode(body_contents)
        except (msgspec.MsgspecError, ValueError, RecursionError):
            return super()._parse_body_as_json(body_contents)

    def _handle_map(self, shape: _Shape, value: Any) -> Any:
        if shape.value.name == "AttributeValue" and type(value) is dict:
            try:
                for part in value.values():
                    schemas.check_regular(part)
            except (DeclinedError, RecursionError):
                pass
            else:
                return value
        return super()._handle_map(shape, value)

    def _handle_json_body(self, raw_body: bytes, shape: _Shape) -> Any:
        schema = wanted.get() if shape.name in _HELD else None
        if schema is not None:
            try:
                return self._page(raw_body, shape, schema)
            except Exception as error:  # any error: botocore reads the reply, or raises its own error
                fallback = Fallback("reading a reply", shape.name, error)
            plain = super()._handle_json_body(raw_body, shape)
            fallback.happened()
            return plain
        return super()._handle_json_body(raw_body, shape)

    def _page(self, body: bytes, shape: _Shape, schema: type[schemas.Stored]) -> dict[str, Any]:
        """Read a page with the schema of a model; items that do not fit it are read as botocore reads them."""
        if not body.isascii():
            str(body, "utf-8")  # msgspec does not decode the members that it skips
        held = _HELD[shape.name]
        try:
            page = _page_decoder(shape, schema).decode(body)
        except msgspec.ValidationError:
            page = _page_decoder(shape, msgspec.Raw).decode(body)
        schemas.Stored.as_botocore = partial(self._parse_shape, _item_shape(shape.members[held]))
        parsed: dict[str, Any] = {}
        for member, member_shape in shape.members.items():
            value = getattr(page, member)
            if value is None:
                continue
            if member == held:
                parsed[member] = self._held(value, member_shape, schema, lambda: self._plain(body, shape)[held])
            elif (plain := msgspec.json.decode(value)) is not None:
                parsed[member] = self._parse_shape(member_shape, plain)
        return parsed

    def _held(self, value: Any, shape: _Shape, schema: type[schemas.Stored], plain: Callable[[], Any]) -> Any:
        """Return the item, the list of items, or the lists of items by table, of a reply."""
        if isinstance(value, msgspec.Raw | schema):
            item = self._item(value, shape, schema) if isinstance(value, msgspec.Raw) else value
            return Item(item, plain) if isinstance(item, schema) and item != schema() else plain()
        if isinstance(value, dict):
            return {
                table: self._held(items, shape.value, schema, lambda table=table: plain()[table])  # type: ignore[misc]
                for table, items in value.items()
            }
        if value and isinstance(value[0], msgspec.Raw):
            value = [self._item(item, shape.member, schema) for item in value]
        return Items(value, plain)

    def _item(self, item: msgspec.Raw, shape: _Shape, schema: type[schemas.Stored]) -> Any:
        try:
            return msgspec.json.decode(item, type=schema)
        except msgspec.ValidationError:
            if (plain := msgspec.json.decode(item)) is None:
                raise DeclinedError from None
            return self._parse_shape(shape, plain)

    def _plain(self, body: bytes, shape: _Shape) -> Any:
        return super()._handle_json_body(body, shape)


def _item_shape(shape: _Shape) -> _Shape:
    """Return the shape of an item of a reply."""
    if shape.type_name == "list":
        return shape.member
    return shape if shape.value.name == "AttributeValue" else shape.value.member


_page_decoders: dict[tuple[str, type], msgspec.json.Decoder[Any]] = {}


def _page_decoder(shape: _Shape, item: type) -> msgspec.json.Decoder[Any]:
    """Return the decoder of a reply with items of this type; its other members stay JSON."""
    key = shape.name, item
    if key not in _page_decoders:
        held = {"Items": list[item], "Responses": dict[str, list[item]], "Item": item}  # type: ignore[valid-type]
        fields = [(member, held.get(member, msgspec.Raw), None) for member in shape.members]
        _page_decoders[key] = msgspec.json.Decoder(msgspec.defstruct(shape.name, fields, gc=False))
    return _page_decoders[key]


class FastParserFactory(ResponseParserFactory):  # type: ignore[misc]  # botocore carries no types
    """A factory that creates one `FastParser` per settings, and botocore's parsers for other protocols."""

    _kept: tuple[Any, FastParser | None] = None, None

    def create_parser(self, protocol_name: str) -> Any:
        """Return the parser for a protocol."""
        if protocol_name != "json":
            return super().create_parser(protocol_name)
        kept = self._kept
        if kept[0] != self._defaults:
            kept = self._kept = dict(self._defaults), FastParser(**self._defaults)
        return kept[1]


def install(client: Any) -> None:
    """Make a client read replies with `FastParser`."""
    guard = client._endpoint._response_parser_factory
    theirs = guard.guarded if type(guard) is GuardedFactory else guard
    if type(theirs) is not ResponseParserFactory:
        raise TypeError(f"the parser factory is a {type(theirs).__qualname__}")
    ours = FastParserFactory()
    ours.set_parser_defaults(**theirs._defaults)
    # a separate guard, as the clients of a session share the other
    client._endpoint._response_parser_factory = ours if guard is theirs else GuardedFactory(ours)
