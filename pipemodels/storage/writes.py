"""The requests behind the commands: one conditional write each, and what a failed condition means."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, TypeVar

from pynamodb.expressions.condition import Condition
from pynamodb.expressions.operand import Path, Value
from pynamodb.expressions.update import Action, SetAction
from pynamodb.models import Model as PynamoModel

from pipemodels.documents import refuse_too_large
from pipemodels.errors import (
    AlreadyExistsError,
    ConflictError,
    ItemNotFoundError,
    PipemodelsError,
    Problem,
    StaleRevisionError,
    StorageError,
    UnreadableItemError,
    ValidationError,
    joined,
)
from pipemodels.models import unreadable
from pipemodels.models.base import new_write_id
from pipemodels.models.stamped import StampedModel
from pipemodels.records import unknown_fields
from pipemodels.storage.sending import with_deadline
from pipemodels.storage.targets import STAMPS, Target, check_by, check_values, stamp

_M = TypeVar("_M", bound=StampedModel)

_PYNAMODB_NAMES = frozenset({"hash_key", "range_key", "_user_instantiated"})


def not_yet(model: type[StampedModel], write_id: str) -> Any:
    """Return the condition that this write has not been done: its reply may be lost, and it is sent again."""
    return model.write_id.does_not_exist() | (model.write_id != write_id)


def is_done(item: StampedModel | None, write_id: str) -> bool:
    """Say whether an item is as this write has left it."""
    return item is not None and item.write_id == write_id


def new_item(model: type[_M], fields: Mapping[str, Any], *, by: str | None, now: datetime | None) -> _M:
    """Return an item that nobody has stored yet, checked whole.

    Raises:
        ValidationError: with every problem.
    """
    at = stamp(now)
    stamps = {"created_at": at, "updated_at": at, "created_by": by, "updated_by": by}
    taken = sorted((STAMPS | model.DERIVED) & fields.keys())
    problems = [Problem(name, fields[name], "is set by the package") for name in taken]
    given = {name: value for name, value in fields.items() if name not in taken and value is not None}
    # PynamoDB would take its own names of the keys (`hash_key`, `range_key`) for fields
    aliases = {name: given.pop(name) for name in _PYNAMODB_NAMES & given.keys()}
    problems += unknown_fields(aliases, list(model.get_attributes()))
    try:
        item = model(**given, **{name: value for name, value in stamps.items() if value is not None})
    except ValidationError as error:
        named = {problem.field for problem in error.problems}
        missing = [problem for problem in model.missing(given) if problem.field not in named]
        raise joined([*problems, *error.problems, *missing], [error]) from None
    if problems := [*problems, *item.problems()]:
        raise ValidationError(problems)
    return item


def insert(target: Target, item: _M) -> _M:
    """Put an item that must not exist yet. One request.

    Raises:
        AlreadyExistsError: the key is taken; `current` is who has it.
    """
    hash_key = item.get_attributes()[str(item._hash_keyname)]
    write_id = item.write_id = new_write_id()
    # PynamoDB's own: the model's would set `updated_at` by the clock
    request = PynamoModel.get_save_kwargs_from_instance(item, hash_key.does_not_exist(), "ALL_OLD")
    try:
        target.send("PutItem", request)
    except ConflictError as error:
        if not is_done(error.current, write_id):
            raise AlreadyExistsError(f"{target.name} exists already", error.current) from error
    item.revision = 1
    return item


def write_actions(
    target: Target,
    changes: Mapping[str, Any],
    *,
    by: str | None,
    now: datetime,
    write_id: str,
    once: Mapping[str, Any] | None = None,
) -> list[Action]:
    """Return the update that makes these changes, derives what follows from them and counts the revision.

    Args:
        target: the item.
        changes: checked values; None removes.
        by: who writes.
        now: when.
        write_id: names this write.
        once: checked values that are set only where the item has none.
    """
    model = target.model
    touched = model.derived_sources() & changes.keys()
    known = {name: changes[name] for name in touched} | dict(target.key)
    values = {**changes, **(model.derived(known) if touched else {}), "updated_at": now, "write_id": write_id}
    if by is not None:
        values["updated_by"] = check_by(model, by)
    actions = [model._set(name, value) for name, value in values.items()]
    attributes = model.get_attributes()
    actions += [attributes[name].set(attributes[name] | value) for name, value in (once or {}).items()]
    return [*actions, attributes["revision"].add(1)]


def update(
    target: Target,
    changes: Mapping[str, Any],
    *,
    condition: Condition,
    by: str | None,
    now: datetime,
    once: Mapping[str, Any] | None = None,
    more: Sequence[Action] = (),
) -> Any:
    """Change one item under a condition and return it as stored. One request.

    Raises:
        ConflictError: the condition failed; `current` is the item, or None where there is none.
        UnreadableItemError: the stored item cannot be read; `done` says whether the update was done all the same.
    """
    write_id = new_write_id()
    actions = [*write_actions(target, changes, by=by, now=now, write_id=write_id, once=once), *more]
    request = target.request(
        actions=actions,
        condition=condition & not_yet(target.model, write_id),
        return_values="ALL_NEW",
        return_values_on_condition_failure="ALL_OLD",
    )
    refuse_too_large(_sent(actions))
    try:
        return _result(target, target.send("UpdateItem", request)["Attributes"], "updated")
    except ConflictError as error:
        if is_done(error.current, write_id):
            return error.current  # its first reply was lost
        raise


@with_deadline
def create_or_update(
    target: Target,
    changes: Mapping[str, Any],
    *,
    allowed: Condition | None,
    by: str | None,
    now: datetime,
    once: Mapping[str, Any],
) -> Any:
    """Create an item, or change the one that exists under a condition; None allows no change.

    One request; two where `by` writes an item of which nobody knows who created it: that stays unknown.

    Raises:
        ConflictError: an item exists and the condition failed; `current` is it.
    """
    absent = target.model.get_attributes()[str(target.model._hash_keyname)].does_not_exist()
    if allowed is None or by is None:
        condition = absent if allowed is None else absent | allowed
        creator = {} if by is None else {"created_by": by}
        return update(target, changes, condition=condition, by=by, now=now, once={**once, **creator})
    try:
        known = allowed & target.model.created_by.exists()
        return update(target, changes, condition=absent | known, by=by, now=now, once={**once, "created_by": by})
    except UnreadableItemError as error:
        if error.done:
            raise
        # it may be one that nobody is known to have created, and that this write mends
        return update(target, changes, condition=allowed, by=by, now=now, once=once)
    except ConflictError as error:
        if error.current is None or error.current.created_by is not None:
            raise
        return update(target, changes, condition=allowed, by=by, now=now, once=once)


def _sent(actions: Sequence[Action]) -> dict[str, dict[str, Any]]:
    """Return the values that an update sets, encoded, by stored name."""
    sets = [action.values for action in actions if isinstance(action, SetAction)]
    return {path.path[0]: value.value for path, value in sets if isinstance(path, Path) and isinstance(value, Value)}


def exists(target: Target) -> Any:
    """Return the condition that the item is there."""
    return target.model.get_attributes()[str(target.model._hash_keyname)].exists()


def update_existing(
    target: Target,
    changes: Mapping[str, Any],
    *,
    expected_revision: int | None,
    rules: Condition | None = None,
    by: str | None,
    now: datetime | None,
) -> Any:
    """Make checked changes to an item that must exist, at the revision that is expected, if one is. One request.

    Raises:
        ItemNotFoundError: there is no such item.
        StaleRevisionError: it has another revision.
        ConflictError: `rules` failed; `current` is the item.
    """
    condition = at_revision(target, expected_revision)
    if rules is not None:
        condition &= rules
    try:
        return update(target, changes, condition=condition, by=by, now=stamp(now))
    except ConflictError as error:
        raise refused(target, error, expected_revision) from error


def at_revision(target: Target, expected: int | None) -> Any:
    """Return the condition that the item is there, and has the expected revision, if one is expected."""
    if expected is None:
        return exists(target)
    return exists(target) & (target.model.revision == check_values(target.model, {"revision": expected})["revision"])


def refused(target: Target, error: ConflictError, expected_revision: int | None) -> PipemodelsError:
    """Return what a failed condition on an existing item means."""
    current = error.current
    if current is None:
        return ItemNotFoundError(f"there is no {target.name}")
    if expected_revision is not None and current.revision != expected_revision:
        message = f"{target.name} is at revision {current.revision}, not {expected_revision}: read it again"
        return StaleRevisionError(message, current)
    return error


def read(target: Target) -> Any:
    """Return an item that must exist, read strongly consistent. One request.

    Raises:
        ItemNotFoundError: there is no such item.
        UnreadableItemError: it is there, but cannot be read.
    """
    return unreadable.read_item(target.model, read_item(target))


def read_item(target: Target) -> dict[str, dict[str, Any]]:
    """Return an item that must exist as DynamoDB holds it, read strongly consistent. One request.

    Raises:
        ItemNotFoundError: there is no such item.
    """
    answer = target.send("GetItem", target.request(consistent_read=True))
    if "Item" not in answer:
        raise ItemNotFoundError(f"there is no {target.name}")
    item: dict[str, dict[str, Any]] = answer["Item"]
    return item


def put(target: Target, fields: Mapping[str, Any], *, by: str | None, now: datetime | None) -> Any:
    """Create an item, or replace all that it holds but its creation and its count of revisions. One request."""
    item = new_item(target.model, fields, by=by, now=now)
    item.serialize()
    kept = {*STAMPS, *target.key, *target.model.DERIVED}
    changes = {name: getattr(item, name) for name in item.get_attributes() if name not in kept}
    changes["updated_by"] = item.updated_by
    once = {"created_at": item.created_at}
    return create_or_update(target, changes, allowed=exists(target), by=by, now=item.updated_at, once=once)


def delete(target: Target, *, expected_revision: int | None, rules: Condition | None = None) -> Any:
    """Delete an item that must exist and return it as it was. One request.

    Raises:
        ItemNotFoundError: there is no such item.
        StaleRevisionError: it has another revision than expected.
        ConflictError: `rules` failed; `current` is the item.
        UnreadableItemError: it cannot be read; `done` says whether it was deleted all the same.
    """
    condition = at_revision(target, expected_revision)
    request = target.request(
        condition=condition if rules is None else condition & rules,
        return_values="ALL_OLD",
        return_values_on_condition_failure="ALL_OLD",
    )
    try:
        answer = target.send("DeleteItem", request)
    except ConflictError as error:
        raise refused(target, error, expected_revision) from error
    if "Attributes" not in answer:  # the condition was that there is an item
        raise StorageError(f"{target.name}: DynamoDB did not return what it has deleted; look whether it is gone")
    return _result(target, answer["Attributes"], "deleted")


def _result(target: Target, stored: Any, done: str) -> Any:
    """Return the item that DynamoDB returned of a write.

    Raises:
        UnreadableItemError: it cannot be read; the message and `done` say that the write was done.
    """
    try:
        return unreadable.read_item(target.model, stored)
    except UnreadableItemError as error:
        message = f"{target.name} has been {done}, but what is returned of it cannot be read: {error.item}"
        failure = UnreadableItemError(error.item, message)
        failure.done = ("/".join(target.key.values()),)
        raise failure from error
