"""The output: exact JSON, lines for a pipe, tables that fit a terminal."""

from __future__ import annotations

import io
import json
import math
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from rich.text import Text

from pipemodels.cli.formatting import bar, duration_text, first_line, plural
from pipemodels.cli.output import Column, Screen, as_text, cleaned, json_text, note, print_json

NAMES = (Column(name="name", gives_way=True), Column(name="count", right=True), Column(name="note", gives_way=True))


def terminal(width: int) -> tuple[Screen, io.StringIO]:
    """Return a terminal of this width, and the buffer that it writes to."""
    written = io.StringIO()
    return Screen(Console(file=written, force_terminal=True, width=width, color_system="truecolor")), written


def pipe() -> tuple[Screen, io.StringIO]:
    """Return a pipe, and the buffer that it writes to."""
    written = io.StringIO()
    return Screen(Console(file=written, width=20)), written


values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text()
    | st.decimals(allow_nan=False, allow_infinity=False)
    | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@given(values)
def test_json_reads_back_as_the_same_value(value: Any) -> None:
    """JSON keeps any nesting, and numbers to the last digit."""

    def exact(one: Any) -> Any:
        if isinstance(one, dict):
            return {name: exact(part) for name, part in one.items()}
        if isinstance(one, list):
            return [exact(part) for part in one]
        is_number = isinstance(one, int | float | Decimal) and not isinstance(one, bool)
        return Decimal(repr(one) if isinstance(one, float) else one) if is_number else one

    assert exact(json.loads(json_text(value), parse_float=Decimal)) == exact(value)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (Decimal("0.1000000000000000000000000000000000001"), "0.1000000000000000000000000000000000001"),
        (Decimal("1E+100"), "1E+100"),
        (2**70, "1180591620717411303424"),
        (math.nan, '"nan"'),
        (Decimal("Infinity"), '"Infinity"'),
        (datetime(2026, 3, 1, tzinfo=UTC), '"2026-03-01T00:00:00.000000Z"'),
        (datetime(2026, 3, 1), '"2026-03-01T00:00:00"'),
        (date(2026, 3, 1), '"2026-03-01"'),
        ({1: {2}}, '{"1": "{2}"}'),
        ({}, "{}"),
        ([], "[]"),
        ("ä\x1b", '"ä\\u001b"'),
    ],
)
def test_json_of_what_json_does_not_know(value: Any, text: str) -> None:
    """Instants are printed as stored, dates as ISO 8601, NaN and infinity as text."""
    assert json_text(value) == text


def test_a_pipe_gets_lines_that_are_never_cut() -> None:
    """Columns are aligned at any width, and wide characters count as two."""
    screen, written = pipe()
    screen.table(NAMES, [("x" * 40, "1", "a\nb"), ("表", "20,000", Text("red", "red"))])
    assert written.getvalue().splitlines() == [
        f"NAME{' ' * 36}   COUNT  NOTE",
        f"{'x' * 40}       1  a b",
        f"表{' ' * 38}  20,000  red",
    ]


@pytest.mark.parametrize("width", [40, 60, 80, 120, 200])
def test_a_table_fits_its_terminal(width: int) -> None:
    """Only columns with `gives_way` are cut, the widest first."""
    screen, written = terminal(width)
    screen.table(NAMES, [("n" * 30, "1,234,567", "o" * 90)])
    lines = [Text.from_ansi(line).plain for line in written.getvalue().splitlines()]
    assert all(len(line) <= width for line in lines)
    assert "1,234,567" in lines[-1]
    assert ("n" * 30 in lines[-1]) == (width >= 80)


def test_a_column_that_does_not_give_way_is_never_cut() -> None:
    """A column without `gives_way` is whole even if it is the widest."""
    screen, written = terminal(40)
    screen.table((Column(name="id"), Column(name="note", gives_way=True)), [("i" * 24, "o" * 20)])
    line = Text.from_ansi(written.getvalue().splitlines()[-1]).plain
    assert line == f"{'i' * 24}  {'o' * 13}…"


@pytest.mark.parametrize("make", [pipe, lambda: terminal(80)])
def test_what_is_stored_cannot_command_the_terminal(make: Any) -> None:
    """Stored escapes and newlines are printed as visible text."""
    screen, written = make()
    screen.table(NAMES[:1], [("\x1b[31mred\r\n\x07[bold]x[/bold]",)])
    screen.line("\x1b]0;title\x07\u202e")
    shown = Text.from_ansi(written.getvalue()).plain
    assert "\\x1b[31mred  \\x07[bold]x[/bold]" in shown
    assert "\\x1b]0;title\\x07\\u202e" in shown


# C1, where U+009B begins a command and U+0085 a line; DEL; what turns the direction of text; what cannot be seen
OBEYED = [
    *map(chr, (0x7F, 0x80, 0x85, 0x9B, 0x9D, 0x9F, 0x061C, 0x180E, 0x200B, 0x200E, 0x200F, 0x2028, 0x2029)),
    *map(chr, (0x202A, 0x202B, 0x202C, 0x202D, 0x202E, 0x2060, 0x2064, 0x2066, 0x2069, 0x206F, 0xFEFF, 0xFFF9)),
    *map(chr, (0xFFFB, 0xE0001, 0xE0041, 0xE007F, 0xD800, 0xDFFF)),
]  # fmt: skip
SPELT = ["\u200c", "\u200d", "é", "日本", "\U0001f600", "\u00a0", "a\u0301"]  # of scripts and emoji: as they are


@pytest.mark.parametrize("character", OBEYED, ids=ascii)
def test_json_holds_nothing_that_a_terminal_obeys(character: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Control characters are escaped in values and keys, also in a pipe; the JSON reads back the same."""
    value = {f"k{character}": [f"[red]{character}[31m"]}
    print_json(value)
    out = capsys.readouterr().out
    for text in (out, json_text(value)):
        assert character not in text
        assert json.loads(text) == value


@pytest.mark.parametrize("character", [*OBEYED, "\x1b", "\x00"], ids=ascii)
@pytest.mark.parametrize("make", [pipe, lambda: terminal(80)], ids=["pipe", "terminal"])
def test_nothing_that_a_terminal_obeys_is_printed(make: Any, character: str) -> None:
    """Every way of printing cleans text and Rich's `Text`, and keeps styles."""
    name = f"a{character}[red]b"
    escaped = f"a{ascii(character)[1:-1]}[red]b"
    ways: list[Callable[[Screen], None]] = [
        lambda screen: screen.line(name),
        lambda screen: screen.line(Text(name, "red")),
        lambda screen: screen.drawn(Text.assemble((name, "red"), " c")),
        lambda screen: screen.verbatim(name, "red"),
        lambda screen: screen.heading(name),
        lambda screen: screen.facts({"name": name, "again": Text(name, "bold")}),
        lambda screen: screen.table(NAMES[:1], [(name,), (Text(name, "red"),)]),
    ]
    for show in ways:
        screen, written = make()
        show(screen)
        plain = Text.from_ansi(written.getvalue()).plain
        assert escaped in plain
        assert character not in (plain if character == "\x1b" else written.getvalue())


def test_a_cleaned_text_keeps_its_lines_and_styles() -> None:
    """Only control characters are replaced."""
    text = Text("a\n") + Text("b\x9bc", "red") + Text("\nd\x1b", "bold")
    cleaned_text = as_text(text)
    assert cleaned_text.plain == "a\nb\\x9bc\nd\\x1b"
    styles = {cleaned_text.plain[span.start : span.end]: str(span.style) for span in cleaned_text.spans}
    assert styles["b"] == styles["c"] == "red"
    assert styles["\nd"] == "bold"
    assert as_text(None).plain == ""
    plain = Text("fine\n")
    assert as_text(plain) is plain


@pytest.mark.parametrize("text", SPELT, ids=ascii)
def test_what_is_spelt_is_shown(text: str) -> None:
    """Joiners are printed: several scripts and emoji need them."""
    assert (cleaned(text), json_text(text)) == (text, f'"{text}"')


def test_what_goes_to_standard_error_is_cleaned(capsys: pytest.CaptureFixture[str]) -> None:
    """A note is one line, whatever it contains."""
    note("a\x9b\u202e\x1b[31m\nb")
    assert capsys.readouterr().err == "a\\x9b\\u202e\\x1b[31m b\n"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, ""),
        ("0", "0 ms"),
        ("0.0119", "11 ms"),
        ("0.9999", "999 ms"),
        ("1", "1.0 s"),
        ("59.94", "59.9 s"),
        ("59.99", "60 s"),
        ("60", "1m 00s"),
        ("3599.9", "59m 59s"),
        ("3600", "1h 00m"),
        ("86399", "23h 59m"),
        ("90000", "1d 01h"),
    ],
)
def test_durations_have_their_two_largest_units(seconds: str | None, text: str) -> None:
    """Durations are cut, not rounded: none shows as 60 minutes."""
    assert duration_text(None if seconds is None else Decimal(seconds)) == text


def test_small_words() -> None:
    """Counts agree with their nouns, and a message shows its first line that is not blank."""
    assert [plural(1, "entry", "entries"), plural(2_000, "entry", "entries")] == ["1 entry", "2,000 entries"]
    assert first_line("\n  \n a\tb \nc") == "a b"
    assert first_line(None) == ""


def test_a_bar_shows_every_part() -> None:
    """One in a thousand still gets a cell."""
    assert bar([(999, "green"), (1, "red"), (0, "blue")], 10).plain == "█" * 10
