"""The arithmetic between what was timed and what is printed."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from typing import Any

import pytest

from benchmarks.compare import WORKS, Times, measure
from benchmarks.picture import Panel, bars
from benchmarks.report import PAGE, replaced, table

BY_NAME = {work.name: work for work in WORKS}


def times(**rounds: list[float]) -> Times:
    """Return times of clients and works, given as seconds of 10 items a round: `client__work=[...]`."""
    found = Times()
    for name, seconds in rounds.items():
        client, work = name.split("__")
        for one in seconds:
            found.add(client, work, {"processor": one, "wall": 2 * one, "items": 10})
    return found


def test_times_are_microseconds_an_item() -> None:
    """The median of the rounds, by each clock."""
    found = times(pydynox__page=[0.001, 0.009, 0.002])
    assert found.median("pydynox", "page", "processor") == pytest.approx(200)
    assert found.median("pydynox", "page", "wall") == pytest.approx(400)


def test_a_ratio_is_taken_inside_its_round() -> None:
    """A machine that slows down in the middle slows both: the ratio stays, where that of sums would not."""
    found = times(pipemodels__page=[0.001, 0.1, 0.001], pydynox__page=[0.002, 0.2, 0.004])
    assert found.ratio("pipemodels", BY_NAME["page"], "processor") == pytest.approx((0.375, 0.5, 0.5))


def test_a_listing_is_held_against_its_own_clients_page() -> None:
    """Whoever the client is."""
    found = times(pynamodb__listing=[0.001] * 2, pynamodb__page=[0.004] * 2, pipemodels__page=[1.0] * 2)
    assert found.ratio("pynamodb", BY_NAME["listing"], "wall") == pytest.approx((0.25, 0.25, 0.25))


def test_without_its_reference_there_is_no_ratio() -> None:
    """Where a client was left out."""
    assert times(pipemodels__page=[0.001]).ratio("pipemodels", BY_NAME["page"], "wall") is None


class Clock:
    """A worker whose calls take a second each, in the order in which it is asked."""

    def __init__(self, asked: list[str], name: str) -> None:
        self._asked, self._name = asked, name

    def timed(self, work: str, calls: int) -> dict[str, float]:
        """Remember, and say how long it took."""
        self._asked.append(self._name)
        return {"processor": 1.0 * calls, "wall": 2.0 * calls, "items": float(calls)}


def test_clients_take_turns() -> None:
    """In each round each does every work as often as all others, and nobody goes twice while others wait."""
    asked: list[str] = []
    clients: dict[str, Any] = {name: Clock(asked, name) for name in ("a", "b", "c")}
    found = measure(clients, rounds=4, seconds=60)
    turns = [set(asked[start : start + 3]) for start in range(0, len(asked), 3)]
    assert turns == [{"a", "b", "c"}] * (4 * sum(work.turns for work in WORKS))
    assert len(set(map(tuple, (asked[start : start + 3] for start in range(0, len(asked), 3))))) > 1
    assert {clock: found.rounds["a", "get", clock] for clock in ("processor", "wall")} == {
        "processor": [1e6] * 4,
        "wall": [2e6] * 4,
    }


def test_rounds_end_with_the_time_but_three_are_done() -> None:
    """A ratio of one round has no quartiles worth the name."""
    clients: dict[str, Any] = {"a": Clock([], "a")}
    assert len(measure(clients, rounds=9, seconds=0).rounds["a", "page", "wall"]) == 3


def test_a_section_is_replaced_and_nothing_else() -> None:
    """Backslashes in it stay what they are; a page without the marks is refused."""
    page = "a\n<!-- x -->\nold\nlines\n<!-- /x -->\nb\n<!-- y -->\nkept\n<!-- /y -->\n"
    assert replaced(page, "x", r"new \1") == page.replace("old\nlines", r"new \1")
    with pytest.raises(ValueError, match="0 sections 'z'"):
        replaced(page, "z", "")


def test_the_page_has_the_sections_that_are_written() -> None:
    """Each once."""
    text = PAGE.read_text()
    for section in ("times", "instructions", "scale"):
        assert replaced(text, section, "") != text


def test_a_table_is_markdown() -> None:
    """A head, a line for the alignment, the rows."""
    assert table(["a", "b"], [["1", "2"]]) == "| a | b |\n| --- | ---: |\n| 1 | 2 |"


def test_bars_are_as_long_as_their_numbers() -> None:
    """In proportion, the shortest first, ours marked; names are escaped."""
    svg = bars([Panel("t", {"<slow>": 400.0, "ours": 100.0})], "ours")
    ET.fromstring(svg)  # it is well-formed
    lengths = re.findall(r'<rect( class="ours")? x="\d+" y="\d+" width="(\d+)"', svg)
    assert [mark != "" for mark, _ in lengths] == [True, False]
    assert int(lengths[1][1]) == 4 * int(lengths[0][1])
    assert 250 + int(lengths[1][1]) + 70 == 860  # the longest takes the room between labels and numbers
