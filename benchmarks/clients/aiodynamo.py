"""aiodynamo on aiohttp: asynchronous, but here with one request at a time. It uses dicts, with instants as texts."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

import aiodynamo.client
from aiodynamo.credentials import Key, StaticCredentials
from aiodynamo.expressions import HashKey
from aiodynamo.http.aiohttp import AIOHTTP
from aiodynamo.models import BatchWriteRequest
from aiohttp import ClientSession
from yarl import URL

from benchmarks.clients import CREDENTIAL, INDEX, REGION, TABLE, Client
from benchmarks.values import Fidelity, without_instants

_T = TypeVar("_T")
_BATCH = 25


class Bench(Client):
    """Run an event loop until each call is done."""

    title = "aiodynamo"
    fidelity = Fidelity(instants="none", exact=False)

    def __init__(self, endpoint: str) -> None:
        self._runner = asyncio.Runner()
        self._session, self._client = self._run(self._connected(endpoint))

    def _run(self, call: Coroutine[Any, Any, _T]) -> _T:
        return self._runner.run(call)

    async def _connected(self, endpoint: str) -> Any:
        credentials = StaticCredentials(Key(CREDENTIAL, CREDENTIAL))
        session = ClientSession()
        return session, aiodynamo.client.Client(AIOHTTP(session), credentials, REGION, URL(endpoint))

    async def _query(self, pipeline_id: str, **more: Any) -> list[Any]:
        return [item async for item in self._client.query(TABLE, HashKey("pipeline_id", pipeline_id), **more)]

    def page(self, pipeline_id: str) -> list[Any]:
        """Query the table."""
        return self._run(self._query(pipeline_id))

    def listing(self, pipeline_id: str) -> list[Any]:
        """Query the index."""
        projected = aiodynamo.client.Select.all_projected_attributes
        return self._run(self._query(pipeline_id, index=INDEX, scan_forward=False, select=projected))

    def get(self, pipeline_id: str, run_id: str) -> Any:
        """Get a run."""
        key = {"pipeline_id": pipeline_id, "run_id": run_id}
        return self._run(self._client.get_item(TABLE, key, consistent_read=True))

    def write(self, prepared: list[Any]) -> None:
        """Write batches of 25; the time includes making the texts of instants."""
        self._run(self._write(prepared))

    async def _write(self, prepared: list[Any]) -> None:
        for start in range(0, len(prepared), _BATCH):
            items = [without_instants(values) for values in prepared[start : start + _BATCH]]
            await self._client.batch_write({TABLE: BatchWriteRequest(items_to_put=items)})

    def plain(self, item: Any) -> dict[str, Any]:
        """Return the item, which is a dict."""
        return dict(item)

    def close(self) -> None:
        """Close the session and the loop."""
        self._run(self._session.close())
        self._runner.close()
