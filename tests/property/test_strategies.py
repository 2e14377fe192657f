"""The strategies that users import: what they draw is taken, and as hard as they say. No store is asked."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pendulum
import pytest
from hypothesis import find, given

from pipemodels.checks import id_problem, number_problem, schedule_problem, text_problem, version_problem
from pipemodels.documents import document_problems
from pipemodels.instants import microseconds_since_epoch, utc_instant
from pipemodels.testing import strategies as pm


@given(pm.instants())
def test_an_instant_means_one_in_the_calendar(value: datetime) -> None:
    """Whatever its zone, fold or class, it lies in the years 1 to 9999 of UTC."""
    assert 1 <= utc_instant(value, "x").year <= 9999


@pytest.mark.parametrize(
    "kind",
    [
        lambda value: value.fold == 1 and not isinstance(value, pendulum.DateTime),
        lambda value: isinstance(value, pendulum.DateTime),
        lambda value: isinstance(value.tzinfo, timezone) and value.utcoffset() % timedelta(hours=1),
    ],
    ids=["second fold", "pendulum", "odd offset"],
)
def test_the_hard_instants_are_among_those_drawn(kind: Callable[[Any], bool]) -> None:
    """A job that copes with all of them copes with what its schedulers hand over."""
    find(pm.instants(), kind)


@given(pm.nearby_instants())
def test_nearby_instants_are_at_most_two_seconds_apart(values: list[datetime]) -> None:
    """All of them: where order goes wrong, it goes wrong among neighbours."""
    moments = [microseconds_since_epoch(utc_instant(value, "x")) for value in values]
    assert max(moments) - min(moments) <= 2_000_000


@given(pm.numbers(), pm.ids(), pm.texts(), pm.versions(), pm.schedules(), pm.documents())
def test_simple_values_are_taken(
    number: Any, one_id: str, text: str, version: str, schedule: str, document: dict[str, Any]
) -> None:
    """No check of the package has anything against them."""
    problems = [number_problem(number), id_problem(one_id), text_problem(text), version_problem(version)]
    assert [*problems, schedule_problem(schedule)] == [None] * 5
    assert list(document_problems(document, "x")) == []


@given(pm.table_fields().filter(lambda fields: {"archive_after_days", "retention_days"} <= fields.keys()))
def test_a_table_is_archived_before_it_is_deleted(fields: dict[str, Any]) -> None:
    """Where both are said."""
    assert fields["archive_after_days"] < fields["retention_days"]


@given(pm.metrics())
def test_a_run_reports_no_more_failures_than_records(report: dict[str, Any]) -> None:
    """Where both are said; and it reports something."""
    assert report
    assert report.get("total_records_failed", 0) <= report.get("total_records_processed", 1_000)


_ENDS = {"finish_run", "fail_run", "cancel_run", "skip_run"}


@given(pm.run_histories(pipeline_id="p", run_id="r"))
def test_a_history_goes_forward_and_ends_once(history: pm.RunHistory) -> None:
    """It begins with a start or a queueing, nothing follows an end, and its clock does not go back."""
    names = [name for name, _ in history.steps]
    clocks = [arguments["now"] for _, arguments in history.steps]
    assert names[0] in {"queue_run", "start_run"}
    assert clocks == sorted(clocks)
    assert all(name not in _ENDS for name in names[:-1])
    assert names[0] == "start_run" or names[1:2] in ([], ["start_run"], ["cancel_run"], ["skip_run"])
    assert all((arguments["pipeline_id"], arguments["run_id"]) == ("p", "r") for _, arguments in history.steps)
    assert clocks[-1] - clocks[0] <= timedelta(seconds=10) * len(clocks)
    assert clocks[0].tzinfo is UTC
