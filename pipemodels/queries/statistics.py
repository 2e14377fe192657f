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
    """What a pipeline's runs since an instant came to.

    Attributes:
        runs: how many that can be read; a run that is stored without a status counts here and on its day alone.
        by_status: how many of each status that occurs.
        success_rate: successes among the runs that succeeded or failed, 0 to 1; None where there are none.
        mean_seconds: mean duration of those, in seconds; None where there are none.
        p50_seconds: the duration that half of them did not exceed (nearest rank).
        p95_seconds: the duration that 95 % of them did not exceed (nearest rank).
        by_day: how many started on each day of `timezone`, oldest first.
        timezone: the user's zone, in which the days are counted.
        unreadable: the runs that were passed over because they cannot be read; no number counts them.
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
    """Count and time the runs of a pipeline that started at this instant or later; reads their summaries."""
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
    """Return the mean to the microsecond."""
    if not durations:
        return None
    with localcontext(prec=200):  # that of the caller may be too small for a sum; DynamoDB's numbers reach 1E+126
        return (sum(durations, Decimal(0)) / len(durations)).quantize(Decimal("0.000001"))


def nearest_rank(ordered: list[Decimal], percent: int) -> Decimal | None:
    """Return the smallest value that `percent` % of them do not exceed: one that occurred, never one in between."""
    if not ordered:
        return None
    return ordered[-(-len(ordered) * percent // 100) - 1]
