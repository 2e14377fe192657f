"""Functions of a dict of values: one for all dicts, and one for each set of names that comes often.

Where the names and their order are known, nothing is looked up, and nothing is asked that the names say already.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from threading import Lock
from typing import Any

from pipemodels.wire.forms import IrregularError
from pipemodels.wire.recipes import compile_lines

OFTEN = 500  # to compile a function takes as long as it saves in about so many calls
MOST, MOST_COUNTED = 64, 4096  # sets of names


class Often:
    """Such functions.

    Args:
        name: under which the function for all is found in `names`.
        lines_like: returns the source of a function, given its name, for values like an example, and for what else
            tells one from another; values that are otherwise are left to the one for all.
        names: in which the functions are compiled.
    """

    def __init__(self, name: str, lines_like: Callable[..., list[str]], names: dict[str, Any]) -> None:
        self._name, self._lines_like, self._names = name, lines_like, names
        self._of_all: Callable[..., Any] = names[name]
        self._of: dict[tuple[Any, ...], Callable[..., Any]] = {}
        self._seen: Counter[tuple[Any, ...]] = Counter()
        self._lock = Lock()
        self._last: tuple[list[Any], Callable[..., Any]] = [], self._of_all  # most often it comes again

    def of(self, values: Mapping[str, Any], *more: Any) -> Callable[..., Any]:
        """Return the function for values of these names, and for what else tells one from another."""
        names, function = self._last
        if [*values, *more] == names:
            return function
        key = (*values, *more)
        found = self._of.get(key)
        if found is None:
            return self._counted(key, values)
        self._last = [*key], found
        return found

    def _counted(self, names: tuple[Any, ...], values: Mapping[str, Any]) -> Callable[..., Any]:
        self._seen[names] += 1
        if self._seen[names] >= OFTEN and len(self._of) < MOST:
            with self._lock:  # what is compiled has names in common
                if names not in self._of:
                    self._of[names] = self._compiled(values, *names[len(values) :])
        if len(self._seen) > MOST_COUNTED:
            self._seen.clear()
        return self._of_all

    def _compiled(self, values: Mapping[str, Any], *more: Any) -> Callable[..., Any]:
        name = f"{self._name}_{len(self._of)}"
        try:
            compile_lines(self._lines_like(name, values, *more), self._names)
        except (KeyError, IrregularError):  # there is an unknown name among them
            return self._of_all
        function: Callable[..., Any] = self._names[name]
        return function
