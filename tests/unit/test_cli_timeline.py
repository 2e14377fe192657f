"""Charts: bars on an axis, ticks at round local times, and timelines in any width."""

from __future__ import annotations

import io
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from rich.text import Text

from pipemodels.cli.chart.axis import Axis, drawn_ticks, ticks
from pipemodels.cli.chart.bars import Bar, laid, painted
from pipemodels.cli.chart.timeline import draw_timeline
from pipemodels.cli.output import Screen
from pipemodels.instants import microseconds_since_epoch
from pipemodels.models import PipelineRunLog, RunStatus, StageInfo

UTC_ZONE, BERLIN = ZoneInfo("UTC"), ZoneInfo("Europe/Berlin")
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
MINUTE = 60_000_000
YEARS = st.integers(microseconds_since_epoch(datetime(1900, 1, 1, tzinfo=UTC)), 10**17)


def run(
    start: datetime, minutes: float, status: str = "success", name: str = "orders", **more: Any
) -> PipelineRunLog:
    """Return a run without storing it."""
    ended = status not in {"running", "pending"}
    return PipelineRunLog(
        pipeline_id=name,
        run_id=f"{start}",
        status=status,
        trigger_type="test",
        start_time=start,
        end_time=start + timedelta(minutes=minutes) if ended else None,
        error_message="x" if status == "failed" else None,
        **more,
    )


def drawn(runs: list[PipelineRunLog], *, width: int = 100, colour: bool = False, **period: Any) -> list[str]:
    """Return the lines of a timeline, without colours."""
    written = io.StringIO()
    console = Console(file=written, force_terminal=colour, width=width, color_system="truecolor" if colour else None)
    draw_timeline(Screen(console), runs, period.pop("zone", UTC_ZONE), NOON + timedelta(hours=3), **period)
    return [Text.from_ansi(line).plain for line in written.getvalue().splitlines()]


@given(YEARS, st.integers(0, 10**16), st.integers(20, 300), YEARS, st.integers(0, 10**16))
def test_every_bar_has_a_cell_on_the_axis(start: int, width: int, cells: int, at: int, length: int) -> None:
    """Every period has a cell, however short it is, and no cell lies outside the axis."""
    first, stop = Axis.of(start, start + width, cells).span(at, at + length)
    assert 0 <= first < stop <= cells


def test_a_bar_reaches_into_the_cell_of_its_end() -> None:
    """A partly covered cell is drawn in full; a bar that ends on a cell's edge does not cover the next cell."""
    axis = Axis.of(0, 10 * MINUTE, 10)
    assert [axis.span(0, end * MINUTE // 2) for end in (2, 3, 4)] == [(0, 1), (0, 2), (0, 2)]


def test_ticks_begin_with_the_axis_west_of_greenwich_too() -> None:
    """Ticks are round local times, even if the zone is behind UTC."""
    start = microseconds_since_epoch(NOON)
    axis = Axis.of(start, start + 6 * 60 * MINUTE, 60)
    assert list(ticks(axis, ZoneInfo("America/New_York")).values())[:2] == ["07:00", "08:00"]


def test_a_stage_name_cannot_command_the_terminal() -> None:
    """A control character in the name is shown as an escape."""
    stage = Bar("\x1b[2J", RunStatus.SUCCESS, 0, 10 * MINUTE)
    lane = laid([Bar("p", RunStatus.SUCCESS, 0, 10 * MINUTE, stages=(stage,))], Axis.of(0, 10 * MINUTE, 30))
    for coloured in (True, False):
        shown = painted(lane, coloured=coloured).plain
        assert "\\x1b[2J" in shown
        assert "\x1b" not in shown


def test_an_axis_does_not_go_on_into_the_future() -> None:
    """An axis ends now if `until` is later."""
    lines = drawn([run(NOON, 10)], since=NOON, until=NOON + timedelta(days=10))
    assert "2026-03-01 12:00 → 15:00" in lines[0]


@given(
    YEARS, st.integers(0, 10**16), st.integers(20, 300), st.sampled_from([UTC_ZONE, BERLIN, ZoneInfo("Asia/Kolkata")])
)
def test_labels_never_touch(start: int, width: int, cells: int, zone: ZoneInfo) -> None:
    """At any scale, each label stands at its tick in full, with a space before the next."""
    labels = ticks(Axis.of(start, start + width, cells), zone)
    rule, below = drawn_ticks(labels, cells, plain=True)
    assert len(rule) == len(below) == cells
    assert [below[cell : cell + len(label)] for cell, label in labels.items()] == list(labels.values())
    assert below.split() == " ".join(labels.values()).split()


def test_ticks_stand_at_round_local_times() -> None:
    """The tick at local midnight shows the date."""
    start = microseconds_since_epoch(datetime(2026, 3, 1, 20, tzinfo=UTC))
    labels = ticks(Axis.of(start, start + 360 * MINUTE, 60), BERLIN)
    assert labels == {0: "21:00", 10: "22:00", 20: "23:00", 30: "02 Mar", 40: "01:00", 50: "02:00"}


def test_ticks_of_days_stand_at_midnight_also_where_the_clock_changes() -> None:
    """On the 23-hour day of 29 March in Berlin, ticks stay at midnights, one hour closer."""
    start = microseconds_since_epoch(datetime(2026, 3, 28, tzinfo=BERLIN))
    labels = ticks(Axis.of(start, start + 71 * 60 * MINUTE, 71), BERLIN)
    days = {cell: label for cell, label in labels.items() if "Mar" in label}
    assert days == {0: "28 Mar", 24: "29 Mar", 47: "30 Mar"}
    week = ticks(Axis.of(start, start + 7 * 24 * 60 * MINUTE, 70), BERLIN)
    assert list(week.values()) == [f"{day:02} Mar" for day in (28, 29, 30, 31)] + ["01 Apr", "02 Apr", "03 Apr"]


def test_stages_are_segments_with_their_names() -> None:
    """A bar is divided at each stage's begin, shows names that fit, and marks a failed stage."""
    stages = (
        Bar("extract", RunStatus.SUCCESS, 0, 10),
        Bar("load", RunStatus.FAILED, 10, 20),
    )
    bar = Bar("orders", RunStatus.FAILED, 0, 20, stages=stages)
    assert painted(laid([bar], Axis(0, 20, 24)), coloured=False).plain == "=extract====|loadxxxxxxx"
    assert painted(laid([bar], Axis(0, 20, 5)), coloured=False).plain == "xxxxx"


def test_of_bars_in_one_cell_the_urgent_one_is_seen() -> None:
    """A later success does not hide a failure."""
    bars = [Bar("a", RunStatus.FAILED, 5, 6), Bar("b", RunStatus.SUCCESS, 0, 10), Bar("c", RunStatus.RUNNING, 5, 6)]
    assert painted(laid(bars, Axis(0, 10, 10)), coloured=False).plain == "=====x===="


def test_one_run_fills_the_width() -> None:
    """The axis is the period of the run."""
    lines = drawn([run(NOON, 30)])
    assert lines[0] == "1 run  2026-03-01 12:00 → 12:30  UTC"
    assert lines[2].startswith("orders =====")
    assert lines[2].endswith("=  success 30m 00s")
    assert "12:10" in lines[4]


@pytest.mark.parametrize("minutes", [0, 0.0001, 0.01])
def test_a_very_short_run_has_a_cell_and_an_axis(minutes: float) -> None:
    """A run without a duration still has a cell and an axis."""
    lines = drawn([run(NOON, minutes)])
    assert "=" in lines[2]
    assert "12:00:00" in lines[0]


def test_a_running_run_is_open_to_now() -> None:
    """The bar of a running run ends now and shows the duration so far."""
    lines = drawn([run(NOON, 0, "running")], colour=True)
    assert lines[0].startswith("1 run  2026-03-01 12:00 → 15:00")
    assert "▶  ▶ 3h 00m so far" in lines[2]


def test_a_pending_run_is_a_mark_where_it_was_queued() -> None:
    """A pending run has no length."""
    lines = drawn([run(NOON, 0, "pending", "a"), run(NOON, 60, name="b")])
    assert lines[2].split()[:2] == ["a", "."]


def test_runs_at_the_same_time_lie_below_each_other() -> None:
    """The first lane shows the pipeline's name and counts."""
    lines = drawn([run(NOON, 60), run(NOON + timedelta(minutes=10), 60, "failed")])
    assert lines[2].startswith("orders ===")
    assert lines[2].endswith("2 runs  1 failed")
    assert "xxx" in lines[3]
    assert not lines[3].startswith("orders")


@pytest.mark.parametrize("width", [60, 80, 120, 200])
@pytest.mark.parametrize("colour", [False, True])
def test_two_hundred_runs_stay_small(width: int, colour: bool) -> None:
    """Overlapping runs take few lines for each pipeline, and no line is longer than the terminal."""
    runs = [
        run(NOON - timedelta(minutes=7 * number), 300, name=f"pipeline-{number % 5}-{'n' * 40}")
        for number in range(200)
    ]
    lines = drawn(runs, width=width, colour=colour)
    assert len(lines) < 30
    assert not colour or all(len(line) <= width for line in lines)


def test_the_period_that_is_asked_for_is_the_axis() -> None:
    """With `since`, the axis begins there and ends now or at `until`."""
    assert "11:00 → 15:00" in drawn([run(NOON, 30)], since=NOON - timedelta(hours=1))[0]
    assert (
        "11:00 → 13:00" in drawn([run(NOON, 30)], since=NOON - timedelta(hours=1), until=NOON + timedelta(hours=1))[0]
    )
    assert "12:00 → 13:00" in drawn([run(NOON, 90)], until=NOON + timedelta(hours=1))[0]


def test_stages_too_short_for_the_axis_are_drawn_apart() -> None:
    """Short runs' stages are drawn below the timeline, from the left edge and on a scale of their own."""
    stages = [
        StageInfo(
            stage_name="extract", status=RunStatus.SUCCESS, start_time=NOON, end_time=NOON + timedelta(seconds=30)
        ),
        StageInfo(stage_name="load", status=RunStatus.RUNNING, start_time=NOON + timedelta(seconds=30)),
    ]
    short = run(NOON, 1, stages=stages, name="short")
    lines = drawn([run(NOON - timedelta(days=3), 60, name="long"), short])
    heading = lines.index("== stages")
    assert "=extract" in lines[heading + 1]
    assert "|load>" in lines[heading + 1]
    assert not [line for line in lines[:heading] if "extract" in line]
