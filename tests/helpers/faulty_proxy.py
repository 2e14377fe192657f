"""A proxy on the loopback interface that does to requests and replies what networks and busy services do.

Which fault strikes next is drawn from a seed, so that a history of faults can be had again as far as the order in
which requests arrive can be.
"""

from __future__ import annotations

import http.client
import json
import random
import socket
import threading
from collections import Counter
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit


class Fault(StrEnum):
    """What happens to one request."""

    DROP_REQUEST = "the request is lost, its connection closed"
    DROP_REPLY = "the request is served, its reply lost, its connection closed"
    CUT = "the request is served, its connection cut in the middle of the reply"
    CUT_HEAD = "the request is served, its connection cut in the middle of the head of the reply"
    EMPTY = "the request is served, and its reply comes without a body"
    PAGE_AFTER = "the request is served, and a page of somebody else's comes instead of the reply"
    DELAY = "the request, or its reply, comes late, within the time that is waited for it"
    STALL = "the request is served, and its reply does not come within the time that is waited for it"
    LATE = "the request reaches the service when nobody waits for its reply any more"
    THROTTLE = "the request is refused for load"
    FAIL_BEFORE = "the service fails before it serves the request"
    FAIL_AFTER = "the service serves the request and then answers that it failed"


# a request that comes late is another matter: no condition can tell it from one that is sent late
FAULTS = frozenset(Fault) - {Fault.LATE}

_CODES = {
    Fault.THROTTLE: (400, "ProvisionedThroughputExceededException"),
    Fault.FAIL_BEFORE: (500, "InternalServerError"),
    Fault.FAIL_AFTER: (500, "InternalServerError"),
}


@dataclass(frozen=True)
class Reply:
    """What the service answered."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes


class FaultyProxy:
    """The proxy's faults: drawn, counted, and stopped by `rate = 0`.

    Attributes:
        url: where it listens.
        rate: the share of requests that a fault strikes.
        struck: how often each fault has struck.
        passed: how many requests went through unharmed.
    """

    def __init__(self, target: str, *, seed: int, rate: float, faults: Collection[Fault], patience: float) -> None:
        self.target = urlsplit(target)
        self.url = ""
        self.rate = rate
        self.struck: Counter[Fault] = Counter()
        self.passed = 0
        self._faults = sorted(faults)
        self._bag: list[Fault] = []
        self._patience = patience
        self._random = random.Random(seed)
        self._changed = threading.Condition()
        self._under_way = 0
        self.closing = threading.Event()

    def next_fault(self) -> tuple[Fault | None, float]:
        """Draw what happens to the next request, and how long it, or its reply, is on the way."""
        with self._changed:
            if self._random.random() >= self.rate:
                self.passed += 1
                return None, 0.0
            if not self._bag:
                self._bag = self._random.sample(self._faults, len(self._faults))
            fault = self._bag.pop()
            self.struck[fault] += 1
            return fault, self._random.uniform(0.0, self._patience / 4)

    @contextmanager
    def under_way(self) -> Iterator[None]:
        """Count a request until the proxy has done with it."""
        with self._changed:
            self._under_way += 1
        try:
            yield
        finally:
            with self._changed:
                self._under_way -= 1
                self._changed.notify_all()

    @contextmanager
    def settled(self) -> Iterator[None]:
        """Wait after the block until no request is under way, late ones included."""
        yield
        with self._changed:
            assert self._changed.wait_for(lambda: self._under_way == 0, self.too_long * 20)

    def wait(self, seconds: float) -> None:
        """Hold a request or a reply, but not the end of the proxy."""
        self.closing.wait(seconds)

    @property
    def too_long(self) -> float:
        """Return seconds for which no client waits."""
        return self._patience * 1.5


@contextmanager
def faulty_proxy(
    target: str,
    *,
    seed: int,
    rate: float,
    faults: Collection[Fault] = FAULTS,
    patience: float,
) -> Iterator[FaultyProxy]:
    """Start a proxy in front of a service.

    Args:
        target: the service's URL.
        seed: of the faults.
        rate: the share of requests that a fault strikes.
        faults: which; each strikes as often as any other.
        patience: for how many seconds the clients wait for a reply: their read time-out.
    """
    proxy = FaultyProxy(target, seed=seed, rate=rate, faults=faults, patience=patience)
    handler = type("Handler", (_Handler,), {"proxy": proxy})
    with _Server(("127.0.0.1", 0), handler) as server:
        proxy.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield proxy
        finally:
            proxy.closing.set()
            server.shutdown()
            thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True  # one may wait for the next request of a connection that its client keeps
    request_queue_size = 128


class _Handler(BaseHTTPRequestHandler):
    """Serves one connection of a client, request after request, over one connection of its own to the service."""

    protocol_version = "HTTP/1.1"
    proxy: FaultyProxy
    _service: http.client.HTTPConnection | None = None

    def do_POST(self) -> None:
        """Take a request and do to it what was drawn."""
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        with self.proxy.under_way():
            self._pass_on(body)

    def _pass_on(self, body: bytes) -> None:
        fault, seconds = self.proxy.next_fault()
        reply = self._reply(fault, seconds, body)
        if reply is None:
            self._hang_up()
        elif fault is Fault.CUT_HEAD:
            self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/x-amz-json-1.0\r\nx-amzn-Req")
            self._hang_up()
        elif fault is Fault.EMPTY:
            self._send(Reply(reply.status, reply.headers, b""), b"")
        elif fault is Fault.PAGE_AFTER:
            page = b"<html>log in</html>"
            self._send(Reply(200, [("Content-Type", "text/html")], page), page)
        elif fault is Fault.CUT:
            self._send(reply, reply.body[: len(reply.body) // 2])
            self._hang_up()
        else:
            self._send(reply, reply.body)

    def _reply(self, fault: Fault | None, seconds: float, body: bytes) -> Reply | None:
        """Return the reply that the client gets, or None: it gets none."""
        if fault is Fault.DROP_REQUEST:
            return None
        if fault in {Fault.THROTTLE, Fault.FAIL_BEFORE}:
            return _error(fault)
        if fault is Fault.DELAY:
            self.proxy.wait(seconds)
        if fault is Fault.LATE:
            self.proxy.wait(self.proxy.too_long)
        reply = self._served(body)
        if fault is Fault.DELAY:
            self.proxy.wait(seconds)
        if fault is Fault.STALL:
            self.proxy.wait(self.proxy.too_long)
        if fault in {Fault.DROP_REPLY, Fault.STALL, Fault.LATE}:
            return None
        return _error(fault) if fault is Fault.FAIL_AFTER else reply

    def _served(self, body: bytes) -> Reply:
        if self._service is None:
            target = self.proxy.target
            self._service = http.client.HTTPConnection(str(target.hostname), target.port, timeout=60)
        headers = {name: value for name, value in self.headers.items() if name.lower() != "connection"}
        self._service.request("POST", self.path, body, headers)
        answer = self._service.getresponse()
        content = answer.read()
        hop = {"connection", "keep-alive", "transfer-encoding", "content-length"}
        kept = [(name, value) for name, value in answer.getheaders() if name.lower() not in hop]
        return Reply(answer.status, kept, content)

    def _send(self, reply: Reply, body: bytes) -> None:
        self.send_response_only(reply.status)
        for name, value in reply.headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(reply.body)))
        self.end_headers()
        self.wfile.write(body)

    def _hang_up(self) -> None:
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)

    def handle(self) -> None:
        """Serve until the client goes, however it goes."""
        try:
            super().handle()
        except (ConnectionError, TimeoutError):
            self.close_connection = True
        finally:
            if self._service is not None:
                self._service.close()

    def log_message(self, *_: Any) -> None:
        """Say nothing: the test counts."""


def _error(fault: Fault) -> Reply:
    status, code = _CODES[fault]
    body = json.dumps({"__type": f"com.amazonaws.dynamodb.v20120810#{code}", "message": fault.value})
    return Reply(status, [("Content-Type", "application/x-amz-json-1.0")], body.encode())
