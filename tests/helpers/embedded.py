"""What the tests of the embedded store do to it: write, read, run it in another process, find its server."""

from __future__ import annotations

import http.client
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from pynamodb.connection import Connection

from pipemodels.config import DynamoDBConfig
from pipemodels.local import embedded_store

PATIENCE_SECONDS = 30.0
"""How long a test waits for another process: far more than it takes, so that a busy machine fails no test."""

TABLE = "things"

linux_only = pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="asks Linux's /proc")


@contextmanager
def client(config: DynamoDBConfig) -> Iterator[Any]:
    """Yield a botocore client for this configuration."""
    connection = Connection(
        region=config.region_name,
        host=config.endpoint_url,
        aws_access_key_id=config.aws_access_key_id,
        aws_secret_access_key=config.aws_secret_access_key,
    )
    dynamodb: Any = connection.client
    try:
        yield dynamodb
    finally:
        dynamodb.close()


def write(config: DynamoDBConfig, *keys: str) -> None:
    """Store an item of about a kilobyte under each key; the table is made if there is none."""
    with client(config) as dynamodb:
        if TABLE not in dynamodb.list_tables()["TableNames"]:
            dynamodb.create_table(
                TableName=TABLE,
                KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
                AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
                BillingMode="PAY_PER_REQUEST",
            )
        puts = [{"PutRequest": {"Item": {"id": {"S": key}, "text": {"S": key * 50}}}} for key in keys]
        for start in range(0, len(puts), 25):
            dynamodb.batch_write_item(RequestItems={TABLE: puts[start : start + 25]})


def keys_in(config: DynamoDBConfig) -> set[str]:
    """Return the keys of all items."""
    with client(config) as dynamodb:
        if TABLE not in dynamodb.list_tables()["TableNames"]:
            return set()
        pages = dynamodb.get_paginator("scan").paginate(TableName=TABLE)
        return {item["id"]["S"] for page in pages for item in page["Items"]}


@contextmanager
def opened(directory: Path, **changes: Any) -> Iterator[DynamoDBConfig]:
    """Open the store, with the patience of a test."""
    patience = {"start_timeout_seconds": PATIENCE_SECONDS, "lock_timeout_seconds": PATIENCE_SECONDS}
    with embedded_store(directory, **(patience | changes)) as config:
        yield config


def block(directory: Path, *steps: Callable[[DynamoDBConfig], object]) -> None:
    """Open the store, take these steps inside the block and close it."""
    with opened(directory) as config:
        for step in steps:
            step(config)


def keep(directory: Path, *keys: str) -> None:
    """Open the store, write these keys and close it."""
    block(directory, lambda config: write(config, *keys))


def kept(directory: Path) -> set[str]:
    """Open the store and return its keys."""
    with opened(directory) as config:
        return keys_in(config)


def wait_until(condition: Callable[[], bool]) -> None:
    """Ask until it is so; fail when patience ends."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, f"not so after {PATIENCE_SECONDS} s"
        time.sleep(0.01)


def answers(endpoint_url: str) -> bool:
    """Say whether somebody answers at this endpoint, and be it with a refusal."""
    parts = urlsplit(endpoint_url)
    connection = http.client.HTTPConnection(str(parts.hostname), parts.port, timeout=5)
    try:
        connection.request("GET", "/")
        return connection.getresponse().status == http.client.FORBIDDEN
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


class Writer:
    """A process that opens a store, writes one key and then does what `mode` says (see `embedded_writer`)."""

    def __init__(self, directory: Path, key: str, mode: str) -> None:
        command = [sys.executable, "-m", "tests.helpers.embedded_writer", str(directory), key, mode]
        self.process = subprocess.Popen(
            command,
            cwd=Path(__file__).parents[2],
            env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        assert self.process.stdin
        assert self.process.stdout
        self.stdin, self.stdout = self.process.stdin, self.process.stdout

    def wait_for(self, word: str) -> str:
        """Wait for the line that begins with this word and return the rest of it."""
        for line in self.stdout:
            first, _, rest = line.strip().partition(" ")
            if first == word:
                return rest
        raise AssertionError(f"it ended before {word!r}: {self.errors()}")

    def go_on(self) -> None:
        """Let it leave the point where it waits."""
        self.stdin.write("\n")
        self.stdin.flush()

    def end(self) -> int:
        """Wait for its end and return its status."""
        return self.process.wait(PATIENCE_SECONDS)

    def errors(self) -> str:
        """Wait for its end and return what it wrote to standard error."""
        return self.process.communicate(timeout=PATIENCE_SECONDS)[1]


@contextmanager
def writer(directory: Path, key: str, mode: str = "end") -> Iterator[Writer]:
    """Run a writer; kill it if it is still there after the block."""
    started = Writer(directory, key, mode)
    with started.process:
        try:
            yield started
        finally:
            started.process.kill()


def server_pid(endpoint_url: str) -> int:
    """Return the process that listens there, from Linux's `/proc`."""
    port = urlsplit(endpoint_url).port
    inode = next(inode for address, inode in listening("tcp").items() if address.endswith(f":{port:04X}"))
    for process in Path("/proc").glob("[0-9]*"):
        if f"socket:[{inode}]" in open_files(int(process.name)):
            return int(process.name)
    raise AssertionError(f"nobody listens at {endpoint_url}")


def open_files(pid: int) -> set[str]:
    """Return what the process's descriptors lead to."""
    found = set()
    try:
        for descriptor in Path(f"/proc/{pid}/fd").iterdir():
            found.add(os.readlink(descriptor))
    except OSError:  # it ended meanwhile
        return found
    return found


def listening(protocol: str) -> dict[str, str]:
    """Return the inodes of listening (TCP) or bound (UDP) sockets by local address, as the kernel has it."""
    rows = [line.split() for line in Path(f"/proc/net/{protocol}").read_text().splitlines()[1:]]
    return {row[1]: row[9] for row in rows if row[3] in {"0A", "07"}}
