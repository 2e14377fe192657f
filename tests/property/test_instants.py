"""Instants, drawn: any aware date and time in, the same instant out; text order is time order."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from typing import Any
from zoneinfo import ZoneInfo

import pendulum
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from pipemodels import NaiveDateTimeError, PipelineRunLog, ValidationError, parse_instant
from pipemodels.attributes import UTCInstantAttribute
from pipemodels.instants import instant_text, read_stored_instant, utc_instant
from tests.helpers.timezone_assertions import assert_stored_as_utc_string, assert_utc_timezone
from tests.unit.test_instants import NOT_STORED

NEW_YORK = ZoneInfo("America/New_York")
MICROSECOND = timedelta(microseconds=1)
EARLIEST, LATEST = datetime(1, 1, 1), datetime(9999, 12, 31, 23, 59, 59, 999999)


def oracle(value: datetime) -> int:
    """Return microseconds since 0001-01-01 UTC by plain integers: the clock's face less the offset."""
    offset = value.utcoffset()
    assert offset is not None
    seconds = (value.toordinal() - 1) * 86_400 + value.hour * 3_600 + value.minute * 60 + value.second
    shift = offset.days * 86_400_000_000 + offset.seconds * 1_000_000 + offset.microseconds
    return seconds * 1_000_000 + value.microsecond - shift


def oracle_of_text(text: str) -> int:
    """Return the same of a stored text, read by its positions."""
    days = datetime(int(text[:4]), int(text[5:7]), int(text[8:10])).toordinal() - 1
    seconds = days * 86_400 + int(text[11:13]) * 3_600 + int(text[14:16]) * 60 + int(text[17:19])
    return seconds * 1_000_000 + int(text[20:26])


LAST = oracle(LATEST.replace(tzinfo=UTC))

fixed = st.builds(
    timezone,
    st.timedeltas(min_value=timedelta(hours=-24) + MICROSECOND, max_value=timedelta(hours=24) - MICROSECOND),
)
sub_minute = st.integers(-86_399, 86_399).map(lambda seconds: timezone(timedelta(seconds=seconds)))
pendulum_zones: st.SearchStrategy[tzinfo] = st.one_of(
    st.timezone_keys().map(pendulum.timezone), st.integers(-86_399, 86_399).map(pendulum.timezone)
)
zones: st.SearchStrategy[tzinfo] = st.one_of(st.timezones(), fixed, sub_minute, pendulum_zones, st.just(UTC))


@st.composite
def aware(draw: st.DrawFn) -> datetime:
    """Draw an aware datetime of any zone, both folds, imaginary times too; sometimes of pendulum's own class."""
    value = draw(st.datetimes(timezones=zones, allow_imaginary=True)).replace(fold=draw(st.integers(0, 1)))
    if draw(st.booleans()):
        value = pendulum.DateTime(
            value.year, value.month, value.day, value.hour, value.minute, value.second, value.microsecond,
            tzinfo=value.tzinfo, fold=value.fold,
        )  # fmt: skip
    return value


@settings(max_examples=600, deadline=None)
@given(aware())
@example(datetime(2024, 3, 10, 2, 30, tzinfo=NEW_YORK))  # imaginary: pendulum.instance shifts it by an hour
@example(datetime(2024, 3, 10, 2, 30, tzinfo=NEW_YORK, fold=1))
@example(datetime(2024, 11, 3, 1, 30, tzinfo=NEW_YORK))
@example(datetime(2024, 11, 3, 1, 30, tzinfo=NEW_YORK, fold=1))
@example(datetime(2004, 2, 1, 0, 0, 0, 542, tzinfo=UTC))  # float seconds lose a microsecond
@example(datetime(1890, 1, 1, tzinfo=ZoneInfo("Europe/Amsterdam")))  # offsets with seconds
@example(EARLIEST.replace(tzinfo=timezone(timedelta(hours=-23))))
@example(LATEST.replace(tzinfo=timezone(timedelta(hours=23))))
@example(pendulum.datetime(2024, 11, 3, 1, 30, tz="America/New_York"))
def test_any_aware_datetime_comes_back_as_the_same_instant(value: datetime) -> None:
    """To the microsecond, in UTC, as pendulum.DateTime, through 27 characters; or it leaves the calendar."""
    expected = oracle(value)
    if not 0 <= expected <= LAST:
        with pytest.raises(ValidationError, match="falls outside the years 1 to 9999 in UTC"):
            utc_instant(value, "x")
        return
    attribute = UTCInstantAttribute(attr_name="x")
    text = attribute.serialize(value)
    assert len(text) == 27
    assert_stored_as_utc_string(text)
    assert oracle_of_text(text) == expected
    for found in (
        attribute.deserialize(text),
        attribute.normalise(value),
        PipelineRunLog(start_time=value).start_time,
    ):
        assert type(found) is pendulum.DateTime
        assert_utc_timezone(found)
        assert oracle(found) == expected
        assert attribute.serialize(found) == text


@st.composite
def near_pairs(draw: st.DrawFn) -> tuple[datetime, datetime]:
    """Draw two datetimes at most two seconds apart, each in its own zone."""
    first = draw(st.datetimes(EARLIEST + timedelta(days=2), LATEST - timedelta(days=2)))
    if draw(st.booleans()):
        first = first.replace(microsecond=draw(st.sampled_from([0, 1, 9, 10, 99_999, 100_000, 999_999])))
    second = first + MICROSECOND * draw(st.one_of(st.integers(-2, 2), st.integers(-2_000_000, 2_000_000)))
    one, other = (utc.replace(tzinfo=UTC).astimezone(draw(zones)) for utc in (first, second))
    return one, other


@settings(max_examples=600, deadline=None)
@given(near_pairs())
@example(
    (datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 1, 0, 0, 0, 1, tzinfo=UTC))
)  # isoformat() drops .000000
@example((datetime(2026, 1, 1, 0, 0, 0, 999_999, tzinfo=UTC), datetime(2026, 1, 1, 0, 0, 1, tzinfo=UTC)))
@example((datetime(999, 12, 31, 23, 59, 59, tzinfo=UTC), datetime(1000, 1, 1, tzinfo=UTC)))
@example((datetime(2024, 11, 3, 1, 59, 59, tzinfo=NEW_YORK), datetime(2024, 11, 3, 1, 0, tzinfo=NEW_YORK, fold=1)))
def test_text_order_is_time_order(pair: tuple[datetime, datetime]) -> None:
    """Of two instants the earlier has the smaller text, and equal ones the same, as code points and as bytes."""
    texts = [instant_text(utc_instant(one, "x")) for one in pair]
    times = [oracle(one) for one in pair]
    assert (texts[0] < texts[1]) == (times[0] < times[1])
    assert (texts[0] == texts[1]) == (times[0] == times[1])
    assert (texts[0].encode() < texts[1].encode()) == (times[0] < times[1])


@st.composite
def near_misses(draw: st.DrawFn) -> str:
    """Draw a stored form with one character replaced, dropped or added."""
    instant = draw(st.datetimes(EARLIEST, LATEST, timezones=st.just(UTC)))
    text = draw(
        st.sampled_from([instant_text(utc_instant(instant, "x")), instant.isoformat(timespec="microseconds")])
    )
    place = draw(st.integers(0, len(text)))
    letter = draw(st.one_of(st.sampled_from(" 0159-+:.TZtz_/٣"), st.characters(codec="utf-8")))
    kind = draw(st.sampled_from(["replace", "drop", "add"]))
    return text[:place] + (letter if kind != "drop" else "") + text[place + (kind != "add") :]


def is_stored_form(text: str) -> bool:
    """Say by hand whether a text is one of the three forms that are read: by position, no pattern."""
    if text[26:] not in {"Z", "+0000", "+00:00"} or len(text) < 27:
        return False
    body = text[:26]
    if [body[place] for place in (4, 7, 10, 13, 16, 19)] != ["-", "-", "T", ":", ":", "."]:
        return False
    parts = [body[0:4], body[5:7], body[8:10], body[11:13], body[14:16], body[17:19], body[20:26]]
    if not all(set(part) <= set("0123456789") for part in parts):
        return False
    year, month, day, hour, minute, second, microsecond = map(int, parts)
    leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    days = [31, 29 if leap else 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
    return (
        year >= 1 and 1 <= month <= 12 and 1 <= day <= days[month - 1]
        and hour < 24 and minute < 60 and second < 60 and microsecond < 1_000_000
    )  # fmt: skip


def every_near_miss(test: Callable[[str], None]) -> Callable[[str], None]:
    """Add the known list to what is drawn."""
    for text in NOT_STORED:
        test = example(text)(test)
    return test


@settings(max_examples=800, deadline=None)
@given(near_misses())
@every_near_miss
def test_what_is_not_exactly_a_stored_form_is_refused(text: str) -> None:
    """One character replaced, dropped or added makes another instant's stored form, or an error."""
    if is_stored_form(text):
        assert instant_text(read_stored_instant(text, "x")) == text[:26] + "Z"
        return
    with pytest.raises(ValidationError, match=r"^x: "):
        read_stored_instant(text, "x")


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=40))
def test_other_text_is_refused(text: str) -> None:
    """Text that is no instant is a ValidationError, from storage and from input, and never another error."""
    assume(not is_stored_form(text))
    for read in (read_stored_instant, parse_instant):
        with pytest.raises(ValidationError, match=r"^x: "):
            read(text, "x")


@settings(max_examples=300, deadline=None)
@given(
    st.datetimes(EARLIEST + timedelta(days=2), LATEST - timedelta(days=2)),
    st.integers(-1_439, 1_439),
    st.text("0123456789", max_size=12),
    st.sampled_from("Tt"),
)
def test_what_parse_instant_reads(local: datetime, minutes: int, digits: str, separator: str) -> None:
    """Any RFC 3339 text is the instant that its parts say, the fraction cut after six digits."""
    sign, (hours, rest) = "+-"[minutes < 0], divmod(abs(minutes), 60)
    fraction = f".{digits}" if digits else ""
    text = f"{local:%Y-%m-%d}".rjust(10, "0") + separator + f"{local:%H:%M:%S}{fraction}{sign}{hours:02}:{rest:02}"
    zone = timezone(timedelta(minutes=minutes))
    expected = oracle(local.replace(microsecond=int(digits[:6].ljust(6, "0")), tzinfo=zone))
    assert oracle(parse_instant(text)) == expected


@given(st.datetimes(), st.sampled_from([0, 1]))
@example(datetime.min, 0)
@example(datetime.max, 1)
def test_naive_values_are_refused_everywhere(value: datetime, fold: int) -> None:
    """On assignment, in comparisons, key conditions and updates: nobody can say which instant is meant."""
    naive, start = value.replace(fold=fold), PipelineRunLog.start_time
    ways: list[Callable[[], Any]] = [
        lambda: PipelineRunLog(start_time=naive),
        lambda: start == naive,
        lambda: start < naive,
        lambda: start.between(naive, naive),
        lambda: start.is_in(naive),
        lambda: start.set(naive),
        lambda: PipelineRunLog.pipeline_runs_index.query("p", start >= naive),
        lambda: PipelineRunLog(pipeline_id="p", run_id="r").update([start.set(naive)]),
    ]
    for way in ways:
        with pytest.raises(NaiveDateTimeError, match=r"^start_time: "):
            way()
