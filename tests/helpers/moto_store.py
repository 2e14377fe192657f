"""A store in this process for one test: moto, with tables of its own."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager

from moto import mock_aws

from pipemodels import DynamoDBConfig, create_tables, using


@contextmanager
def moto_store() -> Iterator[DynamoDBConfig]:
    """Yield the configuration of an empty store, which is in force inside the block."""
    config = DynamoDBConfig(
        aws_access_key_id="test",
        aws_secret_access_key="test",
        region_name="us-east-1",
        table_prefix=f"t{uuid.uuid4().hex[:12]}_",
    )
    with mock_aws(), using(config):
        create_tables()
        yield config
