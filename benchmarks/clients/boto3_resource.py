"""boto3's resource: it reads and writes dicts, with numbers as Decimal and without instants."""

from __future__ import annotations

from typing import Any

import boto3
from boto3.dynamodb.conditions import Key

from benchmarks.clients import CREDENTIAL, INDEX, REGION, TABLE, Client
from benchmarks.values import Fidelity, without_instants


class Bench(Client):
    """Read and write dicts with the texts of instants."""

    title = "boto3 resource"
    fidelity = Fidelity(instants="none")

    def __init__(self, endpoint: str) -> None:
        resource = boto3.resource(
            "dynamodb", REGION, endpoint_url=endpoint,
            aws_access_key_id=CREDENTIAL, aws_secret_access_key=CREDENTIAL,
        )  # fmt: skip
        self._table = resource.Table(TABLE)

    def _query(self, pipeline_id: str, **more: Any) -> list[Any]:
        key = {"KeyConditionExpression": Key("pipeline_id").eq(pipeline_id)}
        answer = self._table.query(**key, **more)
        items: list[Any] = answer["Items"]
        while last := answer.get("LastEvaluatedKey"):
            answer = self._table.query(**key, **more, ExclusiveStartKey=last)
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
        key = {"pipeline_id": pipeline_id, "run_id": run_id}
        return self._table.get_item(Key=key, ConsistentRead=True)["Item"]

    def write(self, prepared: list[Any]) -> None:
        """Write batches of 25; the time includes making the texts of instants."""
        with self._table.batch_writer() as batch:
            for values in prepared:
                batch.put_item(Item=without_instants(values))

    def plain(self, item: Any) -> dict[str, Any]:
        """Return the item, which is a dict."""
        return dict(item)
