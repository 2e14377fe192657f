"""Instants: known cases of reading, writing and parsing. The property tests generate further ones."""

from datetime import UTC, date, datetime, timedelta, timezone, tzinfo
from typing import Any
from zoneinfo import ZoneInfo

import pendulum
import pytest

from pipemodels import NaiveDateTimeError, ValidationError, parse_instant
from pipemodels.instants import (
    from_microseconds,
    in_zone,
    instant_text,
    microseconds_since_epoch,
    read_stored_instant,
    shifted,
    start_of_day,
    utc_instant,
    utc_now,
)
from tests.helpers.timezone_assertions import assert_utc_timezone
from tests.unit.test_timezone_assertions import NoOffset

# the date-time strings of JSON-Schema-Test-Suite (draft2020-12, optional/format; MIT); None: refused
VERDICTS: list[tuple[str, str | None]] = [
    ("1963-06-19T08:30:06.283185Z", "1963-06-19T08:30:06.283185Z"),
    ("1963-06-19T08:30:06Z", "1963-06-19T08:30:06.000000Z"),
    ("1937-01-01T12:00:27.87+00:20", "1937-01-01T11:40:27.870000Z"),
    ("1990-12-31T15:59:50.123-08:00", "1990-12-31T23:59:50.123000Z"),
    ("1998-12-31T23:59:60Z", "1998-12-31T23:59:59.999999Z"),
    ("1998-12-31T15:59:60.123-08:00", "1998-12-31T23:59:59.999999Z"),
    ("1998-12-31T23:59:61Z", None),
    ("1998-12-31T23:58:60Z", None),
    ("1998-12-31T22:59:60Z", None),
    ("1990-02-31T15:59:59.123-08:00", None),
    ("1990-12-31T15:59:59-24:00", None),
    ("1963-06-19T08:30:06.28123+01:00Z", None),
    ("1990-12-31T24:00:00Z", None),
    ("1990-12-31T15:60:00Z", None),
    ("1990-12-31T10:00:00+10:60", None),
    ("06/19/1963 08:30:06 PST", None),
    ("1963-06-19t08:30:06.283185z", "1963-06-19T08:30:06.283185Z"),
    ("2013-350T01:01:01", None),
    ("1963-6-19T08:30:06.283185Z", None),
    ("1963-06-1T08:30:06.283185Z", None),
    ("1963-06-1\u09eaT00:00:00Z", None),
    ("1963-06-11T0\u09ea:00:00Z", None),
    ("+11963-06-19T08:30:06.283185Z", None),
    ("1985-04-12T00:59:59.999999999999999Z", "1985-04-12T00:59:59.999999Z"),
]
MORE: list[tuple[str, str | None]] = [
    ("2026-11-22T06:04:09.9375809Z", "2026-11-22T06:04:09.937580Z"),
    ("2026-11-22T06:04:09.1Z", "2026-11-22T06:04:09.100000Z"),
    ("2026-11-22T06:04:09-00:00", "2026-11-22T06:04:09.000000Z"),
    ("2026-11-22T06:04:09+23:59", "2026-11-21T06:05:09.000000Z"),
    ("2015-06-30T23:59:60Z", "2015-06-30T23:59:59.999999Z"),
    ("2024-02-29T23:59:60Z", "2024-02-29T23:59:59.999999Z"),
    ("2023-02-29T00:00:00Z", None),
    ("2024-02-28T23:59:60Z", None),
    ("0000-01-01T00:00:00Z", None),
    ("0001-01-01T00:00:00+00:01", None),
    ("9999-12-31T23:59:59-00:01", None),
    ("9999-12-31T23:59:60-00:01", None),
    ("2026-11-22T06:04:09", None),
    ("2026-11-22 06:04:09Z", None),
    ("2026-11-22T06:04Z", None),
    ("2026-11-22T06:04:09.Z", None),
    ("2026-11-22T06:04:09,5Z", None),
    ("2026-11-22T06:04:09+0000", None),
    ("2026-11-22T06:04:09+00", None),
    ("2026-W47-7T06:04:09Z", None),
    ("20261122T060409Z", None),
    ("2026-11-22T24:00:00Z", None),
    ("2026-11-22T06:04:09Z\n", None),
    (" 2026-11-22T06:04:09Z", None),
    ("now", None),
    ("", None),
]


@pytest.mark.parametrize(("text", "stored"), VERDICTS + MORE)
def test_parse_instant(text: str, stored: str | None) -> None:
    """RFC 3339 is parsed strictly; digits after the sixth are cut off; a leap second is the microsecond before it."""
    if stored is None:
        with pytest.raises(ValidationError) as caught:
            parse_instant(text, "since")
        assert [problem.field for problem in caught.value.problems] == ["since"]
        return
    found = parse_instant(text)
    assert_utc_timezone(found)
    assert (type(found), instant_text(found)) == (pendulum.DateTime, stored)


@pytest.mark.parametrize("value", [None, 5, b"2026-11-22T06:04:09Z", datetime(2026, 1, 1, tzinfo=UTC)])
def test_parse_instant_reads_text(value: Any) -> None:
    """A value that is not a str is rejected."""
    with pytest.raises(ValidationError, match="is not an RFC 3339 date and time"):
        parse_instant(value)


NOT_STORED = [
    "2026-11-22T06:04:09Z",
    "2026-11-22T06:04:09.93758Z",
    "2026-11-22T06:04:09.9375800Z",
    "2026-11-22T06:04:09.937580",
    "2026-11-22T06:04:09.937580z",
    "2026-11-22t06:04:09.937580Z",
    "2026-11-22 06:04:09.937580Z",
    "2026-11-22T06:04:09.937580+01:00",
    "2026-11-22T06:04:09.937580-00:00",
    "2026-11-22T06:04:09.937580-0000",
    "2026-11-22T06:04:09.937580+00",
    "2026-11-22T06:04:09,937580Z",
    "2026-11-22T06:04:60.000000Z",
    "2026-11-22T06:60:00.000000Z",
    "2026-11-22T24:00:00.000000Z",
    "2026-02-30T00:00:00.000000Z",
    "2026-13-01T00:00:00.000000Z",
    "0000-01-01T00:00:00.000000Z",
    "2026-1 -01T00:00:00.000000Z",
    "+026-01-01T00:00:00.000000Z",
    " 026-01-01T00:00:00.000000Z",
    "٢٠٢٦-01-01T00:00:00.000000Z",
    "2026-01-01T00:00:00.0_0000Z",
    "2026-01-01T00:00:00.000000Z\n",
    "\ufeff2026-01-01T00:00:00.000000Z",
    "2026-W47-7T06:04:09.937580Z",
    "20261122T060409.937580Z",
    "",
]


@pytest.mark.parametrize("text", [*NOT_STORED, None, 5, b"2026-01-01T00:00:00.000000Z"])
def test_what_is_not_the_stored_form_is_refused(text: Any) -> None:
    """Stored text is parsed strictly: a similar format raises an error that names the field."""
    with pytest.raises(ValidationError, match=r"^created_at: "):
        read_stored_instant(text, "created_at")


@pytest.mark.parametrize("end", ["Z", "+0000", "+00:00"])
def test_the_three_ends_that_are_read(end: str) -> None:
    """The stored format, and those that PynamoDB's own attribute and isoformat() write, are read."""
    found = read_stored_instant(f"2026-11-22T06:04:09.937580{end}", "x")
    assert (type(found), instant_text(found)) == (pendulum.DateTime, "2026-11-22T06:04:09.937580Z")


def test_a_zone_without_an_offset_is_naive() -> None:
    """A datetime whose tzinfo returns None as utcoffset() is naive."""
    with pytest.raises(NaiveDateTimeError, match=r"start_time: .* has no UTC offset"):
        utc_instant(datetime(2026, 1, 1, tzinfo=NoOffset()), "start_time")


@pytest.mark.parametrize(
    ("start", "seconds", "stored"),
    [
        ("2026-11-22T06:04:09.937580Z", 0.5, "2026-11-22T06:04:10.437580Z"),
        ("2026-11-22T06:04:09.937580Z", -10, "2026-11-22T06:03:59.937580Z"),
        ("9999-12-31T23:59:59.000000Z", 1, "9999-12-31T23:59:59.999999Z"),
        ("0001-01-01T00:00:00.000000Z", -5, "0001-01-01T00:00:00.000000Z"),
        ("2026-11-22T06:04:09.937580Z", 1e15, "9999-12-31T23:59:59.999999Z"),
        ("2026-11-22T06:04:09.937580Z", -1e15, "0001-01-01T00:00:00.000000Z"),
    ],
)
def test_a_shift_stays_within_the_calendar(start: str, seconds: float, stored: str) -> None:
    """An instant shifted beyond the years 1 to 9999 becomes the first or last one: no lease overflows."""
    assert instant_text(shifted(parse_instant(start), seconds)) == stored


def test_the_clock_is_in_utc() -> None:
    """The current instant is between two readings of Python's clock."""
    before = datetime.now(UTC)
    now = utc_now()
    assert_utc_timezone(now)
    assert type(now) is pendulum.DateTime
    assert before <= now <= datetime.now(UTC)


@pytest.mark.parametrize(
    ("value", "microseconds"),
    [
        (datetime(1970, 1, 1, tzinfo=UTC), 0),
        (datetime(1969, 12, 31, 23, 59, 59, 999999, tzinfo=UTC), -1),
        (datetime(2004, 2, 1, 0, 0, 0, 542, tzinfo=UTC), 1075593600000542),
        (datetime(1, 1, 1, tzinfo=UTC), -62135596800000000),
        (datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC), 253402300799999999),
        (datetime(1970, 1, 1, 1, tzinfo=timezone(timedelta(hours=1))), 0),
    ],
)
def test_microseconds_are_counted_exactly(value: datetime, microseconds: int) -> None:
    """Microseconds since 1970 are exact, where float seconds are not; also for pendulum values."""
    assert microseconds_since_epoch(value) == microseconds
    assert microseconds_since_epoch(utc_instant(value, "x")) == microseconds


FIRST, LAST = parse_instant("0001-01-01T00:00:00Z"), parse_instant("9999-12-31T23:59:59.999999Z")
HOUR = timedelta(hours=1)


@pytest.mark.parametrize(
    ("utc", "zone", "text"),
    [
        (FIRST, ZoneInfo("America/New_York"), "0001-01-01T00:00:00+00:00"),
        (FIRST, ZoneInfo("Pacific/Niue"), "0001-01-01T00:00:00+00:00"),
        (FIRST, ZoneInfo("Asia/Tokyo"), "0001-01-01T09:18:59+09:18:59"),
        (FIRST, pendulum.timezone("America/New_York"), "0001-01-01T00:00:00+00:00"),
        (FIRST, timezone(-timedelta(microseconds=1)), "0001-01-01T00:00:00+00:00"),
        (FIRST, timezone(23 * HOUR), "0001-01-01T23:00:00+23:00"),
        (shifted(FIRST, 4 * 3_600 + 56 * 60 + 2), ZoneInfo("America/New_York"), "0001-01-01T00:00:00-04:56:02"),
        (LAST, ZoneInfo("Pacific/Kiritimati"), "9999-12-31T23:59:59.999999+00:00"),
        (LAST, ZoneInfo("Asia/Tokyo"), "9999-12-31T23:59:59.999999+00:00"),
        (LAST, pendulum.timezone("Asia/Tokyo"), "9999-12-31T23:59:59.999999+00:00"),
        (LAST, ZoneInfo("America/New_York"), "9999-12-31T18:59:59.999999-05:00"),
        (shifted(LAST, -14 * 3_600), ZoneInfo("Pacific/Kiritimati"), "9999-12-31T23:59:59.999999+14:00"),
        (LAST, timezone(timedelta(microseconds=1)), "9999-12-31T23:59:59.999999+00:00"),
    ],
)
def test_an_instant_is_shown_in_any_zone(utc: datetime, zone: tzinfo, text: str) -> None:
    """An instant whose local time falls outside the years 1 to 9999 is shown in UTC, with the offset of UTC."""
    shown = in_zone(utc, zone)
    assert (shown.isoformat(), shown == utc, type(shown)) == (text, True, pendulum.DateTime)


@pytest.mark.parametrize(
    ("day", "zone", "text"),
    [
        (date(1, 1, 1), "Pacific/Kiritimati", "0001-01-01T10:29:20.000000Z"),
        (date(1, 1, 1), "Asia/Tokyo", "0001-01-01T00:00:00.000000Z"),
        (date(1, 1, 1), "America/New_York", "0001-01-01T04:56:02.000000Z"),
        (date(9999, 12, 31), "Asia/Tokyo", "9999-12-30T15:00:00.000000Z"),
        (date(9999, 12, 31), "America/New_York", "9999-12-31T05:00:00.000000Z"),
        (date(2026, 3, 29), "Europe/Berlin", "2026-03-28T23:00:00.000000Z"),
        (date(2026, 3, 30), "Europe/Berlin", "2026-03-29T22:00:00.000000Z"),
    ],
)
def test_a_day_begins_within_the_calendar(day: date, zone: str, text: str) -> None:
    """A day begins at midnight in the zone, with the offset at that midnight."""
    assert instant_text(start_of_day(day, ZoneInfo(zone))) == text


@pytest.mark.parametrize(
    ("count", "utc"),
    [
        (0, "1970-01-01T00:00:00Z"),
        (-1, "1969-12-31T23:59:59.999999Z"),
        (microseconds_since_epoch(LAST), "9999-12-31T23:59:59.999999Z"),
        (microseconds_since_epoch(LAST) + 1, "9999-12-31T23:59:59.999999Z"),
        (microseconds_since_epoch(FIRST) - 1, "0001-01-01T00:00:00Z"),
        (10**40, "9999-12-31T23:59:59.999999Z"),
        (-(10**40), "0001-01-01T00:00:00Z"),
    ],
)
def test_microseconds_are_an_instant_of_the_calendar(count: int, utc: str) -> None:
    """Microseconds outside the years 1 to 9999 become the first or last instant."""
    found = from_microseconds(count)
    assert (found, type(found)) == (parse_instant(utc), pendulum.DateTime)
    assert_utc_timezone(found)
