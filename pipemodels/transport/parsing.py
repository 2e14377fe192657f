"""Replies: botocore's own parser of DynamoDB's JSON, without its walk along the shapes where that changes nothing.

botocore reads the JSON and then copies it, value by value, along the shapes of the service model; that turns base64
into bytes, and leaves all else as it was. So what holds no bytes, and nothing odd, is taken as msgspec reads it. A
page for a model is read at once into the model's form.

Errors, metadata, the checksum, retries and events stay botocore's: this is its parser, asked by its endpoint.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import msgspec
from botocore.awsrequest import HeadersDict
from botocore.parsers import JSONParser, ResponseParserFactory

from pipemodels.transport import schemas
from pipemodels.transport.fallbacks import Fallback, IrregularError
from pipemodels.transport.lazy import Item, Items
from pipemodels.transport.replies import GuardedFactory
from pipemodels.transport.wanted import wanted

_HELD = {"QueryOutput": "Items", "ScanOutput": "Items", "BatchGetItemOutput": "Responses", "GetItemOutput": "Item"}
_Shape = Any  # botocore carries no types


class WireParser(JSONParser):  # type: ignore[misc]  # botocore carries no types
    """botocore's parser, faster."""

    def parse(self, response: dict[str, Any], shape: _Shape) -> Any:
        """Parse a reply, its headers by lower-case names: so they are asked for, and told in the metadata."""
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
            except (IrregularError, RecursionError):
                pass
            else:
                return value
        return super()._handle_map(shape, value)

    def _handle_json_body(self, raw_body: bytes, shape: _Shape) -> Any:
        form = wanted.get() if shape.name in _HELD else None
        if form is not None:
            try:
                return self._page(raw_body, shape, form)
            except Exception as error:  # whatever it was: botocore reads it, or says in its own words what is wrong
                fallback = Fallback("reading a reply", shape.name, error)
            plain = super()._handle_json_body(raw_body, shape)
            fallback.happened()
            return plain
        return super()._handle_json_body(raw_body, shape)

    def _page(self, body: bytes, shape: _Shape, form: type[schemas.Stored]) -> dict[str, Any]:
        """Read a page whose items are in a model's form; an item that is not is read as botocore does."""
        if not body.isascii():
            str(body, "utf-8")  # msgspec does not look at the characters of what it skips
        held = _HELD[shape.name]
        try:
            page = _page_decoder(shape, form).decode(body)
        except msgspec.ValidationError:
            page = _page_decoder(shape, msgspec.Raw).decode(body)
        schemas.Stored.as_botocore = partial(self._parse_shape, _item_shape(shape.members[held]))
        parsed: dict[str, Any] = {}
        for member, member_shape in shape.members.items():
            value = getattr(page, member)
            if value is None:
                continue
            if member == held:
                parsed[member] = self._held(value, member_shape, form, lambda: self._plain(body, shape)[held])
            elif (plain := msgspec.json.decode(value)) is not None:
                parsed[member] = self._parse_shape(member_shape, plain)
        return parsed

    def _held(self, value: Any, shape: _Shape, form: type[schemas.Stored], plain: Callable[[], Any]) -> Any:
        """Return the items of a reply: one, a list of them, or a list for each table."""
        if isinstance(value, msgspec.Raw | form):
            item = self._item(value, shape, form) if isinstance(value, msgspec.Raw) else value
            return Item(item, plain) if isinstance(item, form) and item != form() else plain()
        if isinstance(value, dict):
            return {
                table: self._held(items, shape.value, form, lambda table=table: plain()[table])  # type: ignore[misc]
                for table, items in value.items()
            }
        if value and isinstance(value[0], msgspec.Raw):
            value = [self._item(item, shape.member, form) for item in value]
        return Items(value, plain)

    def _item(self, item: msgspec.Raw, shape: _Shape, form: type[schemas.Stored]) -> Any:
        try:
            return msgspec.json.decode(item, type=form)
        except msgspec.ValidationError:
            if (plain := msgspec.json.decode(item)) is None:
                raise IrregularError from None
            return self._parse_shape(shape, plain)

    def _plain(self, body: bytes, shape: _Shape) -> Any:
        return super()._handle_json_body(body, shape)


def _item_shape(shape: _Shape) -> _Shape:
    """Return the shape of one item of those that a reply holds."""
    if shape.type_name == "list":
        return shape.member
    return shape if shape.value.name == "AttributeValue" else shape.value.member


_page_decoders: dict[tuple[str, type], msgspec.json.Decoder[Any]] = {}


def _page_decoder(shape: _Shape, item: type) -> msgspec.json.Decoder[Any]:
    """Return the decoder of a reply with these items; its other members are left as JSON."""
    key = shape.name, item
    if key not in _page_decoders:
        held = {"Items": list[item], "Responses": dict[str, list[item]], "Item": item}  # type: ignore[valid-type]
        fields = [(member, held.get(member, msgspec.Raw), None) for member in shape.members]
        _page_decoders[key] = msgspec.json.Decoder(msgspec.defstruct(shape.name, fields, gc=False))
    return _page_decoders[key]


class WireParserFactory(ResponseParserFactory):  # type: ignore[misc]  # botocore carries no types
    """Makes the parser of the `json` protocol, once for the same settings; others are botocore's."""

    _kept: tuple[Any, WireParser | None] = None, None

    def create_parser(self, protocol_name: str) -> Any:
        """Return a parser."""
        if protocol_name != "json":
            return super().create_parser(protocol_name)
        kept = self._kept
        if kept[0] != self._defaults:
            kept = self._kept = dict(self._defaults), WireParser(**self._defaults)
        return kept[1]


def install(client: Any) -> None:
    """Have a client read replies by this parser."""
    guard = client._endpoint._response_parser_factory
    theirs = guard.guarded if type(guard) is GuardedFactory else guard
    if type(theirs) is not ResponseParserFactory:
        raise TypeError(f"the parser factory is a {type(theirs).__qualname__}")
    ours = WireParserFactory()
    ours.set_parser_defaults(**theirs._defaults)
    # a guard of its own: the other is that of all clients of the session
    client._endpoint._response_parser_factory = ours if guard is theirs else GuardedFactory(ours)
