"""Commands on tables."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from pipemodels.errors import ConflictError, ValidationError
from pipemodels.models.table import TableConfig
from pipemodels.storage import targets, transactions, writes


def table_target(table_id: str) -> targets.Target:
    """Return the target of a command that writes a table."""
    return targets.Target(TableConfig, {"table_id": table_id}, f"table {table_id!r}")


def create_table(*, by: str | None = None, now: datetime | None = None, **fields: Any) -> TableConfig:
    """Register a new table. One request.

    Args:
        by: who creates it.
        now: the instant of the write; by default the clock's.
        fields: the fields of `TableConfig`; `table_id`, `pipeline_id`, `table_name`, `table_type`, `data_format` and
            `location` are required.

    Raises:
        ValidationError: the input is invalid; the error has every problem, and nothing was sent.
        AlreadyExistsError: the id is taken; `current` is the table that has it.
    """
    item = writes.new_item(TableConfig, targets.with_environment(fields), by=by, now=now)
    return writes.insert(table_target(item.table_id), item)


def put_table(*, by: str | None = None, now: datetime | None = None, **fields: Any) -> TableConfig:
    """Create the table, or replace all of its fields except `created_at` and `created_by`. One request.

    The last writer wins, and every write increments the revision. Fields that are not given are cleared.

    Raises:
        ValidationError: the input is invalid; the error has every problem, and nothing was sent.
    """
    fields = targets.with_environment(fields)
    item: TableConfig = writes.put(table_target(fields.get("table_id", "")), fields, by=by, now=now)
    return item


def update_table(
    *,
    table_id: str,
    changes: Mapping[str, Any],
    expected_revision: int | None = None,
    by: str | None = None,
    now: datetime | None = None,
) -> TableConfig:
    """Change the given fields; None clears a field. One request.

    Raises:
        ValidationError: no change, an unknown or protected field, a value that cannot be stored, or an
            `archive_after_days` that would not be less than `retention_days`; nothing was changed.
        ItemNotFoundError: the table does not exist.
        StaleRevisionError: the table was written since it was read; `current` is the newer state.
    """
    target = table_target(table_id)
    _, checked, *_ = targets.all_checked(
        target.checked,
        lambda: targets.check_changes(TableConfig, changes, target.key),
        lambda: targets.check_by(TableConfig, by),
        lambda: targets.stamp(now),
    )
    rules = _archive_rule(checked)
    try:
        item: TableConfig = writes.update_existing(
            target, checked, expected_revision=expected_revision, rules=rules, by=by, now=now
        )
    except ConflictError as error:
        if type(error) is ConflictError and error.current is not None:
            raise _archive_error(checked, error.current) from error
        raise
    return item


def _archive_rule(changes: Mapping[str, Any]) -> Any:
    """Return the condition that archiving comes before deletion; None if none is needed."""
    archive, retention = changes.get("archive_after_days"), changes.get("retention_days")
    if archive is not None and retention is not None and archive >= retention:
        raise ValidationError.of("archive_after_days", archive, f"must be less than retention_days ({retention})")
    if archive is not None and "retention_days" not in changes:
        return TableConfig.retention_days.does_not_exist() | (TableConfig.retention_days >= archive + 1)
    if retention is not None and "archive_after_days" not in changes:
        return TableConfig.archive_after_days.does_not_exist() | (TableConfig.archive_after_days < retention)
    return None


def _archive_error(changes: Mapping[str, Any], current: TableConfig) -> ValidationError:
    archive = changes.get("archive_after_days", current.archive_after_days)
    retention = changes.get("retention_days", current.retention_days)
    return ValidationError.of("archive_after_days", archive, f"must be less than retention_days ({retention})")


def record_table_statistics(
    *,
    table_id: str,
    record_count: int | None = None,
    size_bytes: int | None = None,
    last_updated_data: datetime | None = None,
    by: str | None = None,
    now: datetime | None = None,
) -> TableConfig:
    """Record how many records and bytes a table holds, and when its data changed. One request.

    A value of None leaves the field as it is.

    Raises:
        ValidationError: all three values are None, or a value cannot be stored.
        ItemNotFoundError: the table does not exist.
    """
    statistics = {
        "record_count": record_count,
        "size_bytes": size_bytes,
        "last_updated_data": last_updated_data,
    }
    changes = {name: value for name, value in statistics.items() if value is not None}
    return update_table(table_id=table_id, changes=changes, by=by, now=now)


def activate_tables(table_ids: Iterable[str], *, by: str | None = None, now: datetime | None = None) -> list[str]:
    """Make tables active and return their ids. One transaction for every 100 tables, each all or nothing.

    Raises:
        ItemNotFoundError: a table does not exist; its transaction changed nothing. `done` has the ids of the tables
        that
            earlier transactions changed.
    """
    return transactions.update_together(
        map(table_target, transactions.id_list(table_ids)), {"is_active": True}, by=by, now=now
    )


def deactivate_tables(table_ids: Iterable[str], *, by: str | None = None, now: datetime | None = None) -> list[str]:
    """Make tables inactive; for the rest, see `activate_tables`."""
    return transactions.update_together(
        map(table_target, transactions.id_list(table_ids)), {"is_active": False}, by=by, now=now
    )


def delete_table(*, table_id: str, expected_revision: int | None = None) -> TableConfig:
    """Delete the table's configuration and return it as it was. One request.

    Raises:
        ItemNotFoundError: the table does not exist.
        StaleRevisionError: the table has another revision than expected.
    """
    item: TableConfig = writes.delete(table_target(table_id).checked(), expected_revision=expected_revision)
    return item
