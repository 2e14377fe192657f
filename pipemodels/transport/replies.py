"""Replies: a response that is not a complete reply from DynamoDB is a lost reply, and the request is sent again.

The guard wraps the response parser, that of botocore or of the fast path, so it checks the replies to all operations,
whether they come over the network or from `mock_aws`. It reports a lost reply to botocore as a `RequestTimeout`,
which botocore retries. After the last attempt, a handler of botocore's event `after-call` raises `LostReplyError`.
"""

from __future__ import annotations

import logging
import zlib
from contextvars import ContextVar
from typing import Any

from botocore.exceptions import BotoCoreError
from botocore.parsers import ResponseParserFactory

from pipemodels.errors import shown
from pipemodels.transport.asked import NOTHING, Asked, asked_of
from pipemodels.transport.errors import LostReplyError
from pipemodels.transport.expected import fault
from pipemodels.transport.refusals import fault_of_refusal

_log = logging.getLogger("pipemodels.transport")
_CHECKSUM = "x-amz-crc32"
_CONTENT_TYPE = "application/x-amz-json-1."
_MOST_UNPACKED = 64 * 1024 * 1024  # bytes; DynamoDB's largest reply, of BatchGetItem, holds 16 MB
_SHOWN = 80  # bytes of the body shown in a message
_PASSING = {408, 425, 429}  # statuses from proxies after which the same request may succeed
_Shape = Any  # botocore carries no types

_asked: ContextVar[Asked] = ContextVar("pipemodels_asked", default=NOTHING)


class LostReply(dict[str, Any]):
    """The parsed form of a lost reply, for botocore.

    Attributes:
        reason: why the response is not a complete reply.
        is_foreign: whether the response is complete but comes from another server.
    """

    def __init__(self, response: dict[str, Any], reason: str, *, is_foreign: bool) -> None:
        metadata = {"HTTPStatusCode": response["status_code"], "HTTPHeaders": {}}
        # botocore retries this code; with status 200, only `_raise_if_lost` makes it an error
        super().__init__({"Error": {"Code": "RequestTimeout", "Message": reason}, "ResponseMetadata": metadata})
        self.reason, self.is_foreign = reason, is_foreign


class GuardedParser:
    """A wrapper of a parser that checks each response before and after it is parsed."""

    def __init__(self, parser: Any) -> None:
        self._parser = parser

    def parse(self, response: dict[str, Any], shape: _Shape) -> Any:
        """Return the parsed reply, or a `LostReply`."""
        if shape is not None and shape.metadata.get("exception"):
            return self._parser.parse(response, shape)  # the second parse of an error, already checked
        operation = response.get("context", {}).get("operation_name", "")
        headers, sent = response["headers"], response["body"]
        names = {name.lower() for name in headers}  # looking up an absent header is slow
        checksum = headers[_CHECKSUM] if _CHECKSUM in names else None
        body = _unpacked(sent, headers["content-encoding"]) if "content-encoding" in names else sent
        if body is None:
            parsed = _lost(operation, response, "its content encoding was not asked for, or is broken")
        elif checksum is not None and not _is_sum(checksum, sent, body):
            parsed = _lost(operation, response, f"its checksum is not {shown(checksum)}")
        else:
            parsed = self._checked(operation, response if body is sent else response | {"body": body}, shape)
        if checksum is not None:
            del headers[_CHECKSUM]  # botocore would check it again, and fail if it is not a number
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
            except Exception as error:  # any error, such as AttributeError or UnicodeDecodeError
                reason = f"it cannot be parsed ({type(error).__name__})"
        return parsed if reason is None else _lost(operation, response, reason)


def _unpacked(body: bytes, encoding: str) -> bytes | None:
    """Return the body without the content encoding that a proxy added, or None if it cannot be decoded."""
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
    """Return whether this is the checksum of the body, before or after content decoding."""
    expected = checksum.strip()
    return any(expected == str(zlib.crc32(content)) for content in ((sent,) if sent is body else (sent, body)))


def _is_marked(headers: Any) -> bool:
    """Return whether a reply has a request id or the content type of DynamoDB, as no web page has."""
    return "x-amzn-requestid" in headers or str(headers.get("content-type")).lower().startswith(_CONTENT_TYPE)


def _lost(operation: str, response: dict[str, Any], reason: str) -> LostReply:
    status, headers, body = response["status_code"], response["headers"], response["body"]
    # if the head is cut off, http.client returns an empty body
    is_whole = bool(body) or "content-length" in headers or "transfer-encoding" in headers
    is_marked = _is_marked(headers)
    said = f"status {status}, content type {shown(headers.get('content-type'))}"
    if body and not is_marked:  # a body from DynamoDB may contain an item, which must not be logged
        said += f", {shown(bytes(body[:_SHOWN]))}"
    is_foreign = is_whole and not is_marked and status < 500 and status not in _PASSING
    _log.debug("the reply to %s is not from DynamoDB: %s (%s)", operation, reason, said)
    return LostReply(response, f"{reason} ({said})", is_foreign=is_foreign)


class GuardedFactory(ResponseParserFactory):  # type: ignore[misc]  # botocore carries no types
    """A factory that wraps the parsers of another factory.

    Attributes:
        guarded: the other factory.
    """

    def __init__(self, factory: Any) -> None:
        super().__init__()
        self.guarded = factory
        self._kept: tuple[Any, GuardedParser] | None = None

    def set_parser_defaults(self, **defaults: Any) -> None:
        """Set the arguments for new parsers."""
        self.guarded.set_parser_defaults(**defaults)

    def create_parser(self, protocol_name: str) -> Any:
        """Return the wrapped parser; the same one as long as the other factory returns the same parser."""
        parser, kept = self.guarded.create_parser(protocol_name), self._kept
        if kept is None or kept[0] is not parser:
            kept = self._kept = parser, GuardedParser(parser)
        return kept[1]


def _note_request(params: Any, **_: Any) -> None:
    """Store the parameters that the reply depends on; botocore reads the reply in the thread of the request."""
    _asked.set(asked_of(params))


def _raise_if_lost(http_response: Any, parsed: Any, model: Any, **_: Any) -> None:
    """Raise an error if the reply of the last attempt is lost.

    Raises:
        LostReplyError: the reply is lost.
    """
    if isinstance(parsed, LostReply):
        url = str(http_response.url).rstrip("/")
        raise LostReplyError(
            operation=model.name, endpoint_url=url, reason=parsed.reason, is_foreign=parsed.is_foreign
        )


def _name_operation(exception: Exception, event_name: str, **_: Any) -> None:
    """Add the operation to an error of botocore, for its translation."""
    if isinstance(exception, BotoCoreError):
        exception.kwargs["operation"] = event_name.rpartition(".")[2]


def install_guard(session: Any) -> None:
    """Guard all clients that a session creates from now on."""
    factory = session.get_component("response_parser_factory")
    session.register_component("response_parser_factory", GuardedFactory(factory))
    session.register("before-parameter-build.dynamodb", _note_request, unique_id="pipemodels-note-request")
    session.register("after-call-error.dynamodb", _name_operation, unique_id="pipemodels-name-operation")
    session.register("after-call.dynamodb", _raise_if_lost, unique_id="pipemodels-lost-reply")
