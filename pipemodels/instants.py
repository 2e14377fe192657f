"""Instants: any aware date and time in, one point on the UTC time line out.

Stored form: RFC 3339, always UTC, always six digits, `2026-11-22T06:04:09.937580Z` (27 characters), years 0001 to
9999, so that text order is time order. What is stored is exact; what is accepted as input is explicit.
"""

from __future__ import annotations

import calendar
import re
from datetime import UTC, date, datetime, timedelta, tzinfo
from typing import Any

import pendulum

from pipemodels.errors import NaiveDateTimeError, Problem, ValidationError

_STORED = re.compile(
    r"(\d{4}-\d\d-\d\dT(?:[01]\d|2[0-3]):\d\d:\d\d\.\d{6})"  # later Pythons take 24:00 for the next day
    r"(?:Z|\+0000|\+00:00)",  # the last two: as PynamoDB's own attribute wrote it
    re.ASCII,
)
_RFC_3339 = (  # compiled, and kept by `re`, when it is first used
    r"(\d{4}-\d\d-\d\d)[Tt]((?:[01]\d|2[0-3]):\d\d):(\d\d)(?:\.(\d+))?(?:[Zz]|([+-])([01]\d|2[0-3]):([0-5]\d))"
)
_LAST_MICROSECOND = "59.999999"


def utc_now() -> pendulum.DateTime:
    """Return the clock's instant."""
    return from_utc(datetime.now(UTC))


def utc_instant(value: object, field: str) -> pendulum.DateTime:
    """Return the instant that an aware datetime means, in UTC.

    Python's own `astimezone` comes first: it reads both folds and imaginary local times as PEP 495 says, where
    `pendulum.instance` shifts them.

    Raises:
        NaiveDateTimeError: it has no UTC offset; attach a time zone.
        ValidationError: it is no datetime, or in UTC it falls outside the years 1 to 9999.
    """
    if type(value) is pendulum.DateTime and value.tzinfo is pendulum.UTC:
        return from_utc(value) if value.fold else value
    if not isinstance(value, datetime):
        raise ValidationError.of(field, value, "is no datetime; parse text with parse_instant()")
    if value.utcoffset() is None:
        problem = Problem(field, value, "has no UTC offset; attach a time zone, e.g. tzinfo=ZoneInfo('UTC')")
        raise NaiveDateTimeError([problem])
    try:
        utc = datetime.astimezone(value, UTC)
    except OverflowError:
        raise ValidationError.of(field, value, "falls outside the years 1 to 9999 in UTC") from None
    return from_utc(utc)


_DateTime: Any = pendulum.DateTime
_UTC = pendulum.UTC
_reduced = datetime.__reduce__


def from_utc(utc: datetime) -> pendulum.DateTime:
    """Return the same instant as pendulum has it, of a datetime that is in UTC.

    Made of the state that pickle keeps of a datetime, which a class of datetimes takes in place of numbers: it knows
    no fold, and is three times as fast.
    """
    return _DateTime(_reduced(utc)[1][0], _UTC)  # type: ignore[no-any-return]  # it is one


def shifted(utc: datetime, seconds: float) -> pendulum.DateTime:
    """Return the instant so many seconds later, or earlier, within the years 1 to 9999."""
    plain = datetime.combine(utc.date(), utc.time(), UTC)  # pendulum's own arithmetic is another
    try:
        plain += timedelta(seconds=seconds)
    except OverflowError:
        return _LAST if seconds > 0 else _FIRST
    return utc_instant(plain, "instant")


_FIRST, _LAST = (from_utc(one) for one in (datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)))


def in_zone(utc: datetime, zone: tzinfo) -> datetime:
    """Return the same instant with the local time of a zone, to be shown.

    Near the ends of the calendar a zone may have no local time for it, because that would leave the years 1 to 9999;
    then the instant stays in UTC, and the offset of what is returned says so.

    Args:
        utc: the instant, in UTC.
        zone: where it is to be shown.
    """
    try:
        return utc.astimezone(zone)
    except (OverflowError, ValueError):  # of datetime, and of pendulum
        return utc


def start_of_day(day: date, zone: tzinfo) -> pendulum.DateTime:
    """Return the first instant of a day in a zone; the calendar's first or last where the day begins outside it."""
    offset = datetime(day.year, day.month, day.day, tzinfo=zone).utcoffset() or timedelta(0)
    midnight = datetime(day.year, day.month, day.day, tzinfo=UTC)
    return shifted(midnight, -offset.total_seconds())


def instant_text(utc: pendulum.DateTime) -> str:
    """Return the stored form, 27 characters, of an instant in UTC."""
    return datetime.isoformat(utc, timespec="microseconds")[:26] + "Z"


def read_stored_instant(text: object, field: str) -> pendulum.DateTime:
    """Read exactly the stored form, or the two that PynamoDB's own attribute wrote (`+0000`, `+00:00`).

    Raises:
        ValidationError: the text is anything else.
    """
    match = _STORED.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        raise ValidationError.of(field, text, "is stored in no form of an instant, e.g. 2026-11-22T06:04:09.937580Z")
    try:
        return utc_instant(datetime.fromisoformat(match[1] + "+00:00"), field)
    except ValueError:
        raise ValidationError.of(field, text, "is stored, but there is no such date or time") from None


def parse_instant(text: object, field: str = "instant") -> pendulum.DateTime:
    """Read an RFC 3339 date and time with any offset; return it in UTC.

    Fraction digits after the sixth are cut off, never rounded into the future. A leap second, which Python cannot
    hold, becomes the last microsecond before it (`23:59:60Z` reads as `23:59:59.999999Z`): the day stays, and so does
    the order against everything outside that second. It is accepted at the end of a month in UTC only.

    Source: RFC 3339, sections 5.6 (grammar) and 5.7 (leap seconds).

    Raises:
        ValidationError: the text is no such date and time, has no offset, or leaves the years 1 to 9999.
    """
    match = re.fullmatch(_RFC_3339, text, re.ASCII) if isinstance(text, str) else None
    if match is None:
        raise ValidationError.of(field, text, "is no RFC 3339 date and time, e.g. 2026-11-22T06:04:09Z")
    date, minute, second, fraction, sign, hours, minutes = match.groups()
    leap = second == "60"
    seconds = _LAST_MICROSECOND if leap else f"{second}.{(fraction or '')[:6]:0<6}"
    offset = f"{sign}{hours}:{minutes}" if sign else "+00:00"
    try:
        utc = utc_instant(datetime.fromisoformat(f"{date}T{minute}:{seconds}{offset}"), field)
    except ValidationError:
        raise
    except ValueError as error:
        raise ValidationError.of(field, text, f"is no RFC 3339 date and time: {error}") from None
    if leap and not _is_last_minute_of_month(utc):
        raise ValidationError.of(field, text, "is no leap second: those come at 23:59:60 UTC at a month's end")
    return utc


def _is_last_minute_of_month(utc: datetime) -> bool:
    last_day = calendar.monthrange(utc.year, utc.month)[1]
    return (utc.day, utc.hour, utc.minute) == (last_day, 23, 59)


EPOCH = pendulum.DateTime(1970, 1, 1, tzinfo=pendulum.UTC)


def since_epoch(utc: datetime) -> timedelta:
    """Return the time since 1970-01-01 UTC."""
    return datetime.__sub__(utc, EPOCH)  # pendulum's own subtraction gives an Interval


def from_microseconds(since_epoch: int) -> pendulum.DateTime:
    """Return the instant so many microseconds after 1970-01-01 UTC; the calendar's first or last beyond its ends."""
    try:
        return from_utc(datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=since_epoch))
    except OverflowError:
        return _LAST if since_epoch > 0 else _FIRST


def microseconds_since_epoch(utc: datetime) -> int:
    """Return whole microseconds since 1970-01-01 UTC; exact, where float seconds are not."""
    since = since_epoch(utc)
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds
