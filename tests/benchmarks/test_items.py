"""What is measured is what the package stores, and what is expected of a client is what those items say."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from benchmarks.corpus import Corpus
from benchmarks.items import corpus
from benchmarks.values import Fidelity, comparable, decoded, expected, instant_text, with_floats, without_instants
from pipemodels.models import PipelineRunLog
from tests.helpers.items import plain

NOON = datetime(2026, 5, 17, 12, tzinfo=UTC)


@pytest.mark.parametrize("kind", ["easy", "hard"])
def test_the_items_are_what_the_package_reads(items: Corpus, kind: str) -> None:
    """Each item, read by the package, has the values that the benchmark expects of every client."""
    for stored in getattr(items, kind):
        read = plain(PipelineRunLog.from_raw_data(stored)) | {"write_id": stored["write_id"]["S"]}
        assert comparable(read, exact=True) == expected(stored, Fidelity())


def test_the_listed_items_are_what_the_index_holds(items: Corpus) -> None:
    """A listed item is the whole one without what the index does not project."""
    held = PipelineRunLog.held_by("PipelineRunsIndex")
    assert held is not None
    assert [set(item) for item in items.listed] == [set(item) & held for item in items.easy]


def test_an_easy_item_has_three_stages_and_ten_instants(items: Corpus) -> None:
    """The sentence in the documentation is true of every one."""
    for item in items.easy:
        values = decoded(item)
        stages = values["stages"]
        instants = [value for one in (values, *stages) for value in one.values() if isinstance(value, datetime)]
        assert (len(stages), len(instants), len(values) >= 16) == (3, 10, True)


def test_the_hard_items_hold_the_cliffs(items: Corpus) -> None:
    """Escapes, a text that looks like a type tag, other scripts, and not all the same attributes."""
    texts = [item["error_stack_trace"]["S"] for item in items.hard]
    assert all("\n" in text and '"' in text and "\\" in text and "\x1b" in text for text in texts)
    assert any(item.get("log_level") == {"S": "B"} for item in items.hard)
    assert any(ord(character) > 0xFFFF for text in texts for character in text)
    assert len({frozenset(item) for item in items.hard}) > len(items.hard) // 2


def test_the_same_seed_gives_the_same_items(items: Corpus) -> None:
    """Two runs of the benchmark are about the same items; another seed gives others."""
    assert corpus(size=30) == items
    assert corpus(size=30, seed=1) != items


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (1, True),
        (1, 1.0),
        (1, "1"),
        (Decimal("0.1"), 0.1),
        (NOON, instant_text(NOON)),
        (NOON, NOON.replace(microsecond=1)),
        ([1], [1, 1]),
        ({"a": 1}, {"a": 2}),
        ({"a": 1}, {"b": 1}),
        (None, "None"),
    ],
)
def test_what_differs_does_not_compare_equal(one: Any, other: Any) -> None:
    """Neither a number that went through float, nor a text in place of a value, passes for it."""
    assert comparable(one, exact=True) != comparable(other, exact=True)


def test_what_is_the_same_compares_equal() -> None:
    """A whole Decimal is its int, a zone is no difference, and a name without a value is absent."""
    assert comparable({"a": Decimal(3), "b": None}, exact=True) == comparable({"a": 3}, exact=True)
    assert comparable(NOON.astimezone(), exact=True) == comparable(NOON, exact=True)
    assert comparable(Decimal("0.1"), exact=False) == comparable(0.1, exact=False)


def test_a_lesser_fidelity_expects_text_in_place_of_instants() -> None:
    """Of the item's own instants, of its stages', or of none."""
    text = instant_text(NOON)
    stage = {"M": {"end_time": {"S": text}}}
    stored: dict[str, Any] = {"end_time": {"S": text}, "stages": {"L": [stage]}}
    wanted: dict[str, Any] = {
        "all": {"end_time": ("instant", text), "stages": [{"end_time": ("instant", text)}]},
        "own": {"end_time": ("instant", text), "stages": [{"end_time": text}]},
        "none": {"end_time": text, "stages": [{"end_time": text}]},
    }
    got = {
        "all": expected(stored, Fidelity()),
        "own": expected(stored, Fidelity(instants="own")),
        "none": expected(stored, Fidelity(instants="none")),
    }
    assert got == wanted


def test_values_are_adapted_wherever_they_are() -> None:
    """What untyped clients are given, in maps and lists too."""
    value = {"a": [{"b": Decimal("0.5"), "c": NOON}], "n": 3}
    assert with_floats(value) == {"a": [{"b": 0.5, "c": NOON}], "n": 3}
    assert without_instants(value) == {"a": [{"b": Decimal("0.5"), "c": instant_text(NOON)}], "n": 3}
