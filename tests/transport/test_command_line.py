"""The command line at a web server."""

from __future__ import annotations

import pytest

from pipemodels.cli import main
from tests.helpers.odd_replies import FOREIGN, Answering


@pytest.mark.parametrize(
    ("arguments", "operation"),
    [
        (["pipelines", "list"], "Scan"),
        (["pipelines", "show", "p"], "GetItem"),
        (["pipelines", "activate", "p"], "TransactWriteItems"),
        (["runs", "list"], "Query"),
        (["runs", "reap"], "Query"),
        (["tables", "status"], "DescribeTable"),
        (["tables", "create"], "DescribeTable"),
    ],
)
def test_a_web_server_is_told_in_one_line(
    arguments: list[str],
    operation: str,
    server: Answering,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Exit code 1, with the endpoint and the beginning of its page; no traceback."""
    now = [0.0]

    def pass_time(seconds: float) -> None:
        now[0] += 1.0

    settings = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_REGION": "us-east-1"}
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("botocore.endpoint.time.sleep", pass_time)
    monkeypatch.setattr("pipemodels.storage.sending.time.monotonic", lambda: now[0])
    server.replies = [FOREIGN["200 with a page"]]
    code = main(["--store", server.url, *arguments])
    said = capsys.readouterr()
    (line,) = said.err.splitlines()
    assert (code, said.out) == (1, "")
    assert f"{operation} at {server.url}: the reply is not DynamoDB's: " in line
    assert "Welcome to nginx!" in line
