"""The texts of errors as they are stored: in full, or shortened to the room in an item."""

from __future__ import annotations

import traceback
from collections.abc import Callable

MESSAGE_CHARACTERS = 4_000
TRACE_CHARACTERS = 50_000  # the end of a trace is kept: it names the error
SHORTENED = "…"
"""Marks the place where a text was cut."""

_MARK = SHORTENED.encode()
_NAMELESS = "an error without a name"


def error_text(error: BaseException) -> str:
    """Return the type and the message of an error as text that can be stored."""
    name, message = _said(lambda: type(error).__name__) or _NAMELESS, _said(lambda: str(error))
    return _storable(f"{name}: {message}".removesuffix(": "))[:MESSAGE_CHARACTERS]


def stack_text(error: BaseException) -> str | None:
    """Return the end of an error's stack trace as text that can be stored; None if it has none."""
    return _storable(_said(lambda: "".join(traceback.format_exception(error))))[-TRACE_CHARACTERS:] or None


def _said(say: Callable[[], str]) -> str:
    """Return the text that `say` returns; empty text if the error's own code fails or memory runs out."""
    try:
        return say()
    except KeyboardInterrupt:
        raise
    except BaseException:  # SystemExit too: a broken __str__ must not keep the run from ending
        return ""


def _storable(text: str) -> str:
    return text.encode(errors="replace").decode()


def byte_count(text: str) -> int:
    """Return the number of bytes that a text takes in an item."""
    return len(text.encode())


def start_within(text: str, room: int) -> str:
    """Return a text, cut at its end and marked if it is longer than `room` bytes."""
    encoded = text.encode()
    if len(encoded) <= room:
        return text
    return encoded[: room - len(_MARK)].decode(errors="ignore") + SHORTENED


def end_within(text: str, room: int) -> str:
    """Return a text, cut at its start and marked if it is longer than `room` bytes."""
    encoded = text.encode()
    if len(encoded) <= room:
        return text
    return SHORTENED + encoded[len(encoded) - room + len(_MARK) :].decode(errors="ignore")


def is_start_of(shortened: str, text: str) -> bool:
    """Return whether `start_within` may have shortened a text to this stored text."""
    return shortened.endswith(SHORTENED) and text.startswith(shortened.removesuffix(SHORTENED))


def is_end_of(shortened: str, text: str) -> bool:
    """Return whether `end_within` may have shortened a text to this stored text."""
    return shortened.startswith(SHORTENED) and text.endswith(shortened.removeprefix(SHORTENED))
