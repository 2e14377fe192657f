"""Cut the facts of a run so that it fits into an item of 400 KB, and so that its ending is always recorded.

The result does not depend on the order of the events. The tables and checks with the shortest names are kept. All
names after the first one that does not fit are longer, so the order of the events cannot change the selection.
Inputs and outputs share some room, and each has some of its own. So do all checks and the failed checks. A digest of
each name that is left out is stored, so that every name is counted once, however often it is repeated. If there are
too many digests, the smallest are kept and the count is an estimate.

The available room is the size of an item less the fields that no event sets. The constants below divide it up: stack
traces are cut first, and to the smallest share.
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
_TRACE = 0.045  # there are up to four
_DIGEST_BYTES = 5
_DIGEST_SPACE = 1 << 8 * _DIGEST_BYTES
_DIGEST_CHARACTERS = 6.25  # in base 85
_CHECK_BYTES = 320  # maximum size of a check without its name, with its values cut
_VALUE_BYTES = 60
_MESSAGE_BYTES = 4_000
INPUTS, OUTPUTS, CHECKS = "input_tables", "output_tables", "data_quality_results"
_WHAT = {INPUTS: "tables", OUTPUTS: "tables", CHECKS: "checks"}


@dataclass(frozen=True, slots=True)
class Note:
    """The number of names that a field should hold, and the digests of those that were left out."""

    field: str
    count: int
    is_exact: bool
    digests: frozenset[int]


def fitted(told: RunFacts, own_bytes: int) -> RunFacts:
    """Return the facts cut so that they fit next to other fields of `own_bytes` bytes."""
    room = _room(own_bytes)
    tables = [(name, field) for field, names in _tables(told).items() for name in names]
    kept_tables = _shortest(tables, int(room * _TABLES), _table_bytes)
    for field in (INPUTS, OUTPUTS):  # even if the names in the other list are shorter
        kept_tables |= _shortest([table for table in tables if table[1] == field], int(room * _EITHER), _table_bytes)
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
    """Return the names of the lowest cost, up to the first that does not fit."""
    kept = []
    for name in sorted(names, key=lambda name: (cost(name), name)):
        room -= cost(name)
        if room < 0:
            break
        kept.append(name)
    return frozenset(kept)


def _left_out(told: RunFacts, kept: Mapping[str, frozenset[str]], most: int) -> dict[str, frozenset[int]]:
    """Return the digests of the names left out, by field: the smallest digests, `most` in total."""
    every = {**_tables(told), CHECKS: frozenset(told.checks)}
    digests = {(digest(name), field) for field, names in every.items() for name in names if name not in kept[field]}
    digests |= {(number, field) for field, before in told.left_out.items() for number in before}
    digests -= {(digest(name), field) for field in told.left_out for name in kept[field]}
    fields = sorted({field for _, field in digests} | told.left_out.keys())
    smallest = sorted(digests)[:most]
    return {name: frozenset(number for number, field in smallest if field == name) for name in fields}


def digest(name: str) -> int:
    """Return the number that identifies a name that is left out."""
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
    # the end of a stack trace is the most useful
    end = error.trace and error.trace.encode()[max(0, len(error.trace.encode()) - trace) :].decode(errors="ignore")
    return replace(error, message=message, trace=end or None)


def start_of(text: str, size: int) -> str:
    """Return the start of a text, at most `size` bytes long."""
    return text.encode()[:size].decode(errors="ignore")


# -- notes about names that are left out --------------------------------------------------------------------------


def notes_of(told: RunFacts, own_bytes: int) -> list[Note]:
    """Return a note for each field from which names were left out."""
    held = {INPUTS: len(told.inputs), OUTPUTS: len(told.outputs), CHECKS: len(told.checks)}
    every = [number for digests in told.left_out.values() for number in digests]
    is_exact = len(every) < _most_digests(own_bytes)
    share = 1.0 if is_exact else (max(every) + 1) / _DIGEST_SPACE
    return [
        Note(name, held[name] + round(len(digests) / share), is_exact, digests)
        for name, digests in sorted(told.left_out.items())
    ]


def note_entry(note: Note) -> dict[str, Any]:
    """Return a note as an entry of `log_messages`."""
    raw = b"".join(number.to_bytes(_DIGEST_BYTES) for number in sorted(note.digests))
    about = "" if note.is_exact else "about "
    message = (
        f"{note.field} holds the {_WHAT[note.field]} with the shortest names only: "
        f"all {about}{note.count:,} would exceed the 400 KB of an item"
    )
    named = {"source": SOURCE, "level": "warning", "field": note.field, "count": note.count, "message": message}
    return {**named, "left_out": base64.b85encode(raw).decode()}


def read_note(entry: Any) -> tuple[str, frozenset[int]] | None:
    """Return the field and the digests of a note; None for an entry with another origin."""
    if not isinstance(entry, dict) or (entry.get("source"), entry.get("level")) != (SOURCE, "warning"):
        return None
    field, text = entry.get("field"), entry.get("left_out")
    if field not in _WHAT or not isinstance(text, str):
        return None
    try:
        raw = base64.b85decode(text)
    except (ValueError, binascii.Error):  # another program wrote it
        return None
    parts = (raw[start : start + _DIGEST_BYTES] for start in range(0, len(raw), _DIGEST_BYTES))
    return str(field), frozenset(int.from_bytes(part) for part in parts)
