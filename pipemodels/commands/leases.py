"""Leases: heartbeats renew the lease of a running run, and a run whose lease has expired is reaped."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from pipemodels.config import current_config
from pipemodels.errors import (
    ConflictError,
    PipemodelsError,
    Problem,
    UnreadableItemError,
    UnreapedRunsError,
    ValidationError,
)
from pipemodels.instants import instant_text, shifted
from pipemodels.lifecycle.ending import expire_run
from pipemodels.lifecycle.rules import Lease, lease_lost, run_target
from pipemodels.models.run import LeaseExpiryIndex, PipelineRunLog, RunStatus
from pipemodels.models.sharding import shards_of
from pipemodels.models.unreadable import read_item, warn_unreadable
from pipemodels.storage import targets, writes
from pipemodels.storage.sending import send, within
from pipemodels.translation import is_invalid_request

_PAGE = 100
HEARTBEATS_IN_A_LEASE = 3  # two may be lost before the lease is

_log = logging.getLogger("pipemodels.commands.leases")


def heartbeat(run: PipelineRunLog, *, by: str | None = None, now: datetime | None = None) -> PipelineRunLog:
    """Renew the lease of a running run: it now ends `lease_seconds` from now. One request.

    If the write is refused and the reply lacks the run, a second request reads the run. A heartbeat never shortens a
    lease. It also renews an expired lease, unless the run was reaped meanwhile. A heartbeat ends after a third of the
    lease, or after `time_limit_seconds` if that is less, so that there is time for another heartbeat.

    Args:
        run: the run, as any command returned it.
        by: who sends the heartbeat.
        now: the instant of the write; by default the clock's.

    Raises:
        ValidationError: the run was started without a lease.
        ItemNotFoundError: the run does not exist.
        LeaseLostError: another process has ended the run; stop the work.
    """
    target = run_target(run.pipeline_id, run.run_id)
    at = targets.all_checked(lambda: targets.stamp(now), lambda: targets.check_by(PipelineRunLog, by))[0]
    if run.lease_token is None or run.lease_seconds is None:
        raise ValidationError.of("lease_seconds", run.lease_seconds, f"{target.name} was started without a lease")
    lease, until = Lease(run.lease_token), shifted(at, run.lease_seconds)
    condition = (PipelineRunLog.status == RunStatus.RUNNING) & (PipelineRunLog.lease_expires_at <= until)
    condition &= lease.condition()
    changes = {"lease_expires_at": until, "heartbeat_at": at}
    with within(run.lease_seconds / HEARTBEATS_IN_A_LEASE):
        try:
            renewed: PipelineRunLog = writes.update(target, changes, condition=condition, by=by, now=at)
        except ConflictError as error:
            # a reply without the item may come from a proxy: only DynamoDB itself can say that the lease is lost
            current: PipelineRunLog = writes.read(target) if error.current is None else error.current
            if not lease.holds(current):
                raise lease_lost(target, current, lease) from error
            if current.lease_expires_at is not None and current.lease_expires_at < until:
                raise
            return current  # its lease ends later already
    return renewed


def reap_expired_runs(
    *, now: datetime | None = None, by: str | None = None, limit: int | None = None
) -> list[PipelineRunLog]:
    """Fail the runs whose lease has expired, release their slots, and return these runs.

    A lease is expired once `clock_skew_seconds` of the configuration have passed since its end. A run whose lease is
    renewed meanwhile is left alone. Any number of processes may reap at the same time. Runs are found through
    LeaseExpiryIndex: one request for each of its shards, and one or two for each run. If the item of a run is full,
    its message is shortened, and `owner` and `heartbeat_at` are removed. Each request to the index, and each run, has
    its own time limit.

    Args:
        now: the instant by which leases are judged; by default the clock's.
        by: who reaps.
        limit: the largest number of runs to reap.

    Raises:
        UnreapedRunsError: some runs break a rule or cannot be read, because another tool wrote them; all other runs
            were reaped. Repair or delete the runs that the error names. `reaped` are the reaped runs, and `done`
            their ids, `pipeline_id/run_id`. It is a ValidationError.
        ValidationError: `limit` is not a whole number above 0.
        PipemodelsError: an error that concerns more than one run; `done` has the ids of the runs reaped before it.
    """
    at = targets.all_checked(lambda: targets.stamp(now), lambda: targets.check_by(PipelineRunLog, by))[0]
    if limit is not None and (isinstance(limit, bool) or not isinstance(limit, int) or limit < 1):
        raise ValidationError.of("limit", limit, "must be a whole number above 0")
    reaped: list[PipelineRunLog] = []
    problems: list[Problem] = []
    try:
        for item in _expired(at):
            ended = _ended(item, problems, by=by, now=at)
            if ended is not None:
                reaped.append(ended)
                if len(reaped) == limit:
                    break
        if problems:
            raise UnreapedRunsError(problems, reaped)
    except PipemodelsError as error:
        error.done = tuple(f"{run.pipeline_id}/{run.run_id}" for run in reaped)
        raise
    return reaped


def _ended(
    item: Mapping[str, Any], problems: list[Problem], *, by: str | None, now: datetime
) -> PipelineRunLog | None:
    """End an expired run and return it; return None if it was renewed, or if it cannot be ended.

    If it cannot be ended, log the reason and add it to `problems`.

    Raises:
        PipemodelsError: an error that concerns all runs.
    """
    pipeline_id, run_id = (next(iter(item.get(name, {"": None}).values())) for name in ("pipeline_id", "run_id"))
    name = run_target(pipeline_id, run_id).name
    try:
        return expire_run(read_item(PipelineRunLog, dict(item)), by=by, now=now)
    except UnreadableItemError as error:
        warn_unreadable(_log, error.item)
        problems += [Problem(f"{name}: {wrong.field}", wrong.value, wrong.reason) for wrong in error.problems]
        return None
    except ValidationError as error:
        found = list(error.problems)
    except PipemodelsError as error:
        if not is_invalid_request(error):  # else DynamoDB refuses the request because of this item
            raise
        found = [Problem(f"{name}: item", str(error), "keeps the run from being reaped")]
    except Exception as error:  # one bad item must not keep the slots of other runs
        found = [Problem(f"{name}: item", error, "keeps the run from being reaped")]
    for problem in found:
        _log.warning("%s: %s; the run is not reaped", PipelineRunLog.Meta.table_name, problem)
    problems += found
    return None


def _expired(now: Any) -> Iterator[Mapping[str, Any]]:
    """Yield the items of the runs whose lease has expired, shard by shard, from the index."""
    before = shifted(now, -current_config().clock_skew_seconds)
    for shard in shards_of(RunStatus.RUNNING.value):
        request: dict[str, Any] = {
            "TableName": PipelineRunLog.Meta.table_name,
            "IndexName": LeaseExpiryIndex.Meta.index_name,
            "KeyConditionExpression": "status_shard = :shard AND lease_expires_at < :before",
            "ExpressionAttributeValues": {":shard": {"S": shard}, ":before": {"S": instant_text(before)}},
            "Limit": _PAGE,
        }
        while True:
            page = send("Query", request, subject="expired runs", table=PipelineRunLog.Meta.table_name)
            yield from page["Items"]
            if "LastEvaluatedKey" not in page:
                break
            request["ExclusiveStartKey"] = page["LastEvaluatedKey"]
