"""No web page reaches an open embedded store, and nothing of its server but DynamoDB's operations is served."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from pipemodels.config import DynamoDBConfig
from tests.helpers import embedded

AUTHORIZATION = "Authorization: AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/dynamodb/aws4_request, "
TARGET = "X-Amz-Target: DynamoDB_20120810.ListTables"


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DynamoDBConfig]:
    """Yield an open store with an item; see that the item is kept, whatever was sent."""
    directory = tmp_path_factory.mktemp("guarded") / "store"
    with embedded.opened(directory) as config:
        embedded.write(config, "a")
        yield config
        assert embedded.keys_in(config) == {"a"}
    assert embedded.kept(directory) == {"a"}


def port_of(config: DynamoDBConfig) -> int:
    """Return the port of the endpoint."""
    return int(urlsplit(str(config.endpoint_url)).port or 0)


def status(config: DynamoDBConfig, line: str, *headers: str, body: str = "{}") -> int:
    """Send a request as it is given, with `PORT` for the port; return the status of the reply."""
    text = "\r\n".join([line, *headers, f"Content-Length: {len(body)}", "", body])
    with socket.create_connection(("127.0.0.1", port_of(config)), timeout=embedded.PATIENCE_SECONDS) as connection:
        connection.sendall(text.replace("PORT", str(port_of(config))).encode("latin-1"))
        return int(connection.makefile("rb").readline().split()[1])


@pytest.mark.parametrize(
    "host", ["127.0.0.1:PORT", "localhost:PORT", "LocalHost:PORT", "[::1]:PORT", "127.0.0.1", "localhost:1"]
)
def test_a_program_on_this_machine_is_served(store: DynamoDBConfig, host: str) -> None:
    """By each name of the loopback interface, with the port or that of a proxy on this machine."""
    assert status(store, "POST / HTTP/1.1", f"Host: {host}", TARGET, f"{AUTHORIZATION}Signature=0") == 200


REFUSED = {
    "reset": ("POST /_ministack/reset HTTP/1.1", "Host: 127.0.0.1:PORT"),
    "reset as DynamoDB": ("POST /_ministack/reset HTTP/1.1", "Host: 127.0.0.1:PORT", TARGET),
    "reset, upper case": ("POST /_MINISTACK/RESET HTTP/1.1", "Host: 127.0.0.1:PORT", TARGET),
    "reset, encoded": ("POST /%5fministack/reset HTTP/1.1", "Host: 127.0.0.1:PORT", TARGET),
    "reset, absolute": ("POST http://127.0.0.1:PORT/_ministack/reset HTTP/1.1", "Host: 127.0.0.1:PORT", TARGET),
    "absolute": ("POST http://127.0.0.1:PORT/ HTTP/1.1", "Host: 127.0.0.1:PORT", TARGET),
    "LocalStack's": ("GET /_localstack/health HTTP/1.1", "Host: 127.0.0.1:PORT"),
    "health": ("GET /_ministack/health HTTP/1.1", "Host: 127.0.0.1:PORT"),
    "config": ("POST /_ministack/config HTTP/1.1", "Host: 127.0.0.1:PORT"),
    "GET": ("GET / HTTP/1.1", "Host: 127.0.0.1:PORT", TARGET),
    "preflight": ("OPTIONS / HTTP/1.1", "Host: 127.0.0.1:PORT", "Access-Control-Request-Method: POST"),
    "query": ("POST /?Action=ListQueues HTTP/1.1", "Host: 127.0.0.1:PORT", TARGET),
    "no target": ("POST / HTTP/1.1", "Host: 127.0.0.1:PORT"),
    "other service": ("POST / HTTP/1.1", "Host: 127.0.0.1:PORT", "X-Amz-Target: AmazonSQS.ListQueues"),
    "streams": ("POST / HTTP/1.1", "Host: 127.0.0.1:PORT", "X-Amz-Target: DynamoDBStreams_20120810.ListStreams"),
    "target, lower case": ("POST / HTTP/1.1", "Host: 127.0.0.1:PORT", TARGET.lower()),
    "two targets": ("POST / HTTP/1.1", "Host: 127.0.0.1:PORT", TARGET, "X-Amz-Target: AmazonSQS.ListQueues"),
    "a long target": ("POST / HTTP/1.1", "Host: 127.0.0.1:PORT", f"{TARGET}, AmazonSQS.ListQueues"),
    "rebound name": ("POST / HTTP/1.1", "Host: evil.example", TARGET),
    "rebound name and port": ("POST / HTTP/1.1", "Host: evil.example:PORT", TARGET),
    "name that begins well": ("POST / HTTP/1.1", "Host: 127.0.0.1.evil.example:PORT", TARGET),
    "no number as port": ("POST / HTTP/1.1", "Host: 127.0.0.1:x", TARGET),
    "user": ("POST / HTTP/1.1", "Host: 127.0.0.1:PORT@evil.example", TARGET),
    "no host": ("POST / HTTP/1.0", TARGET),
    "origin": ("POST / HTTP/1.1", "Host: 127.0.0.1:PORT", TARGET, "Origin: http://evil.example"),
    "ORIGIN: null": ("POST / HTTP/1.1", "Host: 127.0.0.1:PORT", TARGET, "ORIGIN: null"),
    "own origin": ("POST / HTTP/1.1", "Host: 127.0.0.1:PORT", TARGET, "origin: http://127.0.0.1:PORT"),
    "fetch": ("POST / HTTP/1.1", "Host: 127.0.0.1:PORT", TARGET, "Sec-Fetch-Site: none"),
    "referer": ("POST / HTTP/1.1", "Host: 127.0.0.1:PORT", TARGET, "Referer: http://evil.example/"),
    "WebSocket": (
        "GET / HTTP/1.1", "Host: 127.0.0.1:PORT", "Connection: Upgrade", "Upgrade: websocket",
        "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
    ),
}  # fmt: skip


@pytest.mark.parametrize("request_", REFUSED.values(), ids=list(REFUSED))
def test_everything_else_is_forbidden(store: DynamoDBConfig, request_: tuple[str, ...]) -> None:
    """Other paths, methods, services and hosts, and whatever a browser has sent."""
    assert status(store, *request_, body="" if request_[0].startswith("GET") else "{}") == 403


@pytest.mark.parametrize("hosts", [(), ("Host: 127.0.0.1:PORT", "Host: evil.example")], ids=["none", "two"])
def test_a_request_without_one_host_is_no_request(store: DynamoDBConfig, hosts: tuple[str, ...]) -> None:
    """The server itself refuses it, as HTTP/1.1 demands."""
    assert status(store, "POST / HTTP/1.1", *hosts, TARGET) == 400


def test_http_2_is_not_served(store: DynamoDBConfig) -> None:
    """Neither by an upgrade nor without one: the only frames that come back end the connection or refuse."""
    upgrade = (
        "GET /_ministack/health HTTP/1.1", "Host: 127.0.0.1:PORT", "Connection: Upgrade, HTTP2-Settings",
        "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQAAP__",
    )  # fmt: skip
    text = "\r\n".join([*upgrade, "", ""]).replace("PORT", str(port_of(store)))
    with socket.create_connection(("127.0.0.1", port_of(store)), timeout=embedded.PATIENCE_SECONDS) as connection:
        connection.sendall(text.encode())
        received = b""
        while b"only HTTP/1.1 is served" not in received:
            received += (part := connection.recv(65536))
            assert part, received


def test_what_is_refused_is_not_saved(tmp_path: Path) -> None:
    """A page that tries does not even wear the disk."""
    embedded.keep(tmp_path, "a")
    before = (tmp_path / "dynamodb.json").stat()
    put = "X-Amz-Target: DynamoDB_20120810.PutItem"
    with embedded.opened(tmp_path) as config:
        assert status(config, "POST / HTTP/1.1", "Host: 127.0.0.1:PORT", put, "Origin: http://evil.example") == 403
        assert status(config, *REFUSED["reset"]) == 403
    after = (tmp_path / "dynamodb.json").stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
