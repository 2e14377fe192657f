"""Ids of ours for names of others, of any length and script."""

from __future__ import annotations

import hashlib
import unicodedata

from pipemodels.checks import MAX_ID_BYTES, MAX_ID_CHARACTERS, id_problem

_DIGITS = 32  # of SHA-256: 128 bits


def id_of(name: str) -> str:
    """Return the name, where it may be an id; else what is legible of it, `~`, and the first digits of its SHA-256.

    The same name always gives the same id, in every process and version: ids are part of what is stored.
    """
    if id_problem(name) is None:
        return name
    digest = hashlib.sha256(name.encode()).hexdigest()[:_DIGITS]
    room = MAX_ID_CHARACTERS - _DIGITS - 1
    legible = "".join("_" if unicodedata.category(character) == "Cc" else character for character in name)
    start = legible.strip()[:room].encode()[: MAX_ID_BYTES - _DIGITS - 1].decode(errors="ignore")
    return f"{start}~{digest}"
