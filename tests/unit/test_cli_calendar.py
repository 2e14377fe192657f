"""The command line shows runs at the ends of the calendar, in zones whose local times would leave it."""

from __future__ import annotations

from typing import Any
from zoneinfo import ZoneInfo

import pytest
from rich.text import Text

from pipemodels import commands, parse_instant, using
from pipemodels.cli.chart.axis import Axis, period_text, ticks
from pipemodels.cli.options import Moment
from pipemodels.instants import instant_text, microseconds_since_epoch, shifted, utc_now
from tests.helpers.command_line import CommandLine, cli, config_of, moto_aws, prefix

__all__ = ["cli", "moto_aws", "prefix"]

FIRST, LAST = parse_instant("0001-01-01T00:00:00Z"), parse_instant("9999-12-31T23:59:59.999999Z")
NOON = parse_instant("2026-03-01T12:00:00Z")
ZONES = ["UTC", "America/New_York", "Pacific/Kiritimati"]


@pytest.fixture
def store(prefix: str) -> str:
    """Return the prefix of tables with a run at each end of the calendar and one between."""
    with using(config_of(prefix)):
        fields: dict[str, Any] = {"pipeline_name": "n", "source_type": "s", "destination_type": "d"}
        commands.create_pipeline(pipeline_id="old", **fields, now=FIRST)
        for run_id, at in (("first", FIRST), ("noon", NOON), ("last", LAST)):
            key: dict[str, Any] = {"pipeline_id": "old", "run_id": run_id}
            commands.start_run(**key, start_time=at, now=at, lease_seconds=600)
            commands.start_stage(**key, stage_name="load", now=at)
            commands.finish_stage(**key, stage_name="load", now=at)
            commands.finish_run(**key, now=shifted(at, 1))
    return prefix


@pytest.mark.parametrize("terminal", [False, True], ids=["pipe", "terminal"])
@pytest.mark.parametrize("zone", ZONES)
def test_every_listing_shows_them(
    cli: CommandLine, store: str, monkeypatch: pytest.MonkeyPatch, zone: str, terminal: bool
) -> None:
    """Every listing and drawing works, in every zone and with every valid period."""
    for variable, value in {"FORCE_COLOR": "1", "COLUMNS": "120"}.items() if terminal else ():
        monkeypatch.setenv(variable, value)
    for words in (
        ["runs", "list"],
        ["runs", "list", "--since", "0001-01-01"],
        ["runs", "list", "--since", "0001-01-01T00:00:00Z", "--until", "9999-12-31T23:59:59.999999Z"],
        ["runs", "list", "--since", "99999w", "--until", "9999-12-31"],
        ["runs", "stats", "old", "--since", "0001-01-01"],
        ["runs", "timeline"],
        ["runs", "timeline", "old", "--since", "0001-01-01"],
        ["runs", "timeline", "--since", "9999-12-31"],
        ["runs", "timeline", "--until", "1000-01-01"],
        *(["runs", "show", run_id] for run_id in ("first", "last")),
        *(["runs", "show", run_id, "--json"] for run_id in ("first", "last")),
        ["pipelines", "show", "old"],
        ["pipelines", "list"],
    ):
        answer = cli(*words, "--tz", zone, "--prefix", store)
        assert (answer.code, answer.err) == (0, ""), words


def test_what_has_no_local_time_is_shown_in_utc_and_says_so(
    cli: CommandLine, store: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A pipe shows the UTC offset, a terminal shows `UTC`; days are counted in the same way."""
    words = ["runs", "list", "--prefix", store, "--tz", "America/New_York"]
    begun = [line.split()[3] for line in cli(*words).lines[1:]]
    assert begun == ["9999-12-31T18:59:59-05:00", "2026-03-01T07:00:00-05:00", "0001-01-01T00:00:00+00:00"]
    by_day = cli("runs", "stats", "old", "--json", "--tz", "America/New_York", "--prefix", store).json["by_day"]
    assert by_day == {"0001-01-01": 1, "2026-03-01": 1, "9999-12-31": 1}
    days = cli("runs", "stats", "old", "--tz", "America/New_York", "--prefix", store).lines[-3:]
    assert [line.split()[:2] for line in days] == [
        ["Mon", "0001-01-01"],
        ["Sun", "2026-03-01"],
        ["Fri", "9999-12-31"],
    ]
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "120")
    lines = [Text.from_ansi(line).plain for line in cli(*words).lines]
    assert any("0001-01-01 00:00:00 UTC" in line for line in lines)
    assert any("9999-12-31 18:59:59 " in line and "UTC" not in line for line in lines)


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("at", [FIRST, NOON, LAST])
def test_an_axis_at_the_ends_of_the_calendar(at: Any, zone: str) -> None:
    """It has its labels and its period, even if the axis is longer than the calendar."""
    start = microseconds_since_epoch(at)
    for axis in (Axis.of(start, start, 60), Axis.of(start - 10**12, start + 10**12, 60)):
        assert all(0 <= cell < axis.cells for cell in ticks(axis, ZoneInfo(zone)))
        assert " → " in period_text(axis, ZoneInfo(zone))


def test_a_period_says_where_it_is_in_utc() -> None:
    """A period marks times in UTC and pads its years to four digits."""
    first = microseconds_since_epoch(FIRST)
    axis = Axis(first, first + 86_400_000_000, 60)
    assert period_text(axis, ZoneInfo("America/New_York")) == "0001-01-01 00:00 UTC → 19:03"
    assert period_text(axis, ZoneInfo("UTC")) == "0001-01-01 00:00 → 0001-01-02 00:00"


@pytest.mark.parametrize(
    ("text", "zone", "utc"),
    [
        ("0001-01-01", "Asia/Tokyo", "0001-01-01T00:00:00.000000Z"),
        ("0001-01-01", "America/New_York", "0001-01-01T04:56:02.000000Z"),
        ("9999-12-31", "America/New_York", "9999-12-31T05:00:00.000000Z"),
    ],
)
def test_a_date_at_the_end_of_the_calendar(text: str, zone: str, utc: str) -> None:
    """The date is its first instant in the calendar if the day begins earlier."""
    assert instant_text(Moment.parse(text).at(ZoneInfo(zone))) == utc  # type: ignore[arg-type]  # it is in UTC


def test_an_age_stays_within_the_calendar(monkeypatch: pytest.MonkeyPatch) -> None:
    """An age never leaves the calendar, whatever the current time."""
    monkeypatch.setattr("pipemodels.cli.options.utc_now", lambda: shifted(FIRST, 3_600))
    assert Moment.parse("7d").at(ZoneInfo("UTC")) == FIRST
    assert utc_now() > FIRST
