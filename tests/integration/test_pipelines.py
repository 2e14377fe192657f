"""Pipelines: creating, replacing, changing together, and plain PynamoDB beside the commands."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from datetime import timedelta
from typing import Any

import pytest

from pipemodels import ItemNotFoundError, PipelineConfig, StaleRevisionError, ValidationError, commands, queries
from tests.helpers.backends import Backend, fresh, requests_of
from tests.helpers.differences import concurrent
from tests.helpers.items import NOON, pipeline_fields, plain

LATER = NOON + timedelta(hours=1)


def test_a_replaced_pipeline_keeps_its_creation_only(store: Backend) -> None:
    """All that is not given again is gone, `updated_by` too; created_at and created_by stay; the revision counts."""
    fields = pipeline_fields()
    first = commands.put_pipeline(**fields, description="old", tags={"a": "b"}, by="ann", now=NOON)
    second = commands.put_pipeline(**fields, is_active=False, now=LATER)
    expected = plain(first) | {"is_active": False, "updated_at": LATER, "revision": 2}
    for gone in ("description", "tags", "updated_by", "active_shard"):
        del expected[gone]
    assert plain(second) == expected
    assert queries.get_pipeline(fields["pipeline_id"]) == second


def test_who_replaces_a_pipeline_did_not_create_it(store: Backend) -> None:
    """A pipeline that nobody is said to have created has no `created_by` after somebody replaced it."""
    fields = pipeline_fields()
    created = commands.create_pipeline(**fields, now=NOON)
    replaced = commands.put_pipeline(**fields, by="bob", now=LATER)
    assert plain(replaced) == plain(created) | {"updated_at": LATER, "updated_by": "bob", "revision": 2}
    new = commands.put_pipeline(**pipeline_fields(), by="bob", now=NOON)
    assert (new.created_by, new.updated_by, new.revision) == ("bob", "bob", 1)


@pytest.mark.parametrize("name", ["hash_key", "range_key", "_user_instantiated"])
def test_pynamodbs_own_names_are_no_fields(store: Backend, name: str) -> None:
    """`hash_key=` is refused like any unknown field, before any request."""
    fields = pipeline_fields()
    with requests_of(store.config) as requests, pytest.raises(ValidationError, match=f"{name}: 'x' is not a field"):
        commands.create_pipeline(**(fields | {name: "x"}))
    assert requests == []


def test_a_batch_may_write_one_item_again_and_again(store: Backend) -> None:
    """A hundred items and the last one twice: each write counts its revision, none is lost."""
    items = [PipelineConfig(**pipeline_fields()) for _ in range(101)]
    last = items[-1]
    with PipelineConfig.batch_write() as batch:
        for item in items:
            batch.save(item)
        last.description = "again"
        batch.save(last)
    stored = queries.get_pipeline(last.pipeline_id)
    assert (stored, stored.revision, stored.description) == (last, 2, "again")
    found = PipelineConfig.batch_get([item.pipeline_id for item in items])
    assert sorted(map(plain, found), key=_id) == sorted(map(plain, items), key=_id)


def _id(fields: dict[str, Any]) -> str:
    return str(fields["pipeline_id"])


def test_activation_is_all_or_nothing(store: Backend) -> None:
    """One missing among a hundred: ItemNotFoundError naming it, and the ninety-nine stay inactive as they were."""
    ids = [fresh("p") for _ in range(99)]
    with PipelineConfig.batch_write() as batch:
        for pipeline_id in ids:
            batch.save(PipelineConfig(**pipeline_fields(pipeline_id=pipeline_id, is_active=False)))
    before = {item.pipeline_id: plain(item) for item in PipelineConfig.batch_get(ids)}
    with pytest.raises(ItemNotFoundError, match="there is no pipeline 'nobody'; nothing was changed") as missing:
        commands.activate_pipelines([*ids, "nobody"])
    assert missing.value.done == ()
    assert {item.pipeline_id: plain(item) for item in PipelineConfig.batch_get(ids)} == before
    assert commands.activate_pipelines([*ids, ids[0]], by="ann", now=LATER) == ids
    after = {item.pipeline_id: plain(item) for item in PipelineConfig.batch_get(ids)}
    changed = {"is_active": True, "updated_at": LATER, "updated_by": "ann", "revision": 2}
    shards = {name: {"active_shard": item["active_shard"]} for name, item in after.items()}
    assert after == {name: item | changed | shards[name] for name, item in before.items()}


def test_more_than_a_hundred_say_what_was_done(store: Backend) -> None:
    """Of 101 the last is missing: the first hundred are done, and the error names them."""
    ids = [fresh("p") for _ in range(100)]
    with PipelineConfig.batch_write() as batch:
        for pipeline_id in ids:
            batch.save(PipelineConfig(**pipeline_fields(pipeline_id=pipeline_id)))
    with pytest.raises(ItemNotFoundError) as missing:
        commands.deactivate_pipelines([*ids, "nobody"], now=LATER)
    assert missing.value.done == tuple(ids)
    assert {(item.is_active, item.revision) for item in PipelineConfig.batch_get(ids)} == {(False, 2)}


@concurrent
def test_twenty_threads_lose_no_update(store: Backend) -> None:
    """Twenty threads update one pipeline five times each: the revision has counted all hundred."""
    pipeline_id = commands.create_pipeline(**pipeline_fields()).pipeline_id

    def work(worker: int) -> None:
        for n in range(5):
            commands.update_pipeline(pipeline_id=pipeline_id, changes={"description": f"{worker}.{n}"})

    contexts = [copy_context() for _ in range(20)]
    with ThreadPoolExecutor(20) as threads:
        list(threads.map(lambda n: contexts[n].run(work, n), range(20)))
    assert queries.get_pipeline(pipeline_id).revision == 101


@concurrent
def test_of_twenty_threads_at_one_revision_one_wins(store: Backend) -> None:
    """All expect revision 1: one update is made, nineteen are StaleRevisionError with the winner's item."""
    pipeline_id = commands.create_pipeline(**pipeline_fields()).pipeline_id

    def work(worker: int) -> Any:
        try:
            return commands.update_pipeline(
                pipeline_id=pipeline_id, changes={"description": str(worker)}, expected_revision=1
            )
        except StaleRevisionError as error:
            return error

    contexts = [copy_context() for _ in range(20)]
    with ThreadPoolExecutor(20) as threads:
        outcomes = list(threads.map(lambda n: contexts[n].run(work, n), range(20)))
    winners = [one for one in outcomes if isinstance(one, PipelineConfig)]
    assert [queries.get_pipeline(pipeline_id)] == winners
    assert all(one.current == winners[0] for one in outcomes if isinstance(one, StaleRevisionError))
