"""How one item is created, changed or deleted, and what a failed condition means."""

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
    """Return the condition that this write was not done yet: a retry after a lost reply must change nothing."""
    return model.write_id.does_not_exist() | (model.write_id != write_id)


def is_done(item: StampedModel | None, write_id: str) -> bool:
    """Return whether this write was the last write of the item."""
    return item is not None and item.write_id == write_id


def new_item(model: type[_M], fields: Mapping[str, Any], *, by: str | None, now: datetime | None) -> _M:
    """Return a new item, with all its fields checked.

    Raises:
        ValidationError: the item cannot be stored; with every problem.
    """
    at = stamp(now)
    stamps = {"created_at": at, "updated_at": at, "created_by": by, "updated_by": by}
    taken = sorted((STAMPS | model.DERIVED) & fields.keys())
    problems = [Problem(name, fields[name], "is set by the package") for name in taken]
    given = {name: value for name, value in fields.items() if name not in taken and value is not None}
    # PynamoDB would accept its own names of the keys (`hash_key`, `range_key`) as fields
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
    """Put an item that must not exist yet. Makes one request.

    Raises:
        AlreadyExistsError: an item with this key exists; `current` is that item.
    """
    hash_key = item.get_attributes()[str(item._hash_keyname)]
    write_id = item.write_id = new_write_id()
    # PynamoDB's method, because the model's would set `updated_at` to the current time
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
    """Return update actions that make these changes, update the derived fields and increment the revision.

    Args:
        target: the item.
        changes: checked values; None removes the field.
        by: the name of the writer.
        now: the time of the write.
        write_id: the id of this write.
        once: checked values of fields that are set only if the item does not have them.
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
    """Change one item under a condition and return it as stored. Makes one request.

    Raises:
        ConflictError: the condition failed; `current` is the item, or None if it does not exist.
        UnreadableItemError: the stored item cannot be read; `done` says whether the update was done anyway.
    """
    write_id = new_write_id()
    actions = [*write_actions(target, changes, by=by, now=now, write_id=write_id, once=once), *more]
    request = target.request(
        actions=actions,
        condition=condition & not_yet(target.model, write_id),
        return_values="ALL_NEW",
        return_values_on_condition_failure="ALL_OLD",
    )
    refuse_too_large(_encoded_values(actions))
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
    """Create an item, or change the existing item under the condition `allowed`; if that is None, only create.

    Makes one request, or two if `by` is given and the existing item has no `created_by`, which stays empty.

    Raises:
        ConflictError: the item exists and the condition failed; `current` is the item.
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
        # perhaps it has no `created_by`, and this write makes it readable
        return update(target, changes, condition=allowed, by=by, now=now, once=once)
    except ConflictError as error:
        if error.current is None or error.current.created_by is not None:
            raise
        return update(target, changes, condition=allowed, by=by, now=now, once=once)


def _encoded_values(actions: Sequence[Action]) -> dict[str, dict[str, Any]]:
    """Return the encoded values that an update sets, by stored name."""
    sets = [action.values for action in actions if isinstance(action, SetAction)]
    return {path.path[0]: value.value for path, value in sets if isinstance(path, Path) and isinstance(value, Value)}


def exists(target: Target) -> Any:
    """Return the condition that the item exists."""
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
    """Make checked changes to an existing item, which must have the expected revision unless that is None.

    Makes one request.

    Raises:
        ItemNotFoundError: there is no such item.
        StaleRevisionError: it does not have the expected revision.
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
    """Return the condition that the item exists, and has the expected revision unless that is None."""
    if expected is None:
        return exists(target)
    return exists(target) & (target.model.revision == check_values(target.model, {"revision": expected})["revision"])


def refused(target: Target, error: ConflictError, expected_revision: int | None) -> PipemodelsError:
    """Return the error for a failed condition on an existing item."""
    current = error.current
    if current is None:
        return ItemNotFoundError(f"there is no {target.name}")
    if expected_revision is not None and current.revision != expected_revision:
        message = f"{target.name} is at revision {current.revision}, not {expected_revision}: read it again"
        return StaleRevisionError(message, current)
    return error


def read(target: Target) -> Any:
    """Return an item, strongly consistent. Makes one request.

    Raises:
        ItemNotFoundError: there is no such item.
        UnreadableItemError: the item exists, but cannot be read.
    """
    return unreadable.read_item(target.model, read_item(target))


def read_item(target: Target) -> dict[str, dict[str, Any]]:
    """Return an item as DynamoDB stores it, strongly consistent. Makes one request.

    Raises:
        ItemNotFoundError: there is no such item.
    """
    answer = target.send("GetItem", target.request(consistent_read=True))
    if "Item" not in answer:
        raise ItemNotFoundError(f"there is no {target.name}")
    item: dict[str, dict[str, Any]] = answer["Item"]
    return item


def put(target: Target, fields: Mapping[str, Any], *, by: str | None, now: datetime | None) -> Any:
    """Create an item, or replace all its fields but `created_at`, `created_by` and `revision`. Makes one request."""
    item = new_item(target.model, fields, by=by, now=now)
    item.serialize()
    kept = {*STAMPS, *target.key, *target.model.DERIVED}
    changes = {name: getattr(item, name) for name in item.get_attributes() if name not in kept}
    changes["updated_by"] = item.updated_by
    once = {"created_at": item.created_at}
    return create_or_update(target, changes, allowed=exists(target), by=by, now=item.updated_at, once=once)


def delete(target: Target, *, expected_revision: int | None, rules: Condition | None = None) -> Any:
    """Delete an existing item and return it as it was. Makes one request.

    Raises:
        ItemNotFoundError: there is no such item.
        StaleRevisionError: it does not have the expected revision.
        ConflictError: `rules` failed; `current` is the item.
        UnreadableItemError: the item cannot be read; `done` says whether it was deleted anyway.
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
    if "Attributes" not in answer:  # the condition was that the item exists
        raise StorageError(f"{target.name}: DynamoDB did not return the deleted item; check that it is deleted")
    return _result(target, answer["Attributes"], "deleted")


def _result(target: Target, stored: Any, done: str) -> Any:
    """Return the object of the item that a write returned.

    Raises:
        UnreadableItemError: it cannot be read; the message and `done` say that the write was done.
    """
    try:
        return unreadable.read_item(target.model, stored)
    except UnreadableItemError as error:
        message = f"{target.name} has been {done}, but the returned item cannot be read: {error.item}"
        failure = UnreadableItemError(error.item, message)
        failure.done = ("/".join(target.key.values()),)
        raise failure from error
