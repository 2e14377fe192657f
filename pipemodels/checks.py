"""Checks of plain values.

Each `…_problem` function returns None for a valid value, else a phrase that an error message puts after the value.
"""

from __future__ import annotations

import math
import re
import unicodedata
from decimal import Decimal
from typing import cast
from zoneinfo import ZoneInfo

from pipemodels.schedules import expression_problem

MAX_DIGITS = 38
MAX_ITEM_BYTES = 400 * 1024
MAX_ID_CHARACTERS = 255
MAX_ID_BYTES = 1024
_LARGEST_EXPONENT = 125  # DynamoDB: magnitudes from 1E-130 to 9.99…E+125
_SMALLEST_EXPONENT = -130
_ALL_DIGITS = 10**MAX_DIGITS


def text_problem(value: object) -> str | None:
    """Return why DynamoDB cannot store the value as a string, or None."""
    if not isinstance(value, str):
        return f"must be text, not {type(value).__name__}"
    if value.isascii():
        return None
    try:
        value.encode()
    except UnicodeEncodeError:
        return "contains half of a surrogate pair, which is not valid Unicode"
    return None


def plain_text(value: str) -> str:
    """Return the value as a plain str. For a member of a str enum this is its value; `str()` may return its name."""
    return str.__str__(value)


def id_problem(value: object) -> str | None:
    """Return why the value is not a valid id, or None.

    An id has 1 to 255 characters, no control characters, and no white space at either end.
    """
    if reason := text_problem(value):
        return reason
    assert isinstance(value, str)  # noqa: S101  # text_problem has checked it
    if not value:
        return "must not be empty"
    if len(value) > MAX_ID_CHARACTERS or len(value.encode()) > MAX_ID_BYTES:
        return f"is too long: at most {MAX_ID_CHARACTERS} characters and {MAX_ID_BYTES} bytes"
    if not value.isprintable() and any(unicodedata.category(character) == "Cc" for character in value):
        return "must not contain control characters"
    if value != value.strip():
        return "must not begin or end with white space"
    return None


def number_problem(value: object) -> str | None:
    """Return why DynamoDB cannot store the number exactly, or None."""
    if type(value) is int and -_ALL_DIGITS < value < _ALL_DIGITS:
        return None
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        if isinstance(value, float) and not math.isfinite(value):
            return "is not a finite number"
        if isinstance(value, float):
            return f"is a float, which is not exact: write Decimal({str(value)!r}) or an int"
        return f"must be an int or a Decimal, not {type(value).__name__}"
    if isinstance(value, Decimal):
        return _decimal_problem(value)
    if abs(value) >= 10 ** (_LARGEST_EXPONENT + 1):
        return "is larger than 9.99…E+125, the largest that DynamoDB stores"
    return _decimal_problem(Decimal(value))


def _decimal_problem(value: Decimal) -> str | None:
    if not value.is_finite():
        return "is not a finite number"
    if value == 0:
        return None
    digits = value.as_tuple().digits
    significant = len("".join(map(str, digits)).strip("0"))
    if significant > MAX_DIGITS:
        return f"has {significant} significant digits; DynamoDB stores {MAX_DIGITS}"
    if not _SMALLEST_EXPONENT <= value.adjusted() <= _LARGEST_EXPONENT:
        return "is outside DynamoDB's range, 1E-130 to 9.99…E+125"
    return None


def exact_number(value: int | Decimal) -> int | Decimal:
    """Return the number as storage returns it: an int if it is whole, else a Decimal without trailing zeros.

    Works on the digits, because `Decimal.normalize()` rounds to the precision of the decimal context.
    """
    if isinstance(value, int):
        return int(value)
    sign, digits, exponent = value.as_tuple()
    assert isinstance(exponent, int)  # noqa: S101  # number_problem rejects NaN and infinity
    text = "".join(map(str, digits))
    stripped = text.rstrip("0")
    exponent += len(text) - len(stripped)
    if not stripped:
        return 0
    if exponent >= 0:
        return int(f"{stripped}{'0' * exponent}") * (-1 if sign else 1)
    return Decimal((sign, tuple(map(int, stripped)), exponent))


# Source: the pattern that semver.org suggests for SemVer 2.0.0.
_SEMVER = (  # `re` compiles and caches it on first use
    r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)"
    r"(-(0|[1-9]\d*|\d*[A-Za-z-][0-9A-Za-z-]*)(\.(0|[1-9]\d*|\d*[A-Za-z-][0-9A-Za-z-]*))*)?"
    r"(\+[0-9A-Za-z-]+(\.[0-9A-Za-z-]+)*)?"
)


def version_problem(value: object) -> str | None:
    """Return why the value is not a semantic version, or None."""
    if reason := text_problem(value):
        return reason
    is_version = re.fullmatch(_SEMVER, plain_text(cast(str, value)), re.ASCII)
    return None if is_version else "is not a semantic version, e.g. 1.4.0"


def schedule_problem(value: object) -> str | None:
    """Return why the value is not a schedule, or None.

    A schedule is a cron expression of 5 fields or of 6 (with seconds first or a year last), or `rate(5 minutes)`.
    `cron(…)` follows the rules of EventBridge: six fields, with `?` as exactly one of day and weekday.
    """
    return text_problem(value) or expression_problem(plain_text(cast(str, value)))


def timezone_problem(value: object) -> str | None:
    """Return why the value is not the name of a time zone, or None."""
    if reason := text_problem(value):
        return reason
    return None if is_timezone(plain_text(cast(str, value))) else "is not an IANA time zone name, e.g. Europe/Berlin"


def is_timezone(name: str) -> bool:
    """Return whether the time zone database contains the name."""
    try:
        ZoneInfo(name)
    except (ValueError, OSError, KeyError):  # ZoneInfoNotFoundError is a KeyError
        return False
    return True
