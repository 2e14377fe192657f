"""Read the fragments of a definition file in JSON."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any, BinaryIO

from pipemodels.errors import Problem
from pipemodels.interop.text.jsontext import JSONSource, Piece, decoded
from pipemodels.interop.text.parts import BrokenTextError, Part, key_twice

_MAX_BYTES = 4 << 20  # well above the size of an item, even if JSON escapes each character with six


def json_parts(stream: BinaryIO, sections: Collection[str]) -> Iterator[Part]:
    """Yield the fragments of all documents; lists of the named sections are read element by element.

    Raises:
        BrokenTextError: the text is not valid JSON, or a document has a duplicate key.
    """
    source = JSONSource(stream)
    while first := source.next_byte():
        if first == b"{":
            yield from _sections(source, sections)
        else:
            yield _part(source.take_value(_MAX_BYTES), "document", "", -1)


def _sections(source: JSONSource, sections: Collection[str]) -> Iterator[Part]:
    lines: dict[str, int] = {}
    source.take()
    if source.next_byte() == b"}":
        source.take()
        return
    while True:
        name, line = _key(source)
        if name in lines:
            raise key_twice(name, line, lines[name])
        lines[name] = line
        if name in sections and source.next_byte() == b"[":
            for position, piece in enumerate(source.elements(_MAX_BYTES)):
                yield _part(piece, "entry", name, position)
        else:
            yield _part(source.take_value(_MAX_BYTES), "section", name, -1)
        if _punctuation(source, b",}") == b"}":
            return


def _key(source: JSONSource) -> tuple[str, int]:
    piece = source.take_value(_MAX_BYTES)
    name = _decoded(piece)
    if not isinstance(name, str):
        raise BrokenTextError(piece.line, "is not valid JSON: a key must be a string")
    _punctuation(source, b":")
    return name, piece.line


def _punctuation(source: JSONSource, wanted: bytes) -> bytes:
    byte = source.next_byte()
    if not byte or byte not in wanted:
        choices = " or ".join(wanted.decode())
        found = byte.decode(errors="replace")
        raise BrokenTextError(source.line, f"is not valid JSON: expected {choices}, found {found!r}")
    source.take()
    return byte


def _decoded(piece: Piece) -> Any:
    if piece.text is None:
        raise BrokenTextError(piece.line, f"has a value of more than {_MAX_BYTES:,} bytes")
    try:
        return decoded(piece.text, exact=True)
    except ValueError as error:
        raise BrokenTextError(piece.line, str(error)) from None


def _part(piece: Piece, kind: Any, section: str, position: int) -> Part:
    try:
        return Part(kind, section, position, piece.line, _decoded(piece))
    except BrokenTextError as error:
        problem = Problem("value", "this value", f"{error.reason} (line {error.line})")
        return Part(kind, section, position, piece.line, None, problem)
