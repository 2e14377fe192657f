"""Listings over shards: full pages, one order, cursors that belong to their query, as DynamoDB pages them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from pipemodels import PipelineConfig, ValidationError, commands, queries, using
from tests.helpers.backends import Backend, fresh
from tests.helpers.items import NOON, pipeline_fields


def fifty(environment: str) -> list[str]:
    """Create fifty pipelines at one instant, and return their ids."""
    ids = [fresh("p") for _ in range(50)]
    with PipelineConfig.batch_write() as batch:
        for n, pipeline_id in enumerate(ids):
            fields = pipeline_fields(pipeline_id=pipeline_id, environment=environment, is_active=n % 10 == 0)
            batch.save(PipelineConfig(**fields, created_at=NOON))
    return ids


@pytest.mark.parametrize("limit", [1, 7, 50])
def test_fifty_items_of_one_sort_key_are_paged_without_loss(store: Backend, limit: int) -> None:
    """All share one instant: every page but the last is full, none is missed, none comes twice."""
    ids = fifty(environment := fresh("env"))
    listing, seen, cursor = queries.pipelines_by_environment(environment), [], None
    while True:
        page = listing.page(limit, cursor)
        seen += [one.pipeline_id for one in page]
        cursor = page.cursor
        if cursor is None:
            break
        assert len(page) == limit
    assert sorted(seen) == sorted(ids)
    assert len(list(queries.pipelines_by_environment(environment, is_active=True).page(5))) == 5


def test_a_filter_that_drops_much_still_fills_its_pages(store: Backend) -> None:
    """Of fifty, five are active: two pages of three and two, and a count that agrees."""
    ids = fifty(environment := fresh("env"))
    listing = queries.pipelines_by_environment(environment, is_active=True)
    first = listing.page(3)
    second = listing.page(3, first.cursor)
    assert [len(first), len(second), second.cursor] == [3, 2, None]
    assert sorted(one.pipeline_id for one in (*first, *second)) == sorted(ids[::10])
    assert listing.count() == 5


def test_more_shards_find_what_fewer_wrote(store: Backend) -> None:
    """Written over one shard, read over eight: all is there; a cursor of one goes on over eight, not back."""
    environment = fresh("env")
    with using(replace(store.config, index_shards=1)):
        for n in range(4):
            commands.create_pipeline(**pipeline_fields(environment=environment), now=NOON + timedelta(hours=n))
        cursor = queries.pipelines_by_environment(environment).page(2).cursor
    with using(replace(store.config, index_shards=8)):
        commands.create_pipeline(**pipeline_fields(environment=environment), now=NOON)
        listing = queries.pipelines_by_environment(environment)
        created = [one.created_at for one in listing]
        assert created == [NOON + timedelta(hours=n) for n in (3, 2, 1, 0, 0)]
        rest = listing.page(9, cursor)
        assert [one.created_at for one in rest] == [NOON + timedelta(hours=n) for n in (1, 0, 0)]
        wide = listing.page(1).cursor
    with using(replace(store.config, index_shards=1)), pytest.raises(ValidationError, match="not a cursor of this"):
        queries.pipelines_by_environment(environment).page(1, wide)


@pytest.mark.parametrize(
    "alter",
    [
        lambda cursor: cursor[:-1],
        lambda cursor: cursor[1:],
        lambda cursor: cursor + "A",
        lambda cursor: cursor.swapcase(),
        lambda cursor: "",
        lambda cursor: "é",
        lambda cursor: cursor.encode(),
    ],
)
def test_an_altered_cursor_is_refused(store: Backend, alter: Callable[[str], str]) -> None:
    """Cut, longer, other letters, nothing, no text: ValidationError, never another page."""
    environment = fresh("env")
    for _ in range(2):
        commands.create_pipeline(**pipeline_fields(environment=environment))
    listing = queries.pipelines_by_environment(environment)
    cursor = listing.page(1).cursor
    assert cursor is not None
    assert len(listing.page(1, cursor)) == 1
    with pytest.raises(ValidationError, match="is not a cursor of this query"):
        listing.page(1, alter(cursor))
    with pytest.raises(ValidationError, match="is not a cursor of this query"):
        queries.pipelines_by_environment(environment, is_active=True).page(1, cursor)


def test_whole_items_are_as_they_are_now(store: Backend) -> None:
    """A hundred and twenty in full: by two batches; one deleted between the listing and the batch is left out."""
    environment = fresh("env")
    ids = fifty(environment) + fifty(environment) + fifty(environment)
    listing = queries.pipelines_by_environment(environment).in_full()
    assert {one.pipeline_id for one in listing} == set(ids)
    iterator = iter(listing)
    first = next(iterator)
    commands.update_pipeline(pipeline_id=first.pipeline_id, changes={"tags": {"a": "b"}})
    whole = {one.pipeline_id: one for one in queries.pipelines_by_environment(environment).in_full()}
    assert whole[first.pipeline_id].tags == {"a": "b"}
    assert len(list(iterator)) == len(ids) - 1
