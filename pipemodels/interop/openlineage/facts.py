"""Join the facts about a run from its events, in any order and with any repeats.

`RunFacts` is a join-semilattice: `joined` is commutative, associative and idempotent, because each field is a
minimum, a maximum or a union. All fields can be read back from the stored run (`stored.py`), so events in later
files, or events ingested while others write the run, give the same result.

- started: whether START, RUNNING or a terminal event was seen. Until then the run is `pending`; OTHER does not
  change that.
- start: the earliest time of those events; for a pending run, the earliest time of any event.
- ending: the terminal event with the latest time. At equal times, a failure wins over a cancellation, and a
  cancellation over a success.
- errors: the latest error each from FAIL, from ABORT, and from all other events.
- inputs and outputs: the union. Statistics: the greatest value in any event. Checks: a failure wins.
- left_out: digests of the names that do not fit into the 400 KB of an item (`cutting.py`).
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
        """Return a sort key, which is equal for equal endings only."""
        return self.at is not None, self.at or FIRST_INSTANT, _RANK.index(self.status)


@dataclass(frozen=True, slots=True)
class RunFacts:
    """The facts about a run that some of its events, or the stored run, contain."""

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
    """The run's id in the events, if it is not a valid `run_id`."""
    left_out: Mapping[str, frozenset[int]] = field(default_factory=dict)
    """The digests of the names left out, by stored field; only fields from which names were left out."""


def joined(first: RunFacts, second: RunFacts) -> RunFacts:
    """Join two sets of facts about the same run."""
    empty: frozenset[int] = frozenset()
    cut = sorted(first.left_out.keys() | second.left_out.keys())
    return RunFacts(
        started=first.started or second.started,
        start=_start(first, second),
        ending=max((end for end in (first.ending, second.ending) if end), key=lambda end: end.key, default=None),
        errors=joined_errors(first.errors, second.errors),
        inputs=first.inputs | second.inputs,
        outputs=first.outputs | second.outputs,
        input_bytes=_greatest(first.input_bytes, second.input_bytes),
        output_bytes=_greatest(first.output_bytes, second.output_bytes),
        records=_greatest(first.records, second.records),
        checks=joined_checks(first.checks, second.checks),
        parent=_greatest(first.parent, second.parent),
        engine=_greatest(first.engine, second.engine),
        full_id=_greatest(first.full_id, second.full_id),
        left_out={name: first.left_out.get(name, empty) | second.left_out.get(name, empty) for name in cut},
    )


def _start(first: RunFacts, second: RunFacts) -> pendulum.DateTime | None:
    """Return the earliest start; the time of an event before the start counts only while the run is pending."""
    started = first.started or second.started
    times = [facts.start for facts in (first, second) if facts.start is not None and facts.started == started]
    return min(times, default=None)


def _greatest(*values: Any) -> Any:
    return max((value for value in values if value is not None), default=None)
