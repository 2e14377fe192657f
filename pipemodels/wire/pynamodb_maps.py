"""Maps of PynamoDB, as `MapAttribute(**values)` makes them, in one step; it makes two dozen calls a field.

What is made is the same, with its values in the same order; what is out of the ordinary is left to PynamoDB.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import wraps
from types import FunctionType
from typing import Any
from weakref import WeakSet

from pynamodb.attributes import Attribute, MapAttribute, MetaMapAttribute

from pipemodels import wire

# -- free maps ------------------------------------------------------------------------------------------------------

# of `MapAttribute(**values)`: names that it takes for settings of an attribute, or for its own parameters
_SETTINGS = frozenset({*MapAttribute.attribute_args, "self", "_user_instantiated"})


def free_map(values: dict[str, Any]) -> MapAttribute[str, Any]:
    """Return what setting an attribute of type `MapAttribute` makes of a dict."""
    if not _SETTINGS.isdisjoint(values):
        return MapAttribute(**values)
    made: MapAttribute[str, Any] = object.__new__(MapAttribute)
    object.__setattr__(made, "__dict__", {"attribute_kwargs": {}, "attribute_values": values})
    return made


def kept_map(value: Any) -> Any:
    """Return what an attribute of type `MapAttribute` keeps of a value."""
    if type(value) is dict:
        return free_map(dict(**value))  # it refuses what `MapAttribute(**value)` refuses
    return MapAttribute(**value) if isinstance(value, Mapping) else value


def keeping(kind: Any) -> Callable[[Any], Any]:
    """Return what tells what attributes of a class of maps keep of a value, where they set as `MapAttribute` does."""
    if kind is MapAttribute:
        return kept_map
    return lambda value: kind(**value) if isinstance(value, Mapping) else value


# -- typed maps -----------------------------------------------------------------------------------------------------

_compiled: WeakSet[Any] = WeakSet()


def pynamodb_s(function: Any) -> Any:
    """Return `MapAttribute.__init__` for what stands in its place, and anything else as it is."""
    stands_for_it = isinstance(function, FunctionType) and function in _compiled
    return MapAttribute.__init__ if stands_for_it else function


def compile_init(kind: Any) -> None:
    """Have maps of a class, which are made and hold their values as PynamoDB's are, made in one step.

    For that the class gets an `__init__`: what else is called, `MapAttribute` and its metaclass, is everybody's.
    Whoever looks at it, or replaces it, or calls it from a subclass, finds PynamoDB's.
    """
    metaclass: Any = type(kind)
    if metaclass is not MetaMapAttribute or "__init__" in vars(kind):
        return
    usual: Any = MapAttribute.__init__
    names = {"kind": kind, "of_all": MapAttribute, "usual": usual, "wire": wire}
    exec("\n".join(_init(kind.get_attributes(), names)), names)  # noqa: S102  # of names of attributes alone, quoted
    made = wraps(usual)(names["__init__"])
    _compiled.add(made)
    kind.__init__ = made


def _init(declared: dict[str, Any], names: dict[str, Any]) -> list[str]:
    """Return the source of an `__init__`; `names` take what it needs."""
    sets = {name: type(one).__set__ for name, one in declared.items()}
    maps = {name: keeping(type(declared[name])) for name in sets if sets[name] is MapAttribute.__set__}
    own = {name for name in sets if sets[name] is not Attribute.__set__ and name not in maps}
    names |= {"known": frozenset(sets.keys() - _SETTINGS), "own": own, "maps": maps}
    lines = ["def __init__(self, **attributes):"]
    lines += [" if type(self) is not kind or not known.issuperset(attributes) or not wire.is_on()"]
    lines[-1] += " or of_all.__init__ is not usual: return of_all.__init__(self, **attributes)"
    lines += [" held = self.__dict__", ' held["attribute_kwargs"] = {}']
    defaults = _defaults(declared, names)
    if not own and not maps and not defaults:
        return [*lines, ' held["attribute_values"] = attributes']
    lines += [' held["attribute_values"] = values = {}', *defaults]
    if not own and not maps:
        return [*lines, " values.update(attributes)"]
    return [*lines, " for name, v in attributes.items():", *_SET]


def _defaults(declared: dict[str, Any], names: dict[str, Any]) -> list[str]:
    """Return the source that sets what has a default."""
    lines = []
    for number, (name, one) in enumerate(declared.items()):
        default = one.default if one.default_for_new is None else one.default_for_new
        if default is not None:
            names[f"default_{number}"] = default
            lines += [f" name = {name!r}; v = default_{number}{'()' if callable(default) else ''}"]
            lines += [" if v is not None:", *_SET]
    return lines


_SET = [
    "  if name in own: setattr(self, name, v)",
    "  else: values[name] = maps[name](v) if name in maps else v",
]
