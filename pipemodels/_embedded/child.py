"""The embedded store's server process: ministack's DynamoDB on a socket that the parent has opened.

Run by path, with a control pipe as standard input; it loads ministack and nothing of this package. `SAVE` on
the pipe ends it, its state saved if a request may have changed it. The end of the pipe, which is also how the
parent's death shows, ends it at once with nothing saved. Signals do nothing: a terminal's Ctrl-C or a
supervisor's SIGTERM to the whole group is the parent's to answer, and then it still needs this process.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import signal
import sys
import threading
from collections.abc import Awaitable, Callable
from typing import IO, Any

SAVE = b"s"
UNCHANGED = 77  # exit status: there was nothing to save

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

_App = Callable[[Any, Any, Any], Awaitable[None]]


class _Server:
    """Serves until it is told to save, and remembers whether there is anything to save."""

    def __init__(self, listener: int) -> None:
        self._listener = listener
        self._may_have_changed = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop = asyncio.Event()

    def watch(self) -> None:
        """Obey the control pipe until it ends."""
        while command := os.read(0, 1):
            if command == SAVE:
                self._save()
        os._exit(1)

    def _save(self) -> None:
        if not self._may_have_changed or self._loop is None:
            os._exit(UNCHANGED)
        gc.disable()  # copying the whole state would set it off again and again
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
        await serve(self._tracked(app), config, shutdown_trigger=self._stop.wait, mode="asgi")

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
    """Serve on the descriptor `listener`; `library` is the directory that ministack was found in."""
    for ending in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(ending, signal.SIG_IGN)
    # The same text in a third of the time.
    json.dump = _dump_in_one_piece  # type: ignore[assignment]  # fewer parameters, but all that are used
    server = _Server(listener)
    threading.Thread(target=server.watch, daemon=True).start()
    if library not in sys.path:
        sys.path.append(library)
    asyncio.run(server.serve())


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])
