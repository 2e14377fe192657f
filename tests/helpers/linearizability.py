"""A small checker of linearizability: Wing and Gong's search, with Lowe's memory of what led nowhere.

A history is what several clients asked of a store and what it answered, each call with the time just before it was
made and just after its answer came. It is linearizable if the calls can be put into one order in which the model,
taking one call at a time, gives these very answers, and no call stands before one that was answered before it
was made.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

S = TypeVar("S", bound=Hashable)


@dataclass(frozen=True)
class Call:
    """One call of one client; operation and result can be hashed.

    Attributes:
        operation: what was asked.
        result: what was answered; None, if nothing came back.
        invoked: when the client asked.
        replied: when it had the answer; never, if nothing came back.
        optional: it may have had no effect at all: its answer was lost, or it is a step that a client takes at need.
    """

    operation: Any
    result: Any
    invoked: float
    replied: float = math.inf
    optional: bool = False


@dataclass(frozen=True)
class Verdict:
    """What the search found: an order of the calls or, where there is none, the longest that goes well."""

    linearizable: bool
    order: tuple[Call, ...]
    left: tuple[Call, ...]

    def __str__(self) -> str:
        lines = ["the longest order that the model follows:", *map(str, self.order)]
        return "\n".join([*lines, "and none of these can be next:", *map(str, self.left)])


def check(history: Sequence[Call], initial: S, step: Callable[[S, Call], Iterable[S]]) -> Verdict:
    """Search an order of the calls that the model follows.

    Args:
        history: the calls, in any order.
        initial: the model's state before all of them.
        step: the states in which the model may be after it has given a call's answer; none, where it cannot give it.
    """
    search = _Search(history)
    seen: set[tuple[int, S]] = set()
    longest: tuple[int, ...] = ()
    path: list[int] = []
    stack: list[Iterator[tuple[int, S]]] = [search.following(0, initial, step)]
    while stack:
        following = next(stack[-1], None)
        if following is None:
            stack.pop()
            del path[-1:]
            continue
        number, state = following
        done = search.mask(path) | 1 << number
        if (done, state) in seen:
            continue
        seen.add((done, state))
        path.append(number)
        if len(path) > len(longest):
            longest = tuple(path)
        if search.complete(done):
            return search.verdict(True, path)
        stack.append(search.following(done, state, step))
    return search.verdict(search.complete(0), longest)


class _Search:
    """A history, asked which of its calls may be next. A set of calls is the bits of an int."""

    def __init__(self, history: Sequence[Call]) -> None:
        self.calls = sorted(history, key=lambda call: call.invoked)
        self.required = self.mask(n for n, call in enumerate(self.calls) if not call.optional)

    @staticmethod
    def mask(numbers: Iterable[int]) -> int:
        """Return these numbers as a set."""
        return sum(1 << number for number in numbers)

    def complete(self, done: int) -> bool:
        """Say whether all is in order that must be."""
        return done & self.required == self.required

    def verdict(self, good: bool, path: Iterable[int]) -> Verdict:
        """Return the calls behind their numbers."""
        order = list(path)
        left = tuple(call for n, call in enumerate(self.calls) if n not in order and not call.optional)
        return Verdict(good, tuple(self.calls[n] for n in order), left)

    def following(self, done: int, state: S, step: Callable[[S, Call], Iterable[S]]) -> Iterator[tuple[int, S]]:
        """Yield each call that may be next, and the states after it."""
        for number in self.candidates(done):
            for after in step(state, self.calls[number]):
                yield number, after

    def candidates(self, done: int) -> Iterator[int]:
        """Yield the calls of which no other one, answered before they were made, is still to come."""
        open_calls = [n for n in range(len(self.calls)) if not done >> n & 1]
        first_reply = min((self.calls[n].replied for n in open_calls if self.required >> n & 1), default=math.inf)
        last_made = max((call.invoked for n, call in enumerate(self.calls) if done >> n & 1), default=-math.inf)
        tried: set[Call] = set()
        for number in open_calls:
            call = self.calls[number]
            if call.invoked <= first_reply and last_made <= call.replied and call not in tried:
                tried.add(call)  # of calls that are all alike, one stands for each
                yield number
