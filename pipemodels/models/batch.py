"""Batch writes that keep revisions: transactions in place of BatchWriteItem, which knows no condition."""

from __future__ import annotations

import json
from typing import Any, TypeVar

from pynamodb.models import BatchWrite, Model

_M = TypeVar("_M", bound=Model)
_MAX_ITEMS = 100  # DynamoDB: items in one transaction
_MAX_BYTES = 3_500_000  # DynamoDB: 4 MB in one transaction; the rest is for keys and expressions


class TransactionalBatch(BatchWrite[_M]):
    """Writes each item as `save()` would, up to 100 in one transaction; a stale one refuses its transaction.

    Transactions before the refused one stay written. A transaction costs twice the capacity of plain writes.
    """

    def __init__(self, model: type[_M], auto_commit: bool = True) -> None:
        super().__init__(model, auto_commit)
        self.max_operations = _MAX_ITEMS
        self._bytes = 0
        self._pending_keys: set[str] = set()

    def save(self, put_item: _M) -> None:
        """Add a write; its item is checked now, and full transactions are sent."""
        size = len(json.dumps(put_item.serialize(), ensure_ascii=False).encode())
        self._make_room(put_item, size)
        super().save(put_item)

    def delete(self, del_item: _M) -> None:
        """Add a deletion; under the condition of its revision, where the object knows it."""
        self._make_room(del_item, 0)
        super().delete(del_item)

    def _make_room(self, item: _M, size: int) -> None:
        if len(self.pending_operations) == self.max_operations and self.auto_commit:
            self.commit()
        key = json.dumps(item._get_keys())  # type: ignore[no-untyped-call]  # PynamoDB leaves it untyped
        full = len(self.pending_operations) == self.max_operations and self.auto_commit
        # a transaction may name an item only once
        if full or key in self._pending_keys or self._bytes + size > _MAX_BYTES:
            self.commit()
        self._pending_keys.add(key)
        self._bytes += size

    def commit(self) -> None:
        """Send what is pending as one transaction."""
        operations: list[dict[str, Any]] = self.pending_operations
        self.pending_operations, self._pending_keys, self._bytes = [], set(), 0
        if not operations:
            return
        from pynamodb.transactions import TransactWrite  # here: few write batches, and everybody imports the models

        with TransactWrite(connection=self.model._get_connection().connection) as transaction:
            for operation in operations:
                item = operation["item"]
                if operation["action"] == "PUT":
                    transaction.save(item)
                else:
                    known = getattr(item, str(item._version_attribute_name)) is not None
                    transaction.delete(item, add_version_condition=known)
