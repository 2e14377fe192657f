"""Whole lifecycles on a LocalStack that refuses three requests in ten: a container of its own, and soon gone."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from pipemodels import DynamoDBConfig
from tests.helpers.backends import Backend, started
from tests.helpers.workers import own_connection
from tests.survival.conftest import rounds
from tests.survival.lifecycles import THREADS, survive
from tests.survival.world import World

pytestmark = [pytest.mark.backends("localstack"), pytest.mark.no_cover]
ROOT = Path(__file__).parents[2]
RATE = 0.3


@pytest.fixture(scope="module")
def own_localstack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Backend]:
    """Yield a LocalStack that nobody else uses: its errors are everybody's."""
    with socket.create_server(("127.0.0.1", 0)) as held:
        port = str(held.getsockname()[1])
    env = os.environ | {"PIPEMODELS_LOCALSTACK_PROJECT": f"pipemodels-errors-{os.getpid()}", "LOCALSTACK_PORT": port}

    def tool(*command: str) -> None:
        subprocess.run([sys.executable, "tools/localstack.py", *command], cwd=ROOT, env=env, check=True, timeout=300)

    try:
        tool("start")
        with started(f"http://127.0.0.1:{port}", tmp_path_factory.mktemp("store")) as one:
            yield one
    finally:
        tool("clean", "--yes")


@contextmanager
def errors(config: DynamoDBConfig, probability: float) -> Iterator[None]:
    """Let LocalStack refuse requests for load inside the block."""
    _set_probability(config, probability)
    try:
        yield
    finally:
        _set_probability(config, 0)


def _set_probability(config: DynamoDBConfig, probability: float) -> None:
    body = json.dumps({"variable": "DYNAMODB_ERROR_PROBABILITY", "value": probability}).encode()
    url = f"{config.endpoint_url}/_localstack/config"
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"}, method="POST")
    urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=10).close()


def test_lifecycles(backend: Backend, own_localstack: Backend) -> None:
    """At three requests in ten refused for load, every run ends as on a calm day."""
    count = rounds(backend, embedded=0, elsewhere=12, nightly=500)
    world = World(own_localstack.config)
    config = replace(world.config, max_pool_connections=THREADS, time_limit_seconds=120.0)
    with own_connection(config), own_connection(world.config):
        survive(world, config, count, amid=errors(world.config, RATE))
