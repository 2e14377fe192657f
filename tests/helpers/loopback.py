"""Servers on the loopback interface that do what a network does at its worst."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress


@contextmanager
def silent_server() -> Iterator[tuple[str, list[socket.socket]]]:
    """Yield the URL of a server that accepts and never answers, and the connections that it has accepted."""
    accepted: list[socket.socket] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def accept() -> None:
            with suppress(OSError):  # closed at the end
                while True:
                    accepted.append(server.accept()[0])

        thread = threading.Thread(target=accept)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.getsockname()[1]}", accepted
        finally:
            server.shutdown(socket.SHUT_RDWR)
            thread.join()
            for one in accepted:
                one.close()


@contextmanager
def closed_port() -> Iterator[str]:
    """Yield a URL that refuses connections: its port is held, and nobody listens on it."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{held.getsockname()[1]}"
