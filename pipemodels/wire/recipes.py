"""The source of the functions that write: what is said of each attribute, and the lines that come of it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any, NamedTuple

from pipemodels.wire.forms import IrregularError
from pipemodels.wire.parts import MAP_END, irregular, raw


class Recipe(NamedTuple):
    """How the generated functions treat a value `v` of an attribute, as Python source."""

    irregular: str
    """Says that the value is left to the attribute."""
    kept: str | None
    """What is kept of it in an object; None where that is up to the attribute's `__set__`."""
    tag: str
    """Its type in DynamoDB; empty where that depends."""
    written: str
    """What is written under the tag; where that depends, the call that adds the tagged value to `parts`."""
    lasts: bool = False
    """Whether what is written stays right as long as the value is there: nothing can change inside it."""

    def of(self, variable: str) -> Recipe:
        """Return how a value in another variable is treated."""
        kept = self.kept and _V.sub(variable, self.kept)
        return self._replace(
            irregular=_V.sub(variable, self.irregular), kept=kept, written=_V.sub(variable, self.written)
        )

    def refusing(self) -> list[str]:
        """Return the source that leaves an irregular value to the ordinary way."""
        return [f"  if {self.irregular}: irregular()"] if self.irregular != "False" else []

    def taking_another_way(self, variable: str, way: str) -> list[str]:
        """Return the source that takes another way with an irregular value in a variable, or with None there."""
        irregular = self.of(variable).irregular
        if irregular == "False":
            irregular = f"{variable} is None"
        elif not irregular.startswith("type("):  # None is of another type than any other value
            irregular = f"{variable} is None or {irregular}"
        return [f" if {irregular}: {way}"]


_V = re.compile(r"\bv\b")


def together(parts: list[str], *, begun: bool) -> str:
    """Return the source that adds parts to those that have begun, or begins with them."""
    return f" parts {'+' if begun else ''}= [{', '.join(parts)}]"


def adding_all(function: str, adding_one: list[str]) -> list[str]:
    """Return the source of a function that adds a list, of the source that adds `one` of it."""
    lines = [f"def {function}(parts, ones):", " parts.append(LIST if ones else NO_LIST)", " for one in ones:"]
    return [*lines, *adding_one, "  parts.append(NEXT)", " if ones: parts[-1] = LIST_END"]


def compile_lines(lines: list[str], names: dict[str, Any]) -> None:
    """Add to `names` the functions of a source."""
    exec("\n".join(lines), names)  # noqa: S102  # of names of attributes alone, quoted


def unpacked(values: Mapping[str, Any]) -> tuple[dict[str, str], str]:
    """Return the variables in which the values of a dict like this are put, by name, and the source that does it."""
    places = {name: f"w{number}" for number, name in enumerate(values)}
    return places, f" {''.join(f'{place}, ' for place in places.values())} = values.values()"


def by_get(name: str) -> str:
    """Return what finds the value of a name."""
    return f"get({name!r})"


class Whole:
    """An item, or a map inside one: its attributes by name, and the source that writes it.

    That puts its parts into `parts`, and is asked for once: which attribute comes first, and so after no comma, is
    not known before a required one has been written.
    """

    def __init__(
        self, declared: Mapping[str, Any], recipes: Iterable[Recipe], name: str, names: dict[str, Any], opening: str
    ) -> None:
        self.attributes = dict(zip(declared, zip(declared.values(), recipes, strict=True), strict=True))
        self._heads = {one: f"{name}_{number}" for number, one in enumerate(self.attributes)}
        self._none, self._written, self._certain = f"none_{name}", False, False
        for one, (attribute, recipe) in self.attributes.items():
            head = json.dumps(attribute.attr_name, ensure_ascii=False)
            head += f':{{"{recipe.tag}":' if recipe.tag else ":"
            names[f"first_{self._heads[one]}"] = raw(f"{opening}{head}")
            names[f"next_{self._heads[one]}"] = raw(f"}},{head}")
        names |= {self._none: raw(f"{opening}}}"), "MAP_END": MAP_END, "irregular": irregular}

    def lines(self, found: Callable[[str], str]) -> list[str]:
        """Return the source that writes all attributes; what finds one by its name, `found` returns."""
        lines = [" parts = []"]
        for name, (attribute, recipe) in self.attributes.items():
            lines += [f" if (v := {found(name)}) is not None:", *recipe.refusing(), *self.adding(name)]
            lines += [] if attribute.null else [" else: irregular()"]
        return [*lines, *self.end()]

    def adding(self, name: str) -> list[str]:
        """Return the source that adds the value `v` of an attribute."""
        attribute, recipe = self.attributes[name]
        head = f"next_{self._heads[name]}"
        if not self._certain:
            first = f"first_{self._heads[name]}"
            head = f"{head} if parts else {first}" if self._written else first
        self._written, self._certain = True, self._certain or not attribute.null
        added = f"parts.append({recipe.written})" if recipe.tag else recipe.written
        return [f"  parts.append({head})", f"  {added}"]

    def end(self) -> list[str]:
        """Return the source that comes after all attributes."""
        return [" parts.append(MAP_END)" if self._certain else f" parts.append(MAP_END if parts else {self._none})"]

    def head(self, name: str) -> str:
        """Return the part that comes before the value of an attribute which is there, as are all before it."""
        head = f"{'next' if self._certain else 'first'}_{self._heads[name]}"
        self._certain = True
        return head

    def lines_like(
        self, places: Mapping[str, str], absent: set[str], way: str, kept: Collection[str] = ()
    ) -> list[str]:
        """Return the source that writes values in variables, in their order.

        Args:
            places: the variables by the names of the attributes.
            absent: names of those that are None.
            way: what is done where a value is irregular, or one is there and another not.
            kept: names of those whose forms are known (`f_` and the variable), as long as the value is (`k_`).
        """
        looks: list[str] = []
        adds: list[str] = []
        parts: list[str] = []
        for name, place in places.items():
            recipe = self.attributes[name][1]
            if name in absent:
                looks += [f" if {place} is not None: {way}"]
                continue
            look, recipe = recipe.taking_another_way(place, way), recipe.of(place)
            parts.append(self.head(name))
            if recipe.tag:
                look += [f" f_{place} = {recipe.written}"]
                parts.append(f"f_{place}")
            else:
                adds += [together(parts, begun=bool(adds)), f" {recipe.written}"]
                parts = []
            looks += [f" if {place} is not k_{place}:", *map(" {}".format, look)] if name in kept else look
        if not self._certain:
            raise IrregularError
        return [*looks, *adds, together([*parts, "MAP_END"], begun=bool(adds)), " return parts"]
