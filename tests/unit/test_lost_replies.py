"""Replies that are lost: the write was done, nobody heard of it, and it is sent again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ReadTimeoutError

from pipemodels import DynamoDBConfig, PipelineConfig, PipelineRunLog, commands, queries, using
from pipemodels.connections import ConfiguredConnection
from pipemodels.models import RunSlots
from pipemodels.transport.errors import LostReplyError

pytestmark = pytest.mark.usefixtures("counted_tokens")
Unique = Callable[[str], str]
Sent = list[tuple[str, dict[str, Any]]]
AT = datetime(2026, 11, 22, 6, tzinfo=UTC)
PIPELINE: dict[str, Any] = {"pipeline_name": "n", "source_type": "s", "destination_type": "d"}
WRITES = {"PutItem", "UpdateItem", "TransactWriteItems"}


@pytest.fixture(autouse=True)
def patient(config: DynamoDBConfig) -> Iterator[None]:
    """Use a configuration whose commands repeat."""
    with using(replace(config, time_limit_seconds=30.0)):
        yield


LOST = {"operation": "a write", "endpoint_url": "http://127.0.0.1:1", "reason": "it is empty"}


@pytest.fixture(
    params=[ReadTimeoutError(**LOST), LostReplyError(**LOST)], ids=["lost", "not DynamoDB's"], autouse=True
)
def loss(request: pytest.FixtureRequest) -> Exception:
    """Return what comes instead of a reply; for every test, because some ask for `lossy` when they have begun."""
    error: Exception = request.param
    return error


@pytest.fixture
def lossy(loss: Exception, monkeypatch: pytest.MonkeyPatch) -> Sent:
    """Lose the reply of the next write that is done; return the list of the writes that are done from now on."""
    original = ConfiguredConnection.dispatch
    writes: Sent = []

    def dispatch(self: ConfiguredConnection, operation: str, sent: dict[str, Any]) -> Any:
        if operation not in WRITES:
            return original(self, operation, sent)
        answer = original(self, operation, dict(sent))
        writes.append((operation, sent))
        if len(writes) == 1:
            raise loss
        return answer

    monkeypatch.setattr("pipemodels.storage.sending.random.uniform", lambda least, most: 0.0)
    monkeypatch.setattr(ConfiguredConnection, "dispatch", dispatch)
    return writes


@pytest.fixture
def pipeline_id(unique: Unique) -> str:
    """Return a pipeline that is stored already."""
    return commands.create_pipeline(pipeline_id=unique("lossy"), **PIPELINE).pipeline_id


def test_a_creation_is_known_as_ones_own(unique: Unique, lossy: Sent) -> None:
    """It is there once, and nobody is told that the id is taken."""
    created = commands.create_pipeline(pipeline_id=unique("created"), **PIPELINE)
    assert created == PipelineConfig.get(created.pipeline_id)
    assert (created.revision, len(lossy)) == (1, 1)


@pytest.mark.parametrize(
    "write",
    [
        lambda key: commands.put_pipeline(pipeline_id=key, **PIPELINE),
        lambda key: commands.update_pipeline(pipeline_id=key, changes={"description": "x"}),
        lambda key: commands.update_pipeline(pipeline_id=key, changes={"description": "x"}, expected_revision=1),
        lambda key: commands.activate_pipelines([key]),
    ],
    ids=["put", "update", "update at a revision", "activate"],
)
def test_a_change_counts_once(write: Callable[[str], Any], pipeline_id: str, lossy: Sent) -> None:
    """The second sending changes nothing and is a success."""
    written = write(pipeline_id)
    stored = PipelineConfig.get(pipeline_id)
    assert len(lossy) == 1
    assert stored.revision == 2
    assert written == ([pipeline_id] if isinstance(written, list) else stored)


RUNS: dict[str, Callable[[dict[str, Any]], PipelineRunLog]] = {
    "metrics": lambda key: commands.record_metrics(**key, total_records_processed=1),
    "stage": lambda key: commands.start_stage(**key, stage_name="load"),
    "heartbeat": lambda key: commands.heartbeat(queries.get_run(**key), now=AT + timedelta(seconds=1)),
    "finish": lambda key: commands.finish_run(**key),
}


@pytest.mark.parametrize("limit", [None, 1])
@pytest.mark.parametrize("name", RUNS)
def test_what_a_run_reports_counts_once(
    name: str, limit: int | None, unique: Unique, request: pytest.FixtureRequest
) -> None:
    """Of a run with a slot and of one without: it is written once, and its end frees the slot."""
    pipeline_id = unique("reporting")
    commands.create_pipeline(pipeline_id=pipeline_id, **PIPELINE, max_concurrent_runs=limit)
    key = {"pipeline_id": pipeline_id, "run_id": "r"}
    before = commands.start_run(pipeline_id=pipeline_id, run_id="r", now=AT)
    sent: Sent = request.getfixturevalue("lossy")
    after = RUNS[name](key)
    assert len(sent) == 1
    assert after == PipelineRunLog.get(pipeline_id, "r")
    assert (before.revision, after.revision) == (1, 2)
    if limit:
        assert RunSlots.get(pipeline_id).holders == ({} if name == "finish" else {"r": 1})


@pytest.mark.parametrize("limit", [None, 1])
def test_a_start_takes_one_slot(limit: int | None, unique: Unique, request: pytest.FixtureRequest) -> None:
    """The run is started once, with the token that its slot has."""
    pipeline_id = unique("starting")
    commands.create_pipeline(pipeline_id=pipeline_id, **PIPELINE, max_concurrent_runs=limit)
    sent: Sent = request.getfixturevalue("lossy")
    started = commands.start_run(pipeline_id=pipeline_id, run_id="r")
    assert len(sent) == 1
    assert started == PipelineRunLog.get(pipeline_id, "r")
    assert (started.revision, started.lease_token) == (1, 1)
    if limit:
        slots = RunSlots.get(pipeline_id)
        assert (slots.holders, slots.last_token) == ({"r": 1}, 1)


def test_a_transaction_that_is_sent_again_has_the_same_token(
    pipeline_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By it DynamoDB knows a repeat, whatever became of the first; and another transaction has another."""
    tokens: list[str] = []

    def dispatch(_: ConfiguredConnection, operation: str, request: dict[str, Any]) -> dict[str, Any]:
        tokens.append(request["ClientRequestToken"])
        if len(tokens) == 1:
            raise ReadTimeoutError(endpoint_url="http://127.0.0.1:1")
        return {}

    monkeypatch.setattr("pipemodels.storage.sending.random.uniform", lambda least, most: 0.0)
    monkeypatch.setattr(ConfiguredConnection, "dispatch", dispatch)
    commands.activate_pipelines([pipeline_id])
    commands.activate_pipelines([pipeline_id])
    assert len(tokens) == 3
    assert tokens[0] == tokens[1] != tokens[2]
