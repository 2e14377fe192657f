"""Replies: only a whole reply of DynamoDB's is an answer. Anything else is a lost reply, and is sent again.

The guard stands around the parser that botocore asks, its own or the wire's, so that it sees every reply of every
operation, however that has come: over the network, or from `mock_aws`. It tells botocore that the request has timed
out, an error that botocore's retries know as one that passes. Where the attempts are used up, a handler of botocore's
event `after-call` raises `LostReplyError`.
"""

from __future__ import annotations

import logging
import zlib
from contextvars import ContextVar
from typing import Any

from botocore.exceptions import BotoCoreError
from botocore.parsers import ResponseParserFactory

from pipemodels.errors import shown
from pipemodels.transport.errors import LostReplyError
from pipemodels.transport.expected import NOTHING, Asked, asked_of, fault, fault_of_refusal

_log = logging.getLogger("pipemodels.transport")
_CHECKSUM = "x-amz-crc32"
_CONTENT_TYPE = "application/x-amz-json-1."
_MOST_UNPACKED = 64 * 1024 * 1024  # bytes; DynamoDB's largest reply, of BatchGetItem, holds 16 MB
_SHOWN = 80  # bytes of a body that a message shows
_PASSING = {408, 425, 429}  # what servers in between answer where the same request may succeed a moment later
_Shape = Any  # botocore carries no types

_asked: ContextVar[Asked] = ContextVar("pipemodels_asked", default=NOTHING)


class LostReply(dict[str, Any]):
    """What botocore is told of a reply that is not a whole one of DynamoDB's.

    Attributes:
        reason: why.
        is_foreign: the reply is whole, and somebody else's: a web server's, a login page's.
    """

    def __init__(self, response: dict[str, Any], reason: str, *, is_foreign: bool) -> None:
        metadata = {"HTTPStatusCode": response["status_code"], "HTTPHeaders": {}}
        # a code that botocore's retries know; with a status of 200 it would be no error without `_raise_if_lost`
        super().__init__({"Error": {"Code": "RequestTimeout", "Message": reason}, "ResponseMetadata": metadata})
        self.reason, self.is_foreign = reason, is_foreign


class GuardedParser:
    """A parser of botocore's, which is asked only for what may be a reply of DynamoDB's."""

    def __init__(self, parser: Any) -> None:
        self._parser = parser

    def parse(self, response: dict[str, Any], shape: _Shape) -> Any:
        """Return a reply parsed, or a `LostReply`."""
        if shape is not None and shape.metadata.get("exception"):
            return self._parser.parse(response, shape)  # a second look at an error that has been checked
        operation = response.get("context", {}).get("operation_name", "")
        headers, sent = response["headers"], response["body"]
        names = {name.lower() for name in headers}  # to look for one that is not there is slow
        checksum = headers[_CHECKSUM] if _CHECKSUM in names else None
        body = _unpacked(sent, headers["content-encoding"]) if "content-encoding" in names else sent
        if body is None:
            parsed = _lost(
                operation, response, "it is packed in a way that was not asked for, or the packing is broken"
            )
        elif checksum is not None and not _is_sum(checksum, sent, body):
            parsed = _lost(operation, response, f"its checksum is not {shown(checksum)}")
        else:
            parsed = self._checked(operation, response if body is sent else response | {"body": body}, shape)
        if checksum is not None:
            del headers[_CHECKSUM]  # botocore would work it out again, and fail where it is no number
        return parsed

    def _checked(self, operation: str, response: dict[str, Any], shape: _Shape) -> Any:
        status, body = response["status_code"], response["body"]
        parsed: Any = None
        if status != 200 and not 400 <= status < 600:
            reason: str | None = f"its status is {status}"
        elif not body:
            reason = "it is empty, or its head was cut off"
        elif status == 200 and not _is_marked(response["headers"]) and "content-type" in response["headers"]:
            reason = "it has neither DynamoDB's content type nor a request id"
        else:
            try:
                reason = fault_of_refusal(_asked.get(), body) if status != 200 else None
                if reason is None:
                    parsed = self._parser.parse(response, shape)
                    reason = fault(operation, _asked.get(), parsed, body) if status == 200 else None
            except Exception as error:  # what a parser makes of nonsense: AttributeError, UnicodeDecodeError, …
                reason = f"it cannot be parsed ({type(error).__name__})"
        return parsed if reason is None else _lost(operation, response, reason)


def _unpacked(body: bytes, encoding: str) -> bytes | None:
    """Return a body as it was before a server in between packed it; None where that cannot be."""
    if encoding.strip().lower() == "identity":
        return body
    if encoding.strip().lower() not in ("gzip", "x-gzip"):
        return None
    reader = zlib.decompressobj(wbits=31)
    try:
        found = reader.decompress(body, _MOST_UNPACKED)
    except zlib.error:
        return None
    return found if reader.eof and not reader.unused_data else None


def _is_sum(checksum: str, sent: bytes, body: bytes) -> bool:
    """Say whether this is the checksum of a body, as it was sent or before a server in between packed it."""
    said = checksum.strip()
    return any(said == str(zlib.crc32(one)) for one in ((sent,) if sent is body else (sent, body)))


def _is_marked(headers: Any) -> bool:
    """Say whether a reply has what all of DynamoDB's have, and a web server's have not."""
    return "x-amzn-requestid" in headers or str(headers.get("content-type")).lower().startswith(_CONTENT_TYPE)


def _lost(operation: str, response: dict[str, Any], reason: str) -> LostReply:
    status, headers, body = response["status_code"], response["headers"], response["body"]
    # a head that ended too soon says nothing of a body: http.client takes that for an empty one
    is_whole = bool(body) or "content-length" in headers or "transfer-encoding" in headers
    is_marked = _is_marked(headers)
    said = f"status {status}, content type {shown(headers.get('content-type'))}"
    if body and not is_marked:  # DynamoDB's own may hold a part of an item, which nobody wants in a log
        said += f", {shown(bytes(body[:_SHOWN]))}"
    is_foreign = is_whole and not is_marked and status < 500 and status not in _PASSING
    _log.debug("the reply to %s is not DynamoDB's: %s (%s)", operation, reason, said)
    return LostReply(response, f"{reason} ({said})", is_foreign=is_foreign)


class GuardedFactory(ResponseParserFactory):  # type: ignore[misc]  # botocore carries no types
    """Makes the parsers that another factory makes, guarded.

    Attributes:
        guarded: that factory.
    """

    def __init__(self, factory: Any) -> None:
        super().__init__()
        self.guarded = factory
        self._kept: tuple[Any, GuardedParser] | None = None

    def set_parser_defaults(self, **defaults: Any) -> None:
        """Set what parsers are made with."""
        self.guarded.set_parser_defaults(**defaults)

    def create_parser(self, protocol_name: str) -> Any:
        """Return a parser; the same one, as long as the other factory gives the same."""
        parser, kept = self.guarded.create_parser(protocol_name), self._kept
        if kept is None or kept[0] is not parser:
            kept = self._kept = parser, GuardedParser(parser)
        return kept[1]


def _note_request(params: Any, **_: Any) -> None:
    """Keep what the reply depends on; botocore sends a request and reads its reply in one thread."""
    _asked.set(asked_of(params))


def _raise_if_lost(http_response: Any, parsed: Any, model: Any, **_: Any) -> None:
    """Raise where the last attempt has brought no reply of DynamoDB's.

    Raises:
        LostReplyError: always, for a `LostReply`.
    """
    if isinstance(parsed, LostReply):
        url = str(http_response.url).rstrip("/")
        raise LostReplyError(
            operation=model.name, endpoint_url=url, reason=parsed.reason, is_foreign=parsed.is_foreign
        )


def _name_operation(exception: Exception, event_name: str, **_: Any) -> None:
    """Keep with an error of botocore's what was asked for, for whoever translates it."""
    if isinstance(exception, BotoCoreError):
        exception.kwargs["operation"] = event_name.rpartition(".")[2]


def install_guard(session: Any) -> None:
    """Guard the clients that a session makes from now on."""
    factory = session.get_component("response_parser_factory")
    session.register_component("response_parser_factory", GuardedFactory(factory))
    session.register("before-parameter-build.dynamodb", _note_request, unique_id="pipemodels-note-request")
    session.register("after-call-error.dynamodb", _name_operation, unique_id="pipemodels-name-operation")
    session.register("after-call.dynamodb", _raise_if_lost, unique_id="pipemodels-lost-reply")
