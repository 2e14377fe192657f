"""A pytest plugin: a store for each test, with its tables, in force.

    pytest_plugins = ["pipemodels.testing.plugin"]   # in your conftest.py

    def test_my_job(pipemodels_moto):
        my_job()
        assert queries.find_latest_run("orders_daily").status == "success"

Each fixture yields the `DynamoDBConfig`, already in force in the test's thread (`using`); the tables are empty.
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

from pipemodels.config import DynamoDBConfig, using
from pipemodels.errors import PipemodelsError
from pipemodels.schema import create_tables, drop_tables

ENDPOINT_VARIABLE = "PIPEMODELS_LOCALSTACK_ENDPOINT"


@contextmanager
def _tables(config: DynamoDBConfig) -> Iterator[DynamoDBConfig]:
    """Use tables of its own, which nobody has written to, and drop them at the end."""
    with using(replace(config, table_prefix=f"test-{uuid.uuid4().hex[:12]}-")) as own:
        create_tables()
        try:
            yield own
        finally:
            drop_tables()


@pytest.fixture
def pipemodels_moto() -> Iterator[DynamoDBConfig]:
    """Yield a store in this process (moto): the fastest. It proves nothing about concurrency."""
    try:
        from moto import mock_aws
    except ImportError as error:
        raise ImportError('pipemodels_moto needs moto: pip install "pipemodels[test]"') from error
    with mock_aws():
        # credentials of its own keep the real ones out of the test
        fake = DynamoDBConfig(
            region_name="us-east-1",
            environment="dev",
            aws_access_key_id="test",
            aws_secret_access_key="test",  # noqa: S106  # of nothing
        )
        with _tables(fake) as config:
            yield config


@pytest.fixture(scope="session")
def pipemodels_embedded_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DynamoDBConfig]:
    """Yield how to reach this session's embedded store, which holds no tables yet and is not in force."""
    from pipemodels.local import embedded_store

    with embedded_store(tmp_path_factory.mktemp("pipemodels"), ready_timeout_seconds=30.0) as config:
        yield config


@pytest.fixture
def pipemodels_embedded(pipemodels_embedded_server: DynamoDBConfig) -> Iterator[DynamoDBConfig]:
    """Yield an embedded store, as `PIPEMODELS_STORE=local` uses it; needs `pip install "pipemodels[local]"`."""
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
