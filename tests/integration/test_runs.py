"""Runs: the state machine, idempotent starts and ends, retries; as DynamoDB carries them out."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from pipemodels import (
    AlreadyExistsError,
    IllegalTransitionError,
    ItemNotFoundError,
    PipelineRunLog,
    RunStatus,
    ValidationError,
    commands,
    queries,
)
from tests.helpers.backends import Backend, fresh, requests_of
from tests.helpers.differences import concurrent
from tests.helpers.items import NOON, plain, run_key

SECOND = timedelta(seconds=1)


def test_a_run_is_stored_whole_at_each_step(store: Backend) -> None:
    """Queued, started, with stages, metrics and quality, ended: after each the stored run is what was returned."""
    key = run_key()
    queued = commands.queue_run(**key, trigger_type="schedule", tags={"team": "shop"}, by="airflow", now=NOON)
    assert plain(queries.get_run(**key)) == plain(queued)
    started = commands.start_run(**key, by="worker", now=NOON + SECOND)
    assert plain(started) == plain(queued) | {
        "status": RunStatus.RUNNING,
        "status_shard": started.status_shard,
        "start_time": NOON + SECOND,
        "start_epoch": int((NOON + SECOND).timestamp()),
        "owner": started.owner,
        "lease_token": started.lease_token,
        "lease_seconds": 300,
        "lease_expires_at": NOON + 301 * SECOND,
        "updated_at": NOON + SECOND,
        "updated_by": "worker",
        "revision": 2,
    }
    commands.start_stage(**key, stage_name="load", now=NOON + 2 * SECOND)
    staged = commands.finish_stage(**key, stage_name="load", records_processed=7, now=NOON + 4 * SECOND)
    commands.record_metrics(**key, total_records_processed=7, cpu_hours=Decimal("0.25"), now=NOON + 5 * SECOND)
    commands.record_quality(**key, results=[{"check_name": "rows", "passed": True}], now=NOON + 6 * SECOND)
    ended = commands.finish_run(
        **key, total_records_failed=1, now=NOON + timedelta(seconds=8, microseconds=1), by="worker"
    )
    assert plain(queries.get_run(**key)) == plain(ended)
    assert plain(ended) | {"lease_expires_at": staged.lease_expires_at} == plain(staged) | {
        "status": RunStatus.SUCCESS,
        "status_shard": ended.status_shard,
        "end_time": NOON + timedelta(seconds=8, microseconds=1),
        "duration_seconds": Decimal("7.000001"),
        "stages": [
            {
                "stage_name": "load",
                "status": RunStatus.SUCCESS,
                "start_time": NOON + 2 * SECOND,
                "end_time": NOON + 4 * SECOND,
                "duration_seconds": 2,
                "records_processed": 7,
            }
        ],
        "current_stage": "load",
        "total_records_processed": 7,
        "total_records_failed": 1,
        "cpu_hours": Decimal("0.25"),
        "data_quality_results": [{"check_name": "rows", "passed": True}],
        "data_quality_passed": True,
        "updated_at": NOON + timedelta(seconds=8, microseconds=1),
        "updated_by": "worker",
        "revision": 7,
    }


def test_a_started_run_keeps_what_triggered_it(store: Backend) -> None:
    """A run queued by a schedule stays `schedule` when it is started without a word about it."""
    key = run_key()
    commands.queue_run(**key, trigger_type="schedule", attempt=3, environment="prod", now=NOON)
    started = commands.start_run(**key, now=NOON)
    assert (started.trigger_type, started.attempt, started.environment) == ("schedule", 3, "prod")
    assert commands.start_run(**key, now=NOON + SECOND) == started
    assert commands.start_run(**run_key()).trigger_type == "manual"


def test_a_run_queued_without_a_word_on_its_environment_keeps_the_default(store: Backend) -> None:
    """`environment=None` says nothing: the queued run has the default, and starting it changes none of that."""
    key = run_key()
    queued = commands.queue_run(**key, environment=None, start_time=None, now=NOON)
    assert (queued.environment, queued.start_time) == ("dev", NOON)
    assert commands.start_run(**key, now=NOON).environment == "dev"


def test_a_skipped_run_cannot_be_started(store: Backend) -> None:
    """Skipped is terminal: a start says IllegalTransitionError, and the run stays as it was."""
    key = run_key()
    commands.queue_run(**key, now=NOON)
    skipped = commands.skip_run(**key, now=NOON)
    with pytest.raises(IllegalTransitionError, match="was skipped") as refused:
        commands.start_run(**key, now=NOON)
    assert refused.value.current == skipped
    assert queries.get_run(**key) == skipped


def test_a_start_keeps_the_rules_with_what_was_queued(store: Backend) -> None:
    """Records failed, said at the queue, may not exceed those processed, said at the start."""
    key = run_key()
    queued = commands.queue_run(**key, total_records_failed=5, now=NOON)
    with pytest.raises(ValidationError, match="exceeds total_records_processed"):
        commands.start_run(**key, total_records_processed=3, now=NOON)
    assert queries.get_run(**key) == queued
    assert commands.start_run(**key, total_records_processed=5, now=NOON).status is RunStatus.RUNNING


def test_clearing_a_number_frees_the_other(store: Backend) -> None:
    """Failed records are held against processed ones only where those stay."""
    key = run_key()
    commands.start_run(**key, total_records_processed=3, now=NOON)
    run = commands.record_metrics(**key, total_records_processed=None, total_records_failed=5, now=NOON)
    assert "total_records_processed" not in plain(run)
    assert run.total_records_failed == 5


def test_a_late_clock_does_not_hide_why_an_end_is_refused(store: Backend) -> None:
    """Where the clock runs behind the start and the numbers are wrong too, the numbers are the error."""
    key = run_key()
    started = commands.start_run(**key, total_records_processed=1, now=NOON)
    with pytest.raises(ValidationError, match="total_records_failed: 2 exceeds"):
        commands.finish_run(**key, total_records_failed=2, now=NOON - SECOND)
    assert queries.get_run(**key) == started
    ended = commands.finish_run(**key, now=NOON - SECOND)
    assert ended.end_time == NOON
    assert ended.duration_seconds == 0


def test_a_start_said_again_with_a_relative_expiry_is_the_same(store: Backend) -> None:
    """`expires_at` as a timedelta is another instant each time it is said, and no other fact."""
    key = run_key()
    month = timedelta(days=30)
    started = commands.start_run(**key, expires_at=month)
    later = PipelineRunLog.expires_at.normalise(month + SECOND)
    assert later != started.expires_at
    assert commands.start_run(**key, expires_at=month + SECOND) == started
    ended = commands.finish_run(**key, expires_at=month)
    assert commands.finish_run(**key, expires_at=month + SECOND) == ended


def test_a_retry_said_again_is_the_same_run_even_after_it_reported(store: Backend) -> None:
    """The new run of a retry has reported its own tables; the old one is retried again: the same new run."""
    key = run_key()
    commands.start_run(**key, output_tables=["a"], now=NOON)
    commands.fail_run(**key, error_message="disk full", now=NOON)
    new = commands.retry_run(**key, now=NOON)
    assert (new.run_id, new.status, new.attempt, new.retry_of, new.trigger_type, new.output_tables) == (
        f"{key['run_id']}__attempt_2", RunStatus.PENDING, 2, key["run_id"], "retry", ["a"],
    )  # fmt: skip
    commands.start_run(pipeline_id=new.pipeline_id, run_id=new.run_id, now=NOON)
    done = commands.finish_run(pipeline_id=new.pipeline_id, run_id=new.run_id, output_tables=["b"], now=NOON)
    assert commands.retry_run(**key, now=NOON + SECOND) == done


@pytest.mark.parametrize(
    ("command", "wrong"),
    [
        (commands.finish_stage, {"end_time": datetime(2026, 5, 17)}),
        (commands.finish_stage, {"by": ""}),
        (commands.finish_stage, {"status": ["failed"]}),
        (commands.start_stage, {"by": " x"}),
        (commands.start_stage, {"start_time": datetime(2026, 5, 17)}),
    ],
)
def test_a_stage_is_refused_before_the_run_is_read(
    store: Backend, command: Callable[..., Any], wrong: dict[str, Any]
) -> None:
    """What is wrong with the input alone costs no request."""
    with requests_of(store.config) as requests, pytest.raises(ValidationError, match=next(iter(wrong))[:6]):
        command(**run_key(), stage_name="load", **wrong)
    assert requests == []


def test_a_retry_is_refused_before_the_run_is_read(store: Backend) -> None:
    """A naive clock or a wrong `by` costs no request."""
    with requests_of(store.config) as requests:
        with pytest.raises(ValidationError, match="updated_by"):
            commands.retry_run(**run_key(), by="")
        with pytest.raises(ValidationError, match="now"):
            commands.retry_run(**run_key(), now=datetime(2026, 5, 17))
    assert requests == []


def test_who_created_a_run_is_not_who_starts_it(store: Backend) -> None:
    """A run that nobody is said to have queued has no `created_by` after somebody started it."""
    key = run_key()
    commands.queue_run(**key, now=NOON)
    started = commands.start_run(**key, by="worker", now=NOON)
    assert "created_by" not in plain(started)
    assert started.updated_by == "worker"
    other = run_key()
    commands.queue_run(**other, by="scheduler", now=NOON)
    started = commands.start_run(**other, by="worker", now=NOON)
    assert (started.created_by, started.updated_by) == ("scheduler", "worker")


@concurrent
def test_sixteen_threads_start_one_run_once(store: Backend) -> None:
    """All sixteen get the run; it was created once and never written again."""
    key = run_key()

    def start(_: int) -> PipelineRunLog:
        return commands.start_run(**key, trigger_type="event")

    context = [copy_context() for _ in range(16)]
    with ThreadPoolExecutor(16) as threads:
        runs = list(threads.map(lambda n: context[n].run(start, n), range(16)))
    stored = queries.get_run(**key)
    assert stored.revision == 1
    assert all(run == stored for run in runs)
    assert queries.runs_of_pipeline(key["pipeline_id"]).count() == 1


def test_what_is_not_there_is_not_found(store: Backend) -> None:
    """Every command on a run that does not exist says ItemNotFoundError and creates nothing."""
    key = run_key()
    for command in (
        commands.finish_run,
        commands.cancel_run,
        commands.skip_run,
        commands.retry_run,
        commands.delete_run,
    ):
        with pytest.raises(ItemNotFoundError):
            command(**key)
    with pytest.raises(ItemNotFoundError):
        commands.start_stage(**key, stage_name="load")
    with pytest.raises(ItemNotFoundError):
        commands.record_metrics(**key, cpu_hours=1)
    assert queries.find_run(**key) is None
    assert queries.find_run(run_id=key["run_id"]) is None


def test_a_taken_run_id_shows_the_difference(store: Backend) -> None:
    """The same id with other facts is AlreadyExistsError with the run that has it."""
    key = run_key()
    started = commands.start_run(**key, tags={"a": "b"}, now=NOON)
    with pytest.raises(AlreadyExistsError, match=r"tags is \{'a': 'b'\}, not \{'a': 'c'\}") as taken:
        commands.start_run(**key, tags={"a": "c"}, now=NOON)
    assert taken.value.current == started


def test_runs_of_two_pipelines_may_share_an_id(store: Backend) -> None:
    """By run_id alone such a run is not found but refused, naming both; with the pipeline it is found."""
    shared = fresh("r")
    first = commands.start_run(pipeline_id=fresh("p"), run_id=shared, now=NOON)
    assert queries.find_run(run_id=shared) == first
    second = commands.start_run(pipeline_id=fresh("p"), run_id=shared, now=NOON)
    with pytest.raises(ValidationError, match="give pipeline_id too"):
        queries.find_run(run_id=shared)
    assert queries.find_run(second.pipeline_id, shared) == second
