"""Instants: conversion of aware datetimes and RFC 3339 text to UTC, and the stored format.

The stored format is RFC 3339 in UTC with six fractional digits, e.g. `2026-11-22T06:04:09.937580Z` (27 characters),
for the years 0001 to 9999, so that text order is time order.
"""

from __future__ import annotations

import calendar
import re
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta, tzinfo

import pendulum

from pipemodels.errors import NaiveDateTimeError, Problem, ValidationError

_STORED = re.compile(
    r"(\d{4}-\d\d-\d\dT(?:[01]\d|2[0-3]):\d\d:\d\d\.\d{6})"  # newer Pythons accept 24:00 as the next day
    r"(?:Z|\+0000|\+00:00)",  # PynamoDB's own attribute writes the last two
    re.ASCII,
)
_RFC_3339 = (  # `re` compiles and caches it on first use
    r"(\d{4}-\d\d-\d\d)[Tt]((?:[01]\d|2[0-3]):\d\d):(\d\d)(?:\.(\d+))?(?:[Zz]|([+-])([01]\d|2[0-3]):([0-5]\d))"
)
_LAST_MICROSECOND = "59.999999"


def utc_now() -> pendulum.DateTime:
    """Return the current instant."""
    return from_utc(datetime.now(UTC))


def utc_instant(value: object, field: str) -> pendulum.DateTime:
    """Return an aware datetime as an instant in UTC.

    Uses Python's `astimezone`, which follows PEP 495 for folds and for local times that a clock change skips;
    `pendulum.instance` shifts the latter.

    Raises:
        NaiveDateTimeError: the value has no UTC offset; attach a time zone.
        ValidationError: the value is not a datetime, or falls outside the years 1 to 9999 in UTC.
    """
    if type(value) is pendulum.DateTime and value.tzinfo is pendulum.UTC:
        return from_utc(value) if value.fold else value
    if not isinstance(value, datetime):
        raise ValidationError.of(field, value, "is not a datetime; parse text with parse_instant()")
    if value.utcoffset() is None:
        problem = Problem(field, value, "has no UTC offset; attach a time zone, e.g. tzinfo=ZoneInfo('UTC')")
        raise NaiveDateTimeError([problem])
    try:
        utc = datetime.astimezone(value, UTC)
    except OverflowError:
        raise ValidationError.of(field, value, "falls outside the years 1 to 9999 in UTC") from None
    return from_utc(utc)


_DateTime: Callable[..., pendulum.DateTime] = pendulum.DateTime  # it takes a pickle state too
_UTC = pendulum.UTC
_reduced = datetime.__reduce__


def from_utc(utc: datetime) -> pendulum.DateTime:
    """Return a datetime in UTC as a pendulum datetime.

    Passes the pickle state of the datetime to the constructor, which is three times as fast as passing the numbers.
    The fold is dropped.
    """
    return _DateTime(_reduced(utc)[1][0], _UTC)


def shifted(utc: datetime, seconds: float) -> pendulum.DateTime:
    """Return the instant shifted by a number of seconds, limited to the years 1 to 9999."""
    plain = datetime.combine(utc.date(), utc.time(), UTC)  # pendulum's own arithmetic differs
    try:
        plain += timedelta(seconds=seconds)
    except OverflowError:
        return _LAST if seconds > 0 else _FIRST
    return utc_instant(plain, "instant")


_FIRST = from_utc(datetime.min.replace(tzinfo=UTC))
_LAST = from_utc(datetime.max.replace(tzinfo=UTC))


def in_zone(utc: datetime, zone: tzinfo) -> datetime:
    """Return an instant in the local time of a zone, for display.

    If that local time falls outside the years 1 to 9999, return the instant in UTC.

    Args:
        utc: the instant, in UTC.
        zone: the time zone for display.
    """
    try:
        return utc.astimezone(zone)
    except (OverflowError, ValueError):  # datetime raises the first, pendulum the second
        return utc


def start_of_day(day: date, zone: tzinfo) -> pendulum.DateTime:
    """Return the first instant of a day in a zone, limited to the years 1 to 9999."""
    offset = datetime(day.year, day.month, day.day, tzinfo=zone).utcoffset() or timedelta(0)
    midnight = datetime(day.year, day.month, day.day, tzinfo=UTC)
    return shifted(midnight, -offset.total_seconds())


def instant_text(utc: pendulum.DateTime) -> str:
    """Return an instant in UTC in the stored format, 27 characters."""
    return datetime.isoformat(utc, timespec="microseconds")[:26] + "Z"


def read_stored_instant(text: object, field: str) -> pendulum.DateTime:
    """Parse the stored format, or one of the two that PynamoDB's own attribute writes (`+0000`, `+00:00`).

    Raises:
        ValidationError: the text has another format, or no such date and time exists.
    """
    match = _STORED.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        reason = "is not in the stored format of an instant, e.g. 2026-11-22T06:04:09.937580Z"
        raise ValidationError.of(field, text, reason)
    try:
        return utc_instant(datetime.fromisoformat(match[1] + "+00:00"), field)
    except ValueError:
        raise ValidationError.of(field, text, "is stored, but is not an existing date and time") from None


def parse_instant(text: object, field: str = "instant") -> pendulum.DateTime:
    """Parse an RFC 3339 date and time with any UTC offset, and return it in UTC.

    Fractional digits after the sixth are cut off, so the result is never later than the text. Python has no leap
    seconds, so a leap second becomes the last microsecond before it: `23:59:60Z` becomes `23:59:59.999999Z`. This
    keeps the day, and the order relative to instants outside that second. A leap second is accepted only at the end
    of a month in UTC.

    Source: RFC 3339, sections 5.6 (grammar) and 5.7 (leap seconds).

    Raises:
        ValidationError: the text is not a valid date and time, has no offset, or falls outside the years 1 to 9999.
    """
    match = re.fullmatch(_RFC_3339, text, re.ASCII) if isinstance(text, str) else None
    if match is None:
        raise ValidationError.of(field, text, "is not an RFC 3339 date and time, e.g. 2026-11-22T06:04:09Z")
    date, minute, second, fraction, sign, hours, minutes = match.groups()
    leap = second == "60"
    seconds = _LAST_MICROSECOND if leap else f"{second}.{(fraction or '')[:6]:0<6}"
    offset = f"{sign}{hours}:{minutes}" if sign else "+00:00"
    try:
        utc = utc_instant(datetime.fromisoformat(f"{date}T{minute}:{seconds}{offset}"), field)
    except ValidationError:
        raise
    except ValueError as error:
        raise ValidationError.of(field, text, f"is not an RFC 3339 date and time: {error}") from None
    if leap and not _is_last_minute_of_month(utc):
        reason = "is not a leap second: leap seconds occur at 23:59:60 UTC at the end of a month"
        raise ValidationError.of(field, text, reason)
    return utc


def _is_last_minute_of_month(utc: datetime) -> bool:
    last_day = calendar.monthrange(utc.year, utc.month)[1]
    return (utc.day, utc.hour, utc.minute) == (last_day, 23, 59)


EPOCH = pendulum.DateTime(1970, 1, 1, tzinfo=pendulum.UTC)


def since_epoch(utc: datetime) -> timedelta:
    """Return the time since 1970-01-01 UTC."""
    return datetime.__sub__(utc, EPOCH)  # pendulum's own subtraction gives an Interval


def from_microseconds(since_epoch: int) -> pendulum.DateTime:
    """Return the instant a number of microseconds after 1970-01-01 UTC, limited to the years 1 to 9999."""
    try:
        return from_utc(datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=since_epoch))
    except OverflowError:
        return _LAST if since_epoch > 0 else _FIRST


def microseconds_since_epoch(utc: datetime) -> int:
    """Return the whole microseconds since 1970-01-01 UTC, exactly."""
    since = since_epoch(utc)
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds
