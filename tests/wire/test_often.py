"""Functions compiled for what comes often."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from threading import Barrier, Thread
from typing import Any

import pytest

from pipemodels.wire import often
from pipemodels.wire.often import Often


def sums(often_enough: int, monkeypatch: pytest.MonkeyPatch, look: Callable[[], None] = lambda: None) -> Often:
    """Return functions that say which they are, and add what they know of the values."""
    monkeypatch.setattr(often, "OFTEN", often_enough)
    names: dict[str, Any] = {"total": lambda values: ("of all", sum(values.values()))}

    def like(function: str, values: Mapping[str, Any], *more: Any) -> list[str]:
        look()
        if "unknown" in values:
            raise KeyError("unknown")
        unpacked = "".join(f"{name}, " for name in values)
        return [
            f"def {function}(values):",
            f" {unpacked} = values.values()",
            f" return {[*values, *more]}, {unpacked}",
        ]

    return Often("total", like, names)


def test_what_has_come_so_often_has_a_function_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """From the next time on, for its names in their order; for others there is the one of all."""
    total = sums(3, monkeypatch)
    ab: dict[str, Any] = {"a": 1, "b": 2}
    assert [total.of(ab)(ab) for _ in range(3)] == [("of all", 3)] * 3
    assert [total.of(ab)(ab) for _ in range(2)] == [(["a", "b"], 1, 2)] * 2
    for other in ({"b": 2, "a": 1}, {"a": 1}, {"a": 1, "b": 2, "c": 3}, {}):
        assert total.of(other)(other)[0] == "of all"
    again = {"a": 5, "b": 7}
    assert total.of(again)(again) == (["a", "b"], 5, 7)


def test_what_else_tells_one_from_another_does(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same names with something more have another function."""
    total = sums(1, monkeypatch)
    a = {"a": 1}
    for more in ([], [None], ["x"], ["y"]):
        assert total.of(a, *more)(a) == ("of all", 1)
        assert total.of(a, *more)(a) == (["a", *more], 1)


def test_what_cannot_be_compiled_stays_with_the_one_for_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """And is tried once."""
    tried: list[int] = []
    total = sums(2, monkeypatch, lambda: tried.append(1))
    values = {"unknown": 1}
    assert [total.of(values)(values) for _ in range(5)] == [("of all", 1)] * 5
    assert len(tried) == 1


def test_there_are_only_so_many(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of functions, and of names that are counted."""
    monkeypatch.setattr(often, "MOST", 2)
    monkeypatch.setattr(often, "MOST_COUNTED", 4)
    total = sums(2, monkeypatch)
    for number in range(9):
        for _ in range(3):
            values = {f"n{number}": 1}
            found = total.of(values)(values)[0]
        assert found == ([f"n{number}"] if number < 2 else "of all")
        assert len(total._seen) <= 4


def test_of_threads_that_come_together_one_compiles_after_the_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is compiled has names in common; each gets its own."""
    compiling: list[int] = []
    most = []

    def look() -> None:
        compiling.append(1)
        most.append(len(compiling))
        time.sleep(0.01)
        compiling.pop()

    total = sums(1, monkeypatch, look)
    together, wrong = Barrier(8), []

    def work(number: int) -> None:
        values = {f"n{number % 4}": number}
        together.wait()
        total.of(values)
        if (found := total.of(values)(values)) != ([f"n{number % 4}"], number):
            wrong.append(found)

    threads = [Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1] * 4
    assert not wrong
