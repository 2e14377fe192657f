"""Checks of plain values. Each returns what is wrong with one, as a phrase to follow the value, or None."""

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
    """Say why DynamoDB cannot store this as a string."""
    if not isinstance(value, str):
        return f"must be text, not {type(value).__name__}"
    if value.isascii():
        return None
    try:
        value.encode()
    except UnicodeEncodeError:
        return "holds half of a surrogate pair, which is no Unicode text"
    return None


def plain_text(value: str) -> str:
    """Return the text that a str is; of an enum's member that is its value, where `str()` may give the name."""
    return str.__str__(value)


def id_problem(value: object) -> str | None:
    """Say why this is no id: 1 to 255 characters, no control characters, no white space at the ends."""
    if reason := text_problem(value):
        return reason
    assert isinstance(value, str)  # noqa: S101  # text_problem has looked
    if not value:
        return "must not be empty"
    if len(value) > MAX_ID_CHARACTERS or len(value.encode()) > MAX_ID_BYTES:
        return f"is too long: at most {MAX_ID_CHARACTERS} characters and {MAX_ID_BYTES} bytes"
    if not value.isprintable() and any(unicodedata.category(character) == "Cc" for character in value):
        return "must not hold control characters"
    if value != value.strip():
        return "must not begin or end with white space"
    return None


def number_problem(value: object) -> str | None:
    """Say why DynamoDB cannot store this number exactly."""
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
        return "is out of DynamoDB's range, 1E-130 to 9.99…E+125"
    return None


def exact_number(value: int | Decimal) -> int | Decimal:
    """Return the number as it reads back: an int where it is whole, else a Decimal without trailing zeros.

    Done on the digits, never by `normalize()`, which rounds to the precision of the decimal context.
    """
    if isinstance(value, int):
        return int(value)
    sign, digits, exponent = value.as_tuple()
    assert isinstance(exponent, int)  # noqa: S101  # number_problem has refused NaN and infinity
    text = "".join(map(str, digits))
    stripped = text.rstrip("0")
    exponent += len(text) - len(stripped)
    if not stripped:
        return 0
    if exponent >= 0:
        return int(f"{stripped}{'0' * exponent}") * (-1 if sign else 1)
    return Decimal((sign, tuple(map(int, stripped)), exponent))


# Source: the pattern that semver.org suggests, for SemVer 2.0.0.
_SEMVER = (  # patterns are compiled, and kept by `re`, when they are first used
    r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)"
    r"(-(0|[1-9]\d*|\d*[A-Za-z-][0-9A-Za-z-]*)(\.(0|[1-9]\d*|\d*[A-Za-z-][0-9A-Za-z-]*))*)?"
    r"(\+[0-9A-Za-z-]+(\.[0-9A-Za-z-]+)*)?"
)


def version_problem(value: object) -> str | None:
    """Say why this is no semantic version."""
    if reason := text_problem(value):
        return reason
    is_version = re.fullmatch(_SEMVER, plain_text(cast(str, value)), re.ASCII)
    return None if is_version else "is no semantic version, e.g. 1.4.0"


def schedule_problem(value: object) -> str | None:
    """Say why this is not a schedule: cron of 5 fields, of 6 (with a year, or seconds first), or `rate(5 minutes)`.

    `cron(…)` is EventBridge's and follows its rules: six fields, of which exactly one of day and weekday is `?`.
    """
    return text_problem(value) or expression_problem(plain_text(cast(str, value)))


def timezone_problem(value: object) -> str | None:
    """Say why this is not the name of a time zone."""
    if reason := text_problem(value):
        return reason
    return None if is_timezone(plain_text(cast(str, value))) else "is not an IANA time zone name, e.g. Europe/Berlin"


def is_timezone(name: str) -> bool:
    """Say whether the time zone database knows this name."""
    try:
        ZoneInfo(name)
    except (ValueError, OSError, KeyError):  # ZoneInfoNotFoundError is a KeyError
        return False
    return True
