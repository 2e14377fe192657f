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

from pipemodels.wire import decoder_of, forms, model_being_read

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
                    forms.check_regular(part)
            except (forms.IrregularError, RecursionError):
                pass
            else:
                return value
        return super()._handle_map(shape, value)

    def _handle_json_body(self, raw_body: bytes, shape: _Shape) -> Any:
        model = model_being_read() if shape.name in _HELD else None
        decoder = decoder_of(model) if model else None
        if decoder is not None:
            try:
                return self._page(raw_body, shape, decoder.form)
            except (msgspec.MsgspecError, ValueError, RecursionError, TypeError, AttributeError):
                pass  # whatever it was: the ordinary way says it in botocore's words
        return super()._handle_json_body(raw_body, shape)

    def _page(self, body: bytes, shape: _Shape, form: type[forms.Stored]) -> dict[str, Any]:
        """Read a page whose items are in a model's form; an item that is not is read as botocore does."""
        if not body.isascii():
            str(body, "utf-8")  # msgspec does not look at the characters of what it skips
        held = _HELD[shape.name]
        try:
            page = _page_decoder(shape, form).decode(body)
        except msgspec.ValidationError:
            page = _page_decoder(shape, msgspec.Raw).decode(body)
        forms.Stored.as_botocore = partial(self._parse_shape, _item_shape(shape.members[held]))
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

    def _held(self, value: Any, shape: _Shape, form: type[forms.Stored], plain: Callable[[], Any]) -> Any:
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

    def _item(self, item: msgspec.Raw, shape: _Shape, form: type[forms.Stored]) -> Any:
        try:
            return msgspec.json.decode(item, type=form)
        except msgspec.ValidationError:
            return self._parse_shape(shape, msgspec.json.decode(item))

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


class Items(list[Any]):
    """The items of a page that was read for a model: a list of plain items, made only if somebody looks.

    Handlers of botocore's events, and whoever wraps its calls, meet what botocore would have given them.
    """

    def __init__(self, stored: list[Any], plain: Callable[[], list[Any]]) -> None:
        super().__init__(stored)
        self._plain: Callable[[], list[Any]] | None = plain

    def taken(self) -> list[Any]:
        """Return the items as they are decoded, or plain ones if somebody has looked."""
        return list.copy(self)

    def _look(self) -> None:
        if self._plain is not None:
            plain, self._plain = self._plain(), None
            list.__setitem__(self, slice(None), plain)

    def __reduce_ex__(self, protocol: Any) -> tuple[Any, ...]:
        return list, (list(self),)


class Item(dict[str, Any]):
    """The item of a reply that was read for a model: a plain one, made only if somebody looks."""

    def __init__(self, stored: forms.Stored, plain: Callable[[], dict[str, Any]]) -> None:
        super().__init__({"": stored})  # not empty for those who look past the methods
        self._plain: Callable[[], dict[str, Any]] | None = plain

    def taken(self) -> Any:
        """Return the item as it is decoded, or a plain one if somebody has looked."""
        return dict.copy(self) if self._plain is None else dict.__getitem__(self, "")

    def _look(self) -> None:
        if self._plain is not None:
            plain, self._plain = self._plain(), None
            dict.clear(self)
            dict.update(self, plain)

    def __bool__(self) -> bool:
        return self._plain is not None or dict.__len__(self) > 0

    def __reduce_ex__(self, protocol: Any) -> tuple[Any, ...]:
        return dict, (dict(self),)

    fromkeys = dict.fromkeys  # of a dict, and makes one


def _looking(method: Any) -> Callable[..., Any]:
    def look_first(self: Items | Item, *args: Any, **settings: Any) -> Any:
        self._look()
        return method(self, *args, **settings)

    return look_first


_AS_THEY_ARE = {
    "__init__", "__new__", "__class__", "__getattribute__", "__setattr__", "__delattr__", "__init_subclass__",
    "__subclasshook__", "__class_getitem__", "__reduce__", "__reduce_ex__", "__sizeof__", "__dir__",
    "__getstate__", "__doc__", "__hash__", "fromkeys",
}  # fmt: skip
for _name in set(dir(list)) - _AS_THEY_ARE - {"__len__"}:
    setattr(Items, _name, _looking(getattr(list, _name)))
for _name in set(dir(dict)) - _AS_THEY_ARE:
    setattr(Item, _name, _looking(getattr(dict, _name)))
Items.__radd__ = lambda self, other: other + list(self)  # type: ignore[attr-defined]  # past list's own, which looks at nothing


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


_SAMPLE = (
    b'{"Items":[{"a":{"S":"\\u00e4\\n"},"b":{"B":"AAE="},"l":{"L":[{"N":"1"},{"NULL":true}]},"m":{"M":{"k":{"BOOL":false}}}},'
    b'{"s":{"SS":["x"]},"o":{"S":null}}],"Count":2,"ConsumedCapacity":{"CapacityUnits":0.5,"TableName":"t"},"New":1}'
)


def install_parser(session: Any) -> None:
    """Register the parser with a session whose botocore reads a sample of each kind alike with and without it."""
    try:
        factory = session.get_component("response_parser_factory")
        shape = session.get_service_model("dynamodb").operation_model("Query").output_shape
        reply = {"status_code": 200, "headers": HeadersDict({"x-amzn-RequestId": "0"}), "body": _SAMPLE}
        known = type(factory) is ResponseParserFactory and WireParser().parse(reply, shape) == JSONParser().parse(
            reply, shape
        )
    except Exception:  # whatever another botocore has done to its inside
        return
    if known:
        session.register_component("response_parser_factory", WireParserFactory())
