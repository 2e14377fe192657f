"""Print a command's report: as a JSON document, or as text for a terminal or a pipe."""

from __future__ import annotations

import base64
import json
import math
import os
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Literal

from rich import box
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from pipemodels.instants import instant_text, utc_instant

# Characters that control a terminal, change the direction of text, or are invisible: C0, DEL, C1; bidirectional
# marks, embeddings, overrides and isolates; zero-width spaces, line separators, tags, lone surrogates. The joiners
# U+200C and U+200D are printed as they are, because several scripts need them.
_UNSEEN = (
    r"\x7f-\x9f\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\ud800-\udfff"
    r"\U000e0000-\U000e007f"
)
_CONTROL = re.compile(rf"[\x00-\x1f{_UNSEEN}]")
_RAW_IN_JSON = re.compile(f"[{_UNSEEN}]")  # the JSON encoder escapes C0 itself
_BROKEN_PIPE = 141  # 128 + SIGPIPE
_GAP = 2  # spaces between columns
_LEAST_WIDTH = 12  # minimum width of a column that may be shortened
PLAIN_WIDTH = 100  # width of bars and charts in a pipe; text is never cut to it


@dataclass(frozen=True, kw_only=True)
class Report:
    """The result of a command.

    Attributes:
        document: the JSON document for `--json`.
        show: prints the result on a screen.
        notes: lines for standard error, with and without `--json`.
        exit_code: 1 if something was refused.
    """

    document: Any
    show: Callable[[Screen], None]
    notes: Sequence[str] = ()
    exit_code: int = 0


def emit(report: Report, *, as_json: bool) -> int:
    """Print a report and return the exit code; a closed pipe (`| head`) is not an error."""
    try:
        if as_json:
            print_json(report.document)
        else:
            report.show(Screen.of_stdout())
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # so that the final flush does not fail
        return _BROKEN_PIPE
    for line in report.notes:
        note(line)
    return report.exit_code


def note(line: str) -> None:
    """Print a line to standard error."""
    sys.stderr.write(f"{cleaned(line)}\n")


# -- JSON ---------------------------------------------------------------------------------------------------


def print_json(document: Any) -> None:
    """Print a JSON document with exact numbers; escape control characters, also in a pipe."""
    ascii_only = not (sys.stdout.encoding or "").lower().startswith("utf")
    sys.stdout.writelines(_json(document, ascii_only, "\n"))
    sys.stdout.write("\n")


def json_text(value: Any) -> str:
    """Return a value as JSON on one line."""
    return "".join(_json(value, False, None))


def _json(value: Any, ascii_only: bool, newline: str | None) -> Iterator[str]:
    """Yield fragments of JSON; the standard library cannot encode a Decimal exactly."""
    if isinstance(value, Mapping | list | tuple) and value:
        is_mapping = isinstance(value, Mapping)
        inner = "" if newline is None else newline + "  "
        comma = ", " if newline is None else ","
        for position, item in enumerate(value):
            yield (comma if position else "{" if is_mapping else "[") + inner
            if is_mapping:
                yield f"{_quoted(str(item), ascii_only)}: "
            yield from _json(value[item] if is_mapping else item, ascii_only, inner if newline is not None else None)
        yield (newline or "") + ("}" if is_mapping else "]")
    else:
        yield _scalar(value, ascii_only)


def _scalar(value: Any, ascii_only: bool) -> str:
    if isinstance(value, Decimal | float) and not math.isfinite(value):
        value = str(value)  # JSON has no NaN and no infinity; refused values may hold them
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, datetime) and value.utcoffset() is not None:
        value = instant_text(utc_instant(value, "value"))
    if isinstance(value, bytes):
        value = base64.b64encode(value).decode()  # as in DynamoDB's JSON
    if not isinstance(value, str | int | float | None | list | tuple | Mapping):
        value = value.isoformat() if isinstance(value, date) else str(value)
    return _quoted({} if isinstance(value, Mapping) else value, ascii_only)


def _quoted(value: Any, ascii_only: bool) -> str:
    """Return a scalar as JSON that is safe to print."""
    return _RAW_IN_JSON.sub(_escape, json.dumps(value, ensure_ascii=ascii_only))


def _escape(found: re.Match[str]) -> str:
    code = ord(found[0])
    if code < 0x10000:
        return f"\\u{code:04x}"
    return json.dumps(found[0])[1:-1]  # a surrogate pair


# -- text -----------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Column:
    """A column of a table; on a narrow terminal, only columns with `gives_way` are shortened."""

    name: str
    right: bool = False
    gives_way: bool = False


Cell = str | Text | None
"""A value in a table or beside a name; None is shown as an empty cell."""


class Screen:
    """Standard output: a terminal, or a pipe, which gets plain lines that are never cut or wrapped."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self.is_terminal = console.is_terminal and not console.is_dumb_terminal
        self.has_colour = self.is_terminal and console.color_system is not None and not console.no_color

    @classmethod
    def of_stdout(cls) -> Screen:
        """Return standard output as a screen."""
        return cls(Console(file=sys.stdout, highlight=False, markup=False, emoji=False))

    @property
    def width(self) -> int:
        """The width in cells."""
        return self._console.width if self.is_terminal else PLAIN_WIDTH

    def line(self, text: Cell = "", style: str = "") -> None:
        """Print a line; on a terminal, wrap it between words."""
        text = as_text(text, style)
        if self.is_terminal:
            self._console.print(text)
        else:
            self._console.file.write(text.plain.rstrip() + "\n")

    def drawn(self, line: Text) -> None:
        """Print a line that was laid out for the width of this screen."""
        line = as_text(line)
        if self.is_terminal:
            self._console.print(line, no_wrap=True, overflow="crop", crop=True)
        else:
            self._console.file.write(line.plain.rstrip() + "\n")

    def verbatim(self, text: str, style: str) -> None:
        """Print a line for copying, without wrapping it."""
        if self.is_terminal:
            self._console.print(as_text(text, style), soft_wrap=True)
        else:
            self.line(text)

    def heading(self, text: str) -> None:
        """Print a heading."""
        if self.is_terminal:
            self._console.print()
            self._console.rule(Text(cleaned(text), "bold"), align="left", style="bright_black")
        else:
            self._console.file.write(f"\n== {cleaned(text)}\n")

    def facts(self, facts: Mapping[str, Cell]) -> None:
        """Print names and values, one pair a line."""
        width = max(map(cell_len, facts), default=0) + 2
        for name, value in facts.items():
            label = name + " " * (width - cell_len(name))
            self.line(Text.assemble((label, "bright_black"), as_text(value, keep_lines=True)))

    def table(self, columns: Sequence[Column], rows: Sequence[Sequence[Cell]]) -> None:
        """Print a table; in a pipe, as aligned columns."""
        if self.is_terminal:
            self._console.print(_rich_table(columns, rows, self.width))
        else:
            self._console.file.writelines(_aligned(columns, rows))


def cleaned(text: str) -> str:
    """Return text for one line, with control and invisible characters replaced by visible escapes."""
    return _CONTROL.sub(lambda found: " " if found[0] in "\t\n\r" else ascii(found[0])[1:-1], text)


def as_text(cell: Cell, style: str = "", *, keep_lines: bool = False) -> Text:
    """Return a cell as a cleaned Rich `Text`; a cell that is a `Text` keeps its lines and styles."""
    if isinstance(cell, Text):
        return _cleaned_text(cell)
    lines = (cell or "").split("\n") if keep_lines else [cell or ""]
    return Text("\n".join(map(cleaned, lines)), style)


def _cleaned_text(text: Text) -> Text:
    found = [match for match in _CONTROL.finditer(text.plain) if match[0] != "\n"]
    if not found:
        return text
    parts = text.divide(sorted({end for match in found for end in match.span()}))
    # each part is one control character, or has none except newlines
    return Text().join(
        Text(cleaned(part.plain), part.style) if part.plain != "\n" and _CONTROL.fullmatch(part.plain) else part
        for part in parts
    )


def _rich_table(columns: Sequence[Column], rows: Sequence[Sequence[Cell]], width: int) -> Table:
    cells = [[as_text(cell) for cell in row] for row in rows]
    table = Table(
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        show_edge=False,
        padding=(0, 1, 0, 0),
        header_style="bold",
        border_style="bright_black",
    )
    for column, size in zip(columns, _widths(columns, cells, width), strict=True):
        justify: Literal["left", "right"] = "right" if column.right else "left"
        table.add_column(column.name, justify=justify, no_wrap=True, overflow="ellipsis", width=size)
    for row in cells:
        table.add_row(*row)
    return table


def _widths(columns: Sequence[Column], rows: Sequence[Sequence[Text]], width: int) -> list[int]:
    """Return the columns' widths; if they exceed `width`, shorten the widest with `gives_way`, cell by cell."""
    widths = [
        max(cell_len(column.name), *(cell_len(line) for row in rows for line in row[number].plain.split("\n")), 0)
        for number, column in enumerate(columns)
    ]
    too_many = sum(widths) + _GAP * (len(columns) - 1) - width
    while too_many > 0:
        wide = [number for number, column in enumerate(columns) if column.gives_way and widths[number] > _LEAST_WIDTH]
        if not wide:
            break
        widths[max(wide, key=lambda number: widths[number])] -= 1
        too_many -= 1
    return widths


def _aligned(columns: Sequence[Column], rows: Sequence[Sequence[Cell]]) -> Iterator[str]:
    lines = [[column.name.upper() for column in columns]]
    lines += [[" ".join(as_text(cell).plain.split("\n")) for cell in row] for row in rows]
    widths = [max(map(cell_len, cells)) for cells in zip(*lines, strict=True)]
    for line in lines:
        yield "  ".join(map(_padded, line, widths, columns)).rstrip() + "\n"


def _padded(text: str, width: int, column: Column) -> str:
    space = " " * (width - cell_len(text))
    return space + text if column.right else text + space
