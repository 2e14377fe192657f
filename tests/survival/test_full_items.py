"""Runs whose item is full to the last byte: they end all the same, and their slots are free."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from pipemodels import ItemTooLargeError, commands
from pipemodels.config import connection_of
from pipemodels.errors import StorageError, translated
from tests.survival.scenarios import at
from tests.survival.world import LATE, LEASE, PIPELINE, START, World, difference

pytestmark = [pytest.mark.backends("embedded", "localstack"), pytest.mark.no_cover]
KEY: dict[str, Any] = {"pipeline_id": PIPELINE, "run_id": "full"}
FULL_AT_THE_MOST = 410_000  # characters: more than an item holds


def filled(world: World) -> None:
    """Fill the run's item up: one character more, and DynamoDB refuses it."""
    fits, too_many = 0, FULL_AT_THE_MOST
    while too_many - fits > 1:
        middle = (fits + too_many) // 2
        fits, too_many = (middle, too_many) if holds(world, middle) else (fits, middle)
    assert holds(world, fits)
    assert not holds(world, fits + 1)


def holds(world: World, characters: int) -> bool:
    """Say whether the run's item has room for a text of so many characters, and put it there if so."""
    request: dict[str, Any] = {
        "TableName": world.config.table_name("pipeline_run_logs"),
        "Key": {name: {"S": value} for name, value in KEY.items()},
        "UpdateExpression": "SET error_stack_trace = :text",
        "ExpressionAttributeValues": {":text": {"S": "x" * characters}},
    }
    try:
        with translated("the run"):
            connection_of(world.config).dispatch("UpdateItem", request)
    except ItemTooLargeError:
        return False
    except StorageError as error:
        raise AssertionError("refused for another reason") from error
    return True


@pytest.mark.parametrize("limit", [None, 1])
@pytest.mark.parametrize("beats", [False, True])
def test_a_full_item_ends(world: World, limit: int | None, beats: bool) -> None:
    """Its worker cannot end it; the reaper can, in the fewest words, and everything that was recorded stays."""
    world.begin(limit=limit)
    with world.active():
        run = commands.start_run(**KEY, owner="a", by="a", now=START)
        if beats:
            run = commands.heartbeat(run, now=START + timedelta(microseconds=123_456))
        filled(world)
        before = world.items()
        with pytest.raises(ItemTooLargeError, match="run 'orders' / 'full'"):
            commands.fail_run(**KEY, error_message="boom " * 20, now=at(9))
        assert world.items() == before, difference(world.items(), before)
        (reaped,) = commands.reap_expired_runs(now=LATE, by="reaper")
        assert (reaped.run_id, reaped.status, reaped.error_message) == ("full", "failed", "lease expired")
        assert commands.start_run(pipeline_id=PIPELINE, run_id="next", now=LATE).status == "running"
        commands.finish_run(pipeline_id=PIPELINE, run_id="next", now=LATE)
    world.judge(limit)
    key = f"pipeline_run_logs/{PIPELINE}/full"
    was, became = before[key], world.items()[key]
    spared = {"owner", "lease_token", "lease_seconds", "lease_expires_at", "heartbeat_at", "holds_slot"}
    spared |= {"start_epoch"}  # but where the slot gives room enough
    changed = {"status", "status_shard", "revision", "updated_at"}
    new = {"end_time", "duration_seconds", "error_message"}
    assert {name: was[name] for name in was.keys() - spared - changed} == {
        name: became[name] for name in became.keys() - changed - new - {"start_epoch"}
    }
    assert became.keys() - was.keys() == new
    assert became["duration_seconds"] == {"N": f"{LEASE}.123456" if beats else f"{LEASE}"}


def test_a_start_takes_the_slot_of_a_full_item(world: World) -> None:
    """No reaper has to come first."""
    world.begin(limit=1)
    with world.active():
        commands.start_run(**KEY, now=START)
        filled(world)
        run = commands.start_run(pipeline_id=PIPELINE, run_id="next", now=LATE)
        assert world.holders() == {"next": run.lease_token}
        commands.finish_run(pipeline_id=PIPELINE, run_id="next", now=LATE)
    world.judge(1)
