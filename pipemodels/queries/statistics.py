"""Statistics of a pipeline's runs."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal, localcontext
from zoneinfo import ZoneInfo

from pipemodels.config import current_config
from pipemodels.errors import UnreadableItem
from pipemodels.instants import in_zone
from pipemodels.models.run import RunStatus
from pipemodels.queries.runs import runs_of_pipeline

_JUDGED = (RunStatus.SUCCESS, RunStatus.FAILED)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunStatistics:
    """Counts and durations of a pipeline's runs since an instant.

    The success rate and the durations cover the runs that succeeded or failed; they are None if there are none.

    Attributes:
        runs: number of readable runs. A run stored without a status counts only here and in `by_day`.
        by_status: number of runs by status, without the statuses that no run has.
        success_rate: share of the successful runs, 0 to 1.
        mean_seconds: mean duration in seconds.
        p50_seconds: median duration in seconds (nearest rank).
        p95_seconds: 95th percentile of the durations in seconds (nearest rank).
        by_day: number of runs that started on each day, oldest day first.
        timezone: the user's time zone, which determines the days.
        unreadable: the stored runs that could not be read; the numbers leave them out.
    """

    pipeline_id: str
    since: datetime | None
    runs: int
    by_status: dict[str, int]
    success_rate: float | None
    mean_seconds: Decimal | None
    p50_seconds: Decimal | None
    p95_seconds: Decimal | None
    by_day: dict[date, int]
    timezone: str
    unreadable: tuple[UnreadableItem, ...] = ()


def run_statistics(pipeline_id: str, since: datetime | None = None) -> RunStatistics:
    """Return statistics of a pipeline's runs that started at `since` or later; reads their summaries."""
    timezone = current_config().user_timezone
    zone = ZoneInfo(timezone)
    by_status: Counter[RunStatus | None] = Counter()
    by_day: Counter[date] = Counter()
    durations: list[Decimal] = []
    runs = runs_of_pipeline(pipeline_id, since=since)
    for run in runs:
        by_status[run.status] += 1
        by_day[date.fromordinal(in_zone(run.start_time, zone).toordinal())] += 1
        if run.status in _JUDGED and run.duration_seconds is not None:
            durations.append(run.duration_seconds)
    durations.sort()
    judged = sum(by_status[status] for status in _JUDGED)
    return RunStatistics(
        pipeline_id=pipeline_id,
        since=since,
        runs=by_status.total(),
        by_status={status.value: by_status[status] for status in RunStatus if by_status[status]},
        success_rate=by_status[RunStatus.SUCCESS] / judged if judged else None,
        mean_seconds=_mean(durations),
        p50_seconds=nearest_rank(durations, 50),
        p95_seconds=nearest_rank(durations, 95),
        by_day=dict(sorted(by_day.items())),
        timezone=timezone,
        unreadable=runs.unreadable,
    )


def _mean(durations: list[Decimal]) -> Decimal | None:
    """Return the mean, rounded to the microsecond."""
    if not durations:
        return None
    with localcontext(prec=200):  # the caller's precision may be too low for the sum; DynamoDB's numbers reach 1E+126
        return (sum(durations, Decimal(0)) / len(durations)).quantize(Decimal("0.000001"))


def nearest_rank(ordered: list[Decimal], percent: int) -> Decimal | None:
    """Return the nearest-rank percentile: the smallest value that `percent` % of the values do not exceed."""
    if not ordered:
        return None
    return ordered[-(-len(ordered) * percent // 100) - 1]
