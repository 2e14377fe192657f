"""Tables: rules that DynamoDB itself keeps, statistics, and all tables of one pipeline."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from pipemodels import ItemNotFoundError, StaleRevisionError, TableType, ValidationError, commands, queries
from tests.helpers.backends import Backend, fresh
from tests.helpers.items import NOON, plain, table_fields

LATER = NOON + timedelta(hours=1)


def test_a_table_may_be_archived_at_once(store: Backend) -> None:
    """`archive_after_days=0` is below any retention, whether the table has one or not."""
    created = commands.create_table(**table_fields(), now=NOON)
    updated = commands.update_table(table_id=created.table_id, changes={"archive_after_days": 0}, now=LATER)
    assert plain(updated) == plain(created) | {"archive_after_days": 0, "updated_at": LATER, "revision": 2}
    kept = commands.create_table(**table_fields(retention_days=1), now=NOON)
    updated = commands.update_table(table_id=kept.table_id, changes={"archive_after_days": 0}, now=LATER)
    assert plain(queries.get_table(kept.table_id)) == plain(updated)


@pytest.mark.parametrize("changes", [{"archive_after_days": 30}, {"retention_days": 10}])
def test_archiving_stays_before_deletion_whoever_changes(store: Backend, changes: dict[str, Any]) -> None:
    """The rule between two fields holds where one of them is stored; the table stays as it was."""
    before = commands.create_table(**table_fields(retention_days=30, archive_after_days=10))
    with pytest.raises(ValidationError, match=r"archive_after_days: .* must be less than retention_days"):
        commands.update_table(table_id=before.table_id, changes=changes)
    assert queries.get_table(before.table_id) == before
    free = commands.update_table(table_id=before.table_id, changes={"retention_days": None, "archive_after_days": 99})
    assert plain(free).get("retention_days") is None
    assert (free.archive_after_days, free.revision) == (99, 2)


def test_statistics_leave_the_rest_alone(store: Backend) -> None:
    """What is told is set, what is not told stays, and the revision counts."""
    before = commands.create_table(**table_fields(size_bytes=5, tags={"a": "b"}), by="ann", now=NOON)
    after = commands.record_table_statistics(
        table_id=before.table_id, record_count=7, last_updated_data=NOON, now=LATER
    )
    expected = {"record_count": 7, "last_updated_data": NOON, "updated_at": LATER, "revision": 2}
    assert plain(after) == plain(before) | expected
    assert queries.get_table(before.table_id) == after


def test_a_table_moves_between_listings(store: Backend) -> None:
    """Another pipeline and type: the old listings lose it, the new ones show it."""
    old, new = fresh("p"), fresh("p")
    table = commands.create_table(**table_fields(pipeline_id=old, table_type="lookup"))
    changes = {"pipeline_id": new, "table_type": TableType.INTERMEDIATE}
    moved = commands.update_table(table_id=table.table_id, changes=changes)
    assert queries.tables_of_pipeline(old).count() == 0
    assert list(queries.tables_of_pipeline(new).in_full()) == [moved]
    assert [one.table_id for one in queries.tables_of_pipeline(new, "intermediate")] == [table.table_id]
    assert queries.tables_of_pipeline(new, "lookup").first() is None


def test_a_stale_change_and_a_missing_table_are_told_apart(store: Backend) -> None:
    """Another revision is StaleRevisionError with the newer item; no item is ItemNotFoundError."""
    table = commands.create_table(**table_fields())
    newer = commands.update_table(table_id=table.table_id, changes={"description": "new"}, expected_revision=1)
    with pytest.raises(StaleRevisionError, match="is at revision 2, not 1") as stale:
        commands.delete_table(table_id=table.table_id, expected_revision=1)
    assert stale.value.current == newer
    assert commands.delete_table(table_id=table.table_id, expected_revision=2) == newer
    with pytest.raises(ItemNotFoundError):
        commands.update_table(table_id=table.table_id, changes={"description": "late"}, expected_revision=2)
    assert queries.find_table(table.table_id) is None
