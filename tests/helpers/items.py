"""Items as the tests compare them: whole, as plain values, and as DynamoDB holds them."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime, timedelta
from typing import Any

from pipemodels import DynamoDBConfig
from pipemodels.connections import connection_of
from pipemodels.models.base import Model
from pipemodels.records import Record
from tests.helpers.backends import fresh

NOON = datetime(2026, 5, 17, 12, tzinfo=UTC)


def pipeline_fields(**fields: Any) -> dict[str, Any]:
    """Return what a pipeline needs, under a fresh id."""
    return {
        "pipeline_id": fresh("p"),
        "pipeline_name": "Orders",
        "source_type": "s3",
        "destination_type": "iceberg",
    } | fields


def table_fields(**fields: Any) -> dict[str, Any]:
    """Return what a table needs, under a fresh id."""
    return {
        "table_id": fresh("t"),
        "pipeline_id": "orders",
        "table_name": "orders",
        "table_type": "source",
        "data_format": "parquet",
        "location": "s3://shop/orders",
    } | fields


def run_key(**fields: Any) -> dict[str, Any]:
    """Return the key of a fresh run."""
    return {"pipeline_id": fresh("p"), "run_id": fresh("r")} | fields


def plain(value: Any) -> Any:
    """Return an item or a record, with all that it holds, as plain values; None is absent.

    But the name of its last write: that is random.
    """
    if isinstance(value, Model):
        held = {name: one for name, one in value.attribute_values.items() if name != "write_id"}
        return {name: plain(one) for name, one in held.items() if one is not None}
    if isinstance(value, Record):
        fields = dataclasses.fields(value)  # type: ignore[arg-type]  # every record class is a dataclass
        return {one.name: plain(held) for one in fields if (held := getattr(value, one.name)) is not None}
    if isinstance(value, datetime):
        assert value.utcoffset() == timedelta(0), "what was read is in UTC"
        return datetime(*value.timetuple()[:6], value.microsecond, UTC)  # pendulum's own arithmetic is another
    return [plain(one) for one in value] if isinstance(value, list) else value


def raw_item(config: DynamoDBConfig, base_name: str, **key: str) -> dict[str, Any]:
    """Return an item as DynamoDB holds it, by a plain client."""
    answer = connection_of(config).client._make_api_call(
        "GetItem",
        {
            "TableName": config.table_name(base_name),
            "Key": {name: {"S": value} for name, value in key.items()},
            "ConsistentRead": True,
        },
    )
    return dict(answer["Item"])
