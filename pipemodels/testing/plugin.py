"""A pytest plugin: a store for each test, with its tables, in force.

    pytest_plugins = ["pipemodels.testing.plugin"]   # in your conftest.py

    def test_my_job(pipemodels_moto):
        my_job()
        assert queries.find_latest_run("orders_daily").status == "success"

Each fixture yields the `DynamoDBConfig`, already in force; the tables are empty. It is in force in the test's thread
(`using`), and where that does not reach, in the whole process (`configure`): while the test runs nothing is sent to
another store, whatever the environment, the AWS files or an earlier `configure()` say.
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
    """Use tables of its own, which nobody has written to, and drop them at the end."""
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
    """Yield a store in this process (moto): the fastest. It proves nothing about concurrency."""
    try:
        from moto import mock_aws
    except ImportError as error:
        raise ImportError('pipemodels_moto needs moto: pip install "pipemodels[test]"') from error
    # moto answers at AWS's endpoint alone, and only one that is given wins over those that are configured
    fake = DynamoDBConfig.for_local_development("https://dynamodb.us-east-1.amazonaws.com")
    with mock_aws(), _tables(fake) as config:
        yield config


@pytest.fixture(scope="session")
def pipemodels_embedded_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DynamoDBConfig]:
    """Yield how to reach this session's embedded store, which holds no tables yet and is not in force."""
    from pipemodels.local import embedded_store

    with embedded_store(tmp_path_factory.mktemp("pipemodels")) as config:
        yield config


@pytest.fixture
def pipemodels_embedded(pipemodels_embedded_server: DynamoDBConfig) -> Iterator[DynamoDBConfig]:
    """Yield an embedded store, as `PIPEMODELS_STORE=local` uses it."""
    with _tables(pipemodels_embedded_server) as config:
        yield config


@pytest.fixture
def pipemodels_localstack() -> Iterator[DynamoDBConfig]:
    """Yield a store on LocalStack, at `PIPEMODELS_LOCALSTACK_ENDPOINT` or 127.0.0.1:4566; fails without one."""
    endpoint = os.environ.get(ENDPOINT_VARIABLE, "http://127.0.0.1:4566")
    try:
        with _tables(DynamoDBConfig.for_local_development(endpoint)) as config:
            yield config
    except PipemodelsError as error:
        pytest.fail(f"no LocalStack at {endpoint}: {error}", pytrace=False)
