"""`parse_instant` against the shared list of RFC 3339 verdicts."""

import json

import pytest

from pipemodels import ValidationError, parse_instant
from tests.acceptance.shared_data import SHARED
from tests.unit.test_instants import VERDICTS

CASES: list[dict[str, object]] = json.loads((SHARED / "rfc3339_datetimes.json").read_text())


@pytest.mark.parametrize("case", CASES, ids=lambda case: str(case["text"]))
def test_every_shared_verdict(case: dict[str, object]) -> None:
    """What the list calls valid is read, what it calls invalid is refused."""
    if case["valid"]:
        parse_instant(case["text"])
        return
    with pytest.raises(ValidationError):
        parse_instant(case["text"])


def test_the_shipped_verdicts_are_the_shared_ones() -> None:
    """The list that ships with the tests is complete."""
    assert [(text, stored is not None) for text, stored in VERDICTS] == [(one["text"], one["valid"]) for one in CASES]
