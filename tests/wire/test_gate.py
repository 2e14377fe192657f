"""The gate: with a botocore or PynamoDB that has changed inside, all is as without the wire; a warning says so."""

from __future__ import annotations

import json
import subprocess
import sys
from configparser import ConfigParser
from pathlib import Path
from typing import Any

import pytest

from pipemodels import DynamoDBConfig
from pipemodels.connections import ConfiguredConnection
from pipemodels.transport import gate
from tests.wire.changed import CHANGES, PRELUDE

_ALL_WAYS = """
import json, logging, sys
from datetime import UTC, datetime
from decimal import Decimal

{change}

told = []
class Telling(logging.Handler):
    def emit(self, record): told.append(record.getMessage())
logging.getLogger("pipemodels.fast_path").addHandler(Telling())
logging.getLogger("pipemodels.fast_path").setLevel("WARNING")

import zlib
from botocore.awsrequest import AWSResponse
from pipemodels import DynamoDBConfig, PipelineRunLog, using
from pipemodels.config import connection_of
from pipemodels.models import batch, writing
from tests.wire.swapped import Every

writing.new_write_id = lambda: "named"
NOON = datetime(2026, 5, 17, 12, tzinfo=UTC)
writing.utc_now = lambda: NOON
FIELDS = dict(
    status="success", trigger_type="t", start_time=NOON, end_time=NOON, cpu_hours=Decimal("1.5"), tags={{"a": "é"}},
    stages=[{{"stage_name": "s", "status": "success"}}], created_at=NOON,
)

class Body:
    def __init__(self, body): self.body = body
    def stream(self): yield self.body

def sent_and_read(on):
    sent, stored = [], []
    def answer(request, **_):
        body = json.loads(request.body)
        body.pop("ClientRequestToken", None)  # drawn for each transaction
        target = request.headers["X-Amz-Target"].decode().rpartition(".")[2]
        headers = {{name.lower(): value.decode() if isinstance(value, bytes) else value
                   for name, value in request.headers.items()}}
        for name in ("x-amz-date", "amz-sdk-invocation-id", "authorization", "content-length"):
            headers[name] = bool(headers.pop(name, None))
        sent.append([request.method, request.url, sorted(map(str, headers.items())), target, body])
        reply = {{}}
        if target == "GetItem":
            reply = {{"Item": stored[0]}}
        elif target in ("Query", "Scan"):
            reply = {{"Items": stored, "Count": 1, "ScannedCount": 1}}
        elif target == "PutItem":
            stored[:] = [body["Item"]]
        reply = json.dumps(reply).encode()
        return AWSResponse(request.url, 200, {{"x-amz-crc32": str(zlib.crc32(reply))}}, Body(reply))
    config = DynamoDBConfig(
        aws_access_key_id="test", aws_secret_access_key="test", aws_session_token="test", region_name="eu-central-1",
        wire=on,
    )
    with using(config):
        connection_of(config).client.meta.events.register("before-send.dynamodb.*", answer)
        run = PipelineRunLog("p", "r", **FIELDS)
        run.save()
        with PipelineRunLog.batch_write() as writes:
            writes._write_ids = iter(["named"] * 9)
            writes.save(PipelineRunLog("p", "r2", **FIELDS))
        read = [repr(PipelineRunLog.get("p", "r")), repr(list(PipelineRunLog.query("p"))), str(run.revision)]
        one = Every(key="k", numbers={{1}}, names={{"a"}}, at=NOON, made_at=NOON, free={{"a": [1]}}, texts=["a"])
        one.save()
        with Every.batch_write() as writes:
            writes.save(one)
        read += [repr(sorted(map(str, vars(Every.get("k")).items()))), repr(len(list(Every.scan())))]
    return sent, read

ordinary, fast = sent_and_read(False), sent_and_read(True)
print(json.dumps([told, ordinary == fast, len(ordinary[0]), str(ordinary)[:3000], str(fast)[:3000]]))
"""


def run(change: str) -> tuple[list[str], int]:
    """Return what a process with this change says, and how often it sends; it sends and reads as without the wire."""
    code = _ALL_WAYS.format(change=PRELUDE + change)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    told, same, requests, ordinary, fast = json.loads(done.stdout)
    assert same, (ordinary, fast)
    return told, requests


@pytest.mark.parametrize("name", CHANGES)
def test_what_has_changed_inside_is_left_alone(name: str) -> None:
    """All requests and objects are as with the wire off, and one warning says which shortcut is off, and why."""
    change, warning = CHANGES[name]
    told, requests = run(change)
    assert requests == 8
    assert len(told) == (warning is not None)
    if warning is not None:
        assert told[0].startswith(warning)


def test_nothing_is_told_where_nothing_has_changed() -> None:
    """All of the tested versions."""
    assert run("") == ([], 8)


def test_the_ranges_are_those_that_are_declared() -> None:
    """What `setup.cfg` installs and what the gate lets through are the same."""
    parser = ConfigParser()
    parser.read(Path(__file__).parents[2] / "setup.cfg")
    declared = parser["options"]["install_requires"].split()
    for package, (low, high) in gate.TESTED.items():
        assert f"{package}>={low},<{high}" in declared


def test_what_is_compared_is_compared_once_for_each_kind_of_endpoint(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not for each client."""
    found: list[Any] = []
    monkeypatch.setattr(gate, "_open", {})

    def find(*parts: Any) -> tuple[str, ...]:
        found.append(parts)
        return ()

    monkeypatch.setattr(gate, "_right_shortcuts", find)
    keys: Any = {"aws_access_key_id": "test", "aws_secret_access_key": "test", "region_name": "eu-central-1"}
    for url in (None, None, "http://127.0.0.1:1", "http://127.0.0.1:2", "https://127.0.0.1:3"):
        ConfiguredConnection(DynamoDBConfig(**keys, endpoint_url=url)).client  # noqa: B018  # made when looked at
    assert len(found) == 3
