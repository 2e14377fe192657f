"""The fault-injecting proxy itself: each fault does what it says."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.helpers.embedded import wait_until
from tests.helpers.faulty_proxy import FAULTS, Fault, FaultyProxy, faulty_proxy

PATIENCE = 0.4
REPLY = b"served:" + bytes(range(256)) * 40


@contextmanager
def service() -> Iterator[tuple[str, list[bytes]]]:
    """Yield the URL of a service, and the bodies that it has been sent."""
    bodies: list[bytes] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200)
            self.send_header("X-Checked", "yes")
            self.send_header("Content-Length", str(len(REPLY)))
            self.end_headers()
            self.wfile.write(REPLY)

        def log_message(self, *_: Any) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}", bodies
        finally:
            server.shutdown()
            thread.join()


def ask(proxy: FaultyProxy, body: bytes = b"question") -> tuple[int, bytes]:
    """Send one request through the proxy and return what comes back."""
    parts = urlsplit(proxy.url)
    with closing(http.client.HTTPConnection(str(parts.hostname), parts.port, timeout=PATIENCE)) as connection:
        connection.request("POST", "/", body)
        answer = connection.getresponse()
        return answer.status, answer.read()


@contextmanager
def struck_by(fault: Fault) -> Iterator[tuple[FaultyProxy, list[bytes]]]:
    """Yield a proxy that does this to every request, and the bodies that reach the service."""
    with (
        service() as (url, bodies),
        faulty_proxy(url, seed=1, rate=1.0, faults={fault}, patience=PATIENCE) as proxy,
    ):
        yield proxy, bodies
        assert proxy.struck == {fault: 1}


def test_without_faults() -> None:
    """Without a fault, request and reply pass unchanged, request after request on one connection."""
    with service() as (url, bodies), faulty_proxy(url, seed=1, rate=0.0, patience=PATIENCE) as proxy:
        parts = urlsplit(proxy.url)
        with closing(http.client.HTTPConnection(str(parts.hostname), parts.port, timeout=5)) as connection:
            for body in (b"one", b"two"):
                connection.request("POST", "/", body)
                answer = connection.getresponse()
                assert (answer.status, answer.read(), answer.headers["X-Checked"]) == (200, REPLY, "yes")
        assert bodies == [b"one", b"two"]
        assert (proxy.passed, proxy.struck) == (2, {})


@pytest.mark.parametrize(
    ("fault", "error", "arrives"),
    [
        (Fault.DROP_REQUEST, http.client.RemoteDisconnected, False),
        (Fault.DROP_REPLY, http.client.RemoteDisconnected, True),
        (Fault.CUT, http.client.IncompleteRead, True),
        (Fault.STALL, TimeoutError, True),
    ],
)
def test_no_reply(fault: Fault, error: type[Exception], arrives: bool) -> None:
    """Where no whole reply comes, the service has been asked or not, as the fault says."""
    with struck_by(fault) as (proxy, bodies):
        with pytest.raises(error):
            ask(proxy)
        assert bodies == ([b"question"] if arrives else [])


def test_a_late_request() -> None:
    """A late request is served after its client has given up."""
    with struck_by(Fault.LATE) as (proxy, bodies):
        with pytest.raises(TimeoutError):
            ask(proxy)
        assert bodies == []
        wait_until(lambda: bodies == [b"question"])


@pytest.mark.parametrize(
    ("fault", "status", "code", "arrives"),
    [
        (Fault.THROTTLE, 400, b"ProvisionedThroughputExceededException", False),
        (Fault.FAIL_BEFORE, 500, b"InternalServerError", False),
        (Fault.FAIL_AFTER, 500, b"InternalServerError", True),
        (Fault.PAGE_AFTER, 200, b"<html>log in</html>", True),
    ],
)
def test_another_reply(fault: Fault, status: int, code: bytes, arrives: bool) -> None:
    """Where the service's answer is another, it has been asked or not, as the fault says."""
    with struck_by(fault) as (proxy, bodies):
        answered, body = ask(proxy)
        assert (answered, code in body) == (status, True)
        assert bodies == ([b"question"] if arrives else [])


@pytest.mark.parametrize("fault", [Fault.EMPTY, Fault.CUT_HEAD])
def test_a_reply_that_says_nothing(fault: Fault) -> None:
    """http.client takes half a head, as a reply without a body, for a whole and empty one."""
    with struck_by(fault) as (proxy, bodies):
        assert ask(proxy) == (200, b"")
        assert bodies == [b"question"]


def test_a_delay() -> None:
    """A delayed reply comes whole, within the client's patience."""
    with struck_by(Fault.DELAY) as (proxy, bodies):
        assert ask(proxy) == (200, REPLY)
        assert bodies == [b"question"]


def test_the_rate_and_the_seed() -> None:
    """About as many requests are struck as asked for, by every fault alike, and a seed says by which."""
    first, again, other = [
        FaultyProxy("http://127.0.0.1:1", seed=seed, rate=0.3, faults=FAULTS, patience=1.0) for seed in (5, 5, 6)
    ]
    drawn = [[proxy.next_fault()[0] for _ in range(2000)] for proxy in (first, again, other)]
    assert drawn[0] == drawn[1] != drawn[2]
    assert 500 < first.struck.total() < 700
    assert min(first.struck[fault] for fault in FAULTS) > 500 // len(FAULTS)
    assert first.passed + first.struck.total() == 2000
