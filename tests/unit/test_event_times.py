"""Times of events, in the formats that producers write."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pipemodels import ValidationError, parse_instant
from pipemodels.instants import utc_instant
from pipemodels.interop.openlineage.times import event_time, zone_of

PARIS = zone_of("Europe/Paris", "assume_timezone")


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("2026-01-02T03:04:05.123456Z", "2026-01-02T03:04:05.123456Z"),
        ("2026-01-02T03:04:05.123456+02:00", "2026-01-02T01:04:05.123456Z"),
        ("2026-01-02T03:04:05.641Z", "2026-01-02T03:04:05.641Z"),
        ("2026-01-02T03:04:05Z", "2026-01-02T03:04:05Z"),
        ("2026-01-02T03:04:05.123456999Z", "2026-01-02T03:04:05.123456Z"),
        ("2026-01-02T03:04:59.999999999Z", "2026-01-02T03:04:59.999999Z"),
        ("2026-01-02T03:04:05+0000", "2026-01-02T03:04:05Z"),
        ("2026-01-02T03:04:05.5-0330", "2026-01-02T06:34:05.5Z"),
        ("2026-01-02T03:04:05+00", "2026-01-02T03:04:05Z"),
        ("2026-01-02T03:04:05-05", "2026-01-02T08:04:05Z"),
        ("2026-01-02T03:04:05-00:00", "2026-01-02T03:04:05Z"),
        ("2026-01-02T03:04Z", "2026-01-02T03:04:00Z"),
        ("2026-01-02T03:04+01:00", "2026-01-02T02:04:00Z"),
        ("2026-01-02 03:04:05+00:00", "2026-01-02T03:04:05Z"),
        ("2026-01-02 03:04:05 +0000", "2026-01-02T03:04:05Z"),
        ("2026-01-02t03:04:05z", "2026-01-02T03:04:05Z"),
        ("2026-01-02T03:04:05,25Z", "2026-01-02T03:04:05.25Z"),
        ("2016-12-31T23:59:60Z", "2016-12-31T23:59:59.999999Z"),
        ("20230329T100236+0000", "2023-03-29T10:02:36Z"),
        ("20230329T100236.5Z", "2023-03-29T10:02:36.5Z"),
        ("20230329T1002Z", "2023-03-29T10:02:00Z"),
        ("20230329T100236+01:00[Europe/London]", "2023-03-29T09:02:36Z"),
        ("2021-11-05T10:28:18.969066Z[Europe/London]", "2021-11-05T10:28:18.969066Z"),
        ("2021-11-05T10:28:18+01:00[Europe/Paris]", "2021-11-05T09:28:18Z"),
        ("2021-11-05T10:28+01:00[Europe/Paris]", "2021-11-05T09:28:00Z"),
        ("2021-11-05T10:28:18+01:00[!Europe/Paris]", "2021-11-05T09:28:18Z"),
        ("2021-11-05T10:28:18Z[!Europe/Paris]", "2021-11-05T10:28:18Z"),
        ("2021-11-05T10:28:18-00:00[!Europe/Paris]", "2021-11-05T10:28:18Z"),
        ("2021-11-05T10:28:18+05:00[Europe/Paris]", "2021-11-05T05:28:18Z"),
        ("2021-11-05T10:28:18+01:00[+01:00]", "2021-11-05T09:28:18Z"),
        ("2021-11-05T10:28:18+01:00[Mars/Phobos]", "2021-11-05T09:28:18Z"),
        ("2021-11-05T10:28:18+01:00[Europe/Paris][u-ca=hebrew]", "2021-11-05T09:28:18Z"),
        ("2021-11-05T10:28:18+01:00[u-ca=gregory]", "2021-11-05T09:28:18Z"),
        ("2021-11-05T10:28:18+01:00[!u-ca=gregory]", "2021-11-05T09:28:18Z"),
        ("2021-11-05T10:28:18Z[_foo=bar][baz=bat-1]", "2021-11-05T10:28:18Z"),
        ("2021-11-05T10:28:18Z[UTC]", "2021-11-05T10:28:18Z"),
    ],
)
def test_event_times_are_read_in_the_forms_that_real_events_have(text: str, instant: str) -> None:
    """Any number of digits, any form of the offset, the basic format, a blank for T, and the suffixes of RFC 9557."""
    assert event_time(text) == event_time(text, PARIS) == parse_instant(instant)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("2026-01-02T03:04:05", "has no UTC offset"),
        ("2026-01-02T03:04:05.123", "has no UTC offset"),
        ("2026-01-02 03:04", "has no UTC offset"),
        ("20230329T100236", "has no UTC offset"),
        ("2021-11-05T10:28:18[Europe/Paris]", "has no UTC offset"),
        ("yesterday", "is not a date and time with an offset"),
        ("2026-01-02", "is not a date and time with an offset"),
        ("2026-01-02T03Z", "is not a date and time with an offset"),
        ("2026-01-02T03:04:05Z ", "is not a date and time with an offset"),
        ("2026-01-02T03:04:05Z\n", "is not a date and time with an offset"),
        ("2026-01-02T03:04:05.Z", "is not a date and time with an offset"),
        ("2026-01-02T03:04:05Z[Europe/Paris", "is not a date and time with an offset"),
        ("\uff12026-01-02T03:04:05Z", "is not a date and time with an offset"),
        ("2026-02-30T03:04:05Z", "day is out of range"),
        ("2026-01-02T24:00:00Z", "is not an RFC 3339"),
        ("2026-01-02T03:04:05+2500", "is not an RFC 3339"),
        ("2026-01-02T03:04:05+01:60", "is not an RFC 3339"),
        ("0001-01-01T00:00:00+01:00", "falls outside the years 1 to 9999"),
        ("2021-11-05T10:28:18+05:00[!Europe/Paris]", "contradicts its time zone"),
        ("2021-11-05T10:28:18+05:00[!+01:00]", "contradicts its time zone"),
        ("2021-11-05T10:28:18+01:00[!Mars/Phobos]", "an unknown critical suffix: [!Mars/Phobos]"),
        ("2021-11-05T10:28:18Z[!u-ca=hebrew]", "an unknown critical suffix: [!u-ca=hebrew]"),
        ("2021-11-05T10:28:18Z[Europe/Paris][!knort=blargel]", "an unknown critical suffix"),
        ("2021-11-05T10:28:18Z[a=b=c]", "has a malformed suffix in brackets"),
        (None, "is required"),
        ("", "is required"),
        (1767323040, "must be text such as 2026-11-22T06:04:09Z, not a number"),
        (1767323040.5, "must be text such as 2026-11-22T06:04:09Z, not a number"),
        (True, "must be text such as 2026-11-22T06:04:09Z, not bool"),
    ],
)
def test_event_times_that_mean_no_instant_are_refused(text: object, reason: str) -> None:
    """A time without an offset, which may be anywhere, and what is no time are refused with the value as it came."""
    with pytest.raises(ValidationError) as caught:
        event_time(text)
    ((field, value, said),) = [(one.field, one.value, one.reason) for one in caught.value.problems]
    assert (field, value) == ("eventTime", text)
    assert reason in said


@pytest.mark.parametrize(
    ("text", "zone", "instant"),
    [
        ("2026-01-02T03:04:05", "Europe/Paris", "2026-01-02T02:04:05Z"),
        ("2026-07-02 03:04:05.5", "Europe/Paris", "2026-07-02T01:04:05.5Z"),
        ("20260702T030405", "+05:30", "2026-07-01T21:34:05Z"),
        ("2026-07-02T03:04", "UTC", "2026-07-02T03:04:00Z"),
        ("2026-07-02T03:04:05", "Z", "2026-07-02T03:04:05Z"),
        ("2026-07-02T03:04:05[America/New_York]", "Europe/Paris", "2026-07-02T07:04:05Z"),
        ("2026-07-02T03:04:05Z", "Europe/Paris", "2026-07-02T03:04:05Z"),
        ("2026-10-25T02:30:00", "Europe/Paris", "2026-10-25T00:30:00Z"),  # shown twice: the earlier, in summer time
        ("2026-10-25T03:00:00", "Europe/Paris", "2026-10-25T02:00:00Z"),
        ("2026-03-29T01:59:59.999999", "Europe/Paris", "2026-03-29T00:59:59.999999Z"),
        ("2026-03-29T03:00:00", "Europe/Paris", "2026-03-29T01:00:00Z"),
    ],
)
def test_times_without_an_offset_are_taken_in_the_zone_that_is_assumed(text: str, zone: str, instant: str) -> None:
    """A zone in brackets goes before it, and an offset before both; a time that came twice is the earlier."""
    assert event_time(text, zone_of(zone, "assume_timezone")) == parse_instant(instant)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("2026-03-29T02:30:00", "does not exist in Europe/Paris, whose clocks skipped it"),
        ("2026-03-08T02:30:00[America/New_York]", "does not exist in its zone, whose clocks skipped it"),
        ("2026-03-29T03:30:00[Mars/Phobos]", "names an unknown time zone"),
        ("0001-01-01T00:00:00", "falls outside the years 1 to 9999"),
    ],
)
def test_times_that_the_zone_does_not_have_are_refused(text: str, reason: str) -> None:
    """A time that the clocks of the zone skipped is refused."""
    with pytest.raises(ValidationError, match=reason):
        event_time(text, PARIS)


@pytest.mark.parametrize(
    "name",
    [
        "",
        " ",
        "Mars",
        "Europe",
        "../etc/passwd",
        "/etc/passwd",
        "europe paris",
        "+25:00",
        "+1",
        "\0",
        None,
        3,
        "x" * 5_000,
    ],
)
def test_a_zone_that_is_not_known_is_refused(name: object) -> None:
    """The refusal shows the field, the value and valid examples."""
    with pytest.raises(ValidationError, match="is not a time zone: write a name such as Europe/Paris") as caught:
        zone_of(name, "assume_timezone")
    assert [(one.field, one.value) for one in caught.value.problems] == [("assume_timezone", name)]


_FORMS = [
    "{date}T{time}{fraction}{offset}{zone}",
    "{date} {time}{fraction}{offset}{zone}",
    "{date}t{time}{fraction}{offset}{zone}[u-ca=iso8601]",
    "{basic}T{digits}{fraction}{offset}{zone}",
    "{date} {time}{fraction} {offset}",
]
_ZONES = ["Europe/Paris", "America/St_Johns", "Asia/Kolkata", "UTC", "Pacific/Apia"]


@given(
    st.datetimes(
        datetime(1980, 1, 1), datetime(2037, 1, 1), timezones=st.sampled_from([ZoneInfo(one) for one in _ZONES])
    ),
    st.sampled_from(_FORMS),
    st.sampled_from([".", ","]),
    st.booleans(),
    st.text("0123456789", max_size=3),
)
@example(datetime(2026, 10, 25, 2, 30, tzinfo=ZoneInfo("Europe/Paris"), fold=1), _FORMS[0], ".", True, "999")
def test_every_form_of_an_instant_is_read_as_that_instant(
    at: datetime, form: str, mark: str, has_colon: bool, finer: str
) -> None:
    """Whatever the form, the offset names the instant, exact to the microsecond; finer digits are cut off."""
    offset = at.strftime("%z")
    text = form.format(
        date=at.strftime("%Y-%m-%d"),
        time=at.strftime("%H:%M:%S"),
        basic=at.strftime("%Y%m%d"),
        digits=at.strftime("%H%M%S"),
        fraction=f"{mark}{at.microsecond:06d}{finer}",
        offset=f"{offset[:3]}:{offset[3:]}" if has_colon else offset,
        zone=f"[{at.tzinfo}]",
    )
    assert event_time(text) == utc_instant(at.astimezone(UTC), "at")
