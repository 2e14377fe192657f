"""A pytest plugin with fixtures that give each test a configured store with empty tables.

    pytest_plugins = ["pipemodels.testing.plugin"]   # in your conftest.py

    def test_my_job(pipemodels_moto):
        my_job()
        assert queries.find_latest_run("orders_daily").status == "success"

Each fixture yields the `DynamoDBConfig`, which is already active; the tables are empty. It is active in the thread of
the test (`using`) and as the default of the process (`configure`). While the test runs, no request goes to another
store, regardless of the environment, the AWS files or an earlier `configure()`.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

try:
    import pytest
except ImportError as error:
    raise ImportError('pipemodels.testing.plugin needs pytest: pip install "pipemodels[test]"') from error

from pipemodels.config import DynamoDBConfig, configure, process_config, using
from pipemodels.errors import PipemodelsError
from pipemodels.schema import create_tables, drop_tables

ENDPOINT_VARIABLE = "PIPEMODELS_LOCALSTACK_ENDPOINT"


@contextmanager
def _tables(config: DynamoDBConfig) -> Iterator[DynamoDBConfig]:
    """Create tables for one test, and drop them at the end."""
    own = replace(config, table_prefix=f"test-{uuid.uuid4().hex[:12]}-")
    with using(own), _configured(own):
        create_tables()
        try:
            yield own
        finally:
            drop_tables()


@contextmanager
def _configured(config: DynamoDBConfig) -> Iterator[None]:
    before = process_config()
    configure(config)
    try:
        yield
    finally:
        configure(before)


@pytest.fixture
def pipemodels_moto() -> Iterator[DynamoDBConfig]:
    """Yield a store in this process (moto): the fastest fixture, but not suited to tests of concurrency."""
    try:
        from moto import mock_aws
    except ImportError as error:
        raise ImportError('pipemodels_moto needs moto: pip install "pipemodels[test]"') from error
    # moto answers only at the endpoint of AWS, and an explicit endpoint overrides configured ones
    fake = DynamoDBConfig.for_local_development("https://dynamodb.us-east-1.amazonaws.com")
    with mock_aws(), _tables(fake) as config:
        yield config


@pytest.fixture(scope="session")
def pipemodels_embedded_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DynamoDBConfig]:
    """Yield the configuration of the session's embedded store, which has no tables and is not active."""
    from pipemodels.local import embedded_store

    with embedded_store(tmp_path_factory.mktemp("pipemodels")) as config:
        yield config


@pytest.fixture
def pipemodels_embedded(pipemodels_embedded_server: DynamoDBConfig) -> Iterator[DynamoDBConfig]:
    """Yield an embedded store, as used by `PIPEMODELS_STORE=local`."""
    with _tables(pipemodels_embedded_server) as config:
        yield config


@pytest.fixture
def pipemodels_localstack() -> Iterator[DynamoDBConfig]:
    """Yield a store on LocalStack at `PIPEMODELS_LOCALSTACK_ENDPOINT` or 127.0.0.1:4566; fail if none is running."""
    endpoint = os.environ.get(ENDPOINT_VARIABLE, "http://127.0.0.1:4566")
    try:
        with _tables(DynamoDBConfig.for_local_development(endpoint)) as config:
            yield config
    except PipemodelsError as error:
        pytest.fail(f"no LocalStack at {endpoint}: {error}", pytrace=False)
