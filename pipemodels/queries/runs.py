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
    """Return the run by a strongly consistent read. Makes one request.

    Raises:
        ItemNotFoundError: the run does not exist.
    """
    return get_item(PipelineRunLog, _name(pipeline_id, run_id), pipeline_id=pipeline_id, run_id=run_id)


@with_deadline
def find_run(pipeline_id: str | None = None, run_id: str | None = None) -> PipelineRunLog | None:
    """Return the run, or None if it does not exist; `find_run(run_id=…)` finds it by its run_id alone.

    Makes one request, or two if only the run_id is given.

    Raises:
        ValidationError: no run_id is given, or several pipelines have a run with this run_id: give pipeline_id too.
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
        raise ValidationError.of(
            "run_id", run_id, f"belongs to runs of several pipelines, such as {pipelines}: give pipeline_id too"
        )
    return find_run(found[0].pipeline_id, run_id) if found else None


def find_latest_run(pipeline_id: str, status: RunStatus | str | None = None) -> PipelineRunLog | None:
    """Return the pipeline's latest run as a whole item, or None; its latest run of a status if given."""
    return runs_of_pipeline(pipeline_id, status=status).in_full().first()


def runs_of_pipeline(
    pipeline_id: str,
    since: datetime | None = None,
    until: datetime | None = None,
    status: RunStatus | str | None = None,
) -> Results[PipelineRunLog]:
    """Return the runs of a pipeline, latest first.

    Args:
        pipeline_id: the pipeline.
        since: only runs that started at this instant or later.
        until: only runs that started before this instant.
        status: only runs with this status.
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
    """Return the runs with a status that started from `since` until before `until`, latest first."""
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
    """Return the runs of all pipelines that started from `since` until before `until`, latest first."""
    # ordered by shard number, then status: new shards are appended at the end, so that existing cursors stay valid
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
    """Return the runs with status RUNNING, latest first."""
    return runs_by_status(RunStatus.RUNNING)


def failed_runs(since: datetime) -> Results[PipelineRunLog]:
    """Return the failed runs that started at this instant or later, latest first."""
    return runs_by_status(RunStatus.FAILED, since=since)


def expired_runs(now: datetime | None = None) -> Results[PipelineRunLog]:
    """Return running runs whose lease has expired, longest-expired first.

    A lease counts as expired once the configuration's `clock_skew_seconds` have passed since its end.

    Args:
        now: the current time; by default, the clock's.
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
    """Return the start and end of a period as text.

    Raises:
        ValidationError: `since` or `until` is not an aware datetime.
    """
    ends: dict[str, Any] = {"since": since, "until": until}
    return {name: None if end is None else instant_text(utc_instant(end, name)) for name, end in ends.items()}


def _is_empty(since: datetime | None, until: datetime | None) -> bool:
    """Return whether the period is empty; DynamoDB refuses a BETWEEN whose bounds are reversed."""
    return since is not None and until is not None and utc_instant(since, "since") >= utc_instant(until, "until")


def _started(since: datetime | None, until: datetime | None) -> Any:
    """Return the key condition of a period; DynamoDB accepts only one, so both ends become a BETWEEN."""
    start = PipelineRunLog.start_time
    if _is_empty(since, until):
        return None
    if since is not None and until is not None:
        first, end = utc_instant(since, "since"), utc_instant(until, "until")
        # BETWEEN includes its upper bound, the period does not include `until`: end one microsecond earlier
        return start.between(first, end - timedelta(microseconds=1))
    if since is not None:
        return start >= since
    return None if until is None else start < until
