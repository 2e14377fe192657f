"""Read JSON values from any common layout: one per line, spread over lines, in arrays, or concatenated files.

After an invalid value, reading continues with the values that follow it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from pipemodels.interop.text.jsontext import JSONSource, Nesting, Piece, decoded
from pipemodels.interop.text.parts import BrokenTextError

_NOT_BLANK = re.compile(rb"[^ \t\r]")


@dataclass(frozen=True, slots=True)
class Value:
    """A value and the line on which it begins; `reason` says why the value could not be read."""

    line: int
    value: Any
    reason: str | None = None


class LooseValues:
    """Iterates over the values; after an invalid value, continues at the next line on which a value may begin.

    Args:
        source: the JSON to read.
        limit: the maximum size of a value in bytes; a longer value is reported and not kept in memory.
        is_whole: says whether a value is complete, as opposed to a nested part of another value.
    """

    def __init__(self, source: JSONSource, limit: int, is_whole: Callable[[Any], bool]) -> None:
        self._source, self._limit, self._is_whole = source, limit, is_whole
        # an incomplete value, split at each line on which a value may begin
        self._open: list[tuple[int, bytearray]] = []
        self._size = self._lines = 0
        self._nesting = Nesting()
        self._lost = False  # inside the rest of an invalid value that spans several lines

    def __iter__(self) -> Iterator[Value]:
        """Yield each value, or the reason why it cannot be read."""
        while first := self._first_byte():
            if not self._open and first == b"[":
                yield from self._array()
            elif self._lost and first != b"{":
                self._source.take_line(self._limit)
            else:
                yield from self._line()
        yield from self._give_up("ends inside a value")

    def _pass_blank_lines(self) -> None:
        """Skip the blank lines inside an incomplete or invalid value: there may be any number of them."""
        number = self._source.line
        while (self._open or self._lost) and self._source.take_blank_lines():
            if self._open:  # keep the line numbers for errors in the value
                self._keep(number, b"\n" * (self._source.line - number - 1))
            number = self._source.line

    def _first_byte(self) -> bytes:
        """Return the next byte; between values, skip white space first."""
        if not self._open and not self._lost:
            return self._source.next_byte()
        self._pass_blank_lines()
        return self._source.peek()

    def _array(self) -> Iterator[Value]:
        self._lost = False
        try:
            for piece in self._source.elements(self._limit):
                yield self._value(piece)
        except BrokenTextError as error:
            yield Value(error.line, None, error.reason)
            self._source.take_line(0)
            self._lost = True

    def _value(self, piece: Piece) -> Value:
        if piece.text is None:
            return Value(piece.line, None, f"is longer than {self._limit:,} bytes")
        try:
            return Value(piece.line, decoded(piece.text))
        except ValueError as error:
            return Value(piece.line, None, str(error))

    def _line(self) -> Iterator[Value]:
        self._lost = False
        piece = Piece(self._source.line, self._source.take_line(self._limit))
        if piece.text is None:
            yield from self._give_up("is interrupted by a line that is too long")
            yield self._value(piece)
        elif not self._open or piece.text[:1] == b"{":
            alone = self._value(piece)
            if alone.reason is None and (not self._open or self._is_whole(alone.value)):
                yield from self._give_up("is incomplete: another value begins before its end")
                self._lost = False
                yield alone
            else:
                yield from self._go_on(piece.line, piece.text)
        else:
            yield from self._go_on(piece.line, piece.text)

    def _go_on(self, number: int, text: bytes) -> Iterator[Value]:
        """Continue a value that spans several lines, or read several values in one line."""
        start = 0
        while (found := _NOT_BLANK.search(text, start)) is not None:
            if not self._open:
                if found[0] == b"[" and start:  # an array directly after a value
                    self._source.put_back(text[found.start() :], number)
                    return
                if found[0] != b"{":
                    yield self._value(Piece(number, text[start:]))
                    return
                self._nesting = Nesting()
            end = self._nesting.end_in(text, start)
            self._keep(number, text[start : None if end < 0 else end])
            if end < 0:
                if self._nesting.in_string:
                    yield from self._give_up("is not valid JSON: a string in it is not closed")
                return
            yield self._take_open()
            start = end + text.startswith(b",", end)  # a comma: the rest of a malformed array

    def _keep(self, number: int, text: bytes) -> None:
        was_whole = self._size <= self._limit
        self._size += len(text) + 1
        self._lines += 1
        if not self._open or text[:1] == b"{":
            self._open.append((number, bytearray(text)))
        elif was_whole:
            self._open[-1][1].extend(b"\n" + text)
        if self._size <= self._limit:
            return
        # keep only the lines on which a value may have begun
        for _, part in self._open if was_whole else self._open[-1:]:
            del part[1:]

    def _take_open(self) -> Value:
        text = b"\n".join(part for _, part in self._open) if self._size <= self._limit else None
        piece = Piece(self._open[0][0], text)
        self._forget()
        return self._value(piece)

    def _forget(self) -> None:
        self._open, self._size, self._lines = [], 0, 0

    def _give_up(self, reason: str) -> Iterator[Value]:
        """Report each line of the incomplete value on which a value may have begun."""
        for number, _ in self._open:
            yield Value(number, None, reason)
        self._lost = self._lines > 1
        self._forget()
