"""Read YAML event by event, in bounded memory, into plain values.

Only plain data is created, and numbers are exact. Untagged scalars follow the core schema of YAML 1.2, except that
numbers with a leading zero (`007`) remain text. So `no`, `12:30` and `2026-01-01` are text, `1.10` is
Decimal("1.10"), and `true` is True. `<<` merges a mapping, as in YAML 1.1.

Sources: YAML 1.2.2, section 10.3 (core schema); yaml.org/type/merge.html.
"""

from __future__ import annotations

import re
from decimal import Decimal, InvalidOperation
from typing import Any

import yaml

from pipemodels.errors import Problem
from pipemodels.interop.text.parts import BrokenTextError, UnusableError

MAX_WEIGHT = 1_000_000  # characters and nodes of a value with its aliases expanded: twice the size of an item
_MAX_ANCHORED = 10_000_000
_MAX_DEPTH = 64
_MAX_LEVEL = 200  # reading stops here: at each event, libyaml takes time for each open bracket
_MERGE = object()

_INTEGER = re.compile(r"[-+]?(?:0|[1-9][0-9]*)")
_BASED = re.compile(r"0x[0-9a-fA-F]+|0o[0-7]+")
_FRACTION = re.compile(r"[-+]?(?:\.[0-9]+|(?:0|[1-9][0-9]*)(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_INFINITE = re.compile(r"([-+]?)\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")
_NAMED: dict[str, bool | None] = {"": None, "~": None, "null": None, "Null": None, "NULL": None}
_NAMED |= {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_MAY_BE_NUMBER = frozenset("-+.0123456789")
_TAG = "tag:yaml.org,2002:"
_SCALAR_TYPES: dict[str, type | tuple[type, ...]] = {
    "int": int,
    "float": (int, Decimal),
    "bool": bool,
    "null": type(None),
}


def plain_value(text: str) -> Any:
    """Return the value of an untagged, unquoted scalar."""
    if not text or text[0] not in _MAY_BE_NUMBER:
        return _NAMED.get(text, text)
    if _INTEGER.fullmatch(text):
        return int(text) if len(text) < 400 else Decimal(text)  # Python refuses to parse very long ints
    if _BASED.fullmatch(text):
        return int(text, 0) if len(text) < 400 else text
    if _FRACTION.fullmatch(text):
        return _decimal(text)
    if infinite := _INFINITE.fullmatch(text):
        return Decimal("NaN") if infinite[1] is None else Decimal(f"{infinite[1]}Infinity")
    return text


def _decimal(text: str) -> Decimal:
    try:
        return Decimal(text)
    except InvalidOperation:  # the exponent is too long for Decimal
        return Decimal("Infinity")


class YAMLReader:
    """Reads a YAML stream event by event and builds one value at a time.

    Raises:
        BrokenTextError: the bytes are not valid text.
    """

    def __init__(self, stream: Any) -> None:
        loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
        try:
            self._events = loader(stream)
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            raise _broken(error) from None
        self._anchors: dict[str, tuple[Any, int]] = {}
        self._anchored = 0
        self._weight = 0
        self.level = 0
        self.line = 1

    def next(self) -> Any:
        """Return the next event.

        Raises:
            BrokenTextError: the text is not valid YAML.
        """
        try:
            event = self._events.get_event()
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            raise _broken(error) from None
        self.line = event.start_mark.line + 1
        if isinstance(event, yaml.CollectionStartEvent):
            self.level += 1
            if self.level > _MAX_LEVEL:
                raise BrokenTextError(self.line, f"is nested too deeply: more than {_MAX_LEVEL} levels")
        elif isinstance(event, yaml.CollectionEndEvent):
            self.level -= 1
        return event

    def forget_anchors(self) -> None:
        """Forget all anchors, because they end with their document."""
        self._anchors, self._anchored = {}, 0

    def value(self, event: Any) -> Any:
        """Return the value that begins with this event; the reader moves past the value even if it is refused.

        Raises:
            UnusableError: the value is not plain data, has a duplicate key, or is too large with its aliases.
        """
        outside = self.level - isinstance(event, yaml.CollectionStartEvent)
        self._weight = 0
        try:
            return self._build(event, 0)
        except UnusableError:
            while self.level > outside:
                self.next()
            raise

    def _build(self, event: Any, depth: int) -> Any:
        if isinstance(event, yaml.AliasEvent):
            return self._alias(event)
        before = self._weight
        if isinstance(event, yaml.ScalarEvent):
            self._weigh(len(event.value) + 1)
            value = _scalar(event, self.line)
        elif depth >= _MAX_DEPTH:
            raise _unusable(self.line, "nesting", depth, f"is deeper than {_MAX_DEPTH} levels")
        elif isinstance(event, yaml.SequenceStartEvent):
            value = self._sequence(event, depth)
        else:
            value = self._mapping(event, depth)
        if event.anchor is not None:
            self._anchor(event.anchor, value, self._weight - before)
        return value

    def _sequence(self, event: Any, depth: int) -> list[Any]:
        _check_tag(event, "seq", self.line)
        self._weigh(2)
        elements = []
        while not isinstance(part := self.next(), yaml.SequenceEndEvent):
            elements.append(self._build(part, depth + 1))
        return elements

    def _mapping(self, event: Any, depth: int) -> dict[Any, Any]:
        _check_tag(event, "map", self.line)
        self._weigh(2)
        found: dict[Any, Any] = {}
        written: dict[Any, tuple[str, int]] = {}
        while not isinstance(part := self.next(), yaml.MappingEndEvent):
            line = self.line
            key = _MERGE if _is_merge(part) else self._build(part, depth + 1)
            if isinstance(key, dict | list):
                raise _unusable(line, "key", type(key).__name__, "is not text: a key must be text")
            here = _written(part, key), line
            if key in found:
                raise _keys_clash(here, written[key])
            found[key], written[key] = None, here
            found[key] = self._build(self.next(), depth + 1)
        return self._merged(found) if _MERGE in found else found

    def _merged(self, found: dict[Any, Any]) -> dict[Any, Any]:
        below = found.pop(_MERGE)
        result: dict[Any, Any] = {}
        for mapping in reversed(below if isinstance(below, list) else [below]):
            if not isinstance(mapping, dict):
                raise _unusable(self.line, "<<", mapping, "must name a mapping, or a list of mappings")
            result |= mapping
        return result | found

    def _alias(self, event: Any) -> Any:
        if event.anchor not in self._anchors:
            raise _unusable(self.line, f"*{event.anchor}", "an alias", "does not name a complete anchor before it")
        value, weight = self._anchors[event.anchor]
        self._weigh(weight)
        return value

    def _anchor(self, name: str, value: Any, weight: int) -> None:
        self._anchored += weight
        if self._anchored > _MAX_ANCHORED:
            raise _unusable(self.line, f"&{name}", "an anchor", "exceeds the limit for text with anchors")
        self._anchors[name] = value, weight

    def _weigh(self, weight: int) -> None:
        self._weight += weight
        if self._weight > MAX_WEIGHT:
            reason = f"is too large with its aliases expanded: more than {MAX_WEIGHT:,} characters"
            raise _unusable(self.line, "value", "this value", reason)


def _written(event: Any, key: Any) -> str:
    """Return a key as written in the file; of an alias, the value."""
    return str(event.value) if isinstance(event, yaml.ScalarEvent) else str(key)


def _keys_clash(second: tuple[str, int], first: tuple[str, int]) -> UnusableError:
    """Return the error for a duplicate key; the spelling may differ: 1 and true are equal."""
    if second[0] == first[0]:
        first_line = f", first on line {first[1]}" if first[1] != second[1] else ""
        return _unusable(second[1], second[0], "a key", f"appears twice in a mapping{first_line}")
    reason = f"and the key {first[0]} of line {first[1]} are equal in Python: put keys in quotes"
    return _unusable(second[1], second[0], "a key", reason)


def _scalar(event: Any, line: int) -> Any:
    text: str = event.value
    if event.tag is None:
        return plain_value(text) if event.implicit[0] else text
    kind = event.tag.removeprefix(_TAG)
    if event.tag == "!" or kind == "str":
        return text
    value = plain_value(text)
    if (
        kind not in _SCALAR_TYPES
        or not isinstance(value, _SCALAR_TYPES[kind])
        or isinstance(value, bool) != (kind == "bool")
    ):
        raise _unusable(line, "tag", event.tag, f"is not allowed for {text!r}: only plain values are")
    return value


def _check_tag(event: Any, kind: str, line: int) -> None:
    if event.tag not in (None, "!", _TAG + kind):
        raise _unusable(line, "tag", event.tag, "is not allowed: only plain values are")


def _is_merge(event: Any) -> bool:
    return isinstance(event, yaml.ScalarEvent) and event.value == "<<" and bool(event.implicit[0])


def _unusable(line: int, field: str, value: object, reason: str) -> UnusableError:
    return UnusableError(Problem(field, value, f"{reason} (line {line})"))


def _broken(error: Any) -> BrokenTextError:
    mark = getattr(error, "problem_mark", None)
    said = getattr(error, "problem", None) or getattr(error, "reason", None) or str(error)
    return BrokenTextError(mark.line + 1 if mark else 1, f"is not valid YAML: {said}")
