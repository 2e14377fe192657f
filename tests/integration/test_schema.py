"""Tables are made, compared and dropped as DynamoDB has them."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context

import pytest

from pipemodels import TableMissingError, ValidationError, commands, create_tables, drop_tables, queries, table_status
from pipemodels.connections import connection_of
from tests.helpers.backends import Backend, fresh, requests_of
from tests.helpers.differences import concurrent
from tests.helpers.items import pipeline_fields

TABLES = ("pipeline_config", "table_config", "pipeline_run_logs", "pipeline_run_slots")


def test_tables_are_made_once_and_dropped_once(store: Backend) -> None:
    """Created, created again, dropped, dropped again: each says how the tables are, and TTL is on for runs."""
    with store.fresh_tables() as config:
        names = [config.table_prefix + name for name in TABLES]
        before = table_status()
        assert [(one.name, one.state, one.differences) for one in before] == [(n, "ACTIVE", ()) for n in names]
        with requests_of(config) as requests:
            assert create_tables() == before
        assert "CreateTable" not in {one.operation for one in requests}
        ttl = connection_of(config).client._make_api_call("DescribeTimeToLive", {"TableName": names[2]})
        assert ttl["TimeToLiveDescription"] == {"TimeToLiveStatus": "ENABLED", "AttributeName": "expires_at"}
        assert drop_tables() == names
        assert [one.state for one in table_status()] == ["MISSING"] * 4
        assert drop_tables() == []


def test_missing_tables_say_how_to_make_them(store: Backend) -> None:
    """Reading, writing and listing without tables: TableMissingError with the table and the command."""
    with store.fresh_tables() as config:
        drop_tables()
        name = f"{config.table_prefix}pipeline_config"
        match = f"table '{name}' does not exist; create it with: pipemodels tables create"
        with pytest.raises(TableMissingError, match=match):
            queries.get_pipeline("p")
        with pytest.raises(TableMissingError, match=match):
            commands.create_pipeline(**pipeline_fields())
        with pytest.raises(TableMissingError, match=match):
            queries.active_pipelines().first()
        with pytest.raises(TableMissingError, match=match):
            queries.all_pipelines().count()
        with pytest.raises(TableMissingError, match=match):
            commands.activate_pipelines(["p"])
        with pytest.raises(TableMissingError):
            commands.finish_run(pipeline_id="p", run_id="r")


def test_a_foreign_table_is_refused_before_any_is_made(store: Backend) -> None:
    """A table of that name with other keys: ValidationError names the difference; nothing is made or dropped."""
    with store.fresh_tables() as config:
        drop_tables()
        name = f"{config.table_prefix}table_config"
        connection_of(config).client._make_api_call(
            "CreateTable",
            {
                "TableName": name,
                "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
                "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "N"}],
                "BillingMode": "PAY_PER_REQUEST",
            },
        )
        with pytest.raises(ValidationError, match=r"key is HASH id \(N\), expected HASH table_id \(S\)"):
            create_tables()
        with pytest.raises(ValidationError, match="differs from the model, so nothing was deleted"):
            drop_tables()
        assert [one.state for one in table_status()] == ["MISSING", "DIFFERENT", "MISSING", "MISSING"]
        connection_of(config).client._make_api_call("DeleteTable", {"TableName": name})


@concurrent
def test_tables_may_be_made_by_four_at_once(store: Backend) -> None:
    """Four threads create the same tables at the same time, and all find them active, TTL on."""
    with store.fresh_tables():
        drop_tables()
        contexts = [copy_context() for _ in range(4)]
        with ThreadPoolExecutor(4) as threads:
            made = list(threads.map(lambda n: contexts[n].run(create_tables), range(4)))
        assert all(one == table_status() for one in made)
        assert queries.find_pipeline(fresh("p")) is None
