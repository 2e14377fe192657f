"""A server on the loopback interface that answers every request with the same odd reply, and what it may say."""

from __future__ import annotations

import gzip
import json
import socket
import threading
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

JSON = "application/x-amz-json-1.0"
HTML = "<html><body>Welcome to nginx!</body></html>"
_DEEP = 100_000


def reply(
    body: str | bytes = b"",
    status: str = "200 OK",
    kind: str = JSON,
    *more: str,
    mark: bool = True,
    length: bool = True,
) -> bytes:
    """Return a reply as it is sent."""
    content = body.encode() if isinstance(body, str) else body
    lines = [f"HTTP/1.1 {status}", f"Content-Type: {kind}", *(["x-amzn-RequestId: 1"] if mark else []), *more]
    lines += [f"Content-Length: {len(content)}"] if length else []
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + content


def page(status: str, body: str = HTML, kind: str = "text/html") -> bytes:
    """Return the page of a server that is not DynamoDB."""
    return reply(body, status, kind, mark=False)


def error(code: str | None, **more: object) -> bytes:
    """Return an error in DynamoDB's form."""
    said = {} if code is None else {"__type": f"com.amazonaws.dynamodb.v20120810#{code}"}
    return reply(json.dumps({**said, "message": "m", **more}), "400 Bad Request")


def cancelled(*reasons: object) -> bytes:
    """Return a cancelled transaction."""
    return error("TransactionCanceledException", CancellationReasons=list(reasons))


def members(item: object) -> str:
    """Return a body in which every member that holds items holds this for one."""
    lists = {"Items": [item], "Count": 1, "ScannedCount": 1, "UnprocessedKeys": {}}
    return json.dumps({"Item": item, "Attributes": item, "Responses": {"x": [item]}, **lists})


_CHUNKED = b"HTTP/1.1 200 OK\r\nContent-Type: application/x-amz-json-1.0\r\nTransfer-Encoding: chunked\r\n\r\n"
_PACKED = gzip.compress(b"{}")

CUT_HEADS = {
    f"a head cut after {cut} bytes": reply("{}", "200 OK", JSON, "Connection: keep-alive")[:cut]
    for cut in (12, 15, 17, 30, 61, 75)
}
"""Heads that end too soon: in the status line's end, in a name, in a value."""

FOREIGN = {
    "200 with a page": page("200 OK"),
    "200 with text": page("200 OK", "OK", "text/plain"),
    "200 with JSON of another service": page("200 OK", "{}", "application/json"),
    "200 with another service's refusal": page("200 OK", '{"message": "log in"}', "application/json"),
    "200 without a body or a mark": page("200 OK", ""),
    "201": page("201 Created", "{}"),
    "204": b"HTTP/1.1 204 No Content\r\n\r\n",
    "301": page("301 Moved Permanently", ""),
    "302 with a page": page("302 Found"),
    "304": b"HTTP/1.1 304 Not Modified\r\n\r\n",
    "400 with a page": page("400 Bad Request"),
    "401 with a page": page("401 Unauthorized"),
    "403 with a page": page("403 Forbidden"),
    "403 of a gateway": page("403 Forbidden", '{"message":"Forbidden"}', "application/json"),
    "404 with text": page("404 Not Found", "nope", "text/plain"),
    "405": page("405 Method Not Allowed", ""),
    "407 with a page": page("407 Proxy Authentication Required"),
    "413 with a page": page("413 Payload Too Large"),
    "999": page("999 What", "{}"),
}
"""Somebody else answers."""

PASSING = {
    "429 without a body": page("429 Too Many Requests", ""),
    "500 without a body": reply("", "500 Internal Server Error"),
    "500 with a page": page("500 Oops"),
    "502 with a page": page("502 Bad Gateway"),
    "503 without a body": page("503 Service Unavailable", "", "text/plain"),
    "504 with a page": page("504 Gateway Timeout"),
}
"""A server in between says that it could not ask."""

BROKEN = {
    **CUT_HEADS,
    "200 without a body": reply(),
    "200 without a body or its length": reply(length=False),
    "204 of DynamoDB's": reply("", "204 No Content", length=False),
    "301 of DynamoDB's": reply("", "301 Moved"),
    "999 of DynamoDB's": reply("{}", "999 What"),
    "a list": reply("[]"),
    "null": reply("null"),
    "a number": reply("17"),
    "text in JSON": reply('"x"'),
    "true": reply("true"),
    "no JSON": reply("hello"),
    "two objects": reply("{}{}"),
    "JSON cut": reply('{"Item":{"a":{"S":"'),
    "JSON cut without a length": reply('{"Item":{"a":{"S":"', length=False),
    "brackets": reply("[" * _DEEP),
    "braces": reply('{"Item":' * 2_000),
    "deep": reply(members({"a": "DEEP"}).replace('"DEEP"', '{"L":[' * 2_000 + "]}" * 2_000)),
    "broken UTF-8": reply(members({"a": {"S": "ÿ"}}).encode().replace(b"\\u00ff", b"\xff\xfe")),
    "UTF-16": reply("{}".encode("utf-16")),
    "members that are numbers": reply('{"Item":7,"Items":7,"Attributes":7,"Responses":7,"Table":7,"Count":"x"}'),
    "members that are null": reply('{"Item":null,"Items":null,"Attributes":null,"Responses":null}'),
    "members that are empty": reply(members({})),
    "an item that is a list": reply(members([1])),
    "a value that is a number": reply(members({"pipeline_id": 7})),
    "a value that is null": reply(members({"pipeline_id": None})),
    "a value without a type": reply(members({"pipeline_id": {}})),
    "a value of two types": reply(members({"pipeline_id": {"S": "p", "N": "1"}})),
    "a value of an unknown type": reply(members({"pipeline_id": {"Q": 1}})),
    "text that is a number": reply(members({"pipeline_id": {"S": 7}})),
    "text that is null": reply(members({"pipeline_id": {"S": None}})),
    "bytes that are not base64": reply(members({"pipeline_id": {"B": "a"}})),
    "a list that is text": reply(members({"pipeline_id": {"L": "abc"}})),
    "a list that holds null": reply(members({"pipeline_id": {"L": [None]}})),
    "a wrong checksum": reply("{}", "200 OK", JSON, "x-amz-crc32: 1"),
    "no checksum": reply("{}", "200 OK", JSON, "x-amz-crc32: abc"),
    "a refusal with a wrong checksum": reply(
        '{"__type":"x#ConditionalCheckFailedException"}', "400 Bad", JSON, "x-amz-crc32: 1"
    ),
    "packed, and not declared": reply(_PACKED),
    "declared, and not packed": reply("{}", "200 OK", JSON, "Content-Encoding: gzip"),
    "packed and cut": reply(_PACKED[:-5], "200 OK", JSON, "Content-Encoding: gzip"),
    "packed and broken": reply(_PACKED[:12] + b"\0\0\0" + _PACKED[15:], "200 OK", JSON, "Content-Encoding: gzip"),
    "packed in another way": reply(zlib.compress(b"{}"), "200 OK", JSON, "Content-Encoding: br"),
    "400 without a body": reply("", "400 Bad Request"),
    "400 with a list": reply("[]", "400 Bad Request"),
    "400 with a number": reply("17", "400 Bad Request"),
    "400 with null": reply("null", "400 Bad Request"),
    "400 with no JSON": reply(b"\xff\xfe{", "400 Bad Request"),
    "400 with brackets": reply("[" * _DEEP, "400 Bad Request"),
    "400 without a type": error(None),
    "400 whose type is null": reply('{"__type":null,"message":null}', "400 Bad Request"),
    "400 whose type is a number": reply('{"__type":5,"message":6}', "400 Bad Request"),
    "400 whose type is empty": reply('{"__type":"x#","message":"m"}', "400 Bad Request"),
    "400 whose message is a number": reply('{"__type":"x#ValidationException","message":6}', "400 Bad Request"),
    "cancelled without reasons": error("TransactionCanceledException"),
    "cancelled, and the reasons are null": error("TransactionCanceledException", CancellationReasons=None),
    "cancelled, and a reason is empty": cancelled({}),
    "cancelled, and reasons are no objects": cancelled(None, 7),
    "cancelled for nothing": cancelled(*[{"Code": "None"}] * 2),
    "cancelled, and an item is a number": cancelled({"Code": "ConditionalCheckFailed", "Item": 7}, {"Code": "None"}),
    "a failed condition, and the item is a number": error("ConditionalCheckFailedException", Item=7),
    "a failed condition, and the item is null": error("ConditionalCheckFailedException", Item=None),
    "a failed condition, and the item is empty": error("ConditionalCheckFailedException", Item={}),
    "a failed condition, and a value is a number": error("ConditionalCheckFailedException", Item={"pipeline_id": 7}),
}  # fmt: skip
"""What may have been a reply of DynamoDB's."""

CUT = {
    "nothing": b"",
    "a line that is not HTTP": b"hello\r\n\r\n",
    "a status line cut": b"HTTP/1.1",
    "a body cut": reply("{}" + " " * 99)[:-50],
    "a chunk cut": _CHUNKED + b"10\r\n{",
    "a chunk without a length": _CHUNKED + b"zz\r\n{}\r\n0\r\n\r\n",
    "a head too long": reply("{}", "200 OK", JSON, "X-Big: " + "a" * 70_000),
    "too many headers": reply("{}", "200 OK", JSON, *[f"X-{n}: a" for n in range(150)]),
}
"""What http.client does not take for a reply."""

SAID = {
    "an empty object": reply("{}"),
    "an empty object, packed": reply(_PACKED, "200 OK", JSON, "Content-Encoding: gzip"),
    "an item that no model reads": reply(members({"pipeline_id": {"N": "x"}, "status": {"S": "nonsense"}})),
    "a failed condition without an item": error("ConditionalCheckFailedException"),
    "a failed condition, and no model reads the item": error(
        "ConditionalCheckFailedException", Item={"pipeline_id": {"N": "x"}, "status": {"S": "nonsense"}}
    ),
    "cancelled for a condition": cancelled({"Code": "ConditionalCheckFailed"}, {"Code": "None"}),
    "an error without a message": reply('{"__type":"x#ValidationException","message":null}', "400 Bad Request"),
    "an unknown error": error("Surprise"),
    "an error of the server": reply('{"__type":"x#InternalServerError"}', "500 Internal Server Error"),
    "throttled": error("ThrottlingException"),
}
"""What DynamoDB may say: whole, if not always to what was asked."""

LOST = {**FOREIGN, **PASSING, **BROKEN, **CUT}
KINDS = {**LOST, **SAID}


class Answering:
    """What the server says.

    Attributes:
        url: where it listens.
        replies: one for each request, or what makes it, and the last one for all that follow.
        requests: the bodies that came.
        kept_open: replies after which the connection stays open; so it does after those of the table.
    """

    def __init__(self) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        self.replies: list[bytes | Callable[[bytes], bytes]] = [b""]
        self.requests: list[bytes] = []
        self.kept_open: set[bytes] = set()
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with suppress(OSError):  # closed
            while True:
                connection, _ = self._socket.accept()
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, suppress(OSError):
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            stream = connection.makefile("rb")
            while (body := _read(stream)) is not None:
                self.requests.append(body)
                said = self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]
                sent = said if isinstance(said, bytes) else said(body)
                connection.sendall(sent)
                if sent not in _KEPT_OPEN | self.kept_open:
                    return

    def close(self) -> None:
        """Listen no more."""
        self._socket.close()


_KEPT_OPEN = frozenset(
    said for name, said in KINDS.items() if b"Content-Length" in said and name not in CUT and name not in CUT_HEADS
)


def _read(stream: object) -> bytes | None:
    """Return the body of the next request; None where the client has gone."""
    length = 0
    while line := stream.readline():  # type: ignore[attr-defined]  # a reader of a socket
        if line.lower().startswith(b"content-length:"):
            length = int(line.partition(b":")[2])
        if line == b"\r\n":
            return stream.read(length)  # type: ignore[attr-defined,no-any-return]
    return None


@contextmanager
def answering() -> Iterator[Answering]:
    """Start the server."""
    server = Answering()
    try:
        yield server
    finally:
        server.close()
