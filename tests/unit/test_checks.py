"""Checks of plain values: ids, numbers, versions, schedules."""

import decimal
from decimal import Decimal
from enum import Enum, IntEnum, StrEnum

import pytest

from pipemodels import checks


class Colour(str, Enum):  # noqa: UP042  # the style before StrEnum: str() returns the name
    """A str enum as written before StrEnum."""

    RED = "red"


class Shade(StrEnum):
    """A StrEnum."""

    DARK = "dark"


class Level(IntEnum):
    """An enum of ints."""

    HIGH = 3


@pytest.mark.parametrize(
    "value",
    [
        "a",
        "x" * 255,
        "😀" * 255,
        "Täglicher Import",
        "scheduled__2026-01-01T00:00:00+00:00",
        "a/b#c|d",
        "a\u200bb",
        "a\u00a0b",
        Shade.DARK,
        Colour.RED,
    ],
)
def test_ids_that_are_taken(value: str) -> None:
    """Ids of schedulers and names in any script are accepted, up to 255 characters."""
    assert checks.id_problem(value) is None


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("", "must not be empty"),
        ("x" * 256, "is too long: at most 255 characters and 1024 bytes"),
        (" a", "must not begin or end with white space"),
        ("a ", "must not begin or end with white space"),
        ("\u00a0a", "must not begin or end with white space"),
        ("a\u2003", "must not begin or end with white space"),
        ("a\nb", "must not contain control characters"),
        ("a\x00", "must not contain control characters"),
        ("a\x7f", "must not contain control characters"),
        ("a\x85b", "must not contain control characters"),
        ("\ud800", "contains half of a surrogate pair, which is not valid Unicode"),
        (5, "must be text, not int"),
        (b"a", "must be text, not bytes"),
        (None, "must be text, not NoneType"),
    ],
)
def test_ids_that_are_refused(value: object, reason: str) -> None:
    """A value that is not an id is rejected with the reason."""
    assert checks.id_problem(value) == reason


@pytest.mark.parametrize(("value", "plain"), [(Colour.RED, "red"), (Shade.DARK, "dark"), ("x", "x")])
def test_the_text_of_an_enum_is_its_value(value: str, plain: str) -> None:
    """A member of a str enum is stored as its value, never as its name."""
    assert checks.plain_text(value) == plain
    assert type(checks.plain_text(value)) is str


NUMBERS_TAKEN = [
    0, 1, -1, 10**125, -(10**125), int("9" * 38) * 10**88, Decimal("1E-130"), Decimal("-1E-130"),
    Decimal("9." + "9" * 37 + "E+125"), Decimal("0." + "1" * 38), Decimal("1." + "0" * 100), Decimal("-0.0"),
    Decimal("0E+500"), Decimal("0E-500"), Level.HIGH,
]  # fmt: skip


@pytest.mark.parametrize("value", NUMBERS_TAKEN)
def test_numbers_that_dynamodb_stores(value: int | Decimal) -> None:
    """Numbers with up to 38 significant digits from 1E-130 to 9.99…E+125, and any form of zero, are accepted."""
    assert checks.number_problem(value) is None


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (True, "must be an int or a Decimal, not bool"),
        ("1", "must be an int or a Decimal, not str"),
        (1j, "must be an int or a Decimal, not complex"),
        (None, "must be an int or a Decimal, not NoneType"),
        (0.1, "is a float, which is not exact: write Decimal('0.1') or an int"),
        (1.0, "is a float, which is not exact: write Decimal('1.0') or an int"),
        (float("nan"), "is not a finite number"),
        (float("-inf"), "is not a finite number"),
        (Decimal("NaN"), "is not a finite number"),
        (Decimal("sNaN"), "is not a finite number"),
        (Decimal("-Infinity"), "is not a finite number"),
        (int("1" * 39), "has 39 significant digits; DynamoDB stores 38"),
        (Decimal("0." + "1" * 39), "has 39 significant digits; DynamoDB stores 38"),
        (Decimal("1" + "0" * 38 + "1"), "has 40 significant digits; DynamoDB stores 38"),
        (Decimal("9.9E-131"), "is outside DynamoDB's range, 1E-130 to 9.99…E+125"),
        (Decimal("1E+126"), "is outside DynamoDB's range, 1E-130 to 9.99…E+125"),
        (10**126, "is larger than 9.99…E+125, the largest that DynamoDB stores"),
        (-(10**126), "is larger than 9.99…E+125, the largest that DynamoDB stores"),
        pytest.param(10**5000, "is larger than 9.99…E+125, the largest that DynamoDB stores", id="5,001 digits"),
    ],
)
def test_numbers_that_are_refused(value: object, reason: str) -> None:
    """Floats, bools, non-finite numbers, too many digits and too large magnitudes are rejected with the reason."""
    assert checks.number_problem(value) == reason


@pytest.mark.parametrize(
    ("value", "exact", "kind"),
    [
        (Decimal("1.50"), Decimal("1.5"), Decimal),
        (Decimal("100"), 100, int),
        (Decimal("1E+3"), 1000, int),
        (Decimal("-2.000"), -2, int),
        (Decimal("-0.0"), 0, int),
        (Decimal("0E+9"), 0, int),
        (Decimal("-1.10"), Decimal("-1.1"), Decimal),
        (Decimal("1." + "1" * 37), Decimal("1." + "1" * 37), Decimal),
        (Level.HIGH, 3, int),
        (7, 7, int),
    ],
)
def test_a_number_in_the_form_in_which_it_reads_back(value: int | Decimal, exact: int | Decimal, kind: type) -> None:
    """A whole number becomes an int, any other number a Decimal without trailing zeros."""
    found = checks.exact_number(value)
    assert (str(found), type(found)) == (str(exact), kind)


@pytest.mark.parametrize("precision", [1, 5, 28])
@pytest.mark.parametrize("value", NUMBERS_TAKEN)
def test_exactness_does_not_depend_on_the_decimal_context(value: int | Decimal, precision: int) -> None:
    """The decimal context of the caller never rounds a number or raises an exception."""
    strict = decimal.Context(prec=precision, traps=[decimal.Inexact, decimal.Rounded], Emax=9, Emin=-9)
    with decimal.localcontext(strict):
        assert checks.number_problem(value) is None
        found = checks.exact_number(value)
    assert found == value


@pytest.mark.parametrize(
    "value",
    [
        "0.0.0",
        "1.2.3",
        "10.20.30",
        "1.0.0-alpha.1",
        "1.0.0-0A.is.legal",
        "1.0.0+20130313144700",
        "1.0.0--1",
        Shade.DARK,
    ],
)
def test_versions(value: str) -> None:
    """SemVer 2.0.0 versions are accepted, with pre-release and build; a word is rejected."""
    assert checks.version_problem(value) == ("is not a semantic version, e.g. 1.4.0" if value is Shade.DARK else None)


@pytest.mark.parametrize(
    "value",
    [
        "",
        "1",
        "1.0",
        "v1.0.0",
        "01.0.0",
        "1.0.0-",
        "1.0.0-01",
        "1.0.0+",
        "1.0.0 ",
        "1.0.0\n",
        "1.٢.3",
        "1.0.0-ä",
        "1.0.0.0",
    ],
)
def test_texts_that_are_no_version(value: str) -> None:
    """Texts that semver.org's pattern rejects are rejected."""
    assert checks.version_problem(value) == "is not a semantic version, e.g. 1.4.0"
    assert checks.version_problem(1) == "must be text, not int"


SCHEDULES = [
    "* * * * *", "0 6 * * 1-5", "*/15 * * * *", "0 0 1,15 * *", "5/10 * * * *", "0-30/5 * * * *", "5-5 * * * *",
    "0 6 L * *", "0 6 LW * *", "0 6 15W * *", "0 6 * * 5L", "0 6 * * FRI#2", "0 6 * * fri#5", "0 6 * * 0",
    "0 6 * * 7", "0 6 * JAN-MAR mon-fri", "0 6 * * FRI-MON", "0 12 * * ? 2026", "0 12 * * ? 1970-2199",
    "30 0 6 * * *", "59 59 23 31 12 7", "cron(0 12 * * ? *)", "rate(1 minute)", "rate(5 minutes)", "rate(1 day)",
    "rate(12 hours)", "rate(10 days)", "rate(999999999 minutes)",
    "0  6 * * *", "0\t6\t*\t*\t*", "0 \t 6 * * 1-5", "*  * * * *", "0 6 ? * MON", "0 6 1 * ?",
    "0 11-23/2 * * ? *", "5 17 ? * 6L *", "0 0 12 * * ?", "0 0 12 ? * MON", "0 0 12 ? * 2#1",
    "cron(0 14 ? * TUE,THU *)", "cron(0 0 LW * ? *)", "cron(0 0 ? * 1 *)", "cron(0 0 ? * 7L *)",
    "cron(0 0 ? * 2#5 *)", "cron(0/5 8-17 ? * MON-FRI 2026/2)",
    "cron(0 0 ? * SAT-MON *)", "cron(0  0\t1 * ? *)", "cron(0 0 1,15 * ? 2199)",
]  # fmt: skip


@pytest.mark.parametrize("value", SCHEDULES)
def test_schedules(value: str) -> None:
    """Five cron fields, six with a year or seconds, and rates are accepted, as in crontab(5) and EventBridge."""
    assert checks.schedule_problem(value) is None


@pytest.mark.parametrize(
    "value",
    [
        "",
        " ",
        "daily",
        "@daily",
        "* * * *",
        "* * * * * * *",
        "60 * * * *",
        "* 24 * * *",
        "* * 0 * *",
        "* * 32 * *",
        "* * * 0 *",
        "* * * 13 *",
        "* * * * 8",
        "30-10 * * * *",
        "*/0 * * * *",
        "*/60 * * * *",
        "*/x * * * *",
        "1, * * * *",
        ",1 * * * *",
        "1-2-3 * * * *",
        "1- * * * *",
        "-1 * * * *",
        "1.5 * * * *",
        "x * * * *",
        "* * * FEB-XYZ *",
        "* * * * ZZZ#3",
        "* * 99W * *",
        "* * 0W * *",
        "* * * * 9L",
        "* * * * FRI#6",
        "* * * * FRI#0",
        "* * 3#2 * *",
        "L * * * *",
        "* * * * \u017fUN",
        "\u0665 * * * *",
        " * * * * *",
        "* * * * * ",
        "* * * * *\n",
        "0 12 * * ? 1969",
        "0 12 * * ? 2200",
        "60 0 6 * * *",
        "0 8 * ? 2-6 *",
        "? ? ? ? ?",
        "0 ? * * *",
        "? 0 * * *",
        "0 6 ? * ?",
        "0 6 * ? *",
        "0 6 ?/2 * MON",
        "0 6 1,? * *",
        "0 0 12 ? * ?",
        "0 0 ? * * ?",
        "0 12 ? * ? 2026",
        "0 12 * * ? ?",
        "0 12 L/2 * *",
        "0\u00a06 * * *",
        "0 6 * * * ",
        "CRON(0 6 * * ? *)",
        "at(2026-01-01T00:00:00)",
        "RATE(5 minutes)",
    ],
)
def test_texts_that_are_no_schedule(value: str) -> None:
    """Texts that no scheduler would run are rejected."""
    reason = "is not a valid schedule: write 5 or 6 cron fields, e.g. 0 6 * * 1-5, or rate(5 minutes)"
    assert checks.schedule_problem(value) == reason
    assert checks.schedule_problem(5) == "must be text, not int"


@pytest.mark.parametrize(
    "value",
    [
        "cron(0 6 * * * *)",
        "cron(0 6 ? * ? *)",
        "cron(0 6 1 * MON *)",
        "cron(0 6 * * *)",
        "cron(0 6 * * ? * *)",
        "cron(0 0 ? * 0 *)",
        "cron(0 0 ? * 0-6 *)",
        "cron(0 0 ? * 8L *)",
        "cron(0 0 ? * 0#1 *)",
        "cron(0 0 ? * 2#1,3#2 *)",
        "cron(0 ? * * 1 *)",
        "cron(0 0 1 ? 1 *)",
        "cron(0 0 1 * ? ?)",
        "cron(0 0 1 * ? 1969)",
        "cron(60 0 1 * ? *)",
        "cron( 0 0 1 * ? *)",
        "cron(0 0 1 * ? * )",
        "cron(0 0 1 * ? *) ",
        "cron(* * * * *",
        "cron(0 0 1 * ? *",
        "cron()",
    ],
)
def test_texts_that_are_no_eventbridge_schedule(value: str) -> None:
    """`cron(…)` follows EventBridge: six fields, `?` as exactly one of day and weekday, weekdays 1 to 7."""
    assert checks.schedule_problem(value) == (
        "is not a valid EventBridge schedule: write 6 fields, of which exactly one of day and weekday is ?, and "
        "weekdays as 1-7 or SUN-SAT, e.g. cron(0 6 ? * 2-6 *)"
    )


@pytest.mark.parametrize(
    "value",
    [
        "rate(0 minutes)",
        "rate(1 minutes)",
        "rate(5 minute)",
        "rate(1 days)",
        "rate(-1 days)",
        "rate(1.5 hours)",
        "rate(5 weeks)",
        "rate(5  minutes)",
        "rate(5 minutes) ",
        "rate(1000000000 minutes)",
        "rate(01 minute)",
        "rate()",
        "rate(5 minutes",
    ],
)
def test_texts_that_are_no_rate(value: str) -> None:
    """A rate has a whole number above zero and a singular or plural unit to match."""
    assert checks.schedule_problem(value) == "is not a valid rate: write e.g. rate(1 hour) or rate(5 minutes)"


@pytest.mark.parametrize("value", ["UTC", "Europe/Berlin", "America/Argentina/Buenos_Aires", "Etc/GMT+12"])
def test_time_zones(value: str) -> None:
    """A name in the time zone database is accepted."""
    assert checks.timezone_problem(value) is None


@pytest.mark.parametrize(
    "value", ["", " ", "Mars/Olympus", "Europe", "../UTC", "/etc/localtime", "UTC\0", "+02:00", "U" * 300]
)
def test_texts_that_are_no_time_zone(value: str) -> None:
    """Offsets, paths, directories and unknown names are rejected."""
    assert checks.timezone_problem(value) == "is not an IANA time zone name, e.g. Europe/Berlin"
    assert checks.timezone_problem(2) == "must be text, not int"
