"""The source of generated writing functions: the expressions for each attribute, and the lines built from them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from pipemodels.transport.fragments import MAP_END, decline, raw


class FieldWriter(NamedTuple):
    """The Python expressions that check and write a value `v` of an attribute."""

    declined: str
    """Whether the value is left to the attribute."""
    kept: str | None
    """The value that an object keeps; None if the attribute's own `__set__` decides."""
    tag: str
    """The type tag in DynamoDB; empty if it depends on the value."""
    written: str
    """The value under the tag; if the tag is empty, a call that adds the attribute value to `fragments`."""

    def refusing(self) -> list[str]:
        """Return the source that declines the value if `declined` is true."""
        return [f"  if {self.declined}: decline()"] if self.declined != "False" else []


def adding_all(function: str, adding_value: list[str]) -> list[str]:
    """Return the source of a function that adds a list; `adding_value` adds an element `value`."""
    lines = [f"def {function}(fragments, values):", " fragments.append(LIST if values else NO_LIST)"]
    lines += [" for value in values:"]
    return [*lines, *adding_value, "  fragments.append(NEXT)", " if values: fragments[-1] = LIST_END"]


def by_get(name: str) -> str:
    """Return the expression of the value of a name."""
    return f"get({name!r})"


class Whole:
    """The source that writes an item or a map with its attributes.

    It adds to `fragments`. The first attribute has no comma before it; which attribute that is depends on the values,
    until a required attribute is written.
    """

    def __init__(
        self,
        declared: Mapping[str, Any],
        writers: Iterable[FieldWriter],
        name: str,
        names: dict[str, Any],
        opening: str,
    ) -> None:
        self.attributes = dict(zip(declared, zip(declared.values(), writers, strict=True), strict=True))
        self._heads = {attribute: f"{name}_{number}" for number, attribute in enumerate(self.attributes)}
        self._none, self._begun, self._certain = f"none_{name}", False, False
        for key, (attribute, writer) in self.attributes.items():
            head = json.dumps(attribute.attr_name, ensure_ascii=False)
            head += f':{{"{writer.tag}":' if writer.tag else ":"
            names[f"first_{self._heads[key]}"] = raw(f"{opening}{head}")
            names[f"next_{self._heads[key]}"] = raw(f"}},{head}")
        names |= {self._none: raw(f"{opening}}}"), "MAP_END": MAP_END, "decline": decline}

    def lines(self, found: Callable[[str], str]) -> list[str]:
        """Return the source that writes all attributes; `found` returns the expression of a value by its name."""
        lines = [" n = len(fragments)"]
        for name, (attribute, writer) in self.attributes.items():
            added = f"fragments.append({writer.written})" if writer.tag else writer.written
            lines += [f" if (v := {found(name)}) is not None:", *writer.refusing()]
            lines += [f"  fragments.append({self._head(name)})", f"  {added}"]
            lines += [] if attribute.null else [" else: decline()"]
        end = "MAP_END" if self._certain else f"MAP_END if len(fragments) > n else {self._none}"
        return [*lines, f" fragments.append({end})"]

    def _head(self, name: str) -> str:
        """Return the expression of the fragment before the value of an attribute, and note that it is written."""
        first, following = f"first_{self._heads[name]}", f"next_{self._heads[name]}"
        head = f"{following} if len(fragments) > n else {first}" if self._begun else first
        head = following if self._certain else head
        self._begun, self._certain = True, self._certain or not self.attributes[name][0].null
        return head
