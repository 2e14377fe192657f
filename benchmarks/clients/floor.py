"""The floor: `http.client` and orjson, unsigned; it decodes only JSON. No Python client can be faster."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlsplit

import orjson

from benchmarks.clients import INDEX, TABLE, Client
from benchmarks.values import decoded, instant_text

_BATCH = 25


class Bench(Client):
    """Keep DynamoDB's tagged values."""

    title = "http.client + orjson (the floor)"

    @classmethod
    def decodes(cls) -> str:
        """Say which values are decoded."""
        return "nothing but the JSON"

    def __init__(self, endpoint: str) -> None:
        self._connection = HTTPConnection(urlsplit(endpoint).netloc)

    def _ask(self, operation: str, request: dict[str, Any]) -> dict[str, Any]:
        headers = {"X-Amz-Target": f"DynamoDB_20120810.{operation}", "Content-Type": "application/x-amz-json-1.0"}
        self._connection.request("POST", "/", orjson.dumps(request), headers)
        answer: dict[str, Any] = orjson.loads(self._connection.getresponse().read())
        return answer

    def _query(self, pipeline_id: str, **more: Any) -> list[Any]:
        key = {
            "TableName": TABLE,
            "KeyConditionExpression": "pipeline_id = :p",
            "ExpressionAttributeValues": {":p": {"S": pipeline_id}},
        }
        items: list[Any] = []
        answer = self._ask("Query", key | more)
        items += answer["Items"]
        while last := answer.get("LastEvaluatedKey"):
            answer = self._ask("Query", key | more | {"ExclusiveStartKey": last})
            items += answer["Items"]
        return items

    def page(self, pipeline_id: str) -> list[Any]:
        """Query the table."""
        return self._query(pipeline_id)

    def listing(self, pipeline_id: str) -> list[Any]:
        """Query the index."""
        return self._query(pipeline_id, IndexName=INDEX, ScanIndexForward=False)

    def get(self, pipeline_id: str, run_id: str) -> Any:
        """Get a run."""
        key = {"pipeline_id": {"S": pipeline_id}, "run_id": {"S": run_id}}
        return self._ask("GetItem", {"TableName": TABLE, "Key": key, "ConsistentRead": True})["Item"]

    def prepare(self, values: dict[str, Any]) -> Any:
        """Return the tagged values: the floor has no objects and encodes only JSON."""
        return _tagged(values)["M"]

    def write(self, prepared: list[Any]) -> None:
        """Write batches of 25."""
        for start in range(0, len(prepared), _BATCH):
            puts = [{"PutRequest": {"Item": item}} for item in prepared[start : start + _BATCH]]
            self._ask("BatchWriteItem", {"RequestItems": {TABLE: puts}})

    def plain(self, item: Any) -> dict[str, Any]:
        """Decode the tagged values."""
        return decoded(item)

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()


def _tagged(value: Any) -> dict[str, Any]:
    match value:
        case bool():
            return {"BOOL": value}
        case int() | Decimal():
            return {"N": format(value, "f")}
        case datetime():
            return {"S": instant_text(value)}
        case str():
            return {"S": value}
        case dict():
            return {"M": {name: _tagged(inner) for name, inner in value.items()}}
        case list():
            return {"L": [_tagged(element) for element in value]}
    raise ValueError(f"no benchmark item is written with {value!r}")
