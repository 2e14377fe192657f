"""JSON read piece by piece, in bounded memory: values, lines, elements.

The source is bytes. Structure is found by its ASCII characters, which UTF-8 uses for nothing else; a piece becomes
Python values only when it is whole and not too long.
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
_LONG_INT = 400  # digits; Python refuses to read very long ints

_MAX_DEPTH = 200  # of lists and maps; DynamoDB stores 31
_HOPELESS_DEPTH = 10_000  # deeper the end of a value is not looked for


class Readable(Protocol):
    """What bytes are read from."""

    def read(self, size: int, /) -> bytes:
        """Return up to so many bytes; none at the end."""


@dataclass(frozen=True, slots=True)
class Piece:
    """One value's text and the line on which it begins; `text` is None where it was too long to be held."""

    line: int
    text: bytes | None


def decoded(text: bytes, *, exact: bool = False) -> Any:
    """Return the value of a JSON text.

    Args:
        text: UTF-8, a byte order mark is ignored.
        exact: read numbers with a fraction as Decimal, and refuse a key that appears twice.

    Raises:
        ValueError: it is no JSON; with what is wrong, in one line.
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
        where = f"line {error.lineno} column {error.colno} of it" if error.lineno > 1 else f"column {error.colno}"
        raise ValueError(f"is no JSON: {error.msg} ({where})") from None
    except ArithmeticError:
        raise ValueError("holds a number out of all range") from None


def _is_too_deep(text: bytes) -> bool:
    """Say whether lists and maps lie deeper than is read: at a fixed depth, whatever the stack would take."""
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
    """Follows brackets and strings over any number of chunks, to find where a value ends."""

    def __init__(self) -> None:
        self.depth = 0
        self.in_string = False
        self._escaped = False

    def end_in(self, data: bytes, start: int = 0) -> int:
        """Return the position behind the value's last bracket or quote; -1 where it goes on."""
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
    """Bytes of JSON, read on by value or by line; nothing longer than a limit is ever held.

    Raises:
        BrokenTextError: the bytes are UTF-16; save them as UTF-8.
    """

    def __init__(self, stream: Readable) -> None:
        self._stream = stream
        self._buffer = b""
        self._position = 0
        self.line = 1
        while len(self._buffer) < len(codecs.BOM_UTF8) and (more := stream.read(_CHUNK)):  # a pipe may give one byte
            self._buffer += more
        if self._buffer.startswith(_UTF16):
            raise BrokenTextError(1, "is UTF-16: save it as UTF-8")
        self._position = len(codecs.BOM_UTF8) if self._buffer.startswith(codecs.BOM_UTF8) else 0

    def _fill(self) -> bool:
        """Replace the buffer, which is used up, by the next chunk."""
        self._buffer, self._position = self._stream.read(_CHUNK), 0
        return bool(self._buffer)

    def _has(self) -> bool:
        return self._position < len(self._buffer) or self._fill()

    def peek(self) -> bytes:
        """Return the next byte without taking it; none at the end."""
        return self._buffer[self._position : self._position + 1] if self._has() else b""

    def next_byte(self) -> bytes:
        """Return the next byte that is no white space, without taking it; none at the end."""
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
        """Take the blank lines that come next, as many as are at hand; return their length, which may be 0."""
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
        """Take the rest of the line, without its end; None where it is longer than the limit."""
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
        """Put back the end of the line that was taken last, which was this one."""
        self._buffer = text + b"\n" + self._buffer[self._position :]
        self._position, self.line = 0, line

    def take_value(self, limit: int) -> Piece:
        """Take one value, which may go over many lines.

        Raises:
            BrokenTextError: the source ends inside it, or it is so deep that its end is not looked for.
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
            BrokenTextError: the array ends badly; what follows is not read.
        """
        self.take()
        if self.next_byte() == b"]":
            self.take()
            return
        while True:
            piece = self.take_value(limit)
            if piece.text == b"":
                raise BrokenTextError(piece.line, "has a comma or bracket where a value is due")
            yield piece
            byte, line = self.next_byte(), self.line
            if byte not in (b",", b"]"):
                raise BrokenTextError(line, "has an array that ends badly: a comma or ] is missing")
            self.take()
            if byte == b"]":
                return
