"""The grammar of schedules: five cron fields, six cron fields, and EventBridge's `cron(…)` and `rate(…)`.

Sources: crontab(5), and the documentation of schedule expressions in Amazon EventBridge.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_RATE = r"rate\((1 (minute|hour|day)|(?!1 )[1-9]\d{0,8} (minutes|hours|days))\)"
_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_WEEKDAYS = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")
_UNSET = "?"

_REASON = "is not a valid schedule: write 5 or 6 cron fields, e.g. 0 6 * * 1-5, or rate(5 minutes)"
_RATE_REASON = "is not a valid rate: write e.g. rate(1 hour) or rate(5 minutes)"
_EVENTBRIDGE_REASON = (
    "is not a valid EventBridge schedule: write 6 fields, of which exactly one of day and weekday is ?, and weekdays "
    "as 1-7 or SUN-SAT, e.g. cron(0 6 ? * 2-6 *)"
)


@dataclass(frozen=True, slots=True)
class _Field:
    """The values that one field of a cron expression accepts.

    Attributes:
        low: the smallest number.
        high: the largest number.
        names: names for the numbers from `low` upwards.
        special: a pattern of other values; if group 1 matches, it must be a number or a name of the field.
        is_a_day: whether the field may be `?`.
    """

    low: int
    high: int
    names: tuple[str, ...] = ()
    special: str = r"(?!)"
    is_a_day: bool = False


_SECOND = _MINUTE = _Field(0, 59)
_HOUR = _Field(0, 23)
# last day of the month, last working day of the month, working day nearest to a day
_DAY = _Field(1, 31, special=r"L|LW|([0-9]{1,2})W", is_a_day=True)
_MONTH = _Field(1, 12, _MONTHS)
# last day of the week, last given weekday of the month, n-th given weekday of the month
_SPECIAL_WEEKDAY = r"L|([0-9]|[A-Za-z]{3})(?:L|#[1-5])"
_WEEKDAY = _Field(0, 7, _WEEKDAYS, _SPECIAL_WEEKDAY, is_a_day=True)
_EVENTBRIDGE_WEEKDAY = _Field(1, 7, _WEEKDAYS, _SPECIAL_WEEKDAY, is_a_day=True)
_YEAR = _Field(1970, 2199)

_CRONTAB = (_MINUTE, _HOUR, _DAY, _MONTH, _WEEKDAY)
_WITH_YEAR = (*_CRONTAB, _YEAR)
_WITH_SECONDS = (_SECOND, *_CRONTAB)
_EVENTBRIDGE = (_MINUTE, _HOUR, _DAY, _MONTH, _EVENTBRIDGE_WEEKDAY, _YEAR)


def expression_problem(text: str) -> str | None:
    """Return why the text is not a schedule, or None."""
    if text.startswith("rate("):
        return None if re.fullmatch(_RATE, text, re.ASCII) else _RATE_REASON
    if text.startswith("cron("):
        return None if _is_eventbridge(text) else _EVENTBRIDGE_REASON
    parts = _split(text)
    if parts.count(_UNSET) > 1:
        return _REASON
    return None if _fits(parts, _CRONTAB) or _fits(parts, _WITH_YEAR) or _has_seconds(parts) else _REASON


def _has_seconds(parts: list[str]) -> bool:
    # `?` as the day requires a weekday; `*` there means that the fields were written in EventBridge's order
    return _fits(parts, _WITH_SECONDS) and (parts[3], parts[5]) != (_UNSET, "*")


def _is_eventbridge(text: str) -> bool:
    parts = _split(text.removeprefix("cron(").removesuffix(")"))
    if not text.endswith(")") or not _fits(parts, _EVENTBRIDGE) or parts.count(_UNSET) != 1:
        return False
    return not {",", "#"} <= set(parts[4])  # EventBridge rejects a list of weekdays with #


def _split(text: str) -> list[str]:
    return re.split(r"[ \t]+", text)


def _fits(parts: list[str], shape: tuple[_Field, ...]) -> bool:
    return len(parts) == len(shape) and all(map(_is_field, parts, shape))


def _is_field(text: str, field: _Field) -> bool:
    if text == _UNSET:
        return field.is_a_day
    return all(_is_element(element, field) for element in text.split(","))


def _is_element(text: str, field: _Field) -> bool:
    base, slash, step = text.partition("/")
    if slash:
        return _is_step(step, field) and (base == "*" or _is_range(base, field))
    return base == "*" or _is_special(base, field) or _is_range(base, field)


def _is_step(text: str, field: _Field) -> bool:
    return bool(re.fullmatch(r"[0-9]{1,4}", text)) and 0 < int(text) <= field.high


def _is_special(text: str, field: _Field) -> bool:
    match = re.fullmatch(field.special, text, re.ASCII)
    return match is not None and (not match[1] or _number(match[1], field) is not None)


def _is_range(text: str, field: _Field) -> bool:
    """Return whether the text is a number or a name of the field, or two of them joined by a dash."""
    first, dash, last = text.partition("-")
    start, end = _number(first, field), _number(last if dash else first, field)
    if start is None or end is None:
        return False
    # a range of names may wrap (FRI-MON); a descending range of numbers is a mistake
    return not first.isdigit() or start <= end


def _number(text: str, field: _Field) -> int | None:
    """Return the number that the text means in the field, or None if the field does not accept it."""
    if text.isascii() and text.upper() in field.names:
        return field.names.index(text.upper()) + field.low
    number = int(text) if re.fullmatch(r"[0-9]{1,4}", text) else None
    return number if number is not None and field.low <= number <= field.high else None
