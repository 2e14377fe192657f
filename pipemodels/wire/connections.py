"""Connections: a request put on the socket in one piece, and its reply taken from it in one.

urllib3 hands http.client one header after the other and the body after those; http.client reads a reply line by line,
and leaves the lines to the parser of e-mail. All of that stays, with urllib3's pools, timeouts, proxies and TLS, for
what is not plain: the body no bytes, a header that is not letters, digits and printable ASCII, a reply that comes in
parts or says anything about how it is to be read but its length.
"""

from __future__ import annotations

import http.client
import inspect
import re
from collections.abc import Iterator
from functools import lru_cache
from io import BytesIO
from typing import Any

import urllib3
from botocore.awsrequest import (
    AWSHTTPConnection,
    AWSHTTPConnectionPool,
    AWSHTTPSConnection,
    AWSHTTPSConnectionPool,
)
from urllib3.connection import HTTPConnection, _ResponseOptions
from urllib3.util import SKIP_HEADER

from pipemodels.wire.headers import WireHeaders, WireMessage

# -- replies --------------------------------------------------------------------------------------------------------

_HEAD = re.compile(rb"HTTP/1\.1 (200|400) ([A-Za-z ]*)\r\n((?:[\w-]+:[ -~]*\r\n){1,50})\r\n")
_HEADER = re.compile(r"([^:]+): *(.*)\r\n")
_LENGTH = re.compile(r"[0-9]{1,15}")


class WireReply(http.client.HTTPResponse):
    """http.client's reply, whose head is taken from what one look at the socket has brought."""

    is_whole = False
    """Whether all of its body has been brought too."""

    def begin(self) -> None:
        """Read the head: at once, or line by line unless all of it is there and plain."""
        looks = vars(self)["headers"] is None and not self.debuglevel and vars(self)["_method"] == "POST"
        came = self.fp.peek() if looks else b""
        head = _HEAD.match(came)
        pairs = _HEADER.findall(str(head[3], "ascii")) if head else []
        length = _length(pairs)
        if head is None or length is None:
            super().begin()
            return
        self.fp.read(head.end())
        self.version, self.status, self.reason = 11, int(head[1]), str(head[2], "ascii").strip()
        self.code = self.status
        self.headers = self.msg = WireMessage()
        self.msg.set_payload("")
        self.msg._headers = pairs
        self.chunked, self.will_close, self.length = False, False, length
        self.is_whole = 0 < length <= len(came) - head.end()


def _length(pairs: list[tuple[str, str]]) -> int | None:
    """Return how long the body of a reply is; None if it, or what comes after it, needs a closer look."""
    headers = {name.lower(): value for name, value in pairs}
    length = _LENGTH.fullmatch(headers.get("content-length", ""))
    plain = (
        length is not None
        and len(headers) == len(pairs)
        and "transfer-encoding" not in headers
        and headers.get("connection", "keep-alive") == "keep-alive"
    )
    return int(length[0]) if length is not None and plain else None


class _Said(dict[str, str]):
    """The headers of a reply as it says them; one that is asked for in other letters is searched for."""

    def __missing__(self, name: str) -> str:
        for said, value in self.items():
            if said.lower() == name.lower():
                return value
        raise KeyError(name)

    def get(self, name: str, default: Any = None) -> Any:
        """Return a value, or the default."""
        try:
            return self[name]
        except KeyError:
            return default

    def __contains__(self, name: object) -> bool:
        return self.get(str(name)) is not None


class WholeReply:
    """A reply of which all has come, as far as botocore asks; who asks for more is answered by urllib3's own."""

    version_string, retries, length_remaining = "HTTP/1.1", None, 0
    _connection: Any = None  # urllib3 says which it was, and where that goes back to
    _pool: Any = None

    def __init__(self, reply: WireReply) -> None:
        self.status, self.headers, self._original_response = reply.status, _Said(reply.msg.raw_items()), reply
        self._body = reply.read()

    def get_redirect_location(self) -> None:
        """Return no place to go on."""

    def stream(self, amt: int | None = None, decode_content: bool | None = None) -> Iterator[bytes]:
        """Yield the body once, and let the connection go."""
        body, self._body = self._body, b""
        self.release_conn()
        if body:
            yield body

    def release_conn(self) -> None:
        """Give the connection back to its pool."""
        connection, self._connection = self._connection, None
        if connection is not None:
            self._pool._put_conn(connection)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        reply = self._original_response
        body = BytesIO(self._body) if self._body else reply
        theirs = urllib3.HTTPResponse(
            body, self.headers, self.status, 11, reason=reply.reason, preload_content=False, msg=reply.msg
        )
        return getattr(theirs, name)


# -- requests -------------------------------------------------------------------------------------------------------

_NAME = re.compile(r"[A-Za-z0-9-]+")
_NEEDED = {"content-length", "user-agent"}
_OF_OTHERS = {"transfer-encoding", "expect", "host", "accept-encoding"}
_SKIPPED = SKIP_HEADER.encode()


@lru_cache(maxsize=64)
def _begun(name: str) -> bytes | None:
    """Return how the line of a header begins; None for one that is not plain."""
    return b"%b: " % name.encode() if _NAME.fullmatch(name) else None


def _lines(headers: Any) -> bytes | None:
    """Return the headers as they are sent; None if one, or the lack of one, is not plain."""
    names = headers.lower_names() if type(headers) is WireHeaders else set()
    if not names >= _NEEDED or not names.isdisjoint(_OF_OTHERS):
        return None
    lines = []
    for name, value in headers.items():
        begun = _begun(name)
        if type(value) is str and value.isascii():
            value = value.encode()
        if begun is None or type(value) is not bytes:
            return None
        lines.append(begun + value)
    head = b"\r\n".join(lines)
    is_broken = max(head.count(b"\r"), head.count(b"\n")) >= len(lines)
    return None if is_broken or _SKIPPED in head else head


class _AllHere(Exception):
    """A reply is whole: urllib3, which asks http.client for it, need do nothing more."""


class _Asked(http.client.HTTPConnection):
    """http.client's connection, as urllib3's asks it."""

    _jumps = False

    def getresponse(self) -> http.client.HTTPResponse:
        """Return the reply.

        Raises:
            _AllHere: the reply is whole, and that is asked for.
        """
        reply = super().getresponse()
        if self._jumps and isinstance(reply, WireReply) and reply.is_whole:
            raise _AllHere(reply)
        return reply


class _InOnePiece(HTTPConnection, _Asked):
    """urllib3's connection; the part that botocore adds to it comes before this one."""

    _buffer: list[bytes]  # http.client's, of lines that are to be sent
    _opening: tuple[Any, list[bytes]] = None, []  # of what, and what, http.client writes after the first line

    def request(
        self, method: str, url: str, body: Any = None, headers: Any = None, *, chunked: bool = False, **options: bool
    ) -> None:
        """Send a request."""
        lines = None if chunked or type(body) is not bytes or method != "POST" else _lines(headers)
        if lines is None:
            super().request(method, url, body, headers, chunked=chunked, **options)
            return
        if self.sock is not None:
            self.sock.settimeout(self.timeout)
        self._response_options = _ResponseOptions(method, url, **(_OPTIONS | options))
        made_of = url, self.host, self.port, self._tunnel_host, self._tunnel_port
        if self._opening[0] == made_of:
            http.client.HTTPConnection.putrequest(self, method, url, skip_host=True, skip_accept_encoding=True)
            self._buffer += self._opening[1]
        else:
            self.putrequest(method, url)
            self._opening = made_of, self._buffer[1:]
        self._buffer.append(lines)
        self.endheaders(body)

    def getresponse(self) -> Any:
        """Return the reply."""
        options = self._response_options
        self._jumps = options is not None and not options.preload_content and not options.decode_content
        try:
            return super().getresponse()
        except _AllHere as here:
            return WholeReply(here.args[0])


_OPTIONS = {"preload_content": True, "decode_content": True, "enforce_content_length": True}


class WireHTTPConnection(AWSHTTPConnection, _InOnePiece):  # type: ignore[misc]  # botocore carries no types
    """botocore's connection, in one piece."""


class WireHTTPSConnection(AWSHTTPSConnection, _InOnePiece):  # type: ignore[misc]  # botocore carries no types
    """botocore's connection over TLS, in one piece."""


_CONNECTIONS = {AWSHTTPConnection: WireHTTPConnection, AWSHTTPSConnection: WireHTTPSConnection}

# -- pools ----------------------------------------------------------------------------------------------------------


class _Pool:
    """Makes what botocore's pool makes, and that ours if it is no one else's."""

    def _new_conn(self) -> Any:
        connection = super()._new_conn()  # type: ignore[misc]  # of a pool
        if type(connection) in _CONNECTIONS and connection.response_class is http.client.HTTPResponse:
            connection.__class__ = _CONNECTIONS[type(connection)]
            connection.response_class = connection._original_response_cls = WireReply
        return connection


class WireHTTPPool(_Pool, AWSHTTPConnectionPool):  # type: ignore[misc]  # botocore carries no types
    """botocore's pool of connections."""


class WireHTTPSPool(_Pool, AWSHTTPSConnectionPool):  # type: ignore[misc]  # botocore carries no types
    """botocore's pool of connections over TLS."""


_POOLS = {AWSHTTPConnectionPool: WireHTTPPool, AWSHTTPSConnectionPool: WireHTTPSPool}


def install(client: Any) -> None:
    """Have a client's pools, which are made when it first sends, make such connections."""
    session = getattr(getattr(client, "_endpoint", None), "http_session", None)
    classes = getattr(session, "_pool_classes_by_scheme", {})
    if _is_known():
        classes.update({scheme: _POOLS.get(pool, pool) for scheme, pool in classes.items()})


def _is_known() -> bool:
    """Say whether urllib3's way of sending a request takes and keeps what ours does."""
    settings = inspect.signature(HTTPConnection.request).parameters
    options = [*settings][-len(_OPTIONS) :]
    return options == [*_OPTIONS] and _ResponseOptions._fields == ("request_method", "request_url", *options)
