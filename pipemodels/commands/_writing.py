"""The requests behind the commands: one conditional write each, and what a failed condition means."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar, cast

from pynamodb.expressions.condition import Condition
from pynamodb.expressions.operand import Path, Value
from pynamodb.expressions.update import Action, SetAction
from pynamodb.models import Model as PynamoModel

from pipemodels.config import current_config
from pipemodels.documents import refuse_too_large
from pipemodels.errors import (
    AlreadyExistsError,
    ConflictError,
    ItemNotFoundError,
    PipemodelsError,
    Problem,
    StaleRevisionError,
    StorageError,
    ValidationError,
    failed_conditions,
    joined,
)
from pipemodels.instants import utc_instant, utc_now
from pipemodels.models import unreadable
from pipemodels.models.base import StampedModel, new_write_id
from pipemodels.records import checked_values, unknown_fields
from pipemodels.storage.sending import bounded, send

_M = TypeVar("_M", bound=StampedModel)
_PYNAMODB_NAMES = frozenset({"hash_key", "range_key", "_user_instantiated"})
_TRANSACTION_ITEMS = 100  # DynamoDB: items in one transaction

STAMPS = frozenset({"created_at", "updated_at", "created_by", "updated_by", "revision", "write_id"})


@dataclass(frozen=True, slots=True)
class Target:
    """An item that a command writes: its model, its key, and its name for people."""

    model: type[StampedModel]
    key: Mapping[str, str]
    name: str

    def checked(self) -> Target:
        """Return the target, its key checked.

        Raises:
            ValidationError: a part of the key is no id.
        """
        check_values(self.model, self.key)
        return self

    def request(self, **settings: Any) -> dict[str, Any]:
        """Return the arguments of a request on this item."""
        hash_key, *rest = self.key.values()
        connection = self.model._get_connection()
        return connection.get_operation_kwargs(hash_key, range_key=rest[0] if rest else None, **settings)

    def send(self, operation: str, request: dict[str, Any]) -> dict[str, Any]:
        """Send a request, repeated where that helps, and translate PynamoDB's errors, naming this item."""
        table, decode = self.model.Meta.table_name, self.model.from_raw_data
        return send(operation, request, subject=self.name, table=table, decode=decode)


def all_checked(*checks: Callable[[], Any]) -> list[Any]:
    """Return what each check returns; the problems of all are reported together.

    Raises:
        ValidationError: with every problem, in the order of the checks.
    """
    results, errors = [], []
    for check in checks:
        try:
            results.append(check())
        except ValidationError as error:
            errors.append(error)
    if errors:
        raise errors[0] if len(errors) == 1 else joined((one for error in errors for one in error.problems), errors)
    return results


def check_values(model: type[StampedModel], values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values normalised, each by its attribute; report all problems together."""
    return checked_values(model.get_attributes(), values)


def check_changes(model: type[StampedModel], changes: Mapping[str, Any], key: Mapping[str, str]) -> dict[str, Any]:
    """Return the changes of an update normalised.

    Raises:
        ValidationError: no change at all, an unknown field, one that may not change, a value that cannot be stored.
    """
    if not isinstance(changes, Mapping) or not changes:
        raise ValidationError.of("changes", changes, "must name at least one field and its new value")
    protected = STAMPS | set(key) | model.DERIVED
    known = [name for name in model.get_attributes() if name not in protected]
    problems = [
        Problem(str(name), value, "may not be changed") for name, value in changes.items() if name in protected
    ]
    problems += unknown_fields({name: value for name, value in changes.items() if name not in protected}, known)
    try:
        checked = check_values(model, {name: value for name, value in changes.items() if name in known})
    except ValidationError as error:
        raise joined([*problems, *error.problems], [error]) from None
    if problems:
        raise ValidationError(problems)
    return checked


def check_by(model: type[StampedModel], by: str | None) -> str | None:
    """Return who writes, checked."""
    return cast("str | None", check_values(model, {"updated_by": by})["updated_by"])


def stamp(now: datetime | None) -> Any:
    """Return the instant of a write: the one given, or the clock's."""
    return utc_now() if now is None else utc_instant(now, "now")


def not_yet(model: type[StampedModel], write_id: str) -> Any:
    """Return the condition that this write has not been done: its reply may be lost, and it is sent again."""
    return model.write_id.does_not_exist() | (model.write_id != write_id)


def is_done(item: StampedModel | None, write_id: str) -> bool:
    """Say whether an item is as this write has left it."""
    return item is not None and item.write_id == write_id


def with_environment(fields: dict[str, Any]) -> dict[str, Any]:
    """Add the configuration's default environment, where none is given."""
    default = current_config().environment
    return {"environment": default, **fields} if default is not None else fields


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
        return unreadable.read_item(target.model, target.send("UpdateItem", request)["Attributes"])
    except ConflictError as error:
        if is_done(error.current, write_id):
            return error.current  # its first reply was lost
        raise


@bounded
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
    return unreadable.read_item(target.model, answer["Attributes"])


def id_list(ids: Iterable[str]) -> list[str]:
    """Return the ids; a single text is one id, and never meant as its letters."""
    return [ids] if isinstance(ids, str) else list(ids)


def update_together(
    targets: Iterable[Target], changes: Mapping[str, Any], *, by: str | None, now: datetime | None
) -> list[str]:
    """Make the same change to many existing items and return their ids, each once, in order.

    All or nothing up to 100; above that in transactions of 100, each of which has the time limit for itself.

    Raises:
        ItemNotFoundError: one is missing; what earlier transactions changed is in the error's `done`.
    """
    at = stamp(now)
    unique = list({tuple(target.key.values()): target.checked() for target in targets}.values())
    done: list[str] = []
    for start in range(0, len(unique), _TRANSACTION_ITEMS):
        chunk = unique[start : start + _TRANSACTION_ITEMS]
        try:
            _update_chunk(chunk, changes, by=by, now=at)
        except PipemodelsError as error:
            error.done = tuple(done)
            raise
        done += ["/".join(target.key.values()) for target in chunk]
    return done


@bounded
def _update_chunk(chunk: list[Target], changes: Mapping[str, Any], *, by: str | None, now: datetime) -> None:
    model, write_id = chunk[0].model, new_write_id()
    updates = [
        target.request(
            actions=write_actions(target, changes, by=by, now=now, write_id=write_id),
            condition=exists(target) & not_yet(model, write_id),
            return_values_on_condition_failure="ALL_OLD",
        )
        for target in chunk
    ]
    names = ", ".join(target.name for target in chunk)
    try:
        transact(names, model, *({"Update": update} for update in updates))
    except ConflictError as error:
        if is_done(error.current, write_id):
            return  # all or nothing: what was done of one was done of all
        missing = [chunk[position].name for position in failed_conditions(error)]
        raise ItemNotFoundError(f"there is no {', no '.join(missing)}; nothing was changed") from error


def transact(subject: str, model: type[StampedModel], *parts: Mapping[str, Any]) -> None:
    """Send a transaction; each repeat has the same token, by which DynamoDB knows it for ten minutes.

    Raises:
        ConflictError: a condition failed; `current` is the first item, of this model, of which one did.
    """
    request = {"TransactItems": list(parts), "ClientRequestToken": uuid.uuid4().hex}
    table, decode = model.Meta.table_name, model.from_raw_data
    send("TransactWriteItems", request, subject=subject, table=table, decode=decode)
