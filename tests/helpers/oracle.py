"""What the store should hold and answer: the three domains as plain dicts in memory, written from the documentation.

It shares no code with the package, so that both would have to be wrong in the same way. Every command either changes
the dicts and returns the item that the command should return, or raises `Refused` and changes nothing.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from zlib import crc32

from pipemodels import (
    AlreadyExistsError,
    AttemptLimitError,
    IllegalTransitionError,
    ItemNotFoundError,
    LeaseLostError,
    RunLimitError,
    StaleRevisionError,
    ValidationError,
)

Item = dict[str, Any]
RunKey = tuple[str, str]

NEXT = {
    "pending": {"running", "cancelled", "skipped", "failed"},
    "running": {"success", "failed", "cancelled"},
}
INHERITED = ("pipeline_version", "config_snapshot", "environment", "input_tables", "output_tables", "tags")
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
LEASE_SECONDS = 300
SKEW_SECONDS = 5
OWNER = f"{socket.gethostname()}:{os.getpid()}"


class Refused(Exception):  # the expected outcome, no error of a program
    """The command should raise this class of error, with this item as `current` where it has one."""

    def __init__(self, kind: type[Exception], current: Item | None = None) -> None:
        super().__init__(kind.__name__)
        self.kind, self.current = kind, current


def seconds(span: timedelta) -> Decimal:
    """Return a span in seconds, exact."""
    return Decimal(span // timedelta(microseconds=1)) / 1_000_000


def after(moment: datetime, span: int) -> datetime:
    """Return the moment so many seconds later, or the last or first that there is."""
    try:
        return moment.astimezone(UTC) + timedelta(seconds=span)
    except OverflowError:
        return (datetime.max if span > 0 else datetime.min).replace(tzinfo=UTC)


def without_none(fields: Mapping[str, Any]) -> Item:
    """Return the fields that have a value; instants in UTC: two of one zone differ by what its clocks differ."""
    given = {name: value for name, value in fields.items() if value is not None}
    return {name: one.astimezone(UTC) if isinstance(one, datetime) else one for name, one in given.items()}


@dataclass
class Oracle:
    """The expected contents of the tables, under a configuration with one default environment."""

    environment: str = "dev"
    shards: int = 1
    pipelines: dict[str, Item] = field(default_factory=dict)
    tables: dict[str, Item] = field(default_factory=dict)
    runs: dict[RunKey, Item] = field(default_factory=dict)
    tokens: dict[str, int] = field(default_factory=dict)

    # -- what all commands have in common -------------------------------------------------------------------------

    def shard(self, value: str, item_id: str) -> str:
        """Return the index partition of a value of an item."""
        return f"{value}#{crc32(item_id.encode()) % self.shards}"

    def put_shard(self, item: Item, name: str, value: str | None, item_id: str) -> None:
        """Set or clear an index key."""
        if value is None:
            item.pop(name, None)
        else:
            item[name] = self.shard(value, item_id)

    @staticmethod
    def stamped(item: Item, by: str | None, now: datetime) -> Item:
        """Count a write of an item."""
        item["updated_at"] = now
        item["revision"] = item.get("revision", 0) + 1
        if by is not None:
            item["updated_by"] = by
        return item

    def created(self, fields: Mapping[str, Any], by: str | None, now: datetime, **defaults: Any) -> Item:
        """Return a new item."""
        item = without_none({**defaults, "environment": self.environment, **fields})
        if by is not None:
            item["created_by"] = by
        return self.stamped(item | {"created_at": now}, by, now)

    @staticmethod
    def merged(item: Item, changes: Mapping[str, Any]) -> Item:
        """Return the item with the changes; None clears."""
        return without_none({**item, **changes})

    @staticmethod
    def existing(items: Mapping[Any, Item], key: Any, expected_revision: int | None = None) -> Item:
        """Return an item that a command needs."""
        if key not in items:
            raise Refused(ItemNotFoundError)
        if expected_revision is not None and items[key]["revision"] != expected_revision:
            raise Refused(StaleRevisionError, items[key])
        return items[key]

    # -- pipelines ------------------------------------------------------------------------------------------------

    def derive_pipeline(self, item: Item, touched: Collection[str]) -> Item:
        """Set the index keys that follow from what was touched."""
        key = item["pipeline_id"]
        if "is_active" in touched:
            self.put_shard(item, "active_shard", "active" if item["is_active"] else None, key)
        if "environment" in touched:
            self.put_shard(item, "environment_shard", item.get("environment"), key)
        return item

    def create_pipeline(self, *, by: str | None, now: datetime, **fields: Any) -> Item:
        """Register a pipeline."""
        key = fields["pipeline_id"]
        if key in self.pipelines:
            raise Refused(AlreadyExistsError, self.pipelines[key])
        item = self.created(fields, by, now, is_active=True, version="1.0.0", schedule_timezone="UTC")
        self.pipelines[key] = self.derive_pipeline(item, ("is_active", "environment"))
        return self.pipelines[key]

    def put_pipeline(self, *, by: str | None, now: datetime, **fields: Any) -> Item:
        """Create or replace a pipeline."""
        return self._put(self.pipelines, fields["pipeline_id"], fields, self.create_pipeline, by, now)

    @staticmethod
    def _put(
        items: dict[str, Item], key: str, fields: Item, create: Callable[..., Item], by: str | None, now: datetime
    ) -> Item:
        old = items.pop(key, None)
        new = create(**fields, by=by, now=now)
        if old is not None:
            new.pop("created_by", None)
            kept = {name: old[name] for name in ("created_at", "created_by") if name in old}
            new |= {"revision": old["revision"] + 1} | kept
        return new

    def update_pipeline(
        self, *, pipeline_id: str, changes: Item, expected_revision: int | None, by: str | None, now: datetime
    ) -> Item:
        """Change a pipeline."""
        old = self.existing(self.pipelines, pipeline_id, expected_revision)
        item = self.derive_pipeline(self.merged(old, changes), changes)
        self.pipelines[pipeline_id] = self.stamped(item, by, now)
        return item

    def set_pipelines_active(self, ids: list[str], is_active: bool, by: str | None, now: datetime) -> list[str]:
        """Activate or deactivate pipelines, all or none."""
        for one in ids:
            self.existing(self.pipelines, one)
        for one in dict.fromkeys(ids):
            changes = {"is_active": is_active}
            self.update_pipeline(pipeline_id=one, changes=changes, expected_revision=None, by=by, now=now)
        return list(dict.fromkeys(ids))

    def delete_pipeline(self, *, pipeline_id: str, expected_revision: int | None) -> Item:
        """Delete a pipeline."""
        self.existing(self.pipelines, pipeline_id, expected_revision)
        return self.pipelines.pop(pipeline_id)

    # -- tables ---------------------------------------------------------------------------------------------------

    def create_table(self, *, by: str | None, now: datetime, **fields: Any) -> Item:
        """Register a table."""
        key = fields["table_id"]
        self.check_archive(fields)
        if key in self.tables:
            raise Refused(AlreadyExistsError, self.tables[key])
        item = self.created(fields, by, now, is_active=True)
        self.put_shard(item, "table_type_shard", item["table_type"], key)
        self.tables[key] = item
        return item

    def put_table(self, *, by: str | None, now: datetime, **fields: Any) -> Item:
        """Create or replace a table."""
        self.check_archive(fields)
        return self._put(self.tables, fields["table_id"], fields, self.create_table, by, now)

    @staticmethod
    def check_archive(fields: Mapping[str, Any]) -> None:
        """Archiving comes before deletion."""
        archive, retention = fields.get("archive_after_days"), fields.get("retention_days")
        if archive is not None and retention is not None and archive >= retention:
            raise Refused(ValidationError)

    def update_table(
        self, *, table_id: str, changes: Item, expected_revision: int | None, by: str | None, now: datetime
    ) -> Item:
        """Change a table."""
        if not changes:
            raise Refused(ValidationError)
        self.check_archive(changes)
        old = self.existing(self.tables, table_id, expected_revision)
        item = self.merged(old, changes)
        self.check_archive(item)
        if "table_type" in changes:
            self.put_shard(item, "table_type_shard", item["table_type"], table_id)
        self.tables[table_id] = self.stamped(item, by, now)
        return item

    def record_table_statistics(self, *, table_id: str, by: str | None, now: datetime, **statistics: Any) -> Item:
        """Note what a table holds."""
        changes = without_none(statistics)
        return self.update_table(table_id=table_id, changes=changes, expected_revision=None, by=by, now=now)

    def set_tables_active(self, ids: list[str], is_active: bool, by: str | None, now: datetime) -> list[str]:
        """Activate or deactivate tables, all or none."""
        for one in ids:
            self.existing(self.tables, one)
        for one in dict.fromkeys(ids):
            changes = {"is_active": is_active}
            self.update_table(table_id=one, changes=changes, expected_revision=None, by=by, now=now)
        return list(dict.fromkeys(ids))

    def delete_table(self, *, table_id: str, expected_revision: int | None) -> Item:
        """Delete a table."""
        self.existing(self.tables, table_id, expected_revision)
        return self.tables.pop(table_id)

    # -- runs -----------------------------------------------------------------------------------------------------

    def derive_run(self, item: Item) -> Item:
        """Set what follows from status and times."""
        self.put_shard(item, "status_shard", item["status"], item["run_id"])
        item["start_epoch"] = seconds(item["start_time"] - EPOCH)
        item.pop("duration_seconds", None)
        if "end_time" in item:
            item["duration_seconds"] = seconds(item["end_time"] - item["start_time"])
        return item

    @staticmethod
    def check_records(item: Mapping[str, Any]) -> None:
        """No more records fail than are processed."""
        failed, processed = item.get("total_records_failed"), item.get("total_records_processed")
        if failed is not None and processed is not None and failed > processed:
            raise Refused(ValidationError)

    def begin(self, status: str, *, by: str | None, now: datetime, owner: str = OWNER, **given: Any) -> Item:
        """Start or queue a run."""
        key, given = (given["pipeline_id"], given["run_id"]), without_none(given)
        self.check_records(given)
        old = self.runs.get(key)
        if old is None:
            lease = self.lease(key[0], owner, by, now) if status == "running" else {}
            self.tokens |= {key[0]: lease["lease_token"]} if "holds_slot" in lease else {}
            fields = {"start_time": now, **given, "status": status, **lease}
            self.runs[key] = self.derive_run(self.created(fields, by, now, attempt=1, trigger_type="manual"))
            return self.runs[key]
        if status == "running" and old["status"] == "pending":
            lease = self.lease(key[0], owner, by, now)
            item = self.merged(old, {"start_time": now, **given, "status": status, **lease})
            self.check_records(item)
            self.tokens |= {key[0]: lease["lease_token"]} if "holds_slot" in lease else {}
            self.runs[key] = self.stamped(self.derive_run(item), by, now)
            return self.runs[key]
        if status == "running" and old["status"] == "skipped":
            raise Refused(IllegalTransitionError, old)
        return self.same(old, given, AlreadyExistsError)

    # -- leases and slots -----------------------------------------------------------------------------------------

    def lease(self, pipeline_id: str, owner: str, by: str | None, now: datetime) -> Item:
        """Return what a run that starts now has of a lease; and a slot, where its pipeline has a limit."""
        lease = {"owner": owner, "lease_token": 1, "lease_seconds": LEASE_SECONDS}
        lease["lease_expires_at"] = after(now, LEASE_SECONDS)
        limit = self.pipelines.get(pipeline_id, {}).get("max_concurrent_runs")
        if limit is None:
            return lease
        if len(self.holders(pipeline_id)) >= limit:
            for run in self.expired(now):
                if "holds_slot" in run and run["pipeline_id"] == pipeline_id:
                    self.expire(run, by, now)
        if len(self.holders(pipeline_id)) >= limit:
            raise Refused(RunLimitError)
        return lease | {"lease_token": self.tokens.get(pipeline_id, 0) + 1, "holds_slot": True}

    def holders(self, pipeline_id: str) -> dict[str, int]:
        """Return who holds a slot of a pipeline, with the token of each."""
        runs = [run for run in self.runs.values() if run["pipeline_id"] == pipeline_id and "holds_slot" in run]
        return {run["run_id"]: run["lease_token"] for run in runs}

    def expired(self, now: datetime) -> list[Item]:
        """Return the runs whose lease has expired."""
        latest = after(now, -SKEW_SECONDS)
        return [run for run in self.runs.values() if "lease_expires_at" in run and run["lease_expires_at"] < latest]

    def expire(self, run: Item, by: str | None, now: datetime) -> Item:
        """Make a run failed whose lease has expired."""
        until = run["lease_expires_at"]
        beat = run.get("heartbeat_at")
        last = f"last heartbeat {beat.astimezone(UTC)}" if beat else "no heartbeat ever"
        message = f"lease expired at {until}; {last}; owner {run['owner']}"
        end = max(until, run["start_time"])
        return self.ended(run, {"status": "failed", "error_message": message, "end_time": end}, by, now)

    def ended(self, run: Item, changes: Item, by: str | None, now: datetime) -> Item:
        """Return the run, ended: without a lease and without a slot."""
        item = self.merged(run, {**changes, "lease_expires_at": None, "holds_slot": None})
        self.check_records(item)
        if item["end_time"] < item["start_time"]:
            raise Refused(ValidationError)
        self.runs[run["pipeline_id"], run["run_id"]] = item
        return self.stamped(self.derive_run(item), by, now)

    def reap(self, by: str | None, now: datetime) -> list[Item]:
        """Make the runs failed whose lease has expired."""
        return [self.expire(run, by, now) for run in self.expired(now)]

    def heartbeat(self, *, key: RunKey, by: str | None, now: datetime) -> Item:
        """Renew a lease."""
        run = self.runs[key]
        if "lease_token" not in run:
            raise Refused(ValidationError)
        if run["status"] != "running":
            raise Refused(LeaseLostError, run)
        until = after(now, run["lease_seconds"])
        if until < run["lease_expires_at"]:
            return run
        self.runs[key] = self.stamped(self.merged(run, {"lease_expires_at": until, "heartbeat_at": now}), by, now)
        return self.runs[key]

    # -- the rest of a run's life ---------------------------------------------------------------------------------

    @staticmethod
    def same(old: Item, facts: Mapping[str, Any], kind: type[Exception]) -> Item:
        """Return the item, if all that is said is true of it."""
        if any(old.get(name) != value for name, value in without_none(facts).items()):
            raise Refused(kind, old)
        return old

    def end(
        self, status: str, *, key: RunKey, end_time: datetime | None, by: str | None, now: datetime, **facts: Any
    ) -> Item:
        """End a run."""
        if status == "failed" and not facts["error_message"]:
            raise Refused(ValidationError)
        self.check_records(facts)
        old = self.existing(self.runs, key)
        if status in NEXT.get(old["status"], ()):
            end = end_time or max(now, old["start_time"])
            return self.ended(old, {**facts, "status": status, "end_time": end}, by, now)
        if old["status"] != status:
            raise Refused(IllegalTransitionError, old)
        return self.same(old, {**facts, "end_time": end_time}, IllegalTransitionError)

    def report(self, *, key: RunKey, by: str | None, now: datetime, changes: Item) -> Item:
        """Set metrics and facts of a running run."""
        self.check_records(changes)
        old = self.existing(self.runs, key)
        if old["status"] != "running":
            raise Refused(IllegalTransitionError, old)
        item = self.merged(old, changes)
        self.check_records(item)
        self.runs[key] = self.stamped(item, by, now)
        return item

    def record_quality(self, *, key: RunKey, results: list[Item], by: str | None, now: datetime) -> Item:
        """Set quality results."""
        passed = all(one["passed"] for one in results) if results else None
        changes = {"data_quality_results": [without_none(one) for one in results] or None}
        return self.report(key=key, by=by, now=now, changes={**changes, "data_quality_passed": passed})

    def start_stage(
        self, *, key: RunKey, stage_name: str, start_time: datetime | None, by: str | None, now: datetime
    ) -> Item:
        """Start a stage."""
        run = self.running(key)
        there = next((one for one in run.get("stages", []) if one["stage_name"] == stage_name), None)
        if there is None:
            stage = without_none({"stage_name": stage_name, "status": "running", "start_time": start_time or now})
            changes = {"stages": [*run.get("stages", []), stage], "current_stage": stage_name}
            return self.report(key=key, by=by, now=now, changes=changes)
        if there["status"] != "running":
            raise Refused(AlreadyExistsError, run)
        return run

    def running(self, key: RunKey) -> Item:
        """Return a run that is running."""
        run = self.existing(self.runs, key)
        if run["status"] != "running":
            raise Refused(IllegalTransitionError, run)
        return run

    def finish_stage(
        self,
        *,
        key: RunKey,
        stage_name: str,
        status: str,
        end_time: datetime | None,
        by: str | None,
        now: datetime,
        **facts: Any,
    ) -> Item:
        """End a stage."""
        if status == "failed" and not facts.get("error_message"):
            raise Refused(ValidationError)
        run = self.running(key)
        stages = run.get("stages", [])
        there = next((one for one in stages if one["stage_name"] == stage_name), None)
        if there is None:
            raise Refused(ItemNotFoundError)
        end = end_time or max(now, there["start_time"])
        if end < there["start_time"]:
            raise Refused(ValidationError)
        ended = without_none({**facts, "stage_name": stage_name, "status": status, "end_time": end})
        ended |= {"start_time": there["start_time"], "duration_seconds": seconds(end - there["start_time"])}
        if there["status"] == "running":
            changes = {"stages": [ended if one is there else one for one in stages]}
            return self.report(key=key, by=by, now=now, changes=changes)
        if end_time is None:
            ended |= {name: there[name] for name in ("end_time", "duration_seconds")}
        if ended != there:
            raise Refused(IllegalTransitionError, run)
        return run

    def retry(self, *, key: RunKey, by: str | None, now: datetime) -> Item:
        """Queue a run again."""
        old = self.existing(self.runs, key)
        if old["status"] not in {"failed", "cancelled", "skipped"}:
            raise Refused(IllegalTransitionError, old)
        attempt = old["attempt"] + 1
        if attempt > self.pipelines.get(key[0], {}).get("max_attempts", attempt):
            raise Refused(AttemptLimitError, old)
        stem = old["run_id"].removesuffix(f"__attempt_{old['attempt']}") if "retry_of" in old else old["run_id"]
        facts = {"attempt": attempt, "retry_of": old["run_id"], "trigger_type": "retry"}
        facts |= {name: old[name] for name in INHERITED if name in old}
        new = key[0], f"{stem}__attempt_{attempt}"
        there = self.runs.get(new)
        if there is not None and (there.get("retry_of"), there["attempt"]) == (old["run_id"], attempt):
            return there
        return self.begin("pending", pipeline_id=new[0], run_id=new[1], by=by, now=now, **facts)

    def delete_run(self, *, key: RunKey, expected_revision: int | None) -> Item:
        """Delete a run."""
        self.existing(self.runs, key, expected_revision)
        return self.runs.pop(key)

    # -- queries --------------------------------------------------------------------------------------------------

    def runs_where(
        self,
        pipeline_id: str | None = None,
        status: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> list[Item]:
        """Return the runs that a listing should show, in no order."""
        return [
            run
            for run in self.runs.values()
            if pipeline_id in {None, run["pipeline_id"]}
            and status in {None, run["status"]}
            and (since is None or since <= run["start_time"])
            and (until is None or run["start_time"] < until)
        ]

    def statistics(self, pipeline_id: str, since: datetime | None) -> Item:
        """Return what the runs of a pipeline come to."""
        runs = self.runs_where(pipeline_id, since=since)
        judged = [run for run in runs if run["status"] in {"success", "failed"}]
        durations = sorted(run["duration_seconds"] for run in judged)
        good = sum(run["status"] == "success" for run in judged)
        return {
            "runs": len(runs),
            "by_status": counted(run["status"] for run in runs),
            "success_rate": good / len(judged) if judged else None,
            "p50_seconds": rank(durations, 50),
            "p95_seconds": rank(durations, 95),
            "by_day": counted(run["start_time"].astimezone(UTC).date() for run in runs),
        }


def counted(values: Iterable[str | date]) -> dict[Any, int]:
    """Return how often each value occurs."""
    occurring = list(values)
    return {one: occurring.count(one) for one in occurring}


def rank(ordered: list[Decimal], percent: int) -> Decimal | None:
    """Return the first value that at least `percent` of a hundred do not exceed."""
    return next((one for n, one in enumerate(ordered, 1) if n * 100 >= percent * len(ordered)), None)
