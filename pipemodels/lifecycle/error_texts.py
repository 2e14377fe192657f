"""Errors as texts that can be stored, whole or as far as there is room."""

from __future__ import annotations

import traceback
from collections.abc import Callable

MESSAGE_CHARACTERS = 4_000
TRACE_CHARACTERS = 50_000  # its end says most
SHORTENED = "…"
"""Stands where the rest of a text was left out."""

_MARK = SHORTENED.encode()
_NAMELESS = "an error without a name"


def error_text(error: BaseException) -> str:
    """Return type and message of an error, as text that can be stored."""
    name, message = _said(lambda: type(error).__name__) or _NAMELESS, _said(lambda: str(error))
    return _storable(f"{name}: {message}".removesuffix(": "))[:MESSAGE_CHARACTERS]


def stack_text(error: BaseException) -> str | None:
    """Return the end of an error's stack trace, as text that can be stored; None where it has none."""
    return _storable(_said(lambda: "".join(traceback.format_exception(error))))[-TRACE_CHARACTERS:] or None


def _said(say: Callable[[], str]) -> str:
    """Return what somebody else's error says of itself; nothing where its code fails, or memory."""
    try:
        return say()
    except KeyboardInterrupt:
        raise
    except BaseException:  # SystemExit too: a broken __str__ must not keep the run from ending
        return ""


def _storable(text: str) -> str:
    return text.encode(errors="replace").decode()


def byte_count(text: str) -> int:
    """Return how many bytes a text takes in an item."""
    return len(text.encode())


def start_within(text: str, room: int) -> str:
    """Return a text, or as much of its start as has room in so many bytes, with a mark that says so."""
    encoded = text.encode()
    if len(encoded) <= room:
        return text
    return encoded[: room - len(_MARK)].decode(errors="ignore") + SHORTENED


def end_within(text: str, room: int) -> str:
    """Return a text, or as much of its end as has room in so many bytes, with a mark that says so."""
    encoded = text.encode()
    if len(encoded) <= room:
        return text
    return SHORTENED + encoded[len(encoded) - room + len(_MARK) :].decode(errors="ignore")


def is_start_of(shortened: str, text: str) -> bool:
    """Say whether a stored text is what `start_within` left of another."""
    return shortened.endswith(SHORTENED) and text.startswith(shortened.removesuffix(SHORTENED))


def is_end_of(shortened: str, text: str) -> bool:
    """Say whether a stored text is what `end_within` left of another."""
    return shortened.startswith(SHORTENED) and text.endswith(shortened.removeprefix(SHORTENED))
