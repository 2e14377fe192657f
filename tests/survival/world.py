"""One pipeline and all that is stored of it: emptied, looked at whole, and judged."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Set
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from pipemodels import DynamoDBConfig, commands, queries, using
from pipemodels.commands import reap_expired_runs
from pipemodels.connections import connection_of
from pipemodels.errors import RunLimitError
from pipemodels.models.run import PipelineRunLog, RunStatus
from tests.helpers.items import pipeline_fields

PIPELINE = "orders"
START = datetime(2026, 5, 17, 12, tzinfo=UTC)
LEASE = 300
SOON = START + timedelta(seconds=30)
"""Every lease that began at START still holds."""
LATE = START + timedelta(hours=1)
"""No lease that began at START holds, whatever clock one looks at."""
END = START + timedelta(hours=3)
"""No lease of a scenario holds."""

Items = dict[str, dict[str, Any]]
_KEYS = {
    "pipeline_config": ("pipeline_id",),
    "pipeline_run_logs": ("pipeline_id", "run_id"),
    "pipeline_run_slots": ("pipeline_id",),
}


@dataclass(frozen=True)
class World:
    """What is stored under a configuration that nobody else uses, seen by one who never dies."""

    config: DynamoDBConfig

    def begin(self, **fields: Any) -> None:
        """Empty the tables, and configure the pipeline."""
        self.clear()
        self.configure(PIPELINE, **fields)

    def configure(self, pipeline_id: str, *, limit: int | None = None, max_attempts: int | None = None) -> None:
        """Configure a pipeline."""
        fields = {"pipeline_id": pipeline_id, "max_concurrent_runs": limit, "max_attempts": max_attempts}
        with using(self.config):
            commands.create_pipeline(now=START, **pipeline_fields(**fields))

    def active(self) -> AbstractContextManager[DynamoDBConfig]:
        """Use its configuration inside the block."""
        return using(self.config)

    def clear(self) -> None:
        """Delete every item."""
        for table, names in _KEYS.items():
            keys = [{name: item[name] for name in names} for item in self._scan(table)]
            for start in range(0, len(keys), 25):
                deletes = [{"DeleteRequest": {"Key": key}} for key in keys[start : start + 25]]
                self._call("BatchWriteItem", RequestItems={self.config.table_name(table): deletes})

    def items(self) -> Items:
        """Return every item, whole, as DynamoDB holds it, by its key; but for what no two executions have in common.

        That is who wrote it last, which is random; and the lease tokens, of which each is told by its place among its
        pipeline's.
        """
        found: Items = {}
        for table, names in _KEYS.items():
            for item in self._scan(table):
                item.pop("write_id", None)
                found["/".join([table, *(item[name]["S"] for name in names)])] = item
        tokens: dict[str, list[dict[str, str]]] = {}
        for item in found.values():
            tokens.setdefault(item["pipeline_id"]["S"], []).extend(_tokens(item))
        for given in tokens.values():
            order = sorted({int(token["N"]) for token in given})
            for token in given:
                token["N"] = str(order.index(int(token["N"])) + 1)
        return found

    def stories(self) -> dict[str, Items]:
        """Return runs and slots of each pipeline, as if each had the same name."""
        told: dict[str, Items] = {}
        for key, item in self.items().items():
            pipeline_id = item["pipeline_id"]["S"]
            if not key.startswith("pipeline_config"):
                same = json.loads(json.dumps([key, item]).replace(f'"{pipeline_id}"', f'"{PIPELINE}"'))
                told.setdefault(pipeline_id, {})[same[0].replace(f"/{pipeline_id}", f"/{PIPELINE}")] = same[1]
        return told

    def runs(self) -> list[PipelineRunLog]:
        """Return the runs as they are stored, in the order of their ids."""
        stored = sorted(self._scan("pipeline_run_logs"), key=lambda item: item["run_id"]["S"])
        return [PipelineRunLog.from_raw_data(item) for item in stored]

    def holders(self) -> dict[str, int]:
        """Return who holds a slot, with the token of each."""
        slots = self._scan("pipeline_run_slots")
        return {run: int(token["N"]) for item in slots for run, token in item.get("holders", {"M": {}})["M"].items()}

    def _scan(self, table: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        more: dict[str, Any] = {}
        while True:
            answer = self._call("Scan", TableName=self.config.table_name(table), ConsistentRead=True, **more)
            found += answer["Items"]
            if "LastEvaluatedKey" not in answer:
                return found
            more = {"ExclusiveStartKey": answer["LastEvaluatedKey"]}

    def _call(self, operation: str, **request: Any) -> dict[str, Any]:
        return dict(connection_of(self.config).client._make_api_call(operation, request))

    def judge(self, limit: int | None, *, stale: Set[str] = frozenset()) -> None:
        """Hold that slots and runs tell the same, and that no more runs hold a slot than may.

        Args:
            limit: how many may.
            stale: runs that are gone, and may still stand among the holders.
        """
        holders, runs = self.holders(), self.runs()
        gone = holders.keys() - {run.run_id for run in runs}
        assert gone <= stale
        held = {run_id: token for run_id, token in holders.items() if run_id not in gone}
        assert held == {run.run_id: run.lease_token for run in runs if run.holds_slot}
        assert len(holders) <= (limit or 0)
        for run in runs:
            running = run.status is RunStatus.RUNNING
            assert running or run.lease_expires_at is None, run
            assert run.holds_slot is (True if running and limit is not None else None), run
            assert (run.end_time is None) is (run.status in {RunStatus.PENDING, RunStatus.RUNNING}), run
        tokens = [run.lease_token for run in runs if run.lease_token is not None]
        assert limit is None or len(set(tokens)) == len(tokens), tokens

    def goes_on(
        self, limit: int | None, *, soon: datetime = SOON, end: datetime = END, stale: Set[str] = frozenset()
    ) -> None:
        """Let others go on: each start is answered, each run ends, each slot is there again.

        Args:
            limit: how many runs there may be at once.
            soon: when leases hold.
            end: when none does.
            stale: runs that are gone, and may still stand among the holders.
        """
        with using(self.config):
            self._others_start(limit, soon, stale)
            reap_expired_runs(now=end, by="reaper")
            self.judge(limit, stale=stale)
            assert [run.run_id for run in queries.expired_runs(now=end)] == []
            self._all_end(limit, end)
        self.judge(limit)
        assert self.holders() == {}
        assert {run.status for run in self.runs()} <= {RunStatus.SUCCESS, RunStatus.FAILED, RunStatus.CANCELLED}

    def _others_start(self, limit: int | None, soon: datetime, stale: Set[str]) -> None:
        """Start a run while leases hold: it finds a free slot, or is told who holds it."""
        before = self.holders().keys() - (stale - {run.run_id for run in self.runs()})
        try:
            commands.start_run(pipeline_id=PIPELINE, run_id="other", now=soon, owner="other", lease_seconds=LEASE)
            assert limit is None or (len(before) < limit and "other" in self.holders())
        except RunLimitError as full:
            named = {run.run_id for run in full.holders}
            if len(before) != limit or named != set(before):
                raise
        self.judge(limit, stale=stale)

    def _all_end(self, limit: int | None, end: datetime) -> None:
        """Start what waits, then as many as may run at once, so that each slot is used; and end them all."""
        waiting = [run.run_id for run in self.runs() if run.status is RunStatus.PENDING]
        last = [f"last-{n}" for n in range(limit or 1)]
        for run_id in [*waiting, *last]:
            started = commands.start_run(pipeline_id=PIPELINE, run_id=run_id, now=end, owner="other")
            assert started.status is RunStatus.RUNNING
            if run_id in waiting:
                commands.finish_run(pipeline_id=PIPELINE, run_id=run_id, now=end)
        self.judge(limit)
        assert len(self.holders()) == (limit or 0)
        for run_id in last:
            commands.finish_run(pipeline_id=PIPELINE, run_id=run_id, now=end)


def _tokens(item: dict[str, Any]) -> list[dict[str, str]]:
    """Return the lease tokens of a run or of its pipeline's slots, where they stand."""
    own = [item[name] for name in ("lease_token", "last_token") if name in item]
    return [*own, *item.get("holders", {"M": {}})["M"].values()]


def without_revisions(items: Items) -> Items:
    """Return the items but for how often they have been written."""
    return {key: {name: one for name, one in item.items() if name != "revision"} for key, item in items.items()}


def revisions(items: Mapping[str, dict[str, Any]]) -> int:
    """Return how often the items have been written in all."""
    return sum(int(item["revision"]["N"]) for item in items.values() if "revision" in item)


def difference(one: Items, other: Items) -> str:
    """Say where two states differ, for a message."""
    return "\n".join(_differences(one, other))


def _differences(one: Items, other: Items) -> Iterator[str]:
    for key in sorted(one.keys() | other.keys()):
        if one.get(key) != other.get(key):
            yield "\n  ".join([key, *(json.dumps(state.get(key), sort_keys=True) for state in (one, other))])
