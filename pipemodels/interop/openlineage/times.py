"""Parse the times of events, in all formats that producers write.

These variants of RFC 3339 are accepted: a space instead of `T`; no seconds; a comma before the fraction; an offset
without a colon or minutes (`+0000`, `+00`), or after a space; the basic format (`20230329T100236Z`); and the suffixes
of RFC 9557, which Java writes (`2021-11-05T10:28:18+01:00[Europe/Paris]`). Fractions are truncated to six digits.

The offset determines the instant. A time zone in brackets that contradicts it is ignored, as RFC 9557 allows. If
it is marked as critical (`[!Europe/Paris]`), the time is refused, as RFC 9557 requires; so is an unknown critical
suffix.

Sources: RFC 3339; RFC 9557, sections 3 and 4; ISO 8601-1:2019, 5.3 and 5.4; PEP 495 (folds).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from zoneinfo import ZoneInfo

import pendulum

from pipemodels.errors import Problem, ValidationError
from pipemodels.instants import parse_instant, utc_instant

FIELD = "eventTime"
_TIME = re.compile(
    r"(?P<date>\d{4}-\d\d-\d\d)[Tt ](?P<minute>\d\d:\d\d)(?::(?P<second>\d\d)(?:[.,](?P<fraction>\d+))?)?"
    r"(?: ?(?P<offset>[Zz]|[+-]\d\d(?::?\d\d)?))?"
    r"(?P<suffixes>(?:\[[^\[\]]*\])*)",
    re.ASCII,
)
_BASIC = re.compile(r"(\d{4})(\d\d)(\d\d)[Tt](\d\d)(\d\d)(\d\d(?:[.,]\d+)?)?(?=[Zz+\- \[]|\Z)", re.ASCII)
_SUFFIX = re.compile(r"\[(!?)(?:([a-z_][a-z_0-9-]*)=)?([^\[\]=]*)\]", re.ASCII)
_OFFSET = re.compile(r"([+-])([01]\d|2[0-3])(?::?([0-5]\d))?", re.ASCII)
_CALENDARS = frozenset({"iso8601", "gregory"})  # ISO 8601 dates mean the same in both
_ZONE_NAME = re.compile(r"[A-Za-z._][A-Za-z0-9._+-]*(?:/[A-Za-z._][A-Za-z0-9._+-]*)*", re.ASCII)


@dataclass(frozen=True, slots=True)
class Zone:
    """A time zone: its name and its rules."""

    name: str
    rules: tzinfo


def zone_of(name: object, field: str) -> Zone:
    """Return the time zone with this IANA name, `UTC`, or an offset such as `+02:00`.

    Raises:
        ValidationError: `name` is not a time zone.
    """
    if isinstance(name, str) and (rules := _rules(name)) is not None:
        return Zone(name, rules)
    raise ValidationError.of(field, name, "is not a time zone: write a name such as Europe/Paris, UTC, or +02:00")


def _rules(name: str) -> tzinfo | None:
    if offset := _OFFSET.fullmatch(name):
        minutes = int(offset[2]) * 60 + int(offset[3] or 0)
        return timezone(timedelta(minutes=-minutes if offset[1] == "-" else minutes))
    if name in {"Z", "z"}:
        return UTC
    if not _ZONE_NAME.fullmatch(name):
        return None
    try:
        return ZoneInfo(name)
    except (LookupError, ValueError, OSError):  # an unknown zone, a name outside the zone directory, or a directory
        return None


def event_time(text: object, zone: Zone | None = None) -> pendulum.DateTime:
    """Parse the time of an event.

    Args:
        text: the value in the event.
        zone: the time zone of a time without an offset; a zone in brackets takes precedence. None refuses such a
            time.

    Raises:
        ValidationError: the format is not supported; the time has no offset and no zone is given, so the instant is
            unknown; the clocks of the zone skipped the time; or a critical suffix is wrong or unknown.
    """
    if text is None or text == "":
        raise ValidationError.of(FIELD, text, "is required: text such as 2026-11-22T06:04:09Z")
    if not isinstance(text, str):
        raise ValidationError.of(FIELD, text, f"must be text such as 2026-11-22T06:04:09Z, not {_kind(text)}")
    match = _TIME.fullmatch(_extended(text))
    if match is None:
        raise ValidationError.of(FIELD, text, "is not a date and time with an offset, such as 2026-11-22T06:04:09Z")
    named = _suffixes(text, match["suffixes"])
    local = f"{match['date']}T{match['minute']}:{match['second'] or '00'}.{match['fraction'] or '0'}"
    offset = match["offset"]
    if offset is None:
        return _read_off_the_clock(text, local, named, zone)
    at = _parsed(text, f"{local}{_with_colon(offset)}")
    if named is not None and named.is_critical and not _agrees(offset, at, named):
        reason = "has an offset that contradicts its time zone, which is marked as critical"
        raise ValidationError.of(FIELD, text, reason)
    return at


@dataclass(frozen=True, slots=True)
class _Named:
    """A time zone in brackets; `rules` is None for an unknown zone."""

    rules: tzinfo | None
    is_critical: bool


def _kind(value: object) -> str:
    return "a number" if isinstance(value, int | float) and not isinstance(value, bool) else type(value).__name__


def _extended(text: str) -> str:
    """Convert a time in the basic format to the extended format; return any other text unchanged."""
    if (basic := _BASIC.match(text)) is None:
        return text
    year, month, day, hour, minute, second = basic.groups()
    seconds = f":{second}" if second else ""
    return f"{year}-{month}-{day}T{hour}:{minute}{seconds}{text[basic.end() :]}"


def _with_colon(offset: str) -> str:
    digits = offset.replace(":", "")
    return offset if len(digits) == 1 else f"{digits[:3]}:{digits[3:] or '00'}"


def _parsed(text: str, spelt: str) -> pendulum.DateTime:
    try:
        return parse_instant(spelt, FIELD)
    except ValidationError as error:
        raise ValidationError(Problem(FIELD, text, problem.reason) for problem in error.problems) from None


def _suffixes(text: str, suffixes: str) -> _Named | None:
    """Return the time zone in brackets, if there is one; ignore other suffixes that are not critical.

    Raises:
        ValidationError: a suffix is malformed, or is critical and unknown.
    """
    named: _Named | None = None
    found = list(_SUFFIX.finditer(suffixes))
    if sum(len(suffix[0]) for suffix in found) != len(suffixes):
        raise ValidationError.of(FIELD, text, "has a malformed suffix in brackets")
    for position, suffix in enumerate(found):
        is_critical, key, value = bool(suffix[1]), suffix[2], suffix[3]
        rules = _rules(value) if key is None else None
        if key is None and position == 0:
            named = _Named(rules, is_critical)
        is_known = rules is not None or (key == "u-ca" and value in _CALENDARS)
        if is_critical and not is_known:
            raise ValidationError.of(FIELD, text, f"has an unknown critical suffix: {suffix[0]}")
    return named


def _agrees(offset: str, at: datetime, named: _Named) -> bool:
    """Say whether the zone has this offset at this time; Z and -00:00 do not state a local time."""
    if named.rules is None or offset in {"Z", "z"} or _with_colon(offset) == "-00:00":
        return True
    own = _rules(offset)
    plain = datetime.combine(at.date(), at.time(), UTC)
    return own is not None and plain.astimezone(own).utcoffset() == plain.astimezone(named.rules).utcoffset()


def _read_off_the_clock(text: str, local: str, named: _Named | None, zone: Zone | None) -> pendulum.DateTime:
    """Return the instant of a local time; the earlier instant if the clocks showed the time twice.

    Raises:
        ValidationError: no zone is given, the zone in brackets is unknown, or its clocks skipped this time.
    """
    if zone is None:
        reason = "has no UTC offset: write Z or an offset such as +02:00, or name its zone with --assume-timezone"
        raise ValidationError.of(FIELD, text, f"{reason} (in Python: assume_timezone=)")
    rules = zone.rules if named is None else named.rules
    if rules is None:
        raise ValidationError.of(FIELD, text, "has no UTC offset, and names an unknown time zone")
    read = _parsed(text, f"{local}Z")
    plain = datetime.combine(read.date(), read.time(), rules)  # fold=0: the earlier of two
    at = utc_instant(plain, FIELD)
    back = datetime.combine(at.date(), at.time(), UTC).astimezone(rules)
    if back.replace(tzinfo=None) != plain.replace(tzinfo=None):
        where = zone.name if named is None else "its zone"
        raise ValidationError.of(FIELD, text, f"does not exist in {where}, whose clocks skipped it")
    return at
