"""How models write items: each write increments the revision and updates the derived attributes."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import Any, Self

from pynamodb.constants import NULL
from pynamodb.expressions.condition import Condition
from pynamodb.expressions.operand import Path, Value
from pynamodb.expressions.update import Action, RemoveAction, SetAction
from pynamodb.models import BatchWrite

from pipemodels.attributes.scalars import RevisionAttribute
from pipemodels.codecs import facade
from pipemodels.errors import Problem, ValidationError
from pipemodels.instants import utc_now
from pipemodels.models.batch import PlainBatch, TransactionalBatch
from pipemodels.models.declared import DeclaredModel
from pipemodels.models.value_checks import refuse_unstorable

_COMPUTED = object()  # stands for a value that only DynamoDB knows


def new_write_id() -> str:
    """Return a unique id of a write."""
    return os.urandom(16).hex()


class WritingModel(DeclaredModel):
    """A model whose every write keeps the revision."""

    def _handle_version_attribute(
        self, *, attributes: dict[str, Any] | None = None, actions: list[Action] | None = None
    ) -> Condition | None:
        """Increment the revision; if the object does not know it, increment the stored revision.

        PynamoDB would then set the revision to 1, and create a missing item.
        """
        if actions is not None:
            self._complete(actions)
        name = self._version_attribute_name
        if name is None:
            return None
        if self._read(name) is not None or (actions is None and not self._is_unread(name)):
            condition = super()._handle_version_attribute(attributes=attributes, actions=actions)
            return self._of_this_life(condition)
        if actions is None:  # the item was read without its revision
            return None
        version = self.get_attributes()[name]
        actions.append(version.add(1))
        return version.exists()

    def _of_this_life(self, condition: Condition | None) -> Condition | None:
        """Add the condition that the item is still the one that was read, not another created later with its key."""
        write_id = self._read(self.WRITE_ID)
        if condition is None or write_id is None or self._read(self._version_attribute_name) is None:
            return condition
        both: Condition = condition & (self.get_attributes()[str(self.WRITE_ID)] == write_id)
        return both

    def _complete(self, actions: list[Action]) -> None:
        """Add derived attributes and the time of the update to its actions."""
        refuse_unstorable(*actions)
        changes = {name: value for name, value in map(self._change, actions) if name is not None}
        for name in changes.keys() & (self.DERIVED | {self._version_attribute_name}):
            raise ValidationError.of(str(name), changes[name], "is set by the package and may not be changed")
        touched = changes.keys() & self.derived_sources()
        for name in touched:
            if changes[name] is _COMPUTED:
                raise ValidationError.of(
                    name,
                    "an expression",
                    "must be set to a value, because other attributes are derived from it",
                )
        if touched:
            known = {name: changes[name] for name in touched} | self._keys()
            actions.extend(self._set(name, value) for name, value in self.derived(known).items())
        if "updated_at" in self._stamped and "updated_at" not in changes:
            actions.append(self._set("updated_at", utc_now()))

    @classmethod
    def _set(cls, name: str, value: Any) -> Action:
        attribute = cls.get_attributes()[name]
        return attribute.remove() if value is None else attribute.set(value)

    @classmethod
    def _change(cls, action: Action) -> tuple[str | None, Any]:
        """Return the name and the new value of the attribute that an action sets, or None for other paths."""
        path = action.values[0]
        if not isinstance(path, Path) or len(path.path) > 1:
            return None, None
        name = cls._dynamo_to_python_attr(path.path[0])
        if name not in cls.get_attributes():
            return None, None
        if isinstance(action, RemoveAction):
            return name, None
        operand = action.values[1]
        if isinstance(action, SetAction) and isinstance(operand, Value):
            if NULL in operand.value:
                return name, None
            return name, cls.get_attributes()[name].deserialize(next(iter(operand.value.values())))
        return name, _COMPUTED

    def _keys(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self._key_names()}

    def _get_hash_range_key_serialized_values(self) -> tuple[Any, Any]:
        """Return the serialized key, which must be complete."""
        if missing := [
            Problem(name, None, "is required") for name in self._key_names() if getattr(self, name) is None
        ]:
            raise ValidationError(missing)
        return super()._get_hash_range_key_serialized_values()

    @classmethod
    def _serialize_keys(cls, hash_key: Any, range_key: Any = None) -> tuple[Any, Any]:
        """Return the serialized key; the hash key is required."""
        if hash_key is None and cls._hash_keyname:
            raise ValidationError.of(cls._hash_keyname, None, "is required")
        return super()._serialize_keys(hash_key, range_key)

    def update(
        self, actions: Sequence[Action], condition: Condition | None = None, *, add_version_condition: bool = True
    ) -> Any:
        """Update the item; if the model has a revision, increment it and do not create a missing item."""
        guarded, condition = self._guarded(actions, condition)
        return super().update(guarded, condition, add_version_condition=add_version_condition)

    def get_update_kwargs_from_instance(
        self, actions: list[Action], condition: Condition | None = None, *args: Any, **settings: Any
    ) -> dict[str, Any]:
        """Return the update as an operation of a transaction; see `update`."""
        actions, condition = self._guarded(actions, condition)
        return super().get_update_kwargs_from_instance(actions, condition, *args, **settings)

    def _guarded(
        self, actions: Sequence[Action], condition: Condition | None
    ) -> tuple[list[Action], Condition | None]:
        """Return a copy of the actions, to which more are added, and the condition that the item exists."""
        is_list = isinstance(actions, Sequence) and all(isinstance(action, Action) for action in actions)
        if not is_list or not actions:
            raise TypeError(f"actions must be a non-empty list of update actions, not {actions!r}")
        refuse_unstorable(condition)
        if self._version_attribute_name is not None:
            condition &= self.get_attributes()[str(self._hash_keyname)].exists()
        return list(actions), condition

    def save(self, condition: Condition | None = None, *, add_version_condition: bool = True) -> dict[str, Any]:
        """Write the item, unless it has changed since it was read.

        Raises:
            PutError: it has changed since it was read; this is PynamoDB's error.
            ValidationError: the item cannot be stored, or `add_version_condition` is False: a put without a condition
                would overwrite newer revisions. Use `update()`, or `put_pipeline` and `put_table`.
        """
        if not add_version_condition and self._version_attribute_name:
            raise ValidationError.of(
                "add_version_condition", False, "would overwrite newer revisions: use update(), or a put_… command"
            )
        self._touch()
        return super().save(condition=condition)

    def _get_save_args(self, condition: Condition | None = None, *, add_version_condition: bool = True) -> Any:
        refuse_unstorable(condition)
        return super()._get_save_args(condition, add_version_condition=add_version_condition)

    def get_save_kwargs_from_instance(self, *args: Any, **settings: Any) -> dict[str, Any]:
        """Return the save as an operation of a transaction; see `save`."""
        self._touch()
        return super().get_save_kwargs_from_instance(*args, **settings)

    def delete(self, condition: Condition | None = None, *, add_version_condition: bool = True) -> Any:
        """Delete the item, on condition of its revision if that was read."""
        refuse_unstorable(condition)
        return super().delete(condition, add_version_condition=add_version_condition)

    def get_delete_kwargs_from_instance(
        self, condition: Condition | None = None, *args: Any, **settings: Any
    ) -> dict[str, Any]:
        """Return the deletion as an operation of a transaction; see `delete`."""
        refuse_unstorable(condition)
        return super().get_delete_kwargs_from_instance(condition, *args, **settings)

    def batch_put(self, write_ids: Iterator[str] | None = None) -> dict[str, Any]:
        """Return the save as an operation of a batch; the fast path returns JSON that can be used as a dict."""
        self._touch(write_ids)
        item: Any = self
        return facade.save_request(item, self.get_save_kwargs_from_instance)

    def _touch(self, write_ids: Iterator[str] | None = None) -> None:
        """Set the time of the write and, in a new item, the id of the write."""
        self._refuse_summary()
        values: dict[Any, Any] = self.attribute_values
        for name, unchecked in self._stamped.items():
            if name != self.WRITE_ID:
                value: Any = utc_now()
            elif values.get(self._version_attribute_name) is None:
                value = new_write_id() if write_ids is None else next(write_ids)
            else:
                continue
            if unchecked:
                values[name] = value
            else:
                setattr(self, name, value)

    def update_local_version_attribute(self) -> None:
        """Increment the revision of the object after a write."""
        name = self._version_attribute_name
        if self._held is not None:  # an update in a transaction; the other stored values are unknown
            if name is not None and (revision := self._read(name)) is not None:
                dict.__setitem__(self.attribute_values, name, revision + 1)
        elif name is not None and type(self.get_attributes()[name]) is RevisionAttribute:
            self.attribute_values[name] = (self.attribute_values.get(name) or 0) + 1
        else:
            super().update_local_version_attribute()  # type: ignore[no-untyped-call]  # PynamoDB leaves it untyped

    @classmethod
    def batch_write(cls, auto_commit: bool = True) -> BatchWrite[Self]:
        """Write many items.

        If the model has a revision, the writes are sent in transactions of up to 100, each item with the condition of
        `save()`. A stale item makes its whole transaction fail.
        """
        if cls._version_attribute_name is None:
            return PlainBatch(cls, auto_commit=auto_commit)
        return TransactionalBatch(cls, auto_commit=auto_commit)
