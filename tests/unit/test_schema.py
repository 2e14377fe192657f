"""Tables are created once, also by concurrent callers; a table that differs is refused with the differences."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest

from pipemodels import (
    DynamoDBConfig,
    PipelineConfig,
    PipelineRunLog,
    StorageError,
    TableConfig,
    ValidationError,
    create_tables,
    current_config,
    drop_tables,
    schema,
    table_status,
    using,
)
from pipemodels.connections import connection_of
from pipemodels.models import MODELS
from pipemodels.schema import TableStatus

Unique = Callable[[str], str]
NAMES = ["pipeline_config", "table_config", "pipeline_run_logs", "pipeline_run_slots"]


@pytest.fixture(autouse=True)
def prefix(unique: Unique, config: DynamoDBConfig) -> Iterator[str]:
    """Use tables of this test alone."""
    prefix = unique("schema") + "."
    with using(replace(config, table_prefix=prefix)):
        yield prefix


def client() -> Any:
    """Return the client; its `_make_api_call` takes any operation."""
    return connection_of(current_config()).client


def call(operation: str, **request: Any) -> Any:
    """Send a request without PynamoDB."""
    return client()._make_api_call(operation, request)


def statuses(prefix: str, state: str, **more: Any) -> list[TableStatus]:
    """Return equal statuses for all tables."""
    return [TableStatus(prefix + name, state, **more) for name in NAMES]


def test_create_status_drop(prefix: str) -> None:
    """Tables are missing, then active, then missing again; dropping returns the names of the dropped tables."""
    assert table_status() == statuses(prefix, "MISSING")
    assert create_tables() == statuses(prefix, "ACTIVE", items=0)
    assert table_status() == statuses(prefix, "ACTIVE", items=0)
    assert drop_tables() == [prefix + name for name in NAMES]
    assert table_status() == statuses(prefix, "MISSING")
    assert drop_tables() == []


def test_creating_again_changes_nothing(prefix: str) -> None:
    """A second call creates nothing, and the items stay."""
    create_tables()
    TableConfig(
        table_id="t", pipeline_id="p", table_name="t", table_type="source", data_format="csv", location="x"
    ).save()
    sent: list[str] = []
    client().meta.events.register("before-call.dynamodb", lambda model, **_: sent.append(model.name))
    assert [one.state for one in create_tables()] == ["ACTIVE"] * 4
    assert set(sent) == {"DescribeTable", "DescribeTimeToLive"}
    assert TableConfig.get("t").table_name == "t"
    assert [one.items for one in table_status()] == [0, 1, 0, 0]


def test_some_of_the_tables(prefix: str) -> None:
    """Only the tables of the given models are created, reported and dropped."""
    assert create_tables([TableConfig]) == [TableStatus(prefix + "table_config", "ACTIVE", 0)]
    assert [one.state for one in table_status()] == ["MISSING", "ACTIVE", "MISSING", "MISSING"]
    assert drop_tables([TableConfig, PipelineConfig]) == [prefix + "table_config"]


def test_tables_are_paid_by_request_and_runs_expire(prefix: str) -> None:
    """Billing is on demand; only the table of runs has TTL, on `expires_at`."""
    create_tables()
    billing = [model.describe_table()["BillingModeSummary"]["BillingMode"] for model in MODELS]
    assert billing == ["PAY_PER_REQUEST"] * 4
    ttl = [call("DescribeTimeToLive", TableName=prefix + name)["TimeToLiveDescription"] for name in NAMES]
    assert [one["TimeToLiveStatus"] for one in ttl] == ["DISABLED", "DISABLED", "ENABLED", "DISABLED"]
    assert ttl[2]["AttributeName"] == "expires_at"


def test_expiry_is_turned_on_where_it_is_off(prefix: str) -> None:
    """A table that exists without TTL gets it."""
    create_tables()
    name = prefix + "pipeline_run_logs"
    off = {"Enabled": False, "AttributeName": "expires_at"}
    call("UpdateTimeToLive", TableName=name, TimeToLiveSpecification=off)
    create_tables()
    assert call("DescribeTimeToLive", TableName=name)["TimeToLiveDescription"]["TimeToLiveStatus"] == "ENABLED"


def test_many_create_at_once(prefix: str) -> None:
    """Eight threads create the tables at the same time, and none fails."""
    config = current_config()

    def create(_: int) -> list[str]:
        with using(config):
            return [one.state for one in create_tables()]

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(create, range(8))) == [["ACTIVE"] * 4] * 8


def test_a_table_that_appears_meanwhile(prefix: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A table that another process creates after the check is accepted."""
    original = PipelineConfig.create_table

    def late(*args: Any, **settings: Any) -> Any:
        original()
        monkeypatch.setattr(PipelineConfig, "exists", classmethod(lambda cls: False))
        return original(*args, **settings)

    monkeypatch.setattr(PipelineConfig, "create_table", late)
    assert create_tables([PipelineConfig]) == [TableStatus(prefix + "pipeline_config", "ACTIVE", 0)]


def test_another_refusal_of_a_creation_is_an_error(prefix: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every error except "the table already exists" is raised."""
    from botocore.exceptions import ClientError
    from pynamodb.exceptions import TableError

    def refuse(*_: Any, **__: Any) -> None:
        raise TableError(
            "no", ClientError({"Error": {"Code": "LimitExceededException", "Message": "too many"}}, "CreateTable")
        )

    monkeypatch.setattr(PipelineConfig, "create_table", refuse)
    with pytest.raises(StorageError, match=f"table '{prefix}pipeline_config': LimitExceededException: too many"):
        create_tables(timeout_seconds=1)


def table(name: str, **changes: Any) -> dict[str, Any]:
    """Return the request that creates the table of pipelines, with changes."""

    def key(*names: str) -> list[dict[str, str]]:
        return [{"AttributeName": one, "KeyType": kind} for one, kind in zip(names, ("HASH", "RANGE"), strict=False)]

    def index(index_name: str, *names: str, projection: Any = None) -> dict[str, Any]:
        return {
            "IndexName": index_name,
            "KeySchema": key(*names),
            "Projection": projection or {"ProjectionType": "ALL"},
        }

    indexes = {
        "ActivePipelinesIndex": index("ActivePipelinesIndex", "active_shard", "updated_at"),
        "EnvironmentIndex": index("EnvironmentIndex", "environment_shard", "created_at"),
        "Own": index("Own", "created_at"),
    } | {one: made and index(one, *made["names"], projection=made.get("projection"))
         for one, made in changes.get("indexes", {}).items()}  # fmt: skip
    made = [one for one in indexes.values() if one]
    keys = key(*changes.get("key", ["pipeline_id"]))
    names = {one["AttributeName"] for one in [*keys, *(part for one in made for part in one["KeySchema"])]}
    types = changes.get("types", {})
    return {
        "TableName": name,
        "KeySchema": keys,
        "GlobalSecondaryIndexes": made,
        "BillingMode": "PAY_PER_REQUEST",
        "AttributeDefinitions": [
            {"AttributeName": one, "AttributeType": types.get(one, "S")} for one in sorted(names)
        ],
    }


DIFFERENCES: list[tuple[dict[str, Any], str]] = [
    ({"key": ["id"]}, "key is HASH id (S), expected HASH pipeline_id (S)"),
    ({"key": ["pipeline_id", "x"]}, "key is HASH pipeline_id (S), RANGE x (S), expected HASH pipeline_id (S)"),
    ({"types": {"pipeline_id": "N"}}, "key is HASH pipeline_id (N), expected HASH pipeline_id (S)"),
    ({"indexes": {"EnvironmentIndex": None}}, "index EnvironmentIndex is missing"),
    (
        {"indexes": {"EnvironmentIndex": {"names": ["environment", "created_at"]}}},
        "index EnvironmentIndex is HASH environment (S), RANGE created_at (S), "
        "expected HASH environment_shard (S), RANGE created_at (S)",
    ),
    (
        {"types": {"updated_at": "N"}},
        "index ActivePipelinesIndex is HASH active_shard (S), RANGE updated_at (N), "
        "expected HASH active_shard (S), RANGE updated_at (S)",
    ),
    (
        {
            "indexes": {
                "EnvironmentIndex": {
                    "names": ["environment_shard", "created_at"],
                    "projection": {"ProjectionType": "KEYS_ONLY"},
                }
            }
        },
        "index EnvironmentIndex does not project destination_type, environment, is_active, pipeline_name, revision, "
        "schedule_expression, source_type, updated_at, version",
    ),
]


@pytest.mark.parametrize(("changes", "difference"), DIFFERENCES)
def test_a_table_that_differs(changes: dict[str, Any], difference: str, prefix: str) -> None:
    """Status names differing keys, types, indexes and projections; create and drop refuse them and do nothing."""
    name = prefix + "pipeline_config"
    call("CreateTable", **table(name, **changes))
    with pytest.raises(ValidationError) as caught:
        create_tables()
    (problem,) = caught.value.problems
    assert (problem.field, problem.value) == ("table", name)
    assert problem.reason == f"exists, but differs from the model: {difference}; use another table prefix"
    assert [one.state for one in table_status()] == ["DIFFERENT", "MISSING", "MISSING", "MISSING"], (
        "nothing was created"
    )
    assert table_status()[0] == TableStatus(name, "DIFFERENT", 0, (difference,))
    create_tables([TableConfig])
    with pytest.raises(ValidationError) as caught:
        drop_tables()
    assert (
        caught.value.problems[0].reason
        == f"differs from the model, so nothing was deleted: {difference}; check the table prefix"
    )
    assert [one.state for one in table_status()] == ["DIFFERENT", "ACTIVE", "MISSING", "MISSING"], (
        "nothing was dropped"
    )


def test_more_than_is_wanted_is_no_difference(prefix: str) -> None:
    """Additional indexes and wider projections are accepted."""
    call("CreateTable", **table(prefix + "pipeline_config"))
    assert [one.state for one in create_tables()] == ["ACTIVE"] * 4


@contextmanager
def described(monkeypatch: pytest.MonkeyPatch, descriptions: list[Any]) -> Iterator[None]:
    """Answer DescribeTable from a list, and repeat its last answer."""
    waits: list[float] = []
    monkeypatch.setattr(
        schema, "_description", lambda model: descriptions.pop(0) if len(descriptions) > 1 else descriptions[0]
    )
    monkeypatch.setattr(time, "sleep", waits.append)
    yield
    assert set(waits) == {schema._POLL_SECONDS}


def test_creating_waits_until_table_and_indexes_are_active(prefix: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A table is not ready while it or one of its indexes is being created."""
    create_tables([PipelineConfig])
    active = PipelineConfig.describe_table()
    creating = active | {"TableStatus": "CREATING"}
    indexing = active | {
        "GlobalSecondaryIndexes": [one | {"IndexStatus": "CREATING"} for one in active["GlobalSecondaryIndexes"]]
    }
    answers = [active, None, creating, indexing, indexing, active]
    with described(monkeypatch, answers):
        assert [one.state for one in create_tables([PipelineConfig])] == ["ACTIVE"]
    assert answers == [active], "it did not wait for the last"
    monkeypatch.setattr(schema, "_description", lambda model: creating)
    with pytest.raises(
        StorageError,
        match=f"table '{prefix}pipeline_config' was not active in time; to see its state: pipemodels tables status",
    ):
        create_tables([PipelineConfig], timeout_seconds=-1)


def test_dropping_waits_until_the_table_is_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    """A table that is being deleted still exists."""
    create_tables([PipelineRunLog])
    there = PipelineRunLog.describe_table()
    with described(monkeypatch, [there, there | {"TableStatus": "DELETING"}, None]):
        assert len(drop_tables([PipelineRunLog])) == 1
