"""How models on the base write: the revision is counted, and what is derived follows its sources."""

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
from pipemodels.models.stored_forms import refuse_unstorable

_COMPUTED = object()  # an update's value that only DynamoDB knows


def new_write_id() -> str:
    """Return the name of a write that nobody else has given."""
    return os.urandom(16).hex()


class WritingModel(DeclaredModel):
    """A model that no way of writing makes forget a revision."""

    def _handle_version_attribute(
        self, *, attributes: dict[str, Any] | None = None, actions: list[Action] | None = None
    ) -> Condition | None:
        """Keep the revision, also where the object does not know it: then add to whatever is stored.

        PynamoDB would set such an item back to 1, and create it if it is missing.
        """
        if actions is not None:
            self._complete(actions)
        name = self._version_attribute_name
        if name is None:
            return None
        if self._read(name) is not None or (actions is None and not self._is_unread(name)):
            condition = super()._handle_version_attribute(attributes=attributes, actions=actions)
            return self._of_this_life(condition)
        if actions is None:  # nobody knows the revision of an item that was read without it
            return None
        version = self.get_attributes()[name]
        actions.append(version.add(1))
        return version.exists()

    def _of_this_life(self, condition: Condition | None) -> Condition | None:
        """Tell the item from another that was made under its key after it was deleted, and has its revision."""
        write_id = self._read(self.WRITE_ID)
        if condition is None or write_id is None or self._read(self._version_attribute_name) is None:
            return condition
        both: Condition = condition & (self.get_attributes()[str(self.WRITE_ID)] == write_id)
        return both

    def _complete(self, actions: list[Action]) -> None:
        """Add to an update what follows from it: derived attributes, and when it was."""
        refuse_unstorable(*actions)
        changes = {name: value for name, value in map(self._change, actions) if name is not None}
        for name in changes.keys() & (self.DERIVED | {self._version_attribute_name}):
            raise ValidationError.of(str(name), changes[name], "is kept by the package and may not be set")
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
        """Return which attribute an action sets, and to what."""
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
        """Return the serialized key, which must be there."""
        if missing := [
            Problem(name, None, "is required") for name in self._key_names() if getattr(self, name) is None
        ]:
            raise ValidationError(missing)
        return super()._get_hash_range_key_serialized_values()

    @classmethod
    def _serialize_keys(cls, hash_key: Any, range_key: Any = None) -> tuple[Any, Any]:
        """Return a serialized key, or the hash key alone, which must be there."""
        if hash_key is None and cls._hash_keyname:
            raise ValidationError.of(cls._hash_keyname, None, "is required")
        return super()._serialize_keys(hash_key, range_key)

    def update(
        self, actions: Sequence[Action], condition: Condition | None = None, *, add_version_condition: bool = True
    ) -> Any:
        """Update the item; where it has a revision, that is counted and a missing item is not created."""
        guarded, condition = self._guarded(actions, condition)
        return super().update(guarded, condition, add_version_condition=add_version_condition)

    def get_update_kwargs_from_instance(
        self, actions: list[Action], condition: Condition | None = None, *args: Any, **settings: Any
    ) -> dict[str, Any]:
        """Return the update as a part of a transaction; otherwise like `update`."""
        actions, condition = self._guarded(actions, condition)
        return super().get_update_kwargs_from_instance(actions, condition, *args, **settings)

    def _guarded(
        self, actions: Sequence[Action], condition: Condition | None
    ) -> tuple[list[Action], Condition | None]:
        """Return a copy of the actions, because more are added to them, and the condition that the item is there."""
        if not isinstance(actions, Sequence) or not actions or not all(isinstance(one, Action) for one in actions):
            raise TypeError(f"actions must be a list of update actions that is not empty, not {actions!r}")
        refuse_unstorable(condition)
        if self._version_attribute_name is not None:
            condition &= self.get_attributes()[str(self._hash_keyname)].exists()
        return list(actions), condition

    def save(self, condition: Condition | None = None, *, add_version_condition: bool = True) -> dict[str, Any]:
        """Write the item, unless somebody wrote it since it was read (PynamoDB's `PutError`).

        Raises:
            ValidationError: the item cannot be stored, or `add_version_condition=False`: a put without a condition
                would lose the revisions of others. Use `update()`, or `put_pipeline` and `put_table`.
        """
        if not add_version_condition and self._version_attribute_name:
            raise ValidationError.of(
                "add_version_condition", False, "would lose revisions: use update(), or a put_… command"
            )
        self._touch()
        return super().save(condition=condition)

    def _get_save_args(self, condition: Condition | None = None, *, add_version_condition: bool = True) -> Any:
        refuse_unstorable(condition)
        return super()._get_save_args(condition, add_version_condition=add_version_condition)

    def get_save_kwargs_from_instance(self, *args: Any, **settings: Any) -> dict[str, Any]:
        """Return the save as a part of a transaction; otherwise like `save`."""
        self._touch()
        return super().get_save_kwargs_from_instance(*args, **settings)

    def delete(self, condition: Condition | None = None, *, add_version_condition: bool = True) -> Any:
        """Delete the item; where it has a revision that was read, only under that."""
        refuse_unstorable(condition)
        return super().delete(condition, add_version_condition=add_version_condition)

    def get_delete_kwargs_from_instance(
        self, condition: Condition | None = None, *args: Any, **settings: Any
    ) -> dict[str, Any]:
        """Return the deletion as a part of a transaction; otherwise like `delete`."""
        refuse_unstorable(condition)
        return super().get_delete_kwargs_from_instance(condition, *args, **settings)

    def batch_put(self, write_ids: Iterator[str] | None = None) -> dict[str, Any]:
        """Return the save as a part of a batch: it may be JSON, which is a dict to whoever looks at it."""
        self._touch(write_ids)
        item: Any = self
        return facade.save_request(item, self.get_save_kwargs_from_instance)

    def _touch(self, write_ids: Iterator[str] | None = None) -> None:
        """Set when the item is written and, of a new one, by which write."""
        self._refuse_summary()
        values: dict[Any, Any] = self.attribute_values
        for name, as_it_is in self._stamped.items():
            if name != self.WRITE_ID:
                value: Any = utc_now()
            elif values.get(self._version_attribute_name) is None:
                value = new_write_id() if write_ids is None else next(write_ids)
            else:
                continue
            if as_it_is:
                values[name] = value
            else:
                setattr(self, name, value)

    def update_local_version_attribute(self) -> None:
        """Count the revision of the object, once it is stored."""
        name = self._version_attribute_name
        if self._held is not None:  # an update in a transaction: nobody knows the rest of what is stored now
            if name is not None and (revision := self._read(name)) is not None:
                dict.__setitem__(self.attribute_values, name, revision + 1)
        elif name is not None and type(self.get_attributes()[name]) is RevisionAttribute:
            self.attribute_values[name] = (self.attribute_values.get(name) or 0) + 1
        else:
            super().update_local_version_attribute()  # type: ignore[no-untyped-call]  # PynamoDB leaves it untyped

    @classmethod
    def batch_write(cls, auto_commit: bool = True) -> BatchWrite[Self]:
        """Write many items.

        A model with a revision keeps its promise here too: its writes go as transactions of up to 100, each item
        under the condition that `save()` has. A stale item refuses its whole transaction.
        """
        if cls._version_attribute_name is None:
            return PlainBatch(cls, auto_commit=auto_commit)
        return TransactionalBatch(cls, auto_commit=auto_commit)
