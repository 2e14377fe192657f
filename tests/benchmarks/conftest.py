"""A small canned endpoint in this process, and its items."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator

import pytest

from benchmarks.corpus import Corpus
from benchmarks.endpoint import Canned, serve
from benchmarks.items import corpus
from pipemodels import configure


@pytest.fixture(scope="session")
def items() -> Corpus:
    """Yield a few items of each kind."""
    return corpus(size=30)


@pytest.fixture
def endpoint(items: Corpus) -> Iterator[str]:
    """Yield the URL of an endpoint that answers with the items."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, args=(listener, Canned(items)))
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()
    configure(None)  # the package's own client configures the process
