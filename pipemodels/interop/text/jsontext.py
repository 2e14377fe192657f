"""Read JSON incrementally, in bounded memory: by value, by line, or by array element.

The source is bytes. Brackets and quotes are found by their ASCII bytes, which UTF-8 uses for no other character. A
piece of text is decoded only when it is complete and not too long.
"""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Protocol

from pipemodels.interop.text.parts import BrokenTextError

_CHUNK = 1 << 16
_NOT_BLANK = re.compile(rb"[^ \t\r\n]")
_BLANK_LINES = re.compile(rb"[ \t\r\n]*\n")
_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_STRUCTURE = re.compile(rb'["{}\[\]]')
_IN_STRING = re.compile(rb'["\\]')
_SCALAR_END = re.compile(rb"[,\]}\s]")

_MARKS = re.compile(rb'"(?:[^"\\]|\\.)*(?:"|\\?\Z)|[\[\]{}]', re.DOTALL)
_LONG_INT = 400  # digits; Python refuses to parse very long ints

_MAX_DEPTH = 200  # of lists and maps; DynamoDB stores up to 31
_HOPELESS_DEPTH = 10_000  # reading stops at a value that is nested more deeply


class Readable(Protocol):
    """A source of bytes."""

    def read(self, size: int, /) -> bytes:
        """Return up to `size` bytes; no bytes at the end."""


@dataclass(frozen=True, slots=True)
class Piece:
    """The text of a value and the line on which it begins; `text` is None if it was too long to keep."""

    line: int
    text: bytes | None


def decoded(text: bytes, *, exact: bool = False) -> Any:
    """Return the value of a JSON text.

    Args:
        text: UTF-8; a byte order mark is ignored.
        exact: read numbers with a fraction as Decimal, and refuse duplicate keys.

    Raises:
        ValueError: the text is not valid JSON; the message is a single line.
    """
    settings: dict[str, Any] = {"parse_float": Decimal, "object_pairs_hook": _unique} if exact else {}
    settings["parse_int"] = _whole
    if _is_too_deep(text):
        raise ValueError("is nested too deeply")
    try:
        return json.loads(str(text.removeprefix(codecs.BOM_UTF8), "utf-8"), **settings)
    except UnicodeDecodeError as error:
        raise ValueError(f"is not UTF-8 (byte {error.start})") from None
    except json.JSONDecodeError as error:
        column = f"column {error.colno}"
        where = f"line {error.lineno} {column} of the value" if error.lineno > 1 else column
        raise ValueError(f"is not valid JSON: {error.msg} ({where})") from None
    except ArithmeticError:
        raise ValueError("contains a number that is out of range") from None


def _is_too_deep(text: bytes) -> bool:
    """Say whether lists and maps are nested too deeply: a fixed limit, independent of the stack size."""
    if text.count(b"[") + text.count(b"{") <= _MAX_DEPTH:
        return False
    depth = 0
    for mark in _MARKS.finditer(text):
        depth += {b"[": 1, b"{": 1, b"]": -1, b"}": -1}.get(mark[0], 0)
        if depth > _MAX_DEPTH:
            return True
    return False


def _whole(digits: str) -> int | Decimal:
    return int(digits) if len(digits) < _LONG_INT else Decimal(digits)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"has the key {twice!r} twice")
    return found


class Nesting:
    """Tracks brackets and strings across chunks, to find the end of a value."""

    def __init__(self) -> None:
        self.depth = 0
        self.in_string = False
        self._escaped = False

    def end_in(self, data: bytes, start: int = 0) -> int:
        """Return the position after the value's last bracket or quote; -1 if the value continues."""
        position = start
        while True:
            if self.in_string:
                position = self._string_end(data, position)
                if position < 0:
                    return -1
                if self.depth == 0:
                    return position
            found = _STRUCTURE.search(data, position)
            if found is None:
                return -1
            position = found.end()
            if found[0] == b'"':
                self.in_string = True
            elif found[0] in b"{[":
                self.depth += 1
            else:
                self.depth -= 1
                if self.depth <= 0:
                    return position

    def _string_end(self, data: bytes, position: int) -> int:
        if self._escaped:
            position, self._escaped = position + 1, False
        while (found := _IN_STRING.search(data, position)) is not None:
            if found[0] == b'"':
                self.in_string = False
                return found.end()
            position = found.end() + 1
            if position > len(data):
                self._escaped = True
                return -1
        return -1


class JSONSource:
    """Reads JSON from a stream of bytes, by value or by line; keeps no text that is longer than a limit.

    Raises:
        BrokenTextError: the text is UTF-16; save it as UTF-8.
    """

    def __init__(self, stream: Readable) -> None:
        self._stream = stream
        self._buffer = b""
        self._position = 0
        self.line = 1
        # a pipe may return a single byte
        while len(self._buffer) < len(codecs.BOM_UTF8) and (more := stream.read(_CHUNK)):
            self._buffer += more
        if self._buffer.startswith(_UTF16):
            raise BrokenTextError(1, "is UTF-16: save it as UTF-8")
        self._position = len(codecs.BOM_UTF8) if self._buffer.startswith(codecs.BOM_UTF8) else 0

    def _fill(self) -> bool:
        """Replace the exhausted buffer with the next chunk."""
        self._buffer, self._position = self._stream.read(_CHUNK), 0
        return bool(self._buffer)

    def _has(self) -> bool:
        return self._position < len(self._buffer) or self._fill()

    def peek(self) -> bytes:
        """Return the next byte without taking it; no bytes at the end."""
        return self._buffer[self._position : self._position + 1] if self._has() else b""

    def next_byte(self) -> bytes:
        """Skip white space and return the next byte without taking it; no bytes at the end."""
        while self._has():
            found = _NOT_BLANK.search(self._buffer, self._position)
            stop = found.start() if found else len(self._buffer)
            self._pass(stop)
            if found:
                return found[0]
        return b""

    def _pass(self, stop: int) -> None:
        self.line += self._buffer.count(b"\n", self._position, stop)
        self._position = stop

    def take_blank_lines(self) -> int:
        """Take the blank lines at the start of the buffer and return their length, which may be 0."""
        found = _BLANK_LINES.match(self._buffer, self._position) if self._has() else None
        if found is None:
            return 0
        self._pass(found.end())
        return found.end() - found.start()

    def take(self) -> None:
        """Take one byte."""
        self.line += self._buffer[self._position] == 0x0A
        self._position += 1

    def take_line(self, limit: int) -> bytes | None:
        """Take the rest of the line and return it without the line end; None if it is longer than the limit."""
        parts: list[bytes] = []
        size, ended = 0, False
        while not ended and self._has():
            end = self._buffer.find(b"\n", self._position)
            ended = end >= 0
            stop = end if ended else len(self._buffer)
            size += stop - self._position
            if size <= limit:
                parts.append(self._buffer[self._position : stop])
            else:
                parts.clear()
            self._position = stop + ended
        self.line += ended
        return b"".join(parts) if size <= limit else None

    def put_back(self, text: bytes, line: int) -> None:
        """Put back the end of the line that was taken last; `line` is its number."""
        self._buffer = text + b"\n" + self._buffer[self._position :]
        self._position, self.line = 0, line

    def take_value(self, limit: int) -> Piece:
        """Take one value, which may span several lines.

        Raises:
            BrokenTextError: the source ends inside the value, or the value is nested extremely deeply.
        """
        first = self.next_byte()
        line, nesting = self.line, Nesting()
        parts: list[bytes] = []
        size, end = 0, -1
        while end < 0:
            if not self._has():
                if first and first not in b'{["':
                    break
                raise BrokenTextError(line, "ends inside a value")
            end = self._end_of(first, nesting)
            if nesting.depth > _HOPELESS_DEPTH:
                raise BrokenTextError(line, "is nested too deeply")
            stop = len(self._buffer) if end < 0 else end
            size += stop - self._position
            if size <= limit:
                parts.append(self._buffer[self._position : stop])
            else:
                parts.clear()
            self._pass(stop)
        return Piece(line, b"".join(parts) if size <= limit else None)

    def _end_of(self, first: bytes, nesting: Nesting) -> int:
        if first in b'{["':
            return nesting.end_in(self._buffer, self._position)
        found = _SCALAR_END.search(self._buffer, self._position)
        return found.start() if found else -1

    def elements(self, limit: int) -> Iterator[Piece]:
        """Take an array, element by element.

        Raises:
            BrokenTextError: the array is malformed; the text after the error is not read.
        """
        self.take()
        if self.next_byte() == b"]":
            self.take()
            return
        while True:
            piece = self.take_value(limit)
            if piece.text == b"":
                raise BrokenTextError(piece.line, "has a comma or bracket in place of a value")
            yield piece
            byte, line = self.next_byte(), self.line
            if byte not in (b",", b"]"):
                raise BrokenTextError(line, "has a malformed array: a comma or ] is missing")
            self.take()
            if byte == b"]":
                return
