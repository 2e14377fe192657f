"""A canned DynamoDB: all replies are made before the first request, so that only the clients are timed.

    python -m benchmarks.endpoint CORPUS

prints its port on 127.0.0.1 and serves until its standard input ends. It is a separate process, so that its work does
not count as a client's processor time. It answers

- `Query` of the partition `easy`, `hard` or `nested`: one page of those items; with an index name: the listed items;
- `Query` of the partition `pages-N`: the easy page N times, joined by LastEvaluatedKey;
- `GetItem`: the first easy item; `BatchWriteItem` and `TransactWriteItems`: success;
- `GET /written`: the bodies of the last writes, as a JSON list.
"""

from __future__ import annotations

import json
import re
import socket
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from zlib import crc32

from benchmarks.corpus import Corpus

_TARGET = re.compile(rb"^x-amz-target: *DynamoDB_20120810\.(\w+)\r$", re.I | re.M)
_LENGTH = re.compile(rb"^content-length: *(\d+)\r$", re.I | re.M)
_PAGES = re.compile(rb'"pages-(\d+)"')
_AFTER = re.compile(rb'"after-page-(\d+)"')
_HEAD = (
    b"HTTP/1.1 200 OK\r\nServer: Server\r\nContent-Type: application/x-amz-json-1.0\r\nContent-Length: %d\r\n"
    b"Connection: keep-alive\r\nx-amzn-RequestId: BENCHMARKBENCHMARKBENCHMARKBENCHMARKBENCHMARKBENCHMA\r\n"
    b"x-amz-crc32: %d\r\n\r\n"
)
_KEPT_WRITES = 64


class Opening:
    """The beginning of a reply's body, with its check sum; the end is added for each reply."""

    def __init__(self, body: bytes) -> None:
        self.body, self.crc = body, crc32(body)

    def reply(self, end: bytes) -> bytes:
        """Return the whole HTTP response."""
        return _HEAD % (len(self.body) + len(end), crc32(end, self.crc)) + self.body + end


class Canned:
    """The replies to all requests of a benchmark."""

    def __init__(self, corpus: Corpus) -> None:
        self._pages = {name: _page(getattr(corpus, name)) for name in ("easy", "hard", "listed", "nested")}
        self._replies = {
            (b"GetItem", asks): Opening(_json({"Item": corpus.easy[0]})[:-1]).reply(_capacity(asks) + b"}")
            for asks in (False, True)
        }
        for operation, done in ((b"BatchWriteItem", b'"UnprocessedItems":{}'), (b"TransactWriteItems", b"")):
            self._replies[operation, False] = Opening(b"{" + done).reply(b"}")
            units = _json({"ConsumedCapacity": [{"TableName": "bench", "CapacityUnits": 500.0}]})[1:]
            self._replies[operation, True] = Opening(b"{" + done + (b"," if done else b"")).reply(units)
        for name, page in self._pages.items():
            for asks in (False, True):
                self._replies[name.encode(), asks] = page.reply(_capacity(asks) + b"}")
        self.writes: deque[bytes] = deque(maxlen=_KEPT_WRITES)

    def answer(self, operation: bytes, body: bytes) -> bytes:
        """Return the HTTP response to a request."""
        asks = b"ReturnConsumedCapacity" in body
        if operation in (b"BatchWriteItem", b"TransactWriteItems"):
            self.writes.append(body)
        elif operation == b"Query":
            asked = (name for name in (b"hard", b"nested") if b'"%s"' % name in body)
            name = b"listed" if b'"IndexName"' in body else next(asked, b"easy")
            if pages := _PAGES.search(body):
                return self._one_of(int(pages[1]), _AFTER.search(body), self._pages[name.decode()], asks)
            operation = name
        return self._replies[operation, asks]

    def _one_of(self, pages: int, after: re.Match[bytes] | None, page: Opening, asks: bool) -> bytes:
        number = int(after[1]) + 1 if after else 1
        end = _capacity(asks)
        if number < pages:
            last = {"pipeline_id": {"S": f"pages-{pages}"}, "run_id": {"S": f"after-page-{number}"}}
            if page is self._pages["listed"]:
                last["start_time"] = {"S": "2026-05-17T06:00:00.000000Z"}
            end += b',"LastEvaluatedKey":' + _json(last)
        return page.reply(end + b"}")


def _page(items: list[dict[str, Any]]) -> Opening:
    return Opening(_json({"Items": items, "Count": len(items), "ScannedCount": len(items)})[:-1])


def _capacity(asks: bool) -> bytes:
    return b',"ConsumedCapacity":{"TableName":"bench","CapacityUnits":64.0}' if asks else b""


def _json(value: Any) -> bytes:
    # as DynamoDB writes it: without spaces, non-ASCII letters unescaped
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def serve(listener: socket.socket, canned: Canned) -> None:
    """Accept connections and answer each in a separate thread, until the listener is closed."""
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        threading.Thread(target=_converse, args=(connection, canned), daemon=True).start()


def _converse(connection: socket.socket, canned: Canned) -> None:
    with connection, connection.makefile("rb") as requests:
        while head := _head(requests):
            length = _LENGTH.search(head)
            body = requests.read(int(length[1])) if length else b""
            target = _TARGET.search(head)
            connection.sendall(canned.answer(target[1], body) if target else _written(canned))


def _head(requests: Any) -> bytes:
    lines = []
    while (line := requests.readline()) not in (b"\r\n", b""):
        lines.append(line)
    return b"".join(lines)


def _written(canned: Canned) -> bytes:
    bodies = [json.loads(body) for body in canned.writes]
    canned.writes.clear()
    return Opening(_json(bodies)).reply(b"")


@contextmanager
def running(corpus: Path) -> Iterator[str]:
    """Run an endpoint with these items in a separate process, and yield its URL."""
    command = [sys.executable, "-m", "benchmarks.endpoint", str(corpus)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None, "Popen opened a pipe"
        assert process.stdout is not None, "Popen opened a pipe"
        try:
            yield f"http://127.0.0.1:{int(process.stdout.readline())}"
        finally:
            process.stdin.close()


def main(corpus: str) -> None:
    """Serve until standard input ends."""
    canned = Canned(Corpus.load(Path(corpus)))
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listener:
        threading.Thread(target=serve, args=(listener, canned), daemon=True).start()
        print(listener.getsockname()[1], flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main(*sys.argv[1:])
