"""The assertions on time zones hold where they should, and fail where they should."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from zoneinfo import ZoneInfo

import pendulum
import pytest

from tests.helpers.timezone_assertions import (
    assert_stored_as_utc_string,
    assert_timezone_aware,
    assert_timezone_equals,
    assert_timezones_equivalent,
    assert_utc_timezone,
)

NOON = datetime(2026, 1, 5, 12, tzinfo=UTC)
NEW_YORK = ZoneInfo("America/New_York")
FOLD = datetime(2026, 11, 1, 1, 30, tzinfo=NEW_YORK)


class NoOffset(tzinfo):
    """A zone that does not know its offset."""

    def utcoffset(self, _: datetime | None) -> None:
        """Return nothing."""

    tzname = dst = utcoffset  # they know nothing either


@pytest.mark.parametrize(
    "holds",
    [
        lambda: assert_timezone_aware(NOON),
        lambda: assert_timezone_aware(pendulum.datetime(2026, 1, 1, tz="Asia/Tokyo")),
        lambda: assert_utc_timezone(NOON),
        lambda: assert_utc_timezone(pendulum.datetime(2026, 1, 1)),
        lambda: assert_utc_timezone(NOON.astimezone(ZoneInfo("UTC"))),
        lambda: assert_timezone_equals(NOON, "UTC"),
        lambda: assert_timezone_equals(FOLD, "America/New_York"),
        lambda: assert_timezone_equals(pendulum.instance(NOON).in_timezone("America/New_York"), NEW_YORK),
        lambda: assert_timezone_equals(NOON.astimezone(timezone(timedelta(hours=1))), timezone(timedelta(hours=1))),
        lambda: assert_timezones_equivalent(NOON, NOON.astimezone(NEW_YORK)),
        lambda: assert_timezones_equivalent(FOLD.replace(fold=1), datetime(2026, 11, 1, 6, 30, tzinfo=UTC)),
        lambda: assert_stored_as_utc_string("2026-01-05T12:00:00.000000Z"),
        lambda: assert_stored_as_utc_string("2026-01-05T12:00:00.000000Z", NOON.astimezone(NEW_YORK)),
    ],
)
def test_an_assertion_that_holds_says_nothing(holds: Callable[[], None]) -> None:
    """What is as it should be passes."""
    holds()


@pytest.mark.parametrize(
    ("fails", "message"),
    [
        (lambda: assert_timezone_aware(datetime(2026, 1, 1)), "has no UTC offset"),
        (lambda: assert_timezone_aware(datetime(2026, 1, 1, tzinfo=NoOffset())), "has no UTC offset"),
        (lambda: assert_timezone_aware("2026-01-01T00:00:00Z"), "no datetime"),  # type: ignore[arg-type]
        (lambda: assert_utc_timezone(datetime(2026, 1, 1)), "has no UTC offset"),
        (lambda: assert_utc_timezone(NOON.astimezone(NEW_YORK)), "not UTC: .* is -1 day, 19:00:00 from it"),
        (lambda: assert_utc_timezone(NOON.astimezone(ZoneInfo("Europe/London"))), "is in Europe/London"),
        (lambda: assert_timezone_equals(NOON, "Europe/London"), "in UTC, not in Europe/London"),
        (
            lambda: assert_timezone_equals(FOLD, timezone(timedelta(hours=-4))),
            "in America/New_York, not in UTC-04:00",
        ),
        (lambda: assert_timezones_equivalent(FOLD, FOLD.replace(fold=1)), "different instants"),
        (lambda: assert_timezones_equivalent(NOON, NOON + timedelta(microseconds=1)), "different instants"),
        (lambda: assert_timezones_equivalent(NOON, NOON.replace(tzinfo=None)), "has no UTC offset"),
        (lambda: assert_stored_as_utc_string(b"2026-01-05T12:00:00.000000Z"), "no text"),
        (lambda: assert_stored_as_utc_string("2026-01-05T12:00:00Z"), "not the stored form"),
        (lambda: assert_stored_as_utc_string("2026-01-05T12:00:00.000000+00:00"), "not the stored form"),
        (lambda: assert_stored_as_utc_string("2026-01-05 12:00:00.000000Z"), "not the stored form"),
        (lambda: assert_stored_as_utc_string("2026-01-05T24:00:00.000000Z"), "not the stored form"),
        (lambda: assert_stored_as_utc_string("2026-01-05T12:00:00.000001Z", NOON), "different instants"),
    ],
)
def test_an_assertion_that_does_not_hold_fails(fails: Callable[[], None], message: str) -> None:
    """What is not as it should be fails, and the message shows it."""
    with pytest.raises(AssertionError, match=message):
        fails()
