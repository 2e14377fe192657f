"""Facts cut so that the run fits into an item of 400 KB, whose end must not be lost for the length of a list.

What is cut is the same in any order of the events. Of the tables, and of the checks, those with the shortest names
stay: among them the first that finds no room has only longer ones behind it, so that none of those finds room in
another order. Inputs and outputs share room and have some of their own; so have checks that failed, beside all
checks. Of names that are left out a digest stays, so that each is counted once, however often it comes again; where
even the digests are too many the smallest stay, and the count is an estimate.

The room is what the fields leave that no event fills. It is shared out as below: stack traces are cut first and to
the smallest share.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from hashlib import blake2b
from typing import Any

from pipemodels.checks import MAX_ITEM_BYTES
from pipemodels.interop.openlineage.checks import Check, value_text
from pipemodels.interop.openlineage.facts import RunFacts
from pipemodels.interop.openlineage.reasons import SOURCE, Told

RESERVE = 40 << 10  # for keys, names of fields, messages and tags
_TABLES, _EITHER, _CHECKS, _FAILED, _DIGESTS = 0.26, 0.07, 0.06, 0.12, 0.20  # of the room
_TRACE = 0.045  # of which there may be four
_DIGEST_BYTES = 5
_DIGEST_SPACE = 1 << 8 * _DIGEST_BYTES
_DIGEST_CHARACTERS = 6.25  # in base 85
_CHECK_BYTES = 320  # that a check takes at most beside its name, its values cut
_VALUE_BYTES = 60
_MESSAGE_BYTES = 4_000
INPUTS, OUTPUTS, CHECKS = "input_tables", "output_tables", "data_quality_results"
_WHAT = {INPUTS: "tables", OUTPUTS: "tables", CHECKS: "checks"}


@dataclass(frozen=True, slots=True)
class Note:
    """How many names a field should hold, and digests of those that it does not."""

    field: str
    count: int
    is_exact: bool
    digests: frozenset[int]


def fitted(told: RunFacts, own_bytes: int) -> RunFacts:
    """Return the facts cut to what fits beside so many bytes of other fields."""
    room = _room(own_bytes)
    tables = [(name, field) for field, names in _tables(told).items() for name in names]
    kept_tables = _shortest(tables, int(room * _TABLES), _table_bytes)
    for field in (INPUTS, OUTPUTS):  # however short the names of the others are
        kept_tables |= _shortest([one for one in tables if one[1] == field], int(room * _EITHER), _table_bytes)
    failed = [name for name, check in told.checks.items() if check.failed]
    kept_checks = _shortest(told.checks, int(room * _CHECKS), _check_bytes)
    kept_checks |= _shortest(failed, int(room * _FAILED), _check_bytes)
    kept = {field: frozenset(name for name, own in kept_tables if own == field) for field in _tables(told)}
    kept[CHECKS] = kept_checks
    trace = int(room * _TRACE)
    return replace(
        told,
        inputs=kept[INPUTS],
        outputs=kept[OUTPUTS],
        checks={name: _small(check) for name, check in told.checks.items() if name in kept_checks},
        errors={kind: _shortened(error, trace) for kind, error in told.errors.items()},
        left_out=_left_out(told, kept, _most_digests(own_bytes)),
    )


def _most_digests(own_bytes: int) -> int:
    return max(1, int(_room(own_bytes) * _DIGESTS / _DIGEST_CHARACTERS))


def _room(own_bytes: int) -> int:
    return max(0, MAX_ITEM_BYTES - own_bytes - RESERVE)


def _table_bytes(table: tuple[str, str]) -> int:
    return len(table[0].encode()) + 4


def _check_bytes(name: str) -> int:
    return len(name.encode()) + _CHECK_BYTES


def _tables(told: RunFacts) -> dict[str, frozenset[str]]:
    return {INPUTS: told.inputs, OUTPUTS: told.outputs}


def _shortest(names: Iterable[Any], room: int, cost: Callable[[Any], int]) -> frozenset[Any]:
    """Return those of the lowest cost that find room, up to the first that does not."""
    kept = []
    for name in sorted(names, key=lambda name: (cost(name), name)):
        room -= cost(name)
        if room < 0:
            break
        kept.append(name)
    return frozenset(kept)


def _left_out(told: RunFacts, kept: Mapping[str, frozenset[str]], most: int) -> dict[str, frozenset[int]]:
    """Return the digests of what is left out, by field: the smallest of all fields, so many together."""
    every = {**_tables(told), CHECKS: frozenset(told.checks)}
    digests = {(digest(name), field) for field, names in every.items() for name in names if name not in kept[field]}
    digests |= {(one, field) for field, before in told.left_out.items() for one in before}
    digests -= {(digest(name), field) for field in told.left_out for name in kept[field]}
    fields = sorted({field for _, field in digests} | told.left_out.keys())
    smallest = sorted(digests)[:most]
    return {name: frozenset(one for one, field in smallest if field == name) for name in fields}


def digest(name: str) -> int:
    """Return the number by which a name that is left out is known."""
    return int.from_bytes(blake2b(name.encode(), digest_size=_DIGEST_BYTES).digest())


def _small(check: Check) -> Check:
    texts = {"expected": check.expected, "actual": check.actual, "message": check.message, "severity": check.severity}
    cut = {name: _small_value(value) for name, value in texts.items()}
    return Check(passed=check.passed, **cut)


def _small_value(value: Any) -> Any:
    text = value_text(value)
    return value if len(text.encode()) <= _VALUE_BYTES else start_of(text, _VALUE_BYTES - 3) + "…"


def _shortened(error: Told, trace: int) -> Told:
    message = error.message and start_of(error.message, _MESSAGE_BYTES)
    # the end of a stack says most
    end = error.trace and error.trace.encode()[max(0, len(error.trace.encode()) - trace) :].decode(errors="ignore")
    return replace(error, message=message, trace=end or None)


def start_of(text: str, size: int) -> str:
    """Return as much of the start of a text as is no longer than so many bytes."""
    return text.encode()[:size].decode(errors="ignore")


# -- what is told of it -------------------------------------------------------------------------------------------


def notes_of(told: RunFacts, own_bytes: int) -> list[Note]:
    """Return a note for each field from which something was left out."""
    held = {INPUTS: len(told.inputs), OUTPUTS: len(told.outputs), CHECKS: len(told.checks)}
    every = [one for digests in told.left_out.values() for one in digests]
    is_exact = len(every) < _most_digests(own_bytes)
    share = 1.0 if is_exact else (max(every) + 1) / _DIGEST_SPACE
    return [
        Note(name, held[name] + round(len(digests) / share), is_exact, digests)
        for name, digests in sorted(told.left_out.items())
    ]


def note_entry(note: Note) -> dict[str, Any]:
    """Return a note as an entry of `log_messages`."""
    raw = b"".join(one.to_bytes(_DIGEST_BYTES) for one in sorted(note.digests))
    about = "" if note.is_exact else "about "
    message = (
        f"{note.field} holds the {_WHAT[note.field]} with the shortest names only: "
        f"all {about}{note.count:,} would exceed the 400 KB of an item"
    )
    named = {"source": SOURCE, "level": "warning", "field": note.field, "count": note.count, "message": message}
    return {**named, "left_out": base64.b85encode(raw).decode()}


def read_note(entry: Any) -> tuple[str, frozenset[int]] | None:
    """Return the field and the digests of a note; None for an entry of somebody else."""
    if not isinstance(entry, dict) or (entry.get("source"), entry.get("level")) != (SOURCE, "warning"):
        return None
    field, text = entry.get("field"), entry.get("left_out")
    if field not in _WHAT or not isinstance(text, str):
        return None
    try:
        raw = base64.b85decode(text)
    except (ValueError, binascii.Error):  # somebody else wrote it
        return None
    parts = (raw[start : start + _DIGEST_BYTES] for start in range(0, len(raw), _DIGEST_BYTES))
    return str(field), frozenset(int.from_bytes(part) for part in parts)
