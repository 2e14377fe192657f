"""Read a stored item: return its object, or an error that names the fields that cannot be read.

Items written by other programs (the AWS console, boto3, an older tool) may have values that the model cannot read.
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
        model: the item's model.
        stored: the item as DynamoDB returned it.
        held: the stored names that were read, if the item is a summary.

    Raises:
        UnreadableItemError: the model cannot read the item; with its table, its key and each unreadable field.
    """
    try:
        return model.from_raw_data(stored) if held is None else model.summary(stored, held)
    except Exception as error:  # a user's own attribute may raise any error
        raise UnreadableItemError(_unreadable(model, facade.plain(stored), error)) from error


def read_part(model: type[_M], stored: Any, needed: frozenset[str]) -> _M:
    """Return a summary of an item that holds only the fields that can be read.

    Args:
        model: the item's model.
        stored: the item as DynamoDB returned it.
        needed: the stored names of the fields that the summary must hold.

    Raises:
        UnreadableItemError: a needed field cannot be read, or the summary cannot be read either.
    """
    item = facade.plain(stored)
    attributes = model.get_attributes().values()
    held = frozenset(own.attr_name for own in attributes if not any(_problems(own, item.get(own.attr_name))))
    if not needed <= held:
        return read_item(model, stored)
    return read_item(model, {name: value for name, value in item.items() if name in held}, held)


def warn_unreadable(log: logging.Logger, item: UnreadableItem) -> None:
    """Log that an item was skipped, and why, but not its content; the log record has it as `unreadable`."""
    log.warning(
        "skipped an item that cannot be read: table %r, %r: %s",
        item.table_name,
        dict(item.key),
        "; ".join(f"{problem.field} {problem.reason}" for problem in item.problems),
        extra={"unreadable": item},
    )


def _unreadable(model: type[Model], item: dict[str, Any], error: Exception) -> UnreadableItem:
    attributes = model.get_attributes().values()
    keys = [own.attr_name for own in attributes if own.is_hash_key or own.is_range_key]
    problems = [problem for own in attributes for problem in _problems(own, item.get(own.attr_name))]
    return UnreadableItem(
        table_name=model.Meta.table_name,
        key={name: _shown(item[name]) for name in keys if name in item},
        problems=tuple(problems) or (Problem("item", str(error), _reason(model, error)),),
    )


def _problems(attribute: Any, stored: Any) -> Iterator[Problem]:
    """Yield the problems for which an attribute's stored value cannot be read."""
    if not stored or NULL in stored:
        return
    try:
        attribute.deserialize(attribute.get_value(stored))
    except ValidationError as error:
        yield from error.problems
    except Exception as error:  # as above
        yield Problem(attribute.attr_name, _shown(stored), _reason(type(attribute), error))


def _reason(kind: type, error: Exception) -> str:
    """Return a reason without the error's message, which may contain stored values: reasons are logged."""
    return f"cannot be read as {kind.__name__} ({type(error).__name__})"


def _shown(tagged: dict[str, Any]) -> object:
    """Return a stored value without its type tag; with the tag if it cannot be decoded."""
    try:
        return decode(tagged)
    except Exception:  # only for a message, so any value must do
        return tagged
