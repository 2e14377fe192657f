"""Reading a stored item: its object, or which of its fields cannot be read.

An item that something else has written (the console, boto3, an older tool) may hold what the model does not take.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any, TypeVar

from pynamodb.constants import NULL

from pipemodels.codecs import facade
from pipemodels.documents import decode
from pipemodels.errors import Problem, UnreadableItem, UnreadableItemError, ValidationError
from pipemodels.models.base import Model

_M = TypeVar("_M", bound=Model)


def read_item(model: type[_M], stored: Any, held: frozenset[str] | None = None) -> _M:
    """Return the object of a stored item.

    Args:
        model: its model.
        stored: the item as DynamoDB returned it.
        held: the stored names that were read, where it is a summary.

    Raises:
        UnreadableItemError: the model cannot read it; with its table, its key and each field that is wrong.
    """
    try:
        return model.from_raw_data(stored) if held is None else model.summary(stored, held)
    except Exception as error:  # an attribute of a user's own raises what it likes
        raise UnreadableItemError(_unreadable(model, facade.plain(stored), error)) from error


def read_part(model: type[_M], stored: Any, needed: frozenset[str]) -> _M:
    """Return a summary of the fields that can be read of an item of which not all can.

    Args:
        model: its model.
        stored: the item as DynamoDB returned it.
        needed: the stored names without which it is of no use.

    Raises:
        UnreadableItemError: one of the needed fields cannot be read, or the item cannot be read in part either.
    """
    item = facade.plain(stored)
    attributes = model.get_attributes().values()
    held = frozenset(one.attr_name for one in attributes if not any(_problems(one, item.get(one.attr_name))))
    if not needed <= held:
        return read_item(model, stored)
    return read_item(model, {name: value for name, value in item.items() if name in held}, held)


def warn_unreadable(log: logging.Logger, item: UnreadableItem) -> None:
    """Log which item was passed over, and why, but not what is in it; the record has the item as `unreadable`."""
    log.warning(
        "passed over an item that cannot be read: table %r, %r: %s",
        item.table_name,
        dict(item.key),
        "; ".join(f"{problem.field} {problem.reason}" for problem in item.problems),
        extra={"unreadable": item},
    )


def _unreadable(model: type[Model], item: dict[str, Any], error: Exception) -> UnreadableItem:
    attributes = model.get_attributes().values()
    keys = [one.attr_name for one in attributes if one.is_hash_key or one.is_range_key]
    problems = [problem for one in attributes for problem in _problems(one, item.get(one.attr_name))]
    return UnreadableItem(
        table_name=model.Meta.table_name,
        key={name: _shown(item[name]) for name in keys if name in item},
        problems=tuple(problems) or (Problem("item", str(error), _reason(model, error)),),
    )


def _problems(attribute: Any, stored: Any) -> Iterator[Problem]:
    """Yield why an attribute cannot be read; nothing where it can."""
    if not stored or NULL in stored:
        return
    try:
        attribute.deserialize(attribute.get_value(stored))
    except ValidationError as error:
        yield from error.problems
    except Exception as error:  # as above
        yield Problem(attribute.attr_name, _shown(stored), _reason(type(attribute), error))


def _reason(kind: type, error: Exception) -> str:
    """Return a reason without the error's own words, which may hold what is stored; they are logged."""
    return f"cannot be read as {kind.__name__} ({type(error).__name__})"


def _shown(tagged: dict[str, Any]) -> object:
    """Return a stored value without its type tag, or with it where it is in no known form."""
    try:
        return decode(tagged)
    except Exception:  # only for a message, whatever it is that cannot be read
        return tagged
