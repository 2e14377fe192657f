"""Batch writes that keep revisions: transactions in place of BatchWriteItem, which knows no condition."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any, TypeVar
from weakref import ref

from pynamodb.models import BatchWrite, Model

from pipemodels.codecs import facade

_M = TypeVar("_M", bound=Model)
_MAX_ITEMS = 100  # DynamoDB: items in one transaction
_MAX_BYTES = 3_500_000  # DynamoDB: 4 MB in one transaction; the rest is for keys and expressions


class PlainBatch(BatchWrite[_M]):
    """PynamoDB's batch write, with items in JSON where the wire writes them."""

    def commit(self) -> None:
        """Write what is pending, and again what DynamoDB has left undone."""
        pending = self.pending_operations
        sent = self.pending_operations = [one | {"item": _Sent(one["item"])} for one in pending]
        try:
            super().commit()
        finally:
            if self.pending_operations is sent:  # an item could not be sent, and so none was
                self.pending_operations = pending


class _Sent:
    """An item of a batch write, in the form in which it is sent."""

    def __init__(self, item: Any) -> None:
        self._item, self._get_keys = item, item._get_keys

    def serialize(self) -> dict[str, Any]:
        """Return it; as JSON where the wire writes it."""
        return facade.item_to_send(self._item)


def _new_write_ids() -> Iterator[str]:
    """Yield names of writes that nobody else has given, as `base.new_write_id` does; the system is asked for 32."""
    while True:
        drawn = os.urandom(16 * 32).hex()
        yield from (drawn[start : start + 32] for start in range(0, len(drawn), 32))


class TransactionalBatch(BatchWrite[_M]):
    """Writes each item as `save()` would, up to 100 in one transaction; a stale one refuses its transaction.

    An item is written as it is when it is given; the object itself is not kept, so that one which nobody else holds
    is gone at once, and garbage collection need not look through a hundred of them. Transactions before the refused
    one stay written. A transaction costs twice the capacity of plain writes.
    """

    def __init__(self, model: type[_M], auto_commit: bool = True) -> None:
        super().__init__(model, auto_commit)
        self.max_operations = _MAX_ITEMS
        self._bytes = 0
        self._pending_keys: set[Any] = set()
        self._key_names = model._hash_keyname, model._range_keyname
        self._write_ids = _new_write_ids()

    def save(self, put_item: _M) -> None:
        """Add a write; its item is checked now, and full transactions are sent."""
        key = self._make_room_for(put_item)
        item: Any = put_item  # of the package's base
        put = item.batch_put(self._write_ids)
        size = facade.json_size(put)
        if self._bytes + size > _MAX_BYTES:
            self.commit()
        self._bytes += size
        self._add("PUT", key, put_item, put)

    def delete(self, del_item: _M) -> None:
        """Add a deletion; under the condition of its revision, where the object knows it."""
        key = self._make_room_for(del_item)
        item: Any = del_item  # of the package's base
        known = item._read(item._version_attribute_name) is not None
        self._add("DELETE", key, del_item, del_item.get_delete_kwargs_from_instance(add_version_condition=known))

    def _make_room_for(self, item: _M) -> Any:
        """Send what is pending where the transaction is full, or names the item already: it may do that only once.

        Return the item's key.
        """
        value: Any = item.attribute_values.get
        hash_name, range_name = self._key_names
        key: Any = value(hash_name), range_name and value(range_name)
        try:
            twice = key in self._pending_keys
        except TypeError:  # of a value that has no hash
            key = str(key)
            twice = key in self._pending_keys
        full = len(self.pending_operations) == self.max_operations
        if full and not self.auto_commit:
            raise ValueError(f"DynamoDB allows a maximum of {self.max_operations} batch operations")
        if full or twice:
            self.commit()
        return key

    def _add(self, action: str, key: Any, item: _M, request: dict[str, Any]) -> None:
        self._pending_keys.add(key)
        self.pending_operations.append({"action": action, "item": ref(item), "request": request})

    def commit(self) -> None:
        """Send what is pending as one transaction."""
        operations: list[dict[str, Any]] = self.pending_operations
        self.pending_operations, self._pending_keys, self._bytes = [], set(), 0
        if not operations:
            return
        requests: dict[str, list[Any]] = {"PUT": [], "DELETE": []}
        for operation in operations:
            requests[operation["action"]].append(operation["request"])
        self.model._get_connection().connection.transact_write_items(
            condition_check_items=[], delete_items=requests["DELETE"], put_items=requests["PUT"], update_items=[]
        )
        for operation in operations:
            if operation["action"] == "PUT" and (item := operation["item"]()) is not None:
                item.update_local_version_attribute()
