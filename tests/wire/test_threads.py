"""Threads that all read and write for the first time at once."""

from __future__ import annotations

import subprocess
import sys

import pytest

_ALL_AT_ONCE = """
import json, sys, threading
from pipemodels.codecs import facade
from pipemodels.models import PipelineRunLog
from pipemodels.transport.parsing import FastParser
from pipemodels.transport.requests import FastSerializer
from tests.wire import worlds

sys.setswitchinterval(1e-6)
STAGE = {"stage_name": {"S": "a"}, "status": {"S": "running"}}
RUN = {"pipeline_id": {"S": "a"}, "run_id": {"S": "b"}, "stages": {"L": [{"M": STAGE}]}}
REPLY = {"status_code": 200, "headers": {}, "body": json.dumps({"Items": [RUN] * 50, "Count": 50}).encode()}
SENT = {"TransactItems": [{"Put": {"TableName": "t", "Item": RUN}}], "ClientRequestToken": "c"}
query, write = worlds.operation("Query"), worlds.operation("TransactWriteItems")
barrier, done = threading.Barrier(8), []

def work():
    barrier.wait()
    for _ in range(3):
        with facade.reading(PipelineRunLog):
            count = FastParser().parse(REPLY, query.output_shape)["Count"]
        done.append((count, json.loads(FastSerializer().serialize_to_request(SENT, write)["body"]) == SENT))

threads = [threading.Thread(target=work) for _ in range(8)]
for thread in threads: thread.start()
for thread in threads: thread.join()
assert done == [(50, True)] * 24
"""


@pytest.mark.parametrize("_process", range(6))
def test_threads_may_read_and_write_first_at_the_same_time(_process: int) -> None:
    """A type that another thread has msgspec look at is not used before that is done, which would end the process."""
    done = subprocess.run([sys.executable, "-c", _ALL_AT_ONCE], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
