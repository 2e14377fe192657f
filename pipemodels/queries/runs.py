"""Queries on runs."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from pipemodels.config import current_config
from pipemodels.errors import ValidationError
from pipemodels.instants import instant_text, shifted, utc_instant, utc_now
from pipemodels.models.run import PipelineRunLog, RunStatus
from pipemodels.models.sharding import shards_of
from pipemodels.queries.partitions import Query
from pipemodels.queries.results import Results
from pipemodels.records import checked_values
from pipemodels.storage.reads import find_item, get_item
from pipemodels.storage.sending import with_deadline


def get_run(pipeline_id: str, run_id: str) -> PipelineRunLog:
    """Return the run, read strongly consistent. One request.

    Raises:
        ItemNotFoundError: there is none.
    """
    return get_item(PipelineRunLog, _name(pipeline_id, run_id), pipeline_id=pipeline_id, run_id=run_id)


@with_deadline
def find_run(pipeline_id: str | None = None, run_id: str | None = None) -> PipelineRunLog | None:
    """Return the run, or None; `find_run(run_id=…)` finds it by its run_id alone. One request, or two.

    Raises:
        ValidationError: no run_id is given, or runs of several pipelines share it: name the pipeline.
    """
    if pipeline_id is not None and run_id is not None:
        return find_item(PipelineRunLog, _name(pipeline_id, run_id), pipeline_id=pipeline_id, run_id=run_id)
    run_id = checked_values(PipelineRunLog.get_attributes(), {"run_id": run_id}, required={"run_id"})["run_id"]
    by_id: Query[PipelineRunLog] = Query(
        model=PipelineRunLog,
        name="find_run",
        arguments={"run_id": run_id},
        index_name="RunIdIndex",
        partitions=(run_id,),
    )
    found = Results(by_id).page(2).items
    if len(found) > 1:
        pipelines = " and ".join(repr(run.pipeline_id) for run in found)
        raise ValidationError.of("run_id", run_id, f"names runs of {pipelines}, or more: give pipeline_id too")
    return find_run(found[0].pipeline_id, run_id) if found else None


def find_latest_run(pipeline_id: str, status: RunStatus | str | None = None) -> PipelineRunLog | None:
    """Return the pipeline's run that started last, of a status if one is given, whole; or None."""
    return runs_of_pipeline(pipeline_id, status=status).in_full().first()


def runs_of_pipeline(
    pipeline_id: str,
    since: datetime | None = None,
    until: datetime | None = None,
    status: RunStatus | str | None = None,
) -> Results[PipelineRunLog]:
    """List the runs of a pipeline, the last started first.

    Args:
        pipeline_id: whose runs.
        since: started at this instant or later.
        until: started before this instant.
        status: of this status only.
    """
    given = {"pipeline_id": pipeline_id, "status": status}
    checked = checked_values(PipelineRunLog.get_attributes(), given, required={"pipeline_id"})
    pipeline_id, wanted = checked["pipeline_id"], checked["status"]
    return Results(
        Query(
            model=PipelineRunLog,
            name="runs_of_pipeline",
            arguments={
                "pipeline_id": pipeline_id,
                "status": wanted and wanted.value,
                **_period(since, until),
            },
            index_name="PipelineRunsIndex",
            partitions=() if _is_empty(since, until) else (pipeline_id,),
            order="start_time",
            newest_first=True,
            range_condition=_started(since, until),
            filter_condition=None if wanted is None else PipelineRunLog.status == wanted,
        )
    )


def runs_by_status(
    status: RunStatus | str, since: datetime | None = None, until: datetime | None = None
) -> Results[PipelineRunLog]:
    """List the runs of a status, the last started first; `since` included, `until` not."""
    checked = checked_values(PipelineRunLog.get_attributes(), {"status": status}, required={"status"})
    return Results(
        Query(
            model=PipelineRunLog,
            name="runs_by_status",
            arguments={"status": checked["status"].value, **_period(since, until)},
            index_name="StatusRunsIndex",
            partitions=() if _is_empty(since, until) else tuple(shards_of(checked["status"].value)),
            order="start_time",
            newest_first=True,
            range_condition=_started(since, until),
        )
    )


def all_runs(since: datetime | None = None, until: datetime | None = None) -> Results[PipelineRunLog]:
    """List the runs of all pipelines, the last started first; `since` included, `until` not."""
    # statuses inside, so that a growing number of shards goes on at the end and cursors stay good
    per_status = [shards_of(status.value) for status in RunStatus]
    shards = tuple(shard for same_number in zip(*per_status, strict=True) for shard in same_number)
    return Results(
        Query(
            model=PipelineRunLog,
            name="all_runs",
            arguments=_period(since, until),
            index_name="StatusRunsIndex",
            partitions=() if _is_empty(since, until) else shards,
            order="start_time",
            newest_first=True,
            range_condition=_started(since, until),
        )
    )


def running_runs() -> Results[PipelineRunLog]:
    """List the runs that are running, the last started first."""
    return runs_by_status(RunStatus.RUNNING)


def failed_runs(since: datetime) -> Results[PipelineRunLog]:
    """List the failed runs that started at this instant or later, the last started first."""
    return runs_by_status(RunStatus.FAILED, since=since)


def expired_runs(now: datetime | None = None) -> Results[PipelineRunLog]:
    """List the running runs whose lease has expired, those that have been without one for longest first.

    A lease counts as expired once `clock_skew_seconds` of the configuration have passed since its end.

    Args:
        now: the clock, if not given.
    """
    at = utc_now() if now is None else utc_instant(now, "now")
    return Results(
        Query(
            model=PipelineRunLog,
            name="expired_runs",
            arguments={"now": None if now is None else instant_text(at)},
            index_name="LeaseExpiryIndex",
            partitions=tuple(shards_of(RunStatus.RUNNING.value)),
            order="lease_expires_at",
            range_condition=PipelineRunLog.lease_expires_at < shifted(at, -current_config().clock_skew_seconds),
        )
    )


def _name(pipeline_id: str, run_id: str) -> str:
    return f"run {pipeline_id!r} / {run_id!r}"


def _period(since: datetime | None, until: datetime | None) -> dict[str, str | None]:
    """Return the ends of a period as texts.

    Raises:
        ValidationError: one is no aware datetime.
    """
    ends: dict[str, Any] = {"since": since, "until": until}
    return {name: None if end is None else instant_text(utc_instant(end, name)) for name, end in ends.items()}


def _is_empty(since: datetime | None, until: datetime | None) -> bool:
    """Say whether nothing can start in this period; DynamoDB refuses a BETWEEN that runs backwards."""
    return since is not None and until is not None and utc_instant(since, "since") >= utc_instant(until, "until")


def _started(since: datetime | None, until: datetime | None) -> Any:
    """Return the key condition of a period: DynamoDB takes one on a range key, so both ends make one BETWEEN."""
    start = PipelineRunLog.start_time
    if _is_empty(since, until):
        return None
    if since is not None and until is not None:
        first, end = utc_instant(since, "since"), utc_instant(until, "until")
        # BETWEEN includes its end, and `until` does not: the microsecond before it is the last
        return start.between(first, end - timedelta(microseconds=1))
    if since is not None:
        return start >= since
    return None if until is None else start < until
