"""Assertions on dates, times and zones, for tests here and in projects that use this package.

Each raises AssertionError with both sides shown; none converts a value to make it fit.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, tzinfo

_STORED = re.compile(r"\d{4}-(0[1-9]|1[0-2])-\d\dT([01]\d|2[0-3]):[0-5]\d:[0-5]\d\.\d{6}Z", re.ASCII)


def assert_timezone_aware(value: datetime) -> None:
    """Assert that the value has a UTC offset; a tzinfo that gives none is none."""
    assert isinstance(value, datetime), f"no datetime: {value!r}"
    assert value.utcoffset() is not None, f"naive: {value!r} has no UTC offset"


def assert_utc_timezone(value: datetime) -> None:
    """Assert that the value is in UTC itself: offset zero, and a zone that calls itself UTC.

    London in winter has offset zero too, and is not UTC.
    """
    assert_timezone_aware(value)
    assert value.utcoffset() == timedelta(0), f"not UTC: {value!r} is {value.utcoffset()} from it"
    assert _name(value) == "UTC", f"not UTC: {value!r} is in {_name(value)}"


def assert_timezone_equals(value: datetime, zone: str | tzinfo) -> None:
    """Assert that the value is in this zone: the same IANA name, or the same tzinfo where it has no name."""
    assert_timezone_aware(value)
    expected = zone if isinstance(zone, str) else _zone_name(zone) or zone
    found = _zone_name(value.tzinfo) or value.tzinfo
    assert found == expected, f"in {found}, not in {expected}: {value!r}"


def assert_timezones_equivalent(first: datetime, second: datetime) -> None:
    """Assert that both are the same instant, to the microsecond, whatever their zones.

    Compared in UTC: between two values of one zone Python compares the clocks' faces, which a fold makes wrong.
    """
    assert_timezone_aware(first)
    assert_timezone_aware(second)
    instants = [datetime.astimezone(one, UTC).isoformat() for one in (first, second)]
    assert instants[0] == instants[1], f"different instants: {first!r} is {instants[0]}, {second!r} is {instants[1]}"


def assert_stored_as_utc_string(stored: object, instant: datetime | None = None) -> None:
    """Assert that this is the stored form, `2026-11-22T06:04:09.937580Z`, and that of `instant`, if one is given."""
    assert isinstance(stored, str), f"no text: {stored!r}"
    assert _STORED.fullmatch(stored), f"not the stored form of an instant: {stored!r}"
    if instant is not None:
        assert_timezones_equivalent(datetime.fromisoformat(stored), instant)


def _name(value: datetime) -> str | None:
    return _zone_name(value.tzinfo) or value.tzname()


def _zone_name(zone: tzinfo | None) -> str | None:
    name = getattr(zone, "key", None) or getattr(zone, "name", None)
    return name if isinstance(name, str) else "UTC" if zone is UTC else None
