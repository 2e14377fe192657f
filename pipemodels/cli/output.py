"""What a command says: a JSON document, or something to look at; printed once the store is closed."""

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

# what moves the cursor, changes how a terminal shows what follows, or cannot be seen: C0, DEL, C1; marks, embeddings,
# overrides and isolates of bidirectional text; spaces without width, line separators, tags, halves of pairs. The two
# joiners, U+200C and U+200D, belong to the spelling of several scripts and stay.
_UNSEEN = (
    r"\x7f-\x9f\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\ud800-\udfff"
    r"\U000e0000-\U000e007f"
)
_CONTROL = re.compile(rf"[\x00-\x1f{_UNSEEN}]")
_RAW_IN_JSON = re.compile(f"[{_UNSEEN}]")  # JSON itself escapes C0
_BROKEN_PIPE = 141  # 128 + SIGPIPE
_GAP = 2  # spaces between columns
_LEAST_WIDTH = 12  # of a column that gives way
PLAIN_WIDTH = 100  # what is drawn for a pipe; text is never cut to it


@dataclass(frozen=True, kw_only=True)
class Report:
    """A command's answer.

    Attributes:
        document: what `--json` prints.
        show: puts it on a screen.
        notes: lines for standard error, in both forms.
        exit_code: 1 where something was refused.
    """

    document: Any
    show: Callable[[Screen], None]
    notes: Sequence[str] = ()
    exit_code: int = 0


def emit(report: Report, *, as_json: bool) -> int:
    """Print an answer and return the exit code; a reader that went away (`| head`) has what it wanted."""
    try:
        if as_json:
            print_json(report.document)
        else:
            report.show(Screen.of_stdout())
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for the interpreter's own last flush
        return _BROKEN_PIPE
    for line in report.notes:
        note(line)
    return report.exit_code


def note(line: str) -> None:
    """Print a line to standard error."""
    sys.stderr.write(f"{cleaned(line)}\n")


# -- JSON ---------------------------------------------------------------------------------------------------


def print_json(document: Any) -> None:
    """Print one JSON document, numbers exact; in a pipe too, what a terminal would obey is escaped."""
    ascii_only = not (sys.stdout.encoding or "").lower().startswith("utf")
    sys.stdout.writelines(_json(document, ascii_only, "\n"))
    sys.stdout.write("\n")


def json_text(value: Any) -> str:
    """Return a value as JSON in one line."""
    return "".join(_json(value, False, None))


def _json(value: Any, ascii_only: bool, newline: str | None) -> Iterator[str]:
    """Yield JSON in parts; the standard library's encoder would take a Decimal through float."""
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
        value = str(value)  # what was refused may be no number; JSON knows none of these
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, datetime) and value.utcoffset() is not None:
        value = instant_text(utc_instant(value, "value"))
    if isinstance(value, bytes):
        value = base64.b64encode(value).decode()  # as DynamoDB's own JSON has it
    if not isinstance(value, str | int | float | None | list | tuple | Mapping):
        value = value.isoformat() if isinstance(value, date) else str(value)
    return _quoted({} if isinstance(value, Mapping) else value, ascii_only)


def _quoted(value: Any, ascii_only: bool) -> str:
    """Return a scalar as JSON, which can be printed."""
    return _RAW_IN_JSON.sub(_escape, json.dumps(value, ensure_ascii=ascii_only))


def _escape(found: re.Match[str]) -> str:
    code = ord(found[0])
    if code < 0x10000:
        return f"\\u{code:04x}"
    return json.dumps(found[0])[1:-1]  # a pair


# -- something to look at -----------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Column:
    """A column of a table; only one that `gives_way` is cut where a terminal is too narrow."""

    name: str
    right: bool = False
    gives_way: bool = False


Cell = str | Text | None
"""What stands in a table or beside a name; None is nothing."""


class Screen:
    """A terminal, or a pipe: plain lines there, never cut and never wrapped."""

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
        """The columns that there are to draw in."""
        return self._console.width if self.is_terminal else PLAIN_WIDTH

    def line(self, text: Cell = "", style: str = "") -> None:
        """Print a line; a terminal wraps it between words."""
        text = as_text(text, style)
        if self.is_terminal:
            self._console.print(text)
        else:
            self._console.file.write(text.plain.rstrip() + "\n")

    def drawn(self, line: Text) -> None:
        """Print a line that was made for this width."""
        line = as_text(line)
        if self.is_terminal:
            self._console.print(line, no_wrap=True, overflow="crop", crop=True)
        else:
            self._console.file.write(line.plain.rstrip() + "\n")

    def verbatim(self, text: str, style: str) -> None:
        """Print a line that is to be copied: only the terminal itself breaks it."""
        if self.is_terminal:
            self._console.print(as_text(text, style), soft_wrap=True)
        else:
            self.line(text)

    def heading(self, text: str) -> None:
        """Print what the next lines are about."""
        if self.is_terminal:
            self._console.print()
            self._console.rule(Text(cleaned(text), "bold"), align="left", style="bright_black")
        else:
            self._console.file.write(f"\n== {cleaned(text)}\n")

    def facts(self, facts: Mapping[str, Cell]) -> None:
        """Print names and values, one to a line."""
        width = max(map(cell_len, facts), default=0) + 2
        for name, value in facts.items():
            label = name + " " * (width - cell_len(name))
            self.line(Text.assemble((label, "bright_black"), as_text(value, keep_lines=True)))

    def table(self, columns: Sequence[Column], rows: Sequence[Sequence[Cell]]) -> None:
        """Print a table; in a pipe, columns that stand below each other."""
        if self.is_terminal:
            self._console.print(_rich_table(columns, rows, self.width))
        else:
            self._console.file.writelines(_aligned(columns, rows))


def cleaned(text: str) -> str:
    """Return text for one line: what would move the cursor or change colours is shown, not done."""
    return _CONTROL.sub(lambda found: " " if found[0] in "\t\n\r" else ascii(found[0])[1:-1], text)


def as_text(cell: Cell, style: str = "", *, keep_lines: bool = False) -> Text:
    """Return a cell as Rich's text, cleaned; a `Text` keeps its lines and its styles."""
    if isinstance(cell, Text):
        return _cleaned_text(cell)
    lines = (cell or "").split("\n") if keep_lines else [cell or ""]
    return Text("\n".join(map(cleaned, lines)), style)


def _cleaned_text(text: Text) -> Text:
    found = [match for match in _CONTROL.finditer(text.plain) if match[0] != "\n"]
    if not found:
        return text
    parts = text.divide(sorted({end for match in found for end in match.span()}))
    # a part is a control character, or has none but newlines
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
    """Return the columns' widths; where they are too many, the widest of those that give way do so, step by step."""
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
