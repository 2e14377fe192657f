"""Read the results of data quality checks from events, and join them in any order.

`Check` is a join-semilattice: a failure wins over a success, a severity over a missing one, and a pair of different
expected and actual values over a pair of equal values. So a check can be stored, read back and joined with later
events.

Source: the facet dataQualityAssertions of OpenLineage, 1-1-0.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from pipemodels.checks import text_problem
from pipemodels.errors import ValidationError
from pipemodels.models.run import DataQualityResult
from pipemodels.records import record_fields

CHECK_FAILED = "A data quality check failed: "
_WARNINGS = frozenset({"warn", "warning", "info"})
_VALUE_CHARACTERS = 1_000
_FACETS = ("facets", "inputFacets", "outputFacets")
_Datasets = Iterable[tuple[str, Mapping[str, Any]]]


@dataclass(frozen=True, slots=True)
class Check:
    """The result of a check of a dataset."""

    passed: bool
    severity: str | None = None
    expected: Any = None
    actual: Any = None
    message: str | None = None

    @property
    def failed(self) -> bool:
        """Say whether the check failed; a failed check that only warns does not count."""
        return not self.passed and not is_warning(self.severity)


def is_warning(severity: str | None) -> bool:
    """Say whether a check of this severity only warns; without a severity it does not."""
    return severity is not None and severity.strip().lower() in _WARNINGS


def joined_check(first: Check, second: Check) -> Check:
    """Join two results of the same check."""
    expected, actual = max((first.expected, first.actual), (second.expected, second.actual), key=_pair_order)
    return Check(
        passed=first.passed and second.passed,
        severity=max(first.severity, second.severity, key=_severity_order),
        expected=expected,
        actual=actual,
        message=max(first.message, second.message, key=lambda text: (text is not None, text or "")),
    )


def joined_checks(first: Mapping[str, Check], second: Mapping[str, Check]) -> dict[str, Check]:
    """Join two mappings of check results by name."""
    both = {name: joined_check(first[name], second[name]) for name in first.keys() & second.keys()}
    return {**first, **second, **both}


def _severity_order(severity: str | None) -> tuple[Any, ...]:
    return severity is not None, not is_warning(severity), severity or ""


def _pair_order(pair: tuple[Any, Any]) -> tuple[Any, ...]:
    """Return a sort key for pairs of expected and actual values; in a failed check the two differ."""
    texts = [value_text(value) for value in pair]
    told = sum(value is not None for value in pair)
    lengths = [len(text) for text in reversed(texts)]
    return told, texts[0] != texts[1], lengths, texts[::-1], [type(value).__name__ for value in pair]


def value_text(value: Any) -> str:
    """Return an expected or actual value as text; the texts of different values of one type differ."""
    if isinstance(value, str | Decimal):
        return str(value)
    return json.dumps(value, default=str, sort_keys=True, ensure_ascii=False)


# -- read from events ---------------------------------------------------------------------------------------------


def checks_told(datasets: _Datasets) -> dict[str, Check]:
    """Return the checks of an event, named `dataset: assertion(column): name`.

    Unnamed checks of the same assertion and column are distinguished by their expected values.
    """
    told: dict[str, list[Check]] = {}
    named: set[str] = set()
    for name, is_named, check in _assertions(datasets):
        told.setdefault(name, []).append(check)
        named |= {name} if is_named else set()
    found: dict[str, Check] = {}
    for name, checks in told.items():
        expected = {value_text(check.expected) for check in checks if check.expected is not None}
        apart = len(expected) > 1 and name not in named
        for check in checks:
            own = f"{name}: expected {value_text(check.expected)}" if apart and check.expected is not None else name
            found = joined_checks(found, {own: check})
    return found


def _assertions(datasets: _Datasets) -> Iterator[tuple[str, bool, Check]]:
    for dataset, value in datasets:
        for facets in _FACETS:
            assertions = facet_of(facet_of(value, facets), "dataQualityAssertions").get("assertions")
            for assertion in assertions if isinstance(assertions, list) else []:
                if not isinstance(assertion, dict) or not isinstance(assertion.get("success"), bool):
                    continue
                if (kind := optional_text(assertion, "assertion")) is not None:
                    column, own = optional_text(assertion, "column"), optional_text(assertion, "name")
                    name = f"{dataset}: {kind}{f'({column})' if column else ''}{f': {own}' if own else ''}"
                    yield name, own is not None, _check(assertion)


def _check(assertion: Mapping[str, Any]) -> Check:
    severity = optional_text(assertion, "severity")
    expected, actual = (_told_value("expected_value", assertion.get(name)) for name in ("expected", "actual"))
    return Check(assertion["success"], severity and severity[:_VALUE_CHARACTERS], expected, actual)


def _told_value(field: str, value: Any) -> Any:
    """Return a value as stored, with exact numbers; a long or unstorable value becomes the start of its text."""
    try:
        stored = record_fields(DataQualityResult)[field].normalise(_exact(value))
    except ValidationError:
        stored = value_text(value).encode(errors="replace").decode()
    text = value_text(stored)
    return stored if len(text) <= _VALUE_CHARACTERS else f"{text[:_VALUE_CHARACTERS]}…"


def _exact(value: Any) -> Any:
    if isinstance(value, float):
        return Decimal(repr(value))
    if isinstance(value, list):
        return [_exact(part) for part in value]
    return {key: _exact(part) for key, part in value.items()} if isinstance(value, dict) else value


def facet_of(value: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """Return a facet or a mapping of facets; empty if it is missing, malformed or deleted."""
    part = value.get(name)
    return part if isinstance(part, dict) and part.get("_deleted") is not True else {}


def optional_text(facet: Mapping[str, Any], name: str) -> str | None:
    """Return a text field of a facet; None if it is missing or cannot be stored."""
    text = facet.get(name)
    return text if isinstance(text, str) and text and text_problem(text) is None else None


# -- stored in runs -----------------------------------------------------------------------------------------------


def stored_checks(results: Iterable[DataQualityResult]) -> dict[str, Check]:
    """Return the checks in stored results, by name."""
    found: dict[str, Check] = {}
    for result in results:
        check = Check(
            result.passed, result.severity, result.expected_value, result.actual_value, result.error_message
        )
        found = joined_checks(found, {result.check_name: check})
    return found


def results_of(checks: Mapping[str, Check], stored: Iterable[DataQualityResult]) -> list[DataQualityResult]:
    """Return the results to store, sorted by name; stored results that are up to date are kept."""
    old: dict[str, list[DataQualityResult]] = {}
    for result in stored:
        old.setdefault(result.check_name, []).append(result)
    after: list[DataQualityResult] = []
    for name in sorted(checks):
        there = old.get(name, [])
        is_current = bool(there) and stored_checks(there)[name] == checks[name]
        after += there if is_current else [_result(name, checks[name])]
    return after


def _result(name: str, check: Check) -> DataQualityResult:
    return DataQualityResult(
        check_name=name,
        passed=check.passed,
        expected_value=check.expected,
        actual_value=check.actual,
        error_message=check.message,
        severity=check.severity,
    )


def failure_text(checks: Mapping[str, Check], *, there_are_more: bool) -> str | None:
    """Return a reason for the failure of the run: the failed check with the shortest name and the number of others.

    Args:
        checks: the checks by name.
        there_are_more: some checks were left out, so the number of failed checks is unknown.
    """
    failed = sorted((name for name, check in checks.items() if check.failed), key=shortest_first)
    if not failed:
        return None
    first, others = checks[failed[0]], len(failed) - 1
    values = {"expected": first.expected, "actual": first.actual}
    said = ", ".join(f"{name} {value_text(value)}" for name, value in values.items() if value is not None)
    more = f"; {others:,} other{'s' if others > 1 else ''} failed" if others else ""
    if there_are_more:
        more = "; others may have failed"
    return f"{CHECK_FAILED}{failed[0]}{f' ({said})' if said else ''}{more}"


def shortest_first(name: str) -> tuple[int, str]:
    """Return a sort key that orders names by length, then alphabetically."""
    return len(name.encode()), name
