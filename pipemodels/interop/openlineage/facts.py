"""What is known of a run, joined from its events in any order, however often each comes.

`RunFacts` is a join-semilattice: `joined` is commutative, associative and idempotent, because each field is a least,
a greatest or a union. And everything in it can be read back from the stored run (`stored.py`), so that events which
come in later files, or while others write the run, join all the same.

- started: whether START, RUNNING or an ending was seen. Before that the run is `pending`, whatever OTHER says.
- start: the earliest time of those events; of a pending run the earliest of any.
- ending: the terminal event with the latest time; of several at one time a failure wins over a cancellation, and
  that over a success.
- errors: the latest that was told by FAIL, by ABORT, and by other events.
- inputs and outputs: the union. Statistics: the greatest that one event told. Checks: a failure wins.
- left_out: digests of the names that a run of more than 400 KB cannot hold (`cutting.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pendulum

from pipemodels.interop.openlineage.checks import Check, joined_checks
from pipemodels.interop.openlineage.reasons import Told, joined_errors
from pipemodels.models.run import RunStatus

_RANK = (RunStatus.SKIPPED, RunStatus.SUCCESS, RunStatus.CANCELLED, RunStatus.FAILED)
FIRST_INSTANT = pendulum.DateTime(1, 1, 1, tzinfo=pendulum.UTC)


@dataclass(frozen=True, slots=True)
class Ending:
    """How and when a run ended."""

    status: RunStatus
    at: pendulum.DateTime | None

    @property
    def key(self) -> tuple[Any, ...]:
        """Return what orders endings: equal for equal endings only."""
        return self.at is not None, self.at or FIRST_INSTANT, _RANK.index(self.status)


@dataclass(frozen=True, slots=True)
class RunFacts:
    """What some events, or the stored run, say of a run."""

    started: bool = False
    start: pendulum.DateTime | None = None
    ending: Ending | None = None
    errors: Mapping[str, Told] = field(default_factory=dict)
    inputs: frozenset[str] = frozenset()
    outputs: frozenset[str] = frozenset()
    input_bytes: int | None = None
    output_bytes: int | None = None
    records: int | None = None
    checks: Mapping[str, Check] = field(default_factory=dict)
    parent: tuple[str, str] | None = None
    engine: str | None = None
    full_id: str | None = None
    """The run's id in the events, where it is too long or strange for one of ours."""
    left_out: Mapping[str, frozenset[int]] = field(default_factory=dict)
    """By stored field, the names that it cannot hold; a field from which none was left out is not there."""


def joined(one: RunFacts, other: RunFacts) -> RunFacts:
    """Return what both know together."""
    empty: frozenset[int] = frozenset()
    cut = sorted(one.left_out.keys() | other.left_out.keys())
    return RunFacts(
        started=one.started or other.started,
        start=_start(one, other),
        ending=max((end for end in (one.ending, other.ending) if end), key=lambda end: end.key, default=None),
        errors=joined_errors(one.errors, other.errors),
        inputs=one.inputs | other.inputs,
        outputs=one.outputs | other.outputs,
        input_bytes=_greatest(one.input_bytes, other.input_bytes),
        output_bytes=_greatest(one.output_bytes, other.output_bytes),
        records=_greatest(one.records, other.records),
        checks=joined_checks(one.checks, other.checks),
        parent=_greatest(one.parent, other.parent),
        engine=_greatest(one.engine, other.engine),
        full_id=_greatest(one.full_id, other.full_id),
        left_out={name: one.left_out.get(name, empty) | other.left_out.get(name, empty) for name in cut},
    )


def _start(one: RunFacts, other: RunFacts) -> pendulum.DateTime | None:
    """Return the earliest start; a time at which the run had not started yet counts only until it has."""
    started = one.started or other.started
    times = [facts.start for facts in (one, other) if facts.start is not None and facts.started == started]
    return min(times, default=None)


def _greatest(*values: Any) -> Any:
    return max((value for value in values if value is not None), default=None)
