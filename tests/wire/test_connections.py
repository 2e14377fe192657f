"""The wire's connections send what botocore's send, and read what they read, whatever comes."""

from __future__ import annotations

import http.client
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import pytest
import urllib3
from botocore.awsrequest import AWSHTTPConnection, AWSHTTPConnectionPool, AWSPreparedRequest, HeadersDict
from botocore.httpsession import URLLib3Session
from hypothesis import example, given
from hypothesis import strategies as st
from urllib3.connection import HTTPConnection

from pipemodels.wire import connections
from pipemodels.wire.headers import WireHeaders

URL = "http://x.test/"
PLAIN = {"X-Amz-Target": b"T", "User-Agent": b"u", "Content-Length": "2"}
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/x-amz-json-1.0\r\n"


class Line(socket.socket):
    """A socket whose far end answers each request with the next reply, in the pieces that it is given in."""

    far: socket.socket
    replies: Iterator[list[bytes]]
    sent: list[bytes]
    timeouts: list[float | None]
    end: bytes

    def settimeout(self, value: float | None) -> None:
        """Wait so long from now on."""
        self.timeouts.append(value)
        super().settimeout(value)

    def sendall(self, data: Any, *_: Any) -> None:
        """Send."""
        self.sent.append(bytes(data))
        if b"".join(self.sent).endswith(self.end):
            for piece in next(self.replies, []):
                self.far.send(piece) if piece else self.far.shutdown(socket.SHUT_WR)


@contextmanager
def lines(replies: list[list[bytes]], end: bytes) -> Iterator[list[Line]]:
    """Let urllib3's connections reach such lines; yield those that were made."""
    made: list[Line] = []
    waiting = iter(replies)

    def connect(_: Any) -> Line:
        near, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)  # it keeps pieces apart
        line = Line(fileno=near.detach())
        line.far, line.replies, line.sent, line.timeouts, line.end = far, waiting, [], [], end
        made.append(line)
        return line

    with patch.object(HTTPConnection, "_new_conn", connect):
        try:
            yield made
        finally:
            for line in made:
                line.far.close()
                line.close()


def session_of(*, ours: bool, timeout: Any = 0.02) -> URLLib3Session:
    """Return botocore's session, with its connections or ours."""
    session = URLLib3Session(timeout=timeout)
    if ours:
        connections.install(SimpleNamespace(_endpoint=SimpleNamespace(http_session=session)))
    return session


def talk(ours: bool, requests: list[AWSPreparedRequest], replies: list[list[bytes]]) -> Any:
    """Return what was sent on each connection, and what came of each request."""
    session = session_of(ours=ours)
    found: list[Any] = []
    with lines(replies, b"{}") as made:
        for request in requests:
            request.headers = request.headers if ours else HeadersDict(request.headers.items())
            try:
                reply = session.send(request)
            except Exception as error:
                found.append((type(error), type(error.__context__)))
            else:
                shown = reply.status_code, list(reply.headers.items()), reply.content, list(reply.raw.stream())
                found.append((shown, reply.raw.status, reply.raw.reason, reply.raw.version))
        session.close()
        return [b"".join(line.sent) for line in made], found


def request(headers: Any = PLAIN, body: Any = b"{}", method: str = "POST", url: str = URL) -> AWSPreparedRequest:
    """Return a request as botocore has prepared it."""
    return AWSPreparedRequest(method, url, WireHeaders(headers.items()), body, False)


_odd_heads = st.sampled_from([
    b"HTTP/1.1 400 Bad Request", b"HTTP/1.1 200", b"HTTP/1.1 200 ", b"HTTP/1.0 200 OK", b"HTTP/1.1 204 No Content",
    b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK", b"HTTP/1.1 500 Oh  no ", b"HTTP/2 200 OK", b"nonsense",
    b"HTTP/1.1 ten OK", b"HTTP/1.1 200 \xe9", b"HTTP/1.1  200 OK", b"HTTP/1.1 200 O-K", b"HTTP/1.1 304 Not Modified",
])  # fmt: skip
_odd_lines = st.sampled_from([
    b"content-length:4", b"Content-Length: 9", b"Content-Length: four", b"Content-Length: -1", b"Content-Length: +4",
    b"Content-Length: 0", b"Content-Length: 4, 4", b"Content-Length:", b"Transfer-Encoding: chunked",
    b"Transfer-Encoding: identity", b"Connection: close", b"Connection: keep-alive", b"Connection: Keep-Alive",
    b"X-A:  a b \t", b"X-A: b", b"X-B: \xe9", b"X-B:\ta", b" folded", b"X C: d", b": e", b"X-D", b"X_E: f", b"From x",
    b"X-F:", b"X-G: a\rb", b"X-H: a\x00", b"Content-Type: multipart/mixed; boundary=a", b"Content-Type: text/plain",
    b"Content-Type: message/rfc822", b"Content-Encoding: gzip", b"Set-Cookie: a=b", b"Retry-After: 1",
])  # fmt: skip
_plain_lines = [b"Content-Type: application/json", b"Content-Length: 4", b"x-amz-crc32: 5"]
_bodies = st.sampled_from([b"body", b"body", b"body and more", b"bo", b"", b"4\r\nbody\r\n0\r\n\r\n"])


@st.composite
def _replies(draw: Any) -> list[bytes]:
    """Draw a reply that is plain but for one thing or two, in pieces; an empty one is the end of the connection."""
    head = draw(st.just(b"HTTP/1.1 200 OK") | _odd_heads)
    said = [line for line in _plain_lines if draw(st.integers(0, 5))]
    for line in draw(st.lists(_odd_lines, max_size=2)):
        said.insert(draw(st.integers(0, len(said))), line)
    end = draw(st.sampled_from([b"\r\n", b"\r\n", b"\r\n", b"\n"]))
    whole = end.join([head, *said, b"", draw(_bodies)])
    cuts = sorted(draw(st.lists(st.integers(0, len(whole)), max_size=2)))
    pieces = [whole[start:stop] for start, stop in zip([0, *cuts], [*cuts, len(whole)], strict=True) if start < stop]
    return [*pieces, *([b""] if draw(st.booleans()) else [])]


def plain_but(*odd: bytes, body: bytes = b"body", head: bytes = b"HTTP/1.1 200 OK") -> list[bytes]:
    """Return a reply in one piece that is plain but for this."""
    return [b"\r\n".join([head, *_plain_lines, *odd, b"", body])]


@given(st.lists(_replies(), min_size=1, max_size=2))
@example([plain_but(*[b"X: b"] * 100)])
@example([plain_but(*[b"X%d: b" % number for number in range(100)])])
@example([[HEAD + b"A: " + b"b" * 5_000 + b"\r\nContent-Length: 9000\r\n\r\n", b"b" * 8_000, b"b" * 1_000]])
@example([plain_but(b"Connection: close"), plain_but()])
@example([plain_but(), plain_but(), plain_but(b"X-A: b", b"x-a: c")])
@example([plain_but(b"Content-Length: 2")])
@example([plain_but(b"Transfer-Encoding: chunked", body=b"4\r\nbody\r\n0\r\n\r\n")])
@example([plain_but(head=b"HTTP/1.1 204 No Content")])
@example([plain_but(body=b"bo")])
@example([[*plain_but(body=b"bo"), b"dy"]])
@example([[*plain_but(body=b"bo"), b""]])
@example([[]])
@example([[b""]])
def test_a_reply_is_what_botocore_reads(replies: list[list[bytes]]) -> None:
    """Whatever comes, in whatever pieces: the same reply or the same error, and the connection is kept as long."""
    requests = [request() for _ in replies]
    assert talk(True, requests, replies) == talk(False, requests, replies)


_odd_names = st.sampled_from([
    "X-Amz-Target", "User-Agent", "Content-Length", "Transfer-Encoding", "Expect", "Host", "Accept-Encoding", "X-A",
    "X A", "X-\xe9", "X:", "X: Y", "X\r\nY", "",
])  # fmt: skip
_odd_values = st.sampled_from([
    b"a", b"2", "2", b"\xe9", "é", "€", b"a\r\nX-B: c", b"a\rb", b"a\n b", "@@@SKIP_HEADER@@@", b"", 5,
])  # fmt: skip
_headers = st.builds(
    lambda odd, lacking: {name: value for name, value in (PLAIN | odd).items() if name not in lacking},
    st.dictionaries(_odd_names, _odd_values, max_size=2),
    st.sets(st.sampled_from(sorted(PLAIN)), max_size=1),
)


@given(
    st.lists(_headers, min_size=1, max_size=2),
    st.sampled_from([b"{}", b"{}", b"{}", "{}", None, bytearray(b"{}")]) | st.builds(lambda: BytesIO(b"{}")),
    st.sampled_from(["POST", "POST", "POST", "GET", "PO\nST"]),
    st.sampled_from([URL, "http://[::1]:8000/a?b", "http://x.test:81/a b"]),
)
@example([PLAIN | {"X-A": b"a\r\nX-B: c"}], b"{}", "POST", URL)
@example([PLAIN | {"X-A": b"a\rb"}], b"{}", "POST", URL)
@example([PLAIN | {"X-A": "@@@SKIP_HEADER@@@"}], b"{}", "POST", URL)
@example([PLAIN | {"X: Y": b"a"}], b"{}", "POST", URL)
@example([PLAIN | {"Host": b"h"}], b"{}", "POST", URL)
@example([PLAIN | {"Accept-Encoding": b"gzip"}], b"{}", "POST", URL)
@example([PLAIN | {"Transfer-Encoding": b"chunked"}], b"{}", "POST", URL)
@example([PLAIN, PLAIN], b"{}", "POST", "http://[::1]:8000/a?b")
def test_a_request_is_what_botocore_sends(headers: list[dict[str, Any]], body: Any, method: str, url: str) -> None:
    """Byte for byte, also the second time; or the same error, and nothing is sent."""
    replies = [plain_but() for _ in headers]
    found = []
    for ours in (True, False):
        made = BytesIO(b"{}") if isinstance(body, BytesIO) else body
        found.append(talk(ours, [request(one, made, method, url) for one in headers], replies))
    assert found[0] == found[1]


def test_a_plain_request_is_sent_in_one_piece() -> None:
    """Also the second, which goes over the same connection; botocore's takes two."""
    replies = [plain_but()] * 2
    for ours, pieces in ((True, [1, 1]), (False, [2, 2])):
        session = session_of(ours=ours)
        counts: list[int] = []
        with lines(replies, b"{}") as made:
            for _ in replies:
                assert session.send(request()).content == b"body"
                counts.append(len(made[0].sent) - sum(counts))
        assert (counts, len(made)) == (pieces, 1)


def test_a_kept_connection_waits_as_urllib3_s_does() -> None:
    """So long to send, and so long to read."""
    found = []
    for ours in (True, False):
        session = session_of(ours=ours, timeout=(2, 3))
        with lines([plain_but()] * 2, b"{}") as made:
            for _ in range(2):
                session.send(request())
            found.append([line.timeouts for line in made])
    assert found[0] == found[1] == [[3, 2, 3]]


def test_a_connection_goes_back_to_its_pool_once() -> None:
    """However often its reply is read: it would be closed there, or given to two threads."""
    session = session_of(ours=True)
    with lines([plain_but()], b"{}"):
        raw = session.send(request()).raw
        assert list(raw.stream()) == []
        raw.release_conn()
        pool = session._manager.connection_from_url(URL).pool
        assert [connection.sock is not None for connection in pool.queue if connection] == [True]


def test_the_raw_reply_is_answered_as_urllib3_does() -> None:
    """What botocore does not ask for itself, a handler may."""
    raws = []
    for ours in (True, False):
        session = session_of(ours=ours)
        with lines([plain_but()] * 2, b"{}"):
            raws.append(session.send(request()).raw)
    assert [type(raw) for raw in raws] == [connections.WholeReply, urllib3.HTTPResponse]
    for ask in ("reason", "version", "version_string", "status", "length_remaining", "closed"):
        assert getattr(raws[0], ask) == getattr(raws[1], ask), ask
    assert raws[0].read() == raws[1].read() == b""
    assert raws[0].headers["content-length"] == raws[1].headers["content-length"] == "4"
    for raw in raws:
        assert ("content-LENGTH" in raw.headers, "X-Other" in raw.headers) == (True, False)
    assert raws[0].get_redirect_location() is None
    for raw in raws:
        with pytest.raises(AttributeError):
            raw._no_such_thing  # noqa: B018


def test_a_reply_that_comes_in_parts_is_urllib3_s() -> None:
    """Nothing is waited for but by urllib3."""
    for cut in (20, -2):
        session, (reply,) = session_of(ours=True), plain_but()
        with lines([[reply[:cut], reply[cut:]]], b"{}"):
            answer = session.send(request())
        assert (type(answer.raw), answer.content) == (urllib3.HTTPResponse, b"body")


def test_who_asks_for_the_body_at_once_or_decoded_gets_urllib3_s_reply() -> None:
    """The pools are urllib3's, and so is what they give to others."""
    session = session_of(ours=True)
    with lines([plain_but()] * 3, b"{}"):
        pool = session._manager.connection_from_url(URL)
        for whole, decodes in ((True, True), (True, False), (False, True)):
            reply = pool.urlopen("POST", "/", b"{}", PLAIN, preload_content=whole, decode_content=decodes)
            assert (type(reply), reply.data) == (urllib3.HTTPResponse, b"body")


def test_a_proxy_is_told_of_each_host() -> None:
    """Over one connection to the proxy, for requests to two hosts."""
    sent = []
    for ours in (True, False):
        session = URLLib3Session(timeout=0.02, proxies={"http": "http://user:secret@proxy.test:3128"})
        if ours:
            connections.install(SimpleNamespace(_endpoint=SimpleNamespace(http_session=session)))
        with lines([plain_but()] * 3, b"{}") as made:
            for host in ("a.test", "b.test", "b.test"):
                assert session.send(request(url=f"http://{host}/")).content == b"body"
            sent.append([b"".join(line.sent) for line in made])
            assert [type(line) for line in made] == [Line]
    assert sent[0] == sent[1]
    assert b"Host: b.test" in sent[0][0]


class OtherReply(http.client.HTTPResponse):
    """A reply of somebody else's."""


class Recorder(AWSHTTPConnection):  # type: ignore[misc]  # botocore carries no types
    """A connection of somebody else's, as recorders of requests put in the place of botocore's."""


def test_another_s_connections_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where they come after the client."""
    pool = session_of(ours=True)._manager.connection_from_url(URL)
    assert type(pool._new_conn()) is connections.WireHTTPConnection
    assert type(session_of(ours=True)._manager.connection_from_url("https://x.test/")._new_conn()) is (
        connections.WireHTTPSConnection
    )
    with monkeypatch.context() as patched:
        patched.setattr(AWSHTTPConnection, "response_class", OtherReply)
        assert (type(connection := pool._new_conn()), connection.response_class) == (AWSHTTPConnection, OtherReply)
    monkeypatch.setattr(AWSHTTPConnectionPool, "ConnectionCls", Recorder)
    assert type(pool._new_conn()) is Recorder


def test_another_s_pools_stay() -> None:
    """Those of the other scheme are ours."""
    session = URLLib3Session()
    session._pool_classes_by_scheme["http"] = urllib3.HTTPConnectionPool
    connections.install(SimpleNamespace(_endpoint=SimpleNamespace(http_session=session)))
    assert session._manager.pool_classes_by_scheme == {
        "http": urllib3.HTTPConnectionPool,
        "https": connections.WireHTTPSPool,
    }


@pytest.mark.parametrize("known", ["_OPTIONS", "_ResponseOptions"])
def test_a_urllib3_that_is_not_recognised_is_left_alone(known: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The pools are botocore's, and a client without any of these parts is no harm."""
    another = {"_OPTIONS": {"preload_content": True, "new": 1}, "_ResponseOptions": SimpleNamespace(_fields=())}
    monkeypatch.setattr(connections, known, another[known])
    assert session_of(ours=True)._manager.pool_classes_by_scheme["http"] is AWSHTTPConnectionPool
    connections.install(SimpleNamespace())
