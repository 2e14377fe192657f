"""Batch writes that keep revisions: they use transactions, because BatchWriteItem cannot have conditions."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any, TypeVar
from weakref import ref

from pynamodb.models import BatchWrite, Model

from pipemodels.codecs import facade

_M = TypeVar("_M", bound=Model)
_MAX_ITEMS = 100  # DynamoDB's limit of items in one transaction
_MAX_BYTES = 3_500_000  # DynamoDB allows 4 MB in one transaction; the rest is for keys and expressions


class PlainBatch(BatchWrite[_M]):
    """PynamoDB's batch write, with items as JSON if the fast path can encode them."""

    def commit(self) -> None:
        """Write the pending operations; retry those that DynamoDB did not process."""
        pending = self.pending_operations
        sent = self.pending_operations = [
            operation | {"item": _ItemToSend(operation["item"])} for operation in pending
        ]
        try:
            super().commit()
        finally:
            if self.pending_operations is sent:  # an item could not be encoded, so nothing was sent
                self.pending_operations = pending


class _ItemToSend:
    """An item of a batch write, for PynamoDB to serialize."""

    def __init__(self, item: Any) -> None:
        self._item, self._get_keys = item, item._get_keys

    def serialize(self) -> dict[str, Any]:
        """Return the encoded item, as JSON if the fast path can encode it."""
        return facade.item_to_send(self._item)


def _new_write_ids() -> Iterator[str]:
    """Yield unique write ids, as `new_write_id` returns; each call to the system makes 16, to save time."""
    while True:
        drawn = os.urandom(16 * 32).hex()
        yield from (drawn[start : start + 32] for start in range(0, len(drawn), 32))


class TransactionalBatch(BatchWrite[_M]):
    """Writes each item as `save()` does, up to 100 in one transaction; a stale item makes its transaction fail.

    An item is encoded when it is added, and the object is not kept alive: later changes to it are not written, and
    garbage collection does not have to visit it. Transactions before the failed one stay written. A transaction costs
    twice the capacity of plain writes.
    """

    def __init__(self, model: type[_M], auto_commit: bool = True) -> None:
        super().__init__(model, auto_commit)
        self.max_operations = _MAX_ITEMS
        self._bytes = 0
        self._pending_keys: set[Any] = set()
        self._key_names = model._hash_keyname, model._range_keyname
        self._write_ids = _new_write_ids()

    def save(self, put_item: _M) -> None:
        """Add a write; check its item now, and send the transaction if it is full."""
        key = self._make_room_for(put_item)
        item: Any = put_item  # of the package's base
        put = item.batch_put(self._write_ids)
        size = facade.json_size(put)
        if self._bytes + size > _MAX_BYTES:
            self.commit()
        self._bytes += size
        self._add("PUT", key, put_item, put)

    def delete(self, del_item: _M) -> None:
        """Add a deletion, on condition of the object's revision if it has one."""
        key = self._make_room_for(del_item)
        item: Any = del_item  # of the package's base
        known = item._read(item._version_attribute_name) is not None
        self._add("DELETE", key, del_item, del_item.get_delete_kwargs_from_instance(add_version_condition=known))

    def _make_room_for(self, item: _M) -> Any:
        """Send the pending operations if the transaction is full or has this item; return the item's key.

        A transaction may contain an item only once.
        """
        value: Any = item.attribute_values.get
        hash_name, range_name = self._key_names
        key: Any = value(hash_name), range_name and value(range_name)
        try:
            twice = key in self._pending_keys
        except TypeError:  # the value is not hashable
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
        """Send the pending operations as one transaction."""
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
