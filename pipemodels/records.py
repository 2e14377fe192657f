"""Records: small immutable values with named, checked fields, stored in lists inside an item.

A record is a frozen dataclass whose fields name the attribute that checks and stores them:

    @dataclass(frozen=True, kw_only=True)
    class StageInfo(Record):
        stage_name: str = part(IdAttribute())

PynamoDB's `MapAttribute` is both attribute and value, and modifies a shared element while it decodes. A record
compares by value and may be shared between threads.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping
from typing import Any, Self

from pipemodels.errors import Problem, ValidationError, joined


def part(attribute: Any, *, derived: bool = False) -> Any:
    """Declare a field of a record. It is required unless the attribute has `null=True`.

    Args:
        attribute: the attribute that checks, encodes and decodes the field.
        derived: whether `derive` computes the field; it is then not an argument of the constructor.
    """
    return dataclasses.field(default=None, init=not derived, metadata={"attribute": attribute})


_fields: dict[type, dict[str, Any]] = {}


def _fields_of(of: Any) -> tuple[dataclasses.Field[Any], ...]:
    """Return the fields of a record class, each of which is a dataclass, although the base is not."""
    return dataclasses.fields(of)


def record_fields(of: type[Record]) -> dict[str, Any]:
    """Return the attributes of a record class by field name, in order of declaration."""
    if of not in _fields:
        fields = {field.name: field.metadata["attribute"] for field in _fields_of(of)}
        for name, attribute in fields.items():
            attribute.attr_name = name
        _fields[of] = fields
    return _fields[of]


class Record:
    """Base class of records. The constructor checks and normalises every field."""

    __slots__ = ()

    def __post_init__(self) -> None:
        """Check all fields and raise one error for all problems."""
        fields = record_fields(type(self))
        for name, value in checked_values(fields, {name: getattr(self, name) for name in fields}).items():
            object.__setattr__(self, name, value)
        if problems := self.rule_problems():
            raise ValidationError(problems)
        self.derive()

    def rule_problems(self) -> list[Problem]:
        """Return the problems between fields that are each valid."""
        return []

    def derive(self) -> None:
        """Set the fields that are computed from other fields."""

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> Self:
        """Return a record with the values of a mapping; reject unknown fields."""
        known = [field.name for field in _fields_of(cls) if field.init]
        if problems := unknown_fields(values, known):
            raise ValidationError(problems)
        return cls(**values)

    @classmethod
    def from_storage(cls, values: Mapping[str, Any]) -> Self:
        """Return a record with decoded stored values, unchecked: an older version may have had other rules."""
        record = object.__new__(cls)
        for name in record_fields(cls):
            object.__setattr__(record, name, values.get(name))
        return record


def unknown_fields(names: Mapping[str, Any], known: list[str]) -> list[Problem]:
    """Return a problem for each unknown name, with the most similar known name."""
    problems = []
    for name, value in names.items():
        if name not in known:
            from difflib import get_close_matches  # imported only if a name is wrong

            near = get_close_matches(str(name), known, n=1)
            problems.append(
                Problem(str(name), value, f"is not a field; did you mean {near[0]}?" if near else "is not a field")
            )
    return problems


def checked_values(
    attributes: Mapping[str, Any], values: Mapping[str, Any], *, required: Collection[str] | None = None
) -> dict[str, Any]:
    """Return the values, each checked and normalised by its attribute; raise one error for all problems.

    Args:
        attributes: the attributes of a model or record by name.
        values: the values by name; a value that is not required may be None.
        required: the required names; by default those whose attribute does not have `null=True`.
    """
    checked: dict[str, Any] = {}
    problems: list[Problem] = []
    causes: list[ValidationError] = []
    for name, value in values.items():
        attribute = attributes[name]
        if value is None:
            if not attribute.null if required is None else name in required:
                problems.append(Problem(name, None, "is required"))
            checked[name] = None
            continue
        try:
            checked[name] = attribute.normalise(value)
        except ValidationError as error:
            problems.extend(error.problems)
            causes.append(error)
    if problems:
        raise joined(problems, causes)
    return checked
