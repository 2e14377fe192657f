"""JSON values are found however they are laid out, and however the bytes arrive."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import assume, example, given
from hypothesis import strategies as st

from pipemodels.interop.text.jsontext import JSONSource
from pipemodels.interop.text.loosejson import LooseValues

_LIMIT = 1 << 20
_texts_of_trouble = st.sampled_from(["", '"', "\\", "{[", "\n", "}", "ü🧀", '\\"}'])
_leaves = st.sampled_from([None, True, 0, -1.5]) | _texts_of_trouble
_values: st.SearchStrategy[Any] = (
    _leaves | st.lists(_leaves, max_size=2) | st.dictionaries(_texts_of_trouble, _leaves | st.just([{}]), max_size=2)
)
_events = st.dictionaries(st.sampled_from(["run", "a", "{", '"']), _values, max_size=3).map(
    lambda one: {"run": 1} | one
)


class _Dripping:
    """Bytes that arrive a few at a time."""

    def __init__(self, data: bytes, size: int) -> None:
        self._data, self._size, self._position = data, size, 0

    def read(self, size: int) -> bytes:
        """Return fewer bytes than are asked for."""
        start = self._position
        self._position = min(start + min(size, self._size), len(self._data))
        return self._data[start : self._position]


def _read(text: str, size: int) -> list[Any]:
    source = JSONSource(_Dripping(text.encode(), size))
    return list(LooseValues(source, _LIMIT, lambda value: isinstance(value, dict) and "run" in value))


@st.composite
def _texts(draw: st.DrawFn) -> tuple[list[Any], str]:
    """Draw values and a text that holds them: arrays and single ones, each in a layout of its own."""
    found: list[Any] = []
    text = draw(st.sampled_from(["", "\ufeff", "\n \n"]))
    for group in draw(st.lists(st.lists(_events, min_size=1, max_size=3), max_size=4)):
        indent = draw(st.sampled_from([None, 0, 2, "\t"]))
        layout: dict[str, Any] = {"indent": indent, "ensure_ascii": draw(st.booleans())}
        if draw(st.booleans()):
            text += json.dumps(group, **layout) + draw(st.sampled_from(["\n", "", " \r\n"]))
        else:
            end = draw(st.sampled_from(["\n", "\r\n", "\n\n", "" if indent is not None else "\n"]))
            text += "".join(json.dumps(one, **layout) + end for one in group)
        found += group
    return found, text


@given(_texts(), st.integers(1, 50))
@example(([{"run": 1}, {"run": 2}], '{"run": 1}{"run": 2}'), 1)
@example(([{"run": '\\"}'}], '{"run": "\\\\\\"}"}'), 1)
def test_values_are_found_in_any_layout(told: tuple[list[Any], str], size: int) -> None:
    """A value a line, values over many lines, arrays, and all of them end to end are read back whole and in order."""
    values, text = told
    found = _read(text, size)
    assert [(one.value, one.reason) for one in found] == [(value, None) for value in values]


@given(st.lists(_events, min_size=1, max_size=6), st.data())
def test_a_broken_line_hides_no_other(events: list[Any], data: st.DataObject) -> None:
    """Of events a line, some cut off, each whole one is read and each broken one reported, with its line."""
    lines = [json.dumps(event) for event in events]
    broken = data.draw(st.sets(st.integers(0, len(lines) - 1)))
    for number in broken:
        lines[number] = lines[number][: data.draw(st.integers(1, len(lines[number]) - 1))]
    found = _read("\n".join(lines), data.draw(st.integers(1, 50)))
    good = [(number + 1, event) for number, event in enumerate(events) if number not in broken]
    assert [(one.line, one.value) for one in found if one.reason is None] == good
    assert {one.line for one in found if one.reason is not None} == {number + 1 for number in broken}


@given(st.binary(max_size=200) | st.text(alphabet='{}[]",:\\ \n1a', max_size=80).map(str.encode), st.integers(1, 20))
def test_any_bytes_are_read_to_their_end(data: bytes, size: int) -> None:
    """Whatever stands in a file, reading it ends, and each thing found is a value or a reason."""
    assume(not data.startswith((b"\xff\xfe", b"\xfe\xff")))  # UTF-16, which is refused
    source = JSONSource(_Dripping(data, size))
    for one in LooseValues(source, 50, lambda value: isinstance(value, dict)):
        assert one.reason is None or one.value is None
        assert one.line >= 1
