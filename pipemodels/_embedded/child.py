"""The server process of the embedded store: serves ministack's DynamoDB on a socket that the parent has opened.

The parent runs this file by path, with a control pipe as standard input. It imports ministack and no other module of
this package. On `SAVE` from the pipe, the server saves its state, if a request may have changed it, and exits. When
the pipe closes, which also happens when the parent dies, the server exits at once without saving. It ignores
signals: a Ctrl-C in the terminal or a SIGTERM to the process group is for the parent, which still needs the server.

Only the operations of DynamoDB can be reached, and not from a web page: see `refusal`.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import re
import signal
import sys
import threading
from collections.abc import Awaitable, Callable, Mapping
from typing import IO, Any

SAVE = b"s"
UNCHANGED = 77  # exit status: there were no changes to save

_READS = {
    b"BatchGetItem",
    b"DescribeTable",
    b"DescribeTimeToLive",
    b"GetItem",
    b"ListTables",
    b"Query",
    b"Scan",
    b"TransactGetItems",
}

_TARGET = re.compile(rb"DynamoDB_20120810\.[A-Za-z]+")
_OF_BROWSERS = re.compile(rb"origin|referer|cookie|sec-.*|access-control-.*")
_LOOPBACK = re.compile(rb"(127\.0\.0\.1|localhost|\[::1\])(:[0-9]{1,5})?")

_App = Callable[[Any, Any, Any], Awaitable[None]]


def refusal(scope: Mapping[str, Any]) -> str | None:
    """Return the reason to refuse an ASGI request; None for a DynamoDB operation from a local program.

    A web page can send requests to a port of the loopback interface. Such requests have an Origin header, another
    header that only browsers send, or a Host header with the name of another host (DNS rebinding). The port in the
    Host header may be another one: that of a proxy on this machine.
    """
    headers: dict[bytes, list[bytes]] = {}
    for name, value in scope["headers"]:
        headers.setdefault(bytes(name).lower(), []).append(bytes(value))
    hosts = [host.lower() for host in headers.get(b"host", ())]
    targets = headers.get(b"x-amz-target", ())
    if scope["type"] != "http" or scope["http_version"] not in ("1.0", "1.1"):
        return "only HTTP/1.1 is served"
    if len(hosts) != 1 or not _LOOPBACK.fullmatch(hosts[0]):
        return "the Host header must name the loopback interface"
    if any(_OF_BROWSERS.fullmatch(name) for name in headers):
        return "web pages are not served"
    if (scope["method"], scope["raw_path"], scope["query_string"]) != ("POST", b"/", b""):
        return "only POST / is served"
    if len(targets) != 1 or not _TARGET.fullmatch(targets[0]):
        return "only operations of DynamoDB are served"
    return None


def gate(app: _App) -> _App:
    """Return an ASGI application that passes only the requests that `refusal` allows to `app`."""

    async def gated(scope: Any, receive: Any, send: Any) -> None:
        reason = None if scope["type"] == "lifespan" else refusal(scope)
        if reason is None:
            await app(scope, receive, send)
        else:
            await _refuse(scope, send, reason)

    return gated


async def _refuse(scope: Mapping[str, Any], send: Callable[[Any], Awaitable[None]], reason: str) -> None:
    """Answer with 403 in DynamoDB's error format; close a WebSocket before it opens, so that the server sends 403."""
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1008})
        return
    body = json.dumps({"__type": "AccessDeniedException", "message": f"the embedded store: {reason}"}).encode()
    headers = [
        (b"content-type", b"application/x-amz-json-1.0"),
        (b"content-length", b"%d" % len(body)),
        (b"connection", b"close"),  # the rest of the request body is not read
    ]
    await send({"type": "http.response.start", "status": 403, "headers": headers})
    await send({"type": "http.response.body", "body": body})


class _Server:
    """Serves until it is told to save, and tracks whether there are changes to save."""

    def __init__(self, listener: int) -> None:
        self._listener = listener
        self._may_have_changed = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop = asyncio.Event()

    def watch(self) -> None:
        """Follow commands on the control pipe until it closes."""
        while command := os.read(0, 1):
            if command == SAVE:
                self._save()
        os._exit(1)

    def _save(self) -> None:
        if not self._may_have_changed or self._loop is None:
            os._exit(UNCHANGED)
        gc.disable()  # copying the whole state would trigger it repeatedly
        self._loop.call_soon_threadsafe(self._stop.set)

    async def serve(self) -> None:
        """Serve ministack, which loads its state before the first request and saves it after the last."""
        from hypercorn.asyncio import serve
        from hypercorn.config import Config
        from ministack.app import app

        config = Config()
        config.bind = [f"fd://{self._listener}"]
        config.keep_alive_timeout = 3600
        config.loglevel = "WARNING"
        self._loop = asyncio.get_running_loop()
        guarded = gate(self._tracked(app))
        await serve(guarded, config, shutdown_trigger=self._stop.wait, mode="asgi")

    def _tracked(self, app: _App) -> _App:
        async def tracked(scope: Any, receive: Any, send: Any) -> None:
            if scope["type"] == "http":
                target = dict(scope["headers"]).get(b"x-amz-target", b"")
                self._may_have_changed |= target.rpartition(b".")[2] not in _READS
            await app(scope, receive, send)

        return tracked


def _dump_in_one_piece(value: object, file: IO[str], **options: Any) -> None:
    file.write(json.dumps(value, **options))


def main(listener: int, library: str) -> None:
    """Serve on the descriptor `listener`; `library` is the directory that contains ministack."""
    for ending in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(ending, signal.SIG_IGN)
    # Produces the same text in a third of the time.
    json.dump = _dump_in_one_piece  # type: ignore[assignment]  # accepts fewer parameters, but all that are used
    server = _Server(listener)
    threading.Thread(target=server.watch, daemon=True).start()
    if library not in sys.path:
        sys.path.append(library)
    asyncio.run(server.serve())


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])
