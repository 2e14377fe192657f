"""One moto for the whole folder, tables made once, fresh keys for every test."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from moto import mock_aws

from pipemodels import DynamoDBConfig, commands, create_tables, using
from pipemodels.connections import connection_of
from pipemodels.models.base import Model

CONFIG = DynamoDBConfig(
    aws_access_key_id="unit",
    aws_secret_access_key="unit-secret",
    region_name="us-east-1",
    table_prefix="unit.",
    max_attempts=1,
    time_limit_seconds=0,  # what is refused for load is not sent again: a test tries that
)
_numbers = itertools.count(1)


_regions = itertools.cycle(["us-east-1", "us-east-2", "us-west-1", "us-west-2", "eu-west-1", "eu-west-2", "eu-west-3",
                             "eu-central-1", "eu-north-1", "ap-south-1", "ap-northeast-1", "ap-northeast-2",
                             "ap-southeast-1", "ap-southeast-2", "ca-central-1", "sa-east-1"])  # fmt: skip


@pytest.fixture(scope="package", autouse=True)
def moto() -> Iterator[None]:
    """Run DynamoDB in this process."""
    with mock_aws():
        yield


@pytest.fixture(scope="module")
def module_config(moto: None) -> DynamoDBConfig:
    """Return a configuration of tables of this module's own.

    Each module has its own region: moto copies all tables of a region for every transaction.
    """
    config = replace(CONFIG, region_name=next(_regions))
    with using(config):
        create_tables()
    return config


@pytest.fixture(autouse=True)
def config(module_config: DynamoDBConfig) -> Iterator[DynamoDBConfig]:
    """Speak to the tables of this module."""
    with using(module_config):
        yield module_config


@pytest.fixture
def other_config() -> DynamoDBConfig:
    """Return a configuration of other tables than `config`."""
    return DynamoDBConfig(
        aws_access_key_id="unit", aws_secret_access_key="unit-secret", region_name="us-east-1", table_prefix="other."
    )


@pytest.fixture
def unique() -> Callable[[str], str]:
    """Return a maker of ids that no other test has."""
    return lambda stem: f"{stem}-{next(_numbers)}"


@pytest.fixture
def limited(unique: Callable[[str], str]) -> Callable[..., str]:
    """Return a maker of pipelines with limits."""

    def make(limit: int | None = 1, **more: Any) -> str:
        fields: dict[str, Any] = {
            "pipeline_name": "n",
            "source_type": "s",
            "destination_type": "d",
            "max_concurrent_runs": limit,
        }
        return commands.create_pipeline(pipeline_id=unique("limited"), **fields, **more).pipeline_id

    return make


@pytest.fixture
def raw() -> Callable[..., dict[str, Any] | None]:
    """Return a reader of what DynamoDB holds under a key, as it is on the wire; but the random name of a write."""

    def read(model: type[Model], *key: str) -> dict[str, Any] | None:
        answer = model._get_connection().get_item(key[0], range_key=key[1] if key[1:] else None, consistent_read=True)
        item: dict[str, Any] | None = answer.get("Item")
        if item is not None:
            item.pop("write_id", None)
        return item

    return read


@pytest.fixture
def requests(config: DynamoDBConfig) -> Iterator[list[str]]:
    """Return the list of the operations that are sent from now on."""
    sent: list[str] = []

    def note(model: Any, **_: Any) -> None:
        sent.append(model.name)

    events = connection_of(config).client.meta.events
    events.register("before-call.dynamodb", note)
    yield sent
    events.unregister("before-call.dynamodb", note)
