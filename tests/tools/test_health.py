"""Whether LocalStack works, as it says and as it does: against a stand-in of its two answers."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest
from _localstack import health
from _localstack.health import Health


@contextmanager
def answering(said: Any, code: int, body: dict[str, Any]) -> Iterator[str]:
    """Yields the endpoint of a server with one answer on health, and another on every request to DynamoDB."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer(200, said)

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self._answer(code, body)

        def _answer(self, code: int, content: Any) -> None:
            text = json.dumps(content).encode()
            self.send_response(code)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_: Any) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def refused(name: str) -> dict[str, Any]:
    """An error as DynamoDB words it."""
    return {"__type": f"com.amazonaws.dynamodb.v20120810#{name}", "message": "no"}


@pytest.mark.parametrize(
    ("state", "code", "body", "problem", "hopeless"),
    [
        ("running", 200, {"TableNames": []}, "", False),
        ("available", 200, {"TableNames": []}, "", False),
        ("running", 400, refused("ProvisionedThroughputExceededException"), "", False),
        ("running", 400, refused("ValidationException"), "An error occurred (ValidationException)", False),
        ("starting", 200, {}, "DynamoDB is starting", False),
        (None, 200, {}, "DynamoDB is not there", False),
        ("error", 200, {}, "LocalStack's DynamoDB failed to start", True),
        ("disabled", 200, {}, "LocalStack runs without DynamoDB", True),
    ],
)
def test_it_works_where_it_says_so_and_does_so(
    state: str | None, code: int, body: dict[str, Any], problem: str, hopeless: bool
) -> None:
    """Its word is not enough; a refusal for load is none; and what failed for good is not waited for."""
    said = {"services": {"dynamodb": state}, "version": "4", "edition": "community"}
    with answering(said, code, body) as endpoint:
        found = health.check(endpoint)
    assert found.problem.startswith(problem)
    assert bool(found.problem) == bool(problem)
    assert found == Health(found.problem, state, "4", "community", hopeless)
