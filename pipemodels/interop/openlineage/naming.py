"""Derive valid ids from OpenLineage names of any length and script."""

from __future__ import annotations

import hashlib
import unicodedata

from pipemodels.checks import MAX_ID_BYTES, MAX_ID_CHARACTERS, id_problem

_DIGITS = 32  # of SHA-256: 128 bits


def id_of(name: str) -> str:
    """Return the name if it is a valid id; if not, its readable start, `~`, and the first digits of its SHA-256.

    A name gives the same id in every process and version, because ids are part of the stored format.
    """
    if id_problem(name) is None:
        return name
    digest = hashlib.sha256(name.encode()).hexdigest()[:_DIGITS]
    room = MAX_ID_CHARACTERS - _DIGITS - 1
    legible = "".join("_" if unicodedata.category(character) == "Cc" else character for character in name)
    start = legible.strip()[:room].encode()[: MAX_ID_BYTES - _DIGITS - 1].decode(errors="ignore")
    return f"{start}~{digest}"
