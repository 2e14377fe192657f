"""What differs between back ends: the one list, from which the strict xfails and the table of the docs are made."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

BACKENDS = ("moto", "embedded", "localstack")


@dataclass(frozen=True)
class Difference:
    """A behaviour of this package that some stand-ins do not show, with the reason for each."""

    behaviour: str
    reasons: dict[str, str]


DIFFERENCES: dict[str, Difference] = {
    "concurrency": Difference(
        "writers at the same time lose nothing; activations are whole",
        {"moto": "loses updates, now and then: such tests do not run on it"},
    ),
    "capacity": Difference(
        "the reply of a write counts the capacity that its indexes cost",
        {"moto": "counts 1 for any write"},
    ),
    "exact-size": Difference(
        "an item of 399 KB is stored by any command",
        {
            "moto": "measures an item by its JSON, and refuses it",
            "embedded": "measures an update by its JSON, and refuses it",
        },
    ),
}


def differs(name: str) -> pytest.MarkDecorator:
    """Mark a test of a behaviour as one that must fail on the back ends that lack it."""
    if name not in DIFFERENCES:
        raise KeyError(f"{name}: write it down in tests/helpers/differences.py first")
    return pytest.mark.differs(name)


concurrent = pytest.mark.backends(*(name for name in BACKENDS if name not in DIFFERENCES["concurrency"].reasons))
"""Marks a test that would fail now and then where writers lose updates, which no strict xfail can say."""


def expected_failures(name: str, backend: str) -> list[pytest.MarkDecorator]:
    """Return the marks that a difference puts on a test on this back end."""
    reason = DIFFERENCES[name].reasons.get(backend)
    return [pytest.mark.xfail(reason=reason, strict=True)] if reason else []


def table() -> str:
    """Return the table of the documentation."""
    lines = [f"| behaviour of pipemodels | {' | '.join(BACKENDS)} |", "| --- |" + " --- |" * len(BACKENDS)]
    for difference in DIFFERENCES.values():
        cells = [difference.reasons.get(backend, "yes") for backend in BACKENDS]
        lines.append(f"| {difference.behaviour} | {' | '.join(cells)} |")
    return "\n".join(lines)
