"""The source of the functions that write: what is said of each attribute, and the lines that come of it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from pipemodels.transport.fragments import MAP_END, irregular, raw


class FieldWriter(NamedTuple):
    """How the generated functions treat a value `v` of an attribute, as Python source."""

    irregular: str
    """Says that the value is left to the attribute."""
    kept: str | None
    """What is kept of it in an object; None where that is up to the attribute's `__set__`."""
    tag: str
    """Its type in DynamoDB; empty where that depends."""
    written: str
    """What is written under the tag; where that depends, the call that adds the tagged value to `parts`."""

    def refusing(self) -> list[str]:
        """Return the source that leaves an irregular value to the ordinary way."""
        return [f"  if {self.irregular}: irregular()"] if self.irregular != "False" else []


def adding_all(function: str, adding_one: list[str]) -> list[str]:
    """Return the source of a function that adds a list, of the source that adds `one` of it."""
    lines = [f"def {function}(parts, ones):", " parts.append(LIST if ones else NO_LIST)", " for one in ones:"]
    return [*lines, *adding_one, "  parts.append(NEXT)", " if ones: parts[-1] = LIST_END"]


def by_get(name: str) -> str:
    """Return what finds the value of a name."""
    return f"get({name!r})"


class Whole:
    """An item, or a map inside one: its attributes by name, and the source that writes it.

    That adds its parts to `parts`. Which attribute comes first, and so after no comma, is not known before a required
    one has been written.
    """

    def __init__(
        self,
        declared: Mapping[str, Any],
        recipes: Iterable[FieldWriter],
        name: str,
        names: dict[str, Any],
        opening: str,
    ) -> None:
        self.attributes = dict(zip(declared, zip(declared.values(), recipes, strict=True), strict=True))
        self._heads = {one: f"{name}_{number}" for number, one in enumerate(self.attributes)}
        self._none, self._begun, self._certain = f"none_{name}", False, False
        for one, (attribute, recipe) in self.attributes.items():
            head = json.dumps(attribute.attr_name, ensure_ascii=False)
            head += f':{{"{recipe.tag}":' if recipe.tag else ":"
            names[f"first_{self._heads[one]}"] = raw(f"{opening}{head}")
            names[f"next_{self._heads[one]}"] = raw(f"}},{head}")
        names |= {self._none: raw(f"{opening}}}"), "MAP_END": MAP_END, "irregular": irregular}

    def lines(self, found: Callable[[str], str]) -> list[str]:
        """Return the source that writes all attributes; what finds one by its name, `found` returns."""
        lines = [" n = len(parts)"]
        for name, (attribute, writer) in self.attributes.items():
            added = f"parts.append({writer.written})" if writer.tag else writer.written
            lines += [f" if (v := {found(name)}) is not None:", *writer.refusing()]
            lines += [f"  parts.append({self._head(name)})", f"  {added}"]
            lines += [] if attribute.null else [" else: irregular()"]
        return [
            *lines,
            f" parts.append({'MAP_END' if self._certain else f'MAP_END if len(parts) > n else {self._none}'})",
        ]

    def _head(self, name: str) -> str:
        """Return the expression of the part that comes before the value of an attribute, which is then written."""
        first, following = f"first_{self._heads[name]}", f"next_{self._heads[name]}"
        head = following if self._certain else f"{following} if len(parts) > n else {first}" if self._begun else first
        self._begun, self._certain = True, self._certain or not self.attributes[name][0].null
        return head
