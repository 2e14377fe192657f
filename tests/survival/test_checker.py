"""The checker of linearizability itself: on histories whose verdict is known."""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Iterator

import pytest

from tests.helpers.linearizability import Call, check


def register(state: int, call: Call) -> Iterator[int]:
    """A register that holds one number: the textbook's example."""
    kind, *value = call.operation
    if kind == "write":
        yield value[0]
    elif call.result == state:
        yield state


def write(value: int, invoked: float, replied: float = math.inf, **more: bool) -> Call:
    """Return a write of the register."""
    return Call(("write", value), None, invoked, replied, **more)


def read(value: int, invoked: float, replied: float) -> Call:
    """Return a read of the register."""
    return Call(("read",), value, invoked, replied)


GOOD = {
    "nothing": [],
    "one after the other": [write(1, 0, 1), read(1, 2, 3), write(2, 4, 5), read(2, 6, 7)],
    "a read beside a write sees it": [write(1, 0, 3), read(1, 1, 2)],
    "a read beside a write does not see it": [write(1, 0, 3), read(0, 1, 2)],
    "two reads beside a write, before and after it": [write(1, 0, 9), read(0, 1, 2), read(1, 3, 4)],
    "writes at once, in either order": [write(1, 0, 9), write(2, 0, 9), read(1, 10, 11)],
    "a lost reply, and the write took place": [write(1, 0, optional=True), read(0, 1, 2), read(1, 3, 4)],
    "a lost reply, and the write took no place": [write(1, 0, optional=True), read(0, 5, 6)],
}
BAD = {
    "a stale read": [write(1, 0, 1), read(0, 2, 3)],
    "a value that nobody wrote": [write(1, 0, 1), read(7, 2, 3)],
    "a new value, then the old one": [write(1, 0, 9), read(1, 1, 2), read(0, 3, 4)],
    "two readers see two writes in different orders": [
        *[write(1, 0, 1), write(2, 0, 1)],
        *[read(1, 2, 3), read(2, 4, 5), read(1, 6, 7)],
    ],
    "an optional step after its time": [write(1, 0, 1, optional=True), read(0, 2, 3), read(1, 4, 5)],
}


@pytest.mark.parametrize("history", GOOD.values(), ids=GOOD)
def test_good_histories(history: list[Call]) -> None:
    """A history that one order explains is linearizable, and the order is told."""
    verdict = check(history, 0, register)
    assert verdict.linearizable
    assert {id(call) for call in history if not call.optional} <= {id(call) for call in verdict.order}


@pytest.mark.parametrize("history", BAD.values(), ids=BAD)
def test_bad_histories(history: list[Call]) -> None:
    """A history that no order explains is not, and the verdict tells how far it went well."""
    verdict = check(history, 0, register)
    assert not verdict.linearizable
    assert verdict.left
    assert "none of these can be next" in str(verdict)


def test_as_every_order_says() -> None:
    """On small random histories the search says what trying every order says."""
    verdicts = []
    for seed in range(400):
        history = _random_history(random.Random(seed))
        expected = any(_explains(order) for order in itertools.permutations(history))
        assert check(history, 0, register).linearizable is expected, history
        verdicts.append(expected)
    assert 100 < sum(verdicts) < 300, "both verdicts occur often"


def _random_history(rng: random.Random) -> list[Call]:
    calls = []
    for _ in range(5):
        invoked, length = rng.randrange(8), rng.randrange(1, 5)
        value = rng.randrange(3)
        calls.append((write if rng.random() < 0.5 else read)(value, invoked, invoked + length + 0.5))
    return calls


def _explains(order: tuple[Call, ...]) -> bool:
    state = 0
    for position, call in enumerate(order):
        if any(later.replied < call.invoked for later in order[position + 1 :]):
            return False
        if not (after := list(register(state, call))):
            return False
        state = after[0]
    return True
