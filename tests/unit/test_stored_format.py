"""The stored format: whole raw items of each model. A change here is a change of the stored format."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from pipemodels import PipelineConfig, PipelineRunLog, TableConfig, commands
from pipemodels.models import MODELS, RunSlots
from pipemodels.models.run import epoch_seconds, seconds_between
from pipemodels.models.sharding import shard_of, shards_of
from pipemodels.models.stamped import stored_fields

pytestmark = pytest.mark.usefixtures("counted_tokens")
Raw = Callable[..., dict[str, Any] | None]
AT = datetime(2026, 11, 22, 6, 4, 9, 937580, tzinfo=UTC)
TEXT = "2026-11-22T06:04:09.937580Z"

PIPELINE = {
    "pipeline_id": "golden", "pipeline_name": "Orders", "description": "Täglich", "config": {"batch": 5},
    "source_type": "s3", "source_config": {"bucket": "b", "on": True}, "destination_type": "iceberg",
    "destination_config": {"retries": [1, None]}, "schedule_expression": "0 6 * * *",
    "schedule_timezone": "Europe/Berlin", "is_active": True,
    "environment": "prod", "version": "2.1.0", "spark_config": {"x": Decimal("0.5")}, "cpu_cores": 8,
    "memory_gb": Decimal("16.5"), "tags": {"team": "data"}, "created_by": "ann", "updated_by": "bob",
    "max_concurrent_runs": 2, "max_attempts": 3,
}  # fmt: skip
PIPELINE_STORED = {
    "pipeline_id": {"S": "golden"},
    "pipeline_name": {"S": "Orders"},
    "description": {"S": "Täglich"},
    "config": {"M": {"batch": {"N": "5"}}},
    "source_type": {"S": "s3"},
    "source_config": {"M": {"bucket": {"S": "b"}, "on": {"BOOL": True}}},
    "destination_type": {"S": "iceberg"},
    "destination_config": {"M": {"retries": {"L": [{"N": "1"}, {"NULL": True}]}}},
    "schedule_expression": {"S": "0 6 * * *"},
    "schedule_timezone": {"S": "Europe/Berlin"},
    "is_active": {"BOOL": True},
    "environment": {"S": "prod"},
    "version": {"S": "2.1.0"},
    "spark_config": {"M": {"x": {"N": "0.5"}}},
    "cpu_cores": {"N": "8"},
    "memory_gb": {"N": "16.5"},
    "tags": {"M": {"team": {"S": "data"}}},
    "max_concurrent_runs": {"N": "2"},
    "max_attempts": {"N": "3"},
    "active_shard": {"S": "active#3"},
    "environment_shard": {"S": "prod#3"},
    "revision": {"N": "1"},
    "created_at": {"S": TEXT},
    "updated_at": {"S": TEXT},
    "created_by": {"S": "ann"},
    "updated_by": {"S": "bob"},
}
TABLE = {
    "table_id": "golden", "pipeline_id": "p", "table_name": "orders", "table_type": "source",
    "data_format": "parquet", "schema_definition": {"id": "int"}, "partition_columns": ["day"],
    "primary_key_columns": ["id"], "location": "s3://b/o", "connection_config": {"c": 1}, "read_options": {"r": 1},
    "write_options": {"w": 1}, "validation_rules": {"v": 1}, "data_quality_checks": [{"q": 1}],
    "caching_enabled": False, "cache_level": "disk", "retention_days": 30, "archive_after_days": 7,
    "environment": "prod", "is_active": False, "description": "d", "tags": {"a": "b"}, "last_updated_data": AT,
    "record_count": 10, "size_bytes": 1000,
}  # fmt: skip
TABLE_STORED = {
    "table_id": {"S": "golden"}, "pipeline_id": {"S": "p"}, "table_name": {"S": "orders"},
    "table_type": {"S": "source"}, "data_format": {"S": "parquet"}, "schema_definition": {"M": {"id": {"S": "int"}}},
    "partition_columns": {"L": [{"S": "day"}]}, "primary_key_columns": {"L": [{"S": "id"}]},
    "location": {"S": "s3://b/o"}, "connection_config": {"M": {"c": {"N": "1"}}},
    "read_options": {"M": {"r": {"N": "1"}}}, "write_options": {"M": {"w": {"N": "1"}}},
    "validation_rules": {"M": {"v": {"N": "1"}}}, "data_quality_checks": {"L": [{"M": {"q": {"N": "1"}}}]},
    "caching_enabled": {"BOOL": False}, "cache_level": {"S": "disk"}, "retention_days": {"N": "30"},
    "archive_after_days": {"N": "7"}, "environment": {"S": "prod"}, "is_active": {"BOOL": False},
    "description": {"S": "d"}, "tags": {"M": {"a": {"S": "b"}}}, "last_updated_data": {"S": TEXT},
    "record_count": {"N": "10"}, "size_bytes": {"N": "1000"}, "table_type_shard": {"S": "source#3"},
    "revision": {"N": "1"}, "created_at": {"S": TEXT}, "updated_at": {"S": TEXT},
}  # fmt: skip
RUN = {
    "pipeline_id": "p", "run_id": "golden", "status": "success", "trigger_type": "schedule", "start_time": AT,
    "end_time": AT + timedelta(seconds=90, microseconds=1), "current_stage": "load",
    "stages": [{"stage_name": "load", "status": "failed", "start_time": AT, "end_time": AT, "records_processed": 3,
                "error_message": "no"}],
    "total_records_processed": 5, "total_records_failed": 1, "input_data_size_bytes": 2, "output_data_size_bytes": 3,
    "spark_application_id": "app", "cpu_hours": Decimal("0.25"), "memory_usage_gb": Decimal("1.5"),
    "data_quality_results": [{"check_name": "c", "passed": True, "expected_value": None, "actual_value": [1]}],
    "data_quality_passed": True, "error_message": "e", "error_stack_trace": "t", "attempt": 2, "retry_of": "r0",
    "pipeline_version": "1.0.0", "config_snapshot": {"k": "v"}, "environment": "prod", "spark_version": "3.5",
    "python_version": "3.11", "input_tables": ["i"], "output_tables": ["o"], "log_level": "INFO",
    "log_messages": [{"m": "x"}], "monitoring_urls": {"ui": "http://x"}, "tags": {"a": "b"}, "expires_at": AT,
}  # fmt: skip
RUN_STORED = {
    "pipeline_id": {"S": "p"}, "run_id": {"S": "golden"}, "status": {"S": "success"},
    "trigger_type": {"S": "schedule"}, "start_time": {"S": TEXT}, "end_time": {"S": "2026-11-22T06:05:39.937581Z"},
    "duration_seconds": {"N": "90.000001"}, "current_stage": {"S": "load"},
    "stages": {"L": [{"M": {
        "stage_name": {"S": "load"}, "status": {"S": "failed"}, "start_time": {"S": TEXT}, "end_time": {"S": TEXT},
        "duration_seconds": {"N": "0"}, "records_processed": {"N": "3"}, "error_message": {"S": "no"},
    }}]},
    "total_records_processed": {"N": "5"}, "total_records_failed": {"N": "1"}, "input_data_size_bytes": {"N": "2"},
    "output_data_size_bytes": {"N": "3"}, "spark_application_id": {"S": "app"}, "cpu_hours": {"N": "0.25"},
    "memory_usage_gb": {"N": "1.5"},
    "data_quality_results": {"L": [{"M": {
        "check_name": {"S": "c"}, "passed": {"BOOL": True}, "actual_value": {"L": [{"N": "1"}]},
    }}]},
    "data_quality_passed": {"BOOL": True}, "error_message": {"S": "e"}, "error_stack_trace": {"S": "t"},
    "attempt": {"N": "2"}, "retry_of": {"S": "r0"}, "pipeline_version": {"S": "1.0.0"},
    "config_snapshot": {"M": {"k": {"S": "v"}}}, "environment": {"S": "prod"}, "spark_version": {"S": "3.5"},
    "python_version": {"S": "3.11"}, "input_tables": {"L": [{"S": "i"}]}, "output_tables": {"L": [{"S": "o"}]},
    "log_level": {"S": "INFO"}, "log_messages": {"L": [{"M": {"m": {"S": "x"}}}]},
    "monitoring_urls": {"M": {"ui": {"S": "http://x"}}}, "tags": {"M": {"a": {"S": "b"}}},
    "expires_at": {"N": "1795327450"}, "status_shard": {"S": "success#3"}, "start_epoch": {"N": "1795327449.93758"},
    "revision": {"N": "1"}, "created_at": {"S": TEXT}, "updated_at": {"S": TEXT},
}  # fmt: skip
GOLDEN = [
    (PipelineConfig, PIPELINE, PIPELINE_STORED, ("golden",)),
    (TableConfig, TABLE, TABLE_STORED, ("golden",)),
    (PipelineRunLog, RUN, RUN_STORED, ("p", "golden")),
]


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stop the clock of the models."""
    import pipemodels.models.writing as writing
    from pipemodels.instants import utc_instant

    monkeypatch.setattr(writing, "utc_now", lambda: utc_instant(AT, "now"))


@pytest.mark.parametrize(("model", "fields", "stored", "key"), GOLDEN)
def test_the_whole_stored_item(
    model: Any, fields: dict[str, Any], stored: Any, key: tuple[str, ...], raw: Raw
) -> None:
    """An item with every field is stored exactly like this, and is equal when it is read."""
    item = model(**fields, created_at=AT, updated_at=AT)
    item.save()
    assert raw(model, *key) == stored
    assert model.get(*key) == item
    assert set(stored) == {one.attr_name for one in model.get_attributes().values()} - absent(model)
    item.delete()


def absent(model: Any) -> set[str]:
    """Return attributes that no command has written: a writer's name, a lease, a write id."""
    lease = {"owner", "lease_token", "lease_seconds", "lease_expires_at", "heartbeat_at", "holds_slot"}
    more = {PipelineConfig: set(), PipelineRunLog: {"created_by", "updated_by"} | lease}
    return {"write_id"} | more.get(model, {"created_by", "updated_by"})


def test_a_running_run_and_its_slot(raw: Raw) -> None:
    """A lease and a slot add owner, token and times to the run, and the token of each holder to the slots."""
    commands.create_pipeline(
        pipeline_id="limited", pipeline_name="n", source_type="s", destination_type="d", max_concurrent_runs=2
    )
    for run_id in ("r[0].1", "second"):
        run = commands.start_run(pipeline_id="limited", run_id=run_id, owner="host:1", lease_seconds=60, now=AT)
    commands.heartbeat(run, now=AT + timedelta(seconds=20))
    assert raw(PipelineRunLog, "limited", "second") == {
        "pipeline_id": {"S": "limited"}, "run_id": {"S": "second"}, "status": {"S": "running"},
        "trigger_type": {"S": "manual"}, "start_time": {"S": TEXT}, "attempt": {"N": "1"}, "owner": {"S": "host:1"},
        "lease_token": {"N": "2"}, "lease_seconds": {"N": "60"}, "holds_slot": {"BOOL": True},
        "heartbeat_at": {"S": "2026-11-22T06:04:29.937580Z"},
        "lease_expires_at": {"S": "2026-11-22T06:05:29.937580Z"}, "status_shard": {"S": "running#1"},
        "start_epoch": {"N": "1795327449.93758"}, "revision": {"N": "2"}, "created_at": {"S": TEXT},
        "updated_at": {"S": "2026-11-22T06:04:29.937580Z"},
    }  # fmt: skip
    slots = {"pipeline_id": {"S": "limited"}, "last_token": {"N": "2"}}
    assert raw(RunSlots, "limited") == slots | {"holders": {"M": {"r[0].1": {"N": "1"}, "second": {"N": "2"}}}}
    commands.finish_run(pipeline_id="limited", run_id="second", lease_token=2, now=AT + timedelta(seconds=30))
    assert raw(RunSlots, "limited") == slots | {"holders": {"M": {"r[0].1": {"N": "1"}}}}


@pytest.mark.parametrize(
    ("model", "least", "more"),
    [
        (
            PipelineConfig,
            {"pipeline_id": "least", "pipeline_name": "n", "source_type": "s", "destination_type": "d"},
            {"is_active": {"BOOL": True}, "version": {"S": "1.0.0"}, "schedule_timezone": {"S": "UTC"},
             "active_shard": {"S": "active#3"}},
        ),
        (
            TableConfig,
            {"table_id": "least", "pipeline_id": "p", "table_name": "t", "table_type": "lookup", "data_format": "csv",
             "location": "x"},
            {"is_active": {"BOOL": True}, "table_type_shard": {"S": "lookup#3"}},
        ),
        (
            PipelineRunLog,
            {"pipeline_id": "least", "run_id": "r", "status": "pending", "trigger_type": "manual"},
            {"attempt": {"N": "1"}, "status_shard": {"S": "pending#1"}},
        ),
    ],
)  # fmt: skip
def test_the_least_that_is_stored(model: Any, least: dict[str, str], more: dict[str, Any], raw: Raw) -> None:
    """Required fields, defaults, shards and stamps are stored; fields without a value are absent."""
    model(**least, created_at=AT).save()
    stamps = {"revision": {"N": "1"}, "created_at": {"S": TEXT}, "updated_at": {"S": TEXT}}
    key = [least["pipeline_id"], least["run_id"]] if model is PipelineRunLog else [next(iter(least.values()))]
    assert raw(model, *key) == {name: {"S": value} for name, value in least.items()} | more | stamps


@pytest.mark.parametrize(("model", "fields", "stored", "key"), GOLDEN)
def test_fields_as_plain_values(model: Any, fields: Any, stored: dict[str, Any], key: Any) -> None:
    """`stored_fields` shows instants as stored text and numbers exactly, under the stored names."""
    found = stored_fields(model.from_raw_data(stored))
    assert found["created_at"] == TEXT
    assert set(found) == set(stored)
    if model is PipelineRunLog:
        assert found["duration_seconds"] == Decimal("90.000001")
        assert found["stages"][0]["start_time"] == TEXT
        assert found["expires_at"] == 1795327450


TABLES = {
    "pipeline_config": (["pipeline_id"], {"ActivePipelinesIndex": ["active_shard", "updated_at"],
                                          "EnvironmentIndex": ["environment_shard", "created_at"]}),
    "table_config": (["table_id"], {"PipelineTablesIndex": ["pipeline_id", "table_type"],
                                    "TableTypeIndex": ["table_type_shard", "pipeline_id"]}),
    "pipeline_run_logs": (["pipeline_id", "run_id"], {"PipelineRunsIndex": ["pipeline_id", "start_time"],
                                                      "StatusRunsIndex": ["status_shard", "start_time"],
                                                      "LeaseExpiryIndex": ["status_shard", "lease_expires_at"],
                                                      "RunIdIndex": ["run_id"]}),
    "pipeline_run_slots": (["pipeline_id"], {}),
}  # fmt: skip


def test_tables_and_indexes_have_the_names_that_users_know() -> None:
    """Names and keys of the four tables and eight indexes, in the order hash, range; all project a summary."""
    found = {}
    for model in MODELS:
        description = model.describe_table()
        indexes = {one["IndexName"]: one for one in description.get("GlobalSecondaryIndexes", [])}
        found[model.Meta.base_name] = (
            [key["AttributeName"] for key in description["KeySchema"]],
            {name: [key["AttributeName"] for key in one["KeySchema"]] for name, one in indexes.items()},
        )
        kinds = {name: one["Projection"]["ProjectionType"] for name, one in indexes.items()}
        assert kinds == {name: "KEYS_ONLY" if name == "RunIdIndex" else "INCLUDE" for name in indexes}
    assert found == TABLES


def test_each_index_projects_what_a_listing_shows() -> None:
    """The projections are part of the stored format: adding an attribute means rebuilding the index."""
    projected = {
        index["index_name"]: sorted(index["projection"].get("NonKeyAttributes", []))
        for model in MODELS
        for index in model._get_schema()["global_secondary_indexes"]
    }
    pipeline = ["created_at", "destination_type", "environment", "is_active", "pipeline_name", "revision",
                "schedule_expression", "source_type", "version"]  # fmt: skip
    table = ["created_at", "data_format", "environment", "is_active", "last_updated_data", "location", "record_count",
             "revision", "size_bytes", "table_name", "updated_at"]  # fmt: skip
    run = ["attempt", "created_at", "current_stage", "data_quality_passed", "duration_seconds", "end_time",
           "environment", "error_message", "heartbeat_at", "lease_expires_at", "owner", "pipeline_version",
           "retry_of", "revision", "status",
           "total_records_failed", "total_records_processed", "trigger_type", "updated_at"]  # fmt: skip
    lease = ["attempt", "heartbeat_at", "lease_seconds", "lease_token", "owner", "revision", "start_time", "status",
             "trigger_type"]  # fmt: skip
    assert projected == {
        "ActivePipelinesIndex": pipeline,
        "EnvironmentIndex": sorted([*pipeline, "updated_at"])[1:],
        "PipelineTablesIndex": table,
        "TableTypeIndex": sorted([*table, "table_type"]),
        "PipelineRunsIndex": run,
        "StatusRunsIndex": run,
        "LeaseExpiryIndex": lease,
        "RunIdIndex": [],
    }


@pytest.mark.parametrize(
    ("value", "item_id", "shard"),
    [
        ("active", "orders_daily", "active#3"),
        ("prod", "Täglicher Import", "prod#3"),
        ("prod", "r", "prod#1"),
        ("failed", "", "failed#0"),
    ],
)
def test_shards_are_stable(value: str, item_id: str, shard: str) -> None:
    """crc32 of the id's UTF-8 bytes, mod 4: every process and every version must agree."""
    assert shard_of(value, item_id) == shard


def test_a_value_has_as_many_shards_as_configured() -> None:
    """A reader queries all shards, in order."""
    assert shards_of("active") == ["active#0", "active#1", "active#2", "active#3"]


@pytest.mark.parametrize(
    ("microseconds", "seconds"),
    [
        (0, "0"),
        (1, "0.000001"),
        (1_500_000, "1.5"),
        (86_400_000_000 * 10_000, "864000000"),
        (-1, "-0.000001"),
        (-61_000_010, "-61.00001"),
        (123_456_789_012_345_678, "123456789012.345678"),
    ],
)
def test_seconds_are_exact(microseconds: int, seconds: str) -> None:
    """Durations and epochs are whole microseconds written as decimals, whatever the decimal context."""
    import decimal

    end = AT + timedelta(microseconds=microseconds)
    with decimal.localcontext(prec=2):
        assert str(seconds_between(AT, end)) == seconds
        assert str(epoch_seconds(datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=microseconds))) == seconds
