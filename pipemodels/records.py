"""Records: small immutable values with named, checked fields, kept in lists inside an item.

A record is a frozen dataclass whose fields name their attribute, said once:

    @dataclass(frozen=True, kw_only=True)
    class StageInfo(Record):
        stage_name: str = part(IdAttribute())

PynamoDB's own `MapAttribute` is attribute and value in one and writes to a shared element while it decodes; a record
compares by value and may be shared between threads.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping
from typing import Any, Self

from pipemodels.errors import Problem, ValidationError, joined


def part(attribute: Any, *, derived: bool = False) -> Any:
    """Declare a field of a record; it is required unless the attribute is `null=True`.

    Args:
        attribute: checks, encodes and decodes the field.
        derived: the record works it out itself (`derive`) and takes it from nobody.
    """
    return dataclasses.field(default=None, init=not derived, metadata={"attribute": attribute})


_fields: dict[type, dict[str, Any]] = {}


def record_fields(of: type[Record]) -> dict[str, Any]:
    """Return the attributes of a record class by field name, in order."""
    if of not in _fields:
        fields = {one.name: one.metadata["attribute"] for one in dataclasses.fields(of)}  # type: ignore[arg-type]
        for name, attribute in fields.items():
            attribute.attr_name = name
        _fields[of] = fields
    return _fields[of]


class Record:
    """Base of records: checks and normalises every field when one is made."""

    __slots__ = ()

    def __post_init__(self) -> None:
        """Check all fields and report all problems together."""
        fields = record_fields(type(self))
        for name, value in checked_values(fields, {name: getattr(self, name) for name in fields}).items():
            object.__setattr__(self, name, value)
        if problems := self.rule_problems():
            raise ValidationError(problems)
        self.derive()

    def rule_problems(self) -> list[Problem]:
        """Return what is wrong between fields that are right one by one."""
        return []

    def derive(self) -> None:
        """Set the fields that follow from others."""

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> Self:
        """Make a record of a mapping; an unknown field is refused."""
        known = [one.name for one in dataclasses.fields(cls) if one.init]  # type: ignore[arg-type]
        if problems := unknown_fields(values, known):
            raise ValidationError(problems)
        return cls(**values)

    @classmethod
    def from_storage(cls, values: Mapping[str, Any]) -> Self:
        """Make a record of decoded values as they are stored; rules that came later do not apply."""
        record = object.__new__(cls)
        for name in record_fields(cls):
            object.__setattr__(record, name, values.get(name))
        return record


def unknown_fields(names: Mapping[str, Any], known: list[str]) -> list[Problem]:
    """Return a problem for each name that is not known, with the nearest known one."""
    problems = []
    for name, value in names.items():
        if name not in known:
            from difflib import get_close_matches  # here: only who mistypes a name waits for it

            near = get_close_matches(str(name), known, n=1)
            problems.append(
                Problem(str(name), value, f"is no field; did you mean {near[0]}?" if near else "is no field")
            )
    return problems


def checked_values(
    attributes: Mapping[str, Any], values: Mapping[str, Any], *, required: Collection[str] | None = None
) -> dict[str, Any]:
    """Return the values normalised, each by its attribute; report all problems together.

    Args:
        attributes: by name, as a model or a record declares them.
        values: None is taken for what is not required.
        required: the names that are; those whose attribute is not `null=True`, if not given.
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
