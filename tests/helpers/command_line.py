"""The command line in this process, on moto: what it prints, and its exit code."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from moto import mock_aws

from pipemodels import DynamoDBConfig, commands, create_tables, using
from pipemodels.cli import main

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
_prefixes = (f"cli{number}." for number in itertools.count())


@dataclass(frozen=True)
class Answer:
    """What a command line came to."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Standard output, which must be one JSON document."""
        return json.loads(self.out)

    @property
    def lines(self) -> list[str]:
        """The lines of standard output."""
        return self.out.splitlines()


CommandLine = Callable[..., Answer]


@pytest.fixture(scope="module")
def moto_aws() -> Iterator[None]:
    """Run DynamoDB in this process."""
    with mock_aws():
        yield


@pytest.fixture
def cli(moto_aws: None, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> CommandLine:
    """Return a caller of the command line, on moto as AWS."""
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    monkeypatch.setenv("PIPEMODELS_STORE", "aws")
    for name in ("PIPEMODELS_TABLE_PREFIX", "PIPEMODELS_TIMEZONE", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(name, raising=False)

    def call(*arguments: str) -> Answer:
        capsys.readouterr()
        code = main(arguments)
        return Answer(code, *capsys.readouterr())

    return call


def config_of(prefix: str) -> DynamoDBConfig:
    """Return the configuration of the tables with a prefix, as the command line has it under `cli`."""
    return DynamoDBConfig(
        aws_access_key_id="testing", aws_secret_access_key="testing", region_name="us-east-1", table_prefix=prefix
    )


@pytest.fixture
def prefix(cli: CommandLine) -> str:
    """Return a prefix whose tables exist and are empty."""
    prefix = next(_prefixes)
    assert cli("tables", "create", "--prefix", prefix).code == 0
    return prefix


@pytest.fixture(scope="module")
def shop(moto_aws: None) -> str:
    """Return the prefix of tables with three pipelines and seven runs; tests only read them."""
    prefix = next(_prefixes)
    with using(config_of(prefix)):
        create_tables()
        fill_shop()
    return prefix


def fill_shop() -> None:
    """Store three pipelines; one has six runs from noon on, an hour apart, another has one that runs."""
    for name, environment in (("orders", "prod"), ("customers", "prod"), ("old", "dev")):
        commands.create_pipeline(
            pipeline_id=name,
            pipeline_name=name.title(),
            source_type="postgres",
            destination_type="iceberg",
            environment=environment,
            is_active=name != "old",
            config={"rate": 3},
            now=NOON,
        )
    for number in range(6):
        _run("orders", f"run-{number}", NOON + timedelta(hours=number), fails=number % 3 == 2)
    commands.start_run(pipeline_id="customers", run_id="still-running", start_time=NOON, now=NOON)


def _run(pipeline_id: str, run_id: str, start: datetime, *, fails: bool) -> None:
    key: dict[str, Any] = {"pipeline_id": pipeline_id, "run_id": run_id}
    commands.start_run(**key, start_time=start, now=start)
    commands.start_stage(**key, stage_name="extract", now=start)
    middle, end = start + timedelta(minutes=4), start + timedelta(minutes=10, microseconds=1)
    commands.finish_stage(**key, stage_name="extract", now=middle)
    commands.start_stage(**key, stage_name="load", now=middle)
    commands.finish_stage(
        **key,
        stage_name="load",
        now=end,
        status="failed" if fails else "success",
        error_message="x" if fails else None,
    )
    if fails:
        commands.fail_run(**key, now=end, error_message="disk is full\nat /data")
    else:
        commands.finish_run(**key, now=end, total_records_processed=1_200)
