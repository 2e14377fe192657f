"""Checks of the values of PynamoDB's own attributes, which may send a value that DynamoDB refuses, or change it.

For example, `UnicodeAttribute` sends a number as a string, `BooleanAttribute` stores the string "false" as True, and
`UnicodeSetAttribute` stores a string as a set of its characters. `add_checks` adds checks to the `serialize` method
of an attribute, which encodes values in items, keys, conditions and updates.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from functools import partial
from typing import Any

from pynamodb.attributes import (
    Attribute,
    BinaryAttribute,
    BinarySetAttribute,
    BooleanAttribute,
    DynamicMapAttribute,
    JSONAttribute,
    ListAttribute,
    MapAttribute,
    NumberAttribute,
    NumberSetAttribute,
    TTLAttribute,
    UnicodeAttribute,
    UnicodeSetAttribute,
    UTCDateTimeAttribute,
    VersionAttribute,
)
from pynamodb.expressions.condition import Condition
from pynamodb.expressions.operand import Path, Value, _Operand
from pynamodb.expressions.update import SetAction

from pipemodels.attributes.base import CheckedAttribute
from pipemodels.checks import number_problem, text_problem
from pipemodels.errors import Problem, ValidationError

_WANTED: tuple[tuple[type[Any], str], ...] = (
    (VersionAttribute, "must be a whole number"),
    (NumberAttribute, "must be a number"),
    (UnicodeAttribute, "must be text"),
    (UTCDateTimeAttribute, "must be a datetime"),
    (TTLAttribute, "must be a datetime with a UTC offset, or a timedelta from now"),
    (JSONAttribute, "must be a value that JSON can represent"),
    (BooleanAttribute, "must be True or False"),
    (BinaryAttribute, "must be bytes"),
    (BinarySetAttribute, "must be a set of bytes"),
    (UnicodeSetAttribute, "must be a set of strings"),
    (NumberSetAttribute, "must be a set of numbers"),
    (ListAttribute, "must be a list"),
    (MapAttribute, "must be a mapping"),
)
_SETS = (UnicodeSetAttribute.serialize, NumberSetAttribute.serialize, BinarySetAttribute.serialize)
_MAPS = (MapAttribute.serialize, DynamicMapAttribute.serialize)
# errors that Python itself raises; other errors come from a user's own attribute class and are not translated
_OF_PYTHON = {TypeError, ValueError, AttributeError, KeyError, OverflowError, UnicodeEncodeError, RecursionError}


def add_checks(attribute: Attribute[Any]) -> None:
    """Make an attribute of PynamoDB raise a `ValidationError` for a value that cannot be stored."""
    if isinstance(attribute, CheckedAttribute) or "serialize" in vars(attribute):
        return
    object.__setattr__(attribute, "serialize", partial(_serialize, attribute))
    if isinstance(attribute, MapAttribute):  # it holds copies of its attributes, for expressions
        for name in attribute.get_attributes():
            add_checks(vars(attribute)[name])


def _serialize(attribute: Any, value: Any, **settings: Any) -> Any:
    """Return the result of the attribute's own `serialize`: the encoded value without its type tag."""
    path = ".".join(map(str, attribute.attr_path))
    _refuse(_input_problems(attribute, value, path))
    try:
        stored = type(attribute).serialize(attribute, value, **settings)
    except Exception as error:
        if type(error) not in _OF_PYTHON:
            raise
        raise ValidationError.of(path, value, _reason(attribute, value, error)) from error
    if stored is not None:
        _refuse(_encoding_problems(attribute, value, stored, path))
    return stored


def _refuse(problems: Iterator[Problem]) -> None:
    if found := list(problems):
        raise ValidationError(found)


def _wanted(attribute: Any) -> str:
    return next((wanted for kind, wanted in _WANTED if isinstance(attribute, kind)), "cannot be stored")


def _reason(attribute: Any, value: Any, error: Exception) -> str:
    if isinstance(value, Decimal) and isinstance(attribute, NumberAttribute):
        return "must be an int or a float; pipemodels.attributes.DecimalAttribute stores it exactly"
    return f"{_wanted(attribute)} ({error})"


def _encoding_problems(attribute: Any, value: Any, stored: Any, path: str) -> Iterator[Problem]:
    """Yield the problems of an encoded value; show the given value if the problem concerns all of it."""
    for problem in stored_problems({attribute.attr_type: stored}, path):
        if problem.field != path:
            yield problem
        else:
            is_complete = problem.reason.startswith("must be")
            yield Problem(path, value, problem.reason if is_complete else f"{_wanted(attribute)}: {problem.reason}")


# -- in expressions -------------------------------------------------------------------------------------------------


def refuse_unstorable(*expressions: Any) -> None:
    """Raise an error for values in conditions and actions that DynamoDB would refuse.

    PynamoDB does not serialize some maps in expressions by their attribute, whose checks therefore do not see them.
    """
    given = [expression for expression in expressions if expression is not None]
    _refuse(problem for expression in given for problem in _operand_problems(expression, "the expression"))


def _operand_problems(expression: Any, path: str) -> Iterator[Problem]:
    target = None
    for operand in expression.values:
        if isinstance(operand, Path):
            path, target = str(operand), operand.attribute
        elif isinstance(operand, Value):
            yield from stored_problems(operand.value, path)
            if isinstance(expression, SetAction):
                yield from _type_problems(target, operand, path)
        elif isinstance(operand, Condition | _Operand):
            yield from _operand_problems(operand, path)


def _type_problems(attribute: Any, operand: Value, path: str) -> Iterator[Problem]:
    """Yield a problem if the attribute could not read the value of an update; PynamoDB does not check this."""
    if attribute is not None and not isinstance(attribute, CheckedAttribute):
        ((tag, value),) = operand.value.items()
        if tag not in (attribute.attr_type, "NULL"):
            yield Problem(path, value, _wanted(attribute))


# -- input values ---------------------------------------------------------------------------------------------------


def _input_problems(attribute: Any, value: Any, path: str) -> Iterator[Problem]:
    """Yield a problem for each value that PynamoDB would change when it encodes it."""
    serialize = type(attribute).serialize
    if serialize is BooleanAttribute.serialize:
        if value is not None and not isinstance(value, bool) and not (type(value) is int and value in (0, 1)):
            yield Problem(path, value, "must be True or False")
    elif serialize in _SETS:
        if isinstance(value, str | bytes | Mapping):
            yield Problem(path, value, _wanted(attribute))
    elif serialize in _MAPS:
        values = vars(value)["attribute_values"] if isinstance(value, MapAttribute) else value
        if not isinstance(values, Mapping):
            yield Problem(path, value, "must be a mapping")
            return
        for name, own in attribute.get_attributes().items():
            if values.get(name) is not None:
                yield from _input_problems(own, values[name], f"{path}.{own.attr_name}")
    elif serialize is ListAttribute.serialize:
        if isinstance(value, str | bytes | Mapping | MapAttribute):
            yield Problem(path, value, "must be a list")
            return
        if isinstance(value, list | tuple):
            yield from _element_problems(attribute.element_type, value, path)


def _element_problems(of: Any, values: Any, path: str) -> Iterator[Problem]:
    is_checked = of is not None and issubclass(
        of, BooleanAttribute | UnicodeSetAttribute | NumberSetAttribute | MapAttribute
    )
    for position, element in enumerate(values):
        if isinstance(element, MapAttribute):
            yield from _input_problems(element, element, f"{path}[{position}]")
        elif is_checked and element is not None:
            yield from _input_problems(of(), element, f"{path}[{position}]")


# -- encoded values -------------------------------------------------------------------------------------------------


def stored_problems(tagged: Any, path: str) -> Iterator[Problem]:
    """Yield the problems for which DynamoDB would refuse an encoded value with its type tag."""
    ((tag, value),) = tagged.items()
    if tag == "M":
        for name, part in value.items():
            if reason := text_problem(name):
                yield Problem(f"{path} (a name in it)", name, reason)
            yield from stored_problems(part, f"{path}.{name}")
    elif tag == "L":
        for position, part in enumerate(value):
            yield from stored_problems(part, f"{path}[{position}]")
    elif tag in ("SS", "NS", "BS"):
        for element in value:
            if reason := _PROBLEMS[tag[0]](element):
                yield Problem(path, element, reason)
                return
        if len(set(value)) < len(value):
            yield Problem(path, value, "has an element twice")
    elif tag in _PROBLEMS and (reason := _PROBLEMS[tag](value)):
        yield Problem(path, value, reason)


def _digits_problem(value: Any) -> str | None:
    if value in ("NaN", "Infinity", "-Infinity"):
        return "must be a finite number"
    if not isinstance(value, str) or not re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", value, re.ASCII):
        return "must be a number"
    return number_problem(Decimal(value))


_PROBLEMS: dict[str, Callable[[Any], str | None]] = {
    "S": text_problem,
    "N": _digits_problem,
    "B": lambda value: None if isinstance(value, bytes | bytearray) else f"must be bytes, not {type(value).__name__}",
    "BOOL": lambda value: None if isinstance(value, bool) else f"must be True or False, not {type(value).__name__}",
}
