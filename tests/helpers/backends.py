"""The DynamoDBs that the tests run on: a back end is a name (`moto`, `embedded`, `localstack`) or a URL."""

from __future__ import annotations

import itertools
import os
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from hypothesis import settings

from pipemodels import DynamoDBConfig, create_tables, drop_tables, table_status, using
from pipemodels.connections import connection_of
from pipemodels.local import embedded_store

ENDPOINT_VARIABLE = "PIPEMODELS_LOCALSTACK_ENDPOINT"
LOCALSTACK_ENDPOINT = "http://127.0.0.1:4566"
DEFAULT = ("moto", "embedded")
_SHARE = {"moto": 1.0, "embedded": 1.0}
_regions = itertools.cycle(["us-east-2", "us-west-1", "us-west-2", "eu-west-1", "eu-west-2", "eu-central-1"])
_SHARE_ELSEWHERE = 0.2  # of the examples: a server in a container is five times slower


@dataclass(frozen=True)
class Backend:
    """A DynamoDB with this session's tables on it."""

    name: str
    config: DynamoDBConfig

    @contextmanager
    def active(self) -> Iterator[None]:
        """Use it, with tables, inside the block."""
        with self.reachable(), using(self.config):
            if self.name == "moto" and any(one.state == "MISSING" for one in table_status()):
                create_tables()  # somebody else's mock has emptied moto in between
            yield

    @contextmanager
    def fresh_tables(self, **changes: Any) -> Iterator[DynamoDBConfig]:
        """Use tables of its own inside the block, and drop them."""
        if self.name == "moto":
            # moto copies all tables of a region for each transaction
            changes = {"region_name": next(_regions), **changes}
        config = replace(self.config, table_prefix=fresh("t") + "_", **changes)
        with self.reachable(), using(config):
            create_tables()
            yield config
            drop_tables()

    def reachable(self) -> Any:
        """Return the context in which requests arrive: moto's mock, where it is moto."""
        return _mocked() if self.name == "moto" else nullcontext()

    def examples(self, count: int, **more: Any) -> settings:
        """Return settings for this many examples of a property, times the profile's factor, by speed."""
        default = settings.default
        assert default is not None, "conftest.py has loaded a profile"
        factor = default.max_examples / 100
        return settings(max_examples=max(1, round(count * factor * _SHARE.get(self.name, _SHARE_ELSEWHERE))), **more)


@contextmanager
def _mocked() -> Iterator[None]:
    from moto import mock_aws  # the others do without it

    mock = mock_aws()
    mock.start(reset=False)
    try:
        yield
    finally:
        mock.stop(remove_data=False)


@contextmanager
def started(name: str, directory: Path) -> Iterator[Backend]:
    """Start a back end, make its tables under a fresh prefix, and drop them afterwards."""
    with _reached(name, directory) as config:
        backend = Backend(name, replace(config, table_prefix=fresh("t") + "_", environment="dev"))
        with backend.reachable(), using(backend.config):
            create_tables()
        yield backend
        with backend.reachable(), using(backend.config):
            drop_tables()


@contextmanager
def _reached(name: str, directory: Path) -> Iterator[DynamoDBConfig]:
    if name == "moto":
        yield DynamoDBConfig(region_name="us-east-1", aws_access_key_id="test", aws_secret_access_key="test")
    elif name == "embedded":
        # nothing here is timed: a busy machine may take long to start it
        with embedded_store(directory, start_timeout_seconds=30.0) as config:
            yield config
    else:
        yield DynamoDBConfig.for_local_development(endpoint(name))


def endpoint(name: str) -> str:
    """Return the URL of a back end that is a server."""
    return os.environ.get(ENDPOINT_VARIABLE, LOCALSTACK_ENDPOINT) if name == "localstack" else name


def absent(name: str) -> str | None:
    """Say why a back end cannot be used, or None."""
    if name in DEFAULT:
        module = {"moto": "moto", "embedded": "ministack"}[name]
        try:
            __import__(module)
        except ImportError:
            return f"--backend {name}: {module} is not installed; pip install -e '.[dev]'"
        return None
    if name != "localstack" and not name.startswith(("http://", "https://")):
        return f"--backend {name}: no such back end; moto, embedded, localstack or a URL"
    try:
        urllib.request.build_opener(urllib.request.ProxyHandler({})).open(endpoint(name), timeout=5).close()
    except urllib.error.HTTPError:
        return None  # it answers
    except OSError as error:
        return f"--backend {name}: nothing answers at {endpoint(name)} ({error}); python tools/localstack.py start"
    return None


def fresh(stem: str) -> str:
    """Return an id that nobody has used: what keeps tests on shared tables apart."""
    return f"{stem}-{uuid.uuid4().hex[:12]}"


@dataclass(frozen=True)
class Request:
    """A request that went to DynamoDB, and its reply once there is one."""

    operation: str
    reply: dict[str, Any]


@contextmanager
def requests_of(config: DynamoDBConfig) -> Iterator[list[Request]]:
    """Collect the operations that this configuration's client sends inside the block."""
    seen: list[Request] = []
    events = connection_of(config).client.meta.events

    def before(model: Any, **_: Any) -> None:
        seen.append(Request(model.name, {}))

    def after(model: Any, parsed: dict[str, Any], **_: Any) -> None:
        unanswered = next(one for one in reversed(seen) if one.operation == model.name and not one.reply)
        unanswered.reply.update(parsed)

    events.register("before-call.dynamodb", before)
    events.register("after-call.dynamodb", after)
    try:
        yield seen
    finally:
        events.unregister("before-call.dynamodb", before)
        events.unregister("after-call.dynamodb", after)
