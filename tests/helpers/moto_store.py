"""A store in this process for one test: moto, with tables of its own."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from moto import mock_aws

from pipemodels import DynamoDBConfig, create_tables, current_config, using
from pipemodels.connections import connection_of


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


@contextmanager
def requests() -> Iterator[list[str]]:
    """Yield a list that fills with the names of the operations that the store is asked for."""
    asked: list[str] = []

    def note(model: Any, **_: Any) -> None:
        asked.append(model.name)

    events = connection_of(current_config()).client.meta.events
    events.register("before-call.dynamodb", note)
    try:
        yield asked
    finally:
        events.unregister("before-call.dynamodb", note)
