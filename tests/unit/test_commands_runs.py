"""Commands on runs: the state machine, exhaustively; endings, repeats, metrics, quality, stages, retries."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from pipemodels import (
    AlreadyExistsError,
    ConflictError,
    DataQualityResult,
    IllegalTransitionError,
    ItemNotFoundError,
    NaiveDateTimeError,
    PipelineRunLog,
    RunStatus,
    StageInfo,
    StaleRevisionError,
    ValidationError,
    commands,
)
from pipemodels.lifecycle.starting import default_owner
from pipemodels.models.sharding import shard_of
from pipemodels.storage import writes

pytestmark = pytest.mark.usefixtures("counted_tokens")
Raw = Callable[..., dict[str, Any] | None]
AT = datetime(2026, 11, 22, 6, tzinfo=UTC)
LATER = AT + timedelta(seconds=90)
Key = dict[str, Any]


@pytest.fixture
def key(unique: Callable[[str], str]) -> Key:
    """Return the key of a run that nobody has stored."""
    return {"pipeline_id": unique("p"), "run_id": "scheduled__2026-01-01T00:00:00+00:00"}


def values(run: Any) -> dict[str, Any]:
    """Return all that a run holds, but for the random name of its last write."""
    return {name: value for name, value in run.attribute_values.items() if value is not None and name != "write_id"}


def without_lease(run: Any) -> dict[str, Any]:
    """Return all that a run holds, but for the end of a lease, which ends with it."""
    return {name: value for name, value in values(run).items() if name != "lease_expires_at"}


def in_status(key: Key, status: str) -> PipelineRunLog:
    """Store a run of this status by the commands, and return it."""
    if status in {"pending", "skipped"}:
        run = commands.queue_run(**key, now=AT)
        return commands.skip_run(**key, now=LATER) if status == "skipped" else run
    run = commands.start_run(**key, now=AT)
    if status == "success":
        return commands.finish_run(**key, now=LATER)
    if status == "failed":
        return commands.fail_run(**key, error_message="boom", now=LATER)
    return commands.cancel_run(**key, now=LATER) if status == "cancelled" else run


def stored(raw: Raw, key: Key) -> dict[str, Any] | None:
    """Return the raw item of a run."""
    return raw(PipelineRunLog, *key.values())


# -- starting ------------------------------------------------------------------------------------------------


LEASED: dict[str, Any] = {
    "owner": default_owner(),
    "lease_token": 1,
    "lease_seconds": 300,
    "lease_expires_at": AT + timedelta(seconds=300),
}


def started(key: Key, **more: Any) -> dict[str, Any]:
    """Return the values of a run that was started without more."""
    return key | LEASED | {
        "status": RunStatus.RUNNING, "trigger_type": "manual", "start_time": AT, "attempt": 1, "revision": 1,
        "created_at": AT, "updated_at": AT, "status_shard": shard_of("running", key["run_id"]),
        "start_epoch": Decimal(1795327200),
    } | more  # fmt: skip


def not_leased(key: Key, **more: Any) -> dict[str, Any]:
    """Return the values of a run that has begun and that nobody owns."""
    return {name: value for name, value in started(key, **more).items() if name not in LEASED}


def test_start_a_run(key: Key, raw: Raw, requests: list[str]) -> None:
    """One request asks for the limit of the pipeline, one stores the whole run and returns it."""
    run = commands.start_run(**key, by="ann", now=AT, tags={"a": "b"})
    assert requests == ["BatchGetItem", "UpdateItem"]
    assert values(run) == started(key, created_by="ann", updated_by="ann", tags={"a": "b"})
    assert values(PipelineRunLog.from_raw_data(stored(raw, key) or {})) == values(run)
    assert PipelineRunLog.get(*key.values()) == run


def test_a_run_without_an_id_gets_one(key: Key) -> None:
    """Two starts without an id are two runs."""
    runs = [commands.start_run(pipeline_id=key["pipeline_id"]) for _ in range(2)]
    assert len({run.run_id for run in runs}) == 2
    assert all(len(run.run_id) == 32 for run in runs)


def test_queue_then_start(key: Key, requests: list[str]) -> None:
    """A queued run lists at the time it was queued; its start keeps what it was queued with."""
    queued = commands.queue_run(**key, trigger_type="schedule", environment="prod", by="ann", now=AT, attempt=3,
                                config_snapshot={"a": 1})  # fmt: skip
    assert requests == ["UpdateItem"]
    expected = not_leased(
        key,
        trigger_type="schedule",
        environment="prod",
        created_by="ann",
        updated_by="ann",
        attempt=3,
        config_snapshot={"a": 1},
    )
    pending = {"status": RunStatus.PENDING, "status_shard": shard_of("pending", key["run_id"])}
    assert values(queued) == expected | pending
    run = commands.start_run(**key, by="bob", now=LATER, python_version="3.11")
    assert values(run) == expected | LEASED | {
        "status": RunStatus.RUNNING,
        "status_shard": shard_of("running", key["run_id"]),
        "lease_expires_at": LATER + timedelta(seconds=300),
        "start_time": LATER,
        "start_epoch": Decimal(1795327290),
        "updated_at": LATER,
        "updated_by": "bob",
        "revision": 2,
        "python_version": "3.11",
    }


def test_a_start_may_say_otherwise_than_the_queue(key: Key) -> None:
    """What the start says itself wins."""
    commands.queue_run(**key, trigger_type="schedule", environment="dev", now=AT)
    run = commands.start_run(**key, trigger_type="event", environment="prod", start_time=LATER, now=LATER)
    assert (run.trigger_type, run.environment, run.start_time) == ("event", "prod", LATER)


@pytest.mark.parametrize("facts", [{}, {"trigger_type": "event", "tags": {"a": "b"}, "start_time": AT}])
def test_a_start_said_again_changes_nothing(key: Key, facts: dict[str, Any], raw: Raw) -> None:
    """After a lost reply the same start returns the run; without `now` the clock may have gone on."""
    run = commands.start_run(**key, now=AT, **facts)
    before = stored(raw, key)
    assert commands.start_run(**key, now=LATER, **facts) == run
    assert stored(raw, key) == before


@pytest.mark.parametrize(
    ("verb", "facts", "difference"),
    [
        ("start_run", {"trigger_type": "event"}, "trigger_type is 'manual', not 'event'"),
        ("start_run", {"start_time": LATER}, "start_time is .*, not "),
        ("queue_run", {"tags": {"a": "c"}}, "tags is {'a': 'b'}, not {'a': 'c'}"),
        ("start_run", {"config_snapshot": {"x": "y" * 5_000}}, r"config_snapshot is None, not {'x': 'y+…$"),
    ],
)
def test_a_start_with_other_facts_is_refused(
    key: Key, verb: str, facts: dict[str, Any], difference: str, raw: Raw
) -> None:
    """The message shows the difference, shortened; `current` is the run, which stays as it is."""
    run = commands.start_run(**key, now=AT, tags={"a": "b"})
    before = stored(raw, key)
    with pytest.raises(AlreadyExistsError, match=f"exists with other facts: {difference}") as caught:
        getattr(commands, verb)(**key, now=AT, **facts)
    assert caught.value.current == run
    assert stored(raw, key) == before


def test_what_is_said_relative_to_the_clock_may_be_said_again(key: Key) -> None:
    """An expiry that counts from now is another instant each time, and no other fact: start and end repeat."""
    expiry = timedelta(days=1)
    run = commands.start_run(**key, now=AT, expires_at=expiry)
    assert commands.start_run(**key, now=LATER, expires_at=expiry) == run
    ended = commands.finish_run(**key, now=LATER, expires_at=expiry)
    assert commands.finish_run(**key, now=LATER, expires_at=expiry + timedelta(hours=1)) == ended


@pytest.mark.parametrize("verb", ["start_run", "queue_run"])
def test_what_is_not_for_a_start(verb: str, key: Key, requests: list[str]) -> None:
    """The state machine's own fields and derived ones are refused, together; nothing is sent."""
    with pytest.raises(ValidationError) as caught:
        getattr(commands, verb)(**key, end_time=AT, status="success", stages=[], current_stage="x")
    assert [one.field for one in caught.value.problems] == ["current_stage", "end_time", "stages", "status"]
    with pytest.raises(ValidationError) as caught:
        getattr(commands, verb)(
            pipeline_id="", run_id="x\n", duration_seconds=5, revision=2, nope=1, tags=5, by=" ", attempt=0
        )
    assert {one.field for one in caught.value.problems} == {
        "pipeline_id",
        "run_id",
        "duration_seconds",
        "revision",
        "nope",
        "tags",
        "created_by",
        "updated_by",
        "attempt",
    }
    for naive in ({"now": datetime(2026, 1, 1)}, {"start_time": datetime(2026, 1, 1)}):
        with pytest.raises(NaiveDateTimeError):
            getattr(commands, verb)(**key, **naive)
    assert requests == []


# -- the state machine ---------------------------------------------------------------------------------------

ENDINGS: dict[str, Callable[[Key], PipelineRunLog]] = {
    "success": lambda key: commands.finish_run(**key, now=LATER),
    "failed": lambda key: commands.fail_run(**key, error_message="boom", now=LATER),
    "cancelled": lambda key: commands.cancel_run(**key, now=LATER),
    "skipped": lambda key: commands.skip_run(**key, now=LATER),
}
LEGAL = {
    "pending": {"running", "cancelled", "skipped", "failed"},
    "running": {"success", "failed", "cancelled"},
}


@pytest.mark.parametrize("goal", ENDINGS)
@pytest.mark.parametrize("status", list(RunStatus))
def test_every_ending_of_every_status(status: str, goal: str, key: Key, raw: Raw, requests: list[str]) -> None:
    """A legal ending is one request and a whole new item; the same again returns the run; any other is refused."""
    run = in_status(key, status)
    before = stored(raw, key)
    requests.clear()
    if goal in LEGAL.get(status, set()):
        ended = ENDINGS[goal](key)
        assert requests == ["UpdateItem"]
        error = {"error_message": "boom"} if goal == "failed" else {}
        assert values(ended) == without_lease(run) | error | {
            "status": RunStatus(goal), "status_shard": shard_of(goal, key["run_id"]), "end_time": LATER,
            "duration_seconds": Decimal(90), "updated_at": LATER, "revision": run.revision + 1,
        }  # fmt: skip
        assert PipelineRunLog.get(*key.values()) == ended
        return
    if status == goal:
        assert ENDINGS[goal](key) == run
    else:
        with pytest.raises(IllegalTransitionError, match=f"is {status} and cannot become {goal}$") as caught:
            ENDINGS[goal](key)
        assert caught.value.current == run
    assert stored(raw, key) == before


REPORTS: dict[str, Callable[[Key], Any]] = {
    "record_metrics": lambda key: commands.record_metrics(**key, total_records_processed=1),
    "record_quality": lambda key: commands.record_quality(**key, results=[]),
    "start_stage": lambda key: commands.start_stage(**key, stage_name="s"),
    "finish_stage": lambda key: commands.finish_stage(**key, stage_name="s"),
}


@pytest.mark.parametrize("report", REPORTS)
@pytest.mark.parametrize("status", [status for status in RunStatus if status is not RunStatus.RUNNING])
def test_only_a_running_run_reports(status: str, report: str, key: Key, raw: Raw) -> None:
    """Metrics, quality and stages of a run that waits or has ended are refused and change nothing."""
    run = in_status(key, status)
    before = stored(raw, key)
    with pytest.raises(IllegalTransitionError, match=f"is {status} and cannot report ") as caught:
        REPORTS[report](key)
    assert caught.value.current == run
    assert stored(raw, key) == before


@pytest.mark.parametrize("work", [*ENDINGS.values(), *REPORTS.values()])
def test_commands_on_a_missing_run(work: Callable[[Key], Any], key: Key, raw: Raw) -> None:
    """Nothing is created; the error names the run."""
    with pytest.raises(ItemNotFoundError, match=f"^there is no run '{key['pipeline_id']}' / 'scheduled__2026"):
        work(key)
    assert stored(raw, key) is None


# -- endings -------------------------------------------------------------------------------------------------


def test_an_ending_with_a_report(key: Key, requests: list[str]) -> None:
    """Metrics and other facts come with the end, in the same request."""
    run = commands.start_run(**key, now=AT)
    requests.clear()
    report: dict[str, Any] = {
        "total_records_processed": 10,
        "total_records_failed": 1,
        "cpu_hours": Decimal("0.5"),
        "log_level": "INFO",
    }
    ended = commands.finish_run(**key, end_time=AT + timedelta(microseconds=1), by="bob", now=LATER, **report)
    assert requests == ["UpdateItem"]
    assert values(ended) == without_lease(run) | report | {
        "status": RunStatus.SUCCESS,
        "status_shard": shard_of("success", key["run_id"]),
        "revision": 2,
        "updated_by": "bob",
        "end_time": AT + timedelta(microseconds=1),
        "duration_seconds": Decimal("0.000001"),
        "updated_at": LATER,
    }


@pytest.mark.parametrize(
    ("goal", "facts"),
    [
        ("finish_run", {}),
        ("finish_run", {"end_time": LATER}),
        ("finish_run", {"total_records_processed": 5, "tags": {"a": "b"}}),
        ("fail_run", {"error_message": "boom", "error_stack_trace": "at line 1"}),
        ("cancel_run", {"error_message": "why"}),
    ],
)
def test_the_same_ending_twice(key: Key, goal: str, facts: dict[str, Any], raw: Raw) -> None:
    """With the same facts, or fewer, a repeat is a success that changes nothing, whatever the clock says."""
    commands.start_run(**key, now=AT)
    run = getattr(commands, goal)(**key, now=LATER, **facts)
    before = stored(raw, key)
    assert getattr(commands, goal)(**key, now=LATER + timedelta(hours=1), **facts) == run
    least = {"error_message": facts["error_message"]} if goal == "fail_run" else {}
    assert getattr(commands, goal)(**key, **least) == run
    assert stored(raw, key) == before


@pytest.mark.parametrize(
    ("facts", "difference"),
    [
        ({"error_message": "other"}, "error_message is 'boom', not 'other'"),
        ({"error_message": "boom", "end_time": AT}, "end_time is .*, not "),
        ({"error_message": "boom", "total_records_failed": 1}, "total_records_failed is None, not 1"),
    ],
)
def test_the_same_ending_with_other_facts(key: Key, facts: dict[str, Any], difference: str, raw: Raw) -> None:
    """A repeat that says otherwise is refused, showing the difference, and changes nothing."""
    run = in_status(key, "failed")
    before = stored(raw, key)
    with pytest.raises(IllegalTransitionError, match=f"is failed already, and {difference}") as caught:
        commands.fail_run(**key, now=LATER, **facts)
    assert caught.value.current == run
    assert stored(raw, key) == before


@pytest.mark.parametrize("goal", ["finish_run", "fail_run", "cancel_run"])
def test_an_end_before_the_start_is_refused(key: Key, goal: str, raw: Raw) -> None:
    """By a microsecond is enough; at the start is not."""
    error = {"error_message": "boom"} if goal == "fail_run" else {}
    commands.start_run(**key, now=AT)
    before = stored(raw, key)
    with pytest.raises(ValidationError, match=r"end_time: .* is before start_time \(2026-11-22 06:00:00\+00:00\)"):
        getattr(commands, goal)(**key, end_time=AT - timedelta(microseconds=1), **error)
    assert stored(raw, key) == before
    assert getattr(commands, goal)(**key, end_time=AT, **error).duration_seconds == 0


def test_a_clock_behind_the_start_ends_the_run_at_its_start(key: Key, requests: list[str]) -> None:
    """Two machines' clocks differ: the run ends, with no time passed, in a second request."""
    commands.start_run(**key, now=LATER)
    requests.clear()
    run = commands.finish_run(**key, now=AT, total_records_processed=1)
    assert requests == ["UpdateItem"] * 2
    assert [run.end_time, run.duration_seconds, run.updated_at, run.total_records_processed] == [LATER, 0, AT, 1]


def test_a_clock_behind_the_start_does_not_hide_another_refusal(key: Key, raw: Raw) -> None:
    """What the second request refuses is told as what it is."""
    commands.start_run(**key, now=LATER)
    commands.record_metrics(**key, total_records_processed=1)
    before = stored(raw, key)
    with pytest.raises(ValidationError, match=r"total_records_failed: 5 exceeds total_records_processed \(1\)"):
        commands.finish_run(**key, now=AT, total_records_failed=5)
    assert stored(raw, key) == before


def test_a_run_without_a_start_cannot_end(key: Key) -> None:
    """An item that others wrote without a start says so."""
    PipelineRunLog(**key, status="running", trigger_type="x").save()
    with pytest.raises(ValidationError, match=r"end_time: .* needs a start_time, and the run has none"):
        commands.finish_run(**key)


@pytest.mark.parametrize("message", ["", None])
def test_a_failure_needs_a_message(key: Key, message: Any, requests: list[str]) -> None:
    """What failed says why; nothing is sent."""
    with pytest.raises(ValidationError, match=r"error_message: .* is required of what failed: say what went wrong"):
        commands.fail_run(**key, error_message=message)
    assert requests == []


def test_all_problems_of_an_ending_together(requests: list[str]) -> None:
    """Key, unknown facts, bad values, who and when make one error; nothing is sent."""
    with pytest.raises(ValidationError) as caught:
        commands.finish_run(
            pipeline_id="", run_id=" r", end_time=datetime(2026, 1, 1), by="", now=datetime(2026, 1, 1),
            status="failed", cpu_hours=0.5, total_records_failed=-1,
        )  # fmt: skip
    assert [one.field for one in caught.value.problems] == [
        "pipeline_id", "run_id", "status", "cpu_hours", "total_records_failed", "end_time", "updated_by", "now",
    ]  # fmt: skip
    assert requests == []


def test_durations_are_of_time_and_not_of_clocks(key: Key, raw: Raw) -> None:
    """Where a zone's clocks go forward by an hour between two microseconds, a run and its stage last one."""
    berlin = ZoneInfo("Europe/Berlin")
    before = datetime(2026, 3, 29, 1, 59, 59, 999_999, tzinfo=berlin)
    after = datetime(2026, 3, 29, 3, tzinfo=berlin)
    commands.start_run(**key, now=before)
    commands.start_stage(**key, stage_name="load", now=before)
    (stage,) = commands.finish_stage(**key, stage_name="load", now=after).stages
    assert (stage.duration_seconds, commands.finish_run(**key, now=after).duration_seconds) == (
        Decimal("0.000001"),
        Decimal("0.000001"),
    )
    assert (stored(raw, key) or {})["duration_seconds"] == {"N": "0.000001"}


# -- metrics and quality -------------------------------------------------------------------------------------


def test_record_metrics(key: Key, requests: list[str]) -> None:
    """One request sets what is said and nothing else; the last value said stands."""
    run = commands.start_run(**key, now=AT)
    requests.clear()
    commands.record_metrics(**key, total_records_processed=5, tags={"a": "b"}, now=AT)
    found = commands.record_metrics(**key, total_records_processed=7, by="bob", now=LATER)
    assert requests == ["UpdateItem"] * 2
    assert values(found) == values(run) | {
        "total_records_processed": 7, "tags": {"a": "b"}, "updated_at": LATER, "updated_by": "bob", "revision": 3,
    }  # fmt: skip


def test_metrics_that_are_refused(key: Key, requests: list[str]) -> None:
    """Nothing said, what no run reports, and bad values, together; nothing is sent."""
    with pytest.raises(ValidationError, match=r"report: {} must name at least one metric"):
        commands.record_metrics(**key)
    with pytest.raises(ValidationError) as caught:
        commands.record_metrics(**key, end_time=AT, records=5, cpu_hours=0.5, expires_at=datetime(2026, 1, 1))
    assert [one.field for one in caught.value.problems] == ["end_time", "records", "cpu_hours", "expires_at"]
    for command in (commands.record_metrics, commands.finish_run):
        with pytest.raises(ValidationError, match=r"^records: 5 is not a field that a run reports: "):
            command(**key, records=5, total_records_processed=5)
    assert requests == []


@pytest.mark.parametrize(
    ("first", "second", "message"),
    [
        ({}, {"total_records_processed": 1, "total_records_failed": 2}, r"2 exceeds total_records_processed \(1\)"),
        ({"total_records_processed": 1}, {"total_records_failed": 2}, r"2 exceeds total_records_processed \(1\)"),
        ({"total_records_failed": 2}, {"total_records_processed": 1}, r"2 exceeds total_records_processed \(1\)"),
        ({"total_records_failed": 2}, {"total_records_processed": 2}, None),
        ({"total_records_processed": 2}, {"total_records_failed": 2}, None),
        ({"total_records_processed": 1}, {"total_records_processed": 5, "total_records_failed": 5}, None),
        ({"total_records_processed": 1}, {"total_records_processed": None, "total_records_failed": 5}, None),
    ],
)
@pytest.mark.parametrize("verb", ["record_metrics", "finish_run"])
def test_no_more_records_fail_than_are_processed(
    verb: str, first: dict[str, Any], second: dict[str, Any], message: str | None, key: Key, raw: Raw
) -> None:
    """Also where only one of the two is said now: DynamoDB compares with what is stored."""
    commands.start_run(**key, now=AT)
    if first:
        commands.record_metrics(**key, **first)
    before = stored(raw, key)
    if message is None:
        run = getattr(commands, verb)(**key, **second)
        assert {name: getattr(run, name) for name in second} == second
        return
    with pytest.raises(ValidationError, match=f"^total_records_failed: {message}$"):
        getattr(commands, verb)(**key, **second)
    assert stored(raw, key) == before


@pytest.mark.parametrize(("flags", "passed"), [([], None), ([True, True], True), ([True, False], False)])
def test_record_quality(key: Key, flags: list[bool], passed: bool | None, requests: list[str]) -> None:
    """Results take the place of earlier ones; none at all clears both."""
    run = commands.start_run(**key, now=AT)
    commands.record_quality(**key, results=[DataQualityResult(check_name="old", passed=False)])
    requests.clear()
    results: list[dict[str, Any]] = [
        {"check_name": f"c{n}", "passed": flag, "actual_value": {"n": n}} for n, flag in enumerate(flags)
    ]
    found = commands.record_quality(**key, results=results, now=LATER)
    assert requests == ["UpdateItem"]
    expected = values(run) | {"updated_at": LATER, "revision": 3}
    if flags:
        records = [DataQualityResult(**result) for result in results]
        expected |= {"data_quality_results": records, "data_quality_passed": passed}
    assert values(found) == expected


def test_quality_results_that_are_refused(key: Key, requests: list[str]) -> None:
    """Each with its position; nothing is sent."""
    with pytest.raises(ValidationError) as caught:
        commands.record_quality(**key, results=[{"check_name": "c"}, {"check_name": "d", "passed": True, "x": 1}, 5])  # type: ignore[list-item]
    assert [one.field for one in caught.value.problems] == [
        "data_quality_results[0].passed", "data_quality_results[1].x", "data_quality_results[2]",
    ]  # fmt: skip
    assert requests == []


# -- stages --------------------------------------------------------------------------------------------------


def test_stages(key: Key, requests: list[str]) -> None:
    """A stage starts, becomes the current one, and ends; each in a read and a write; others stay as they are."""
    run = commands.start_run(**key, now=AT)
    requests.clear()
    commands.start_stage(**key, stage_name="read", now=AT)
    commands.start_stage(**key, stage_name="load", now=AT + timedelta(seconds=1))
    commands.finish_stage(**key, stage_name="read", records_processed=5, now=AT + timedelta(seconds=3))
    found = commands.finish_stage(
        **key, stage_name="load", status="failed", error_message="boom", end_time=LATER, by="bob", now=LATER
    )
    assert requests == ["GetItem", "UpdateItem"] * 4
    read = StageInfo(stage_name="read", status=RunStatus.SUCCESS, start_time=AT, end_time=AT + timedelta(seconds=3),
                     records_processed=5)  # fmt: skip
    load = StageInfo(stage_name="load", status=RunStatus.FAILED, start_time=AT + timedelta(seconds=1), end_time=LATER,
                     error_message="boom")  # fmt: skip
    assert [read.duration_seconds, load.duration_seconds] == [3, 89]
    assert values(found) == values(run) | {
        "stages": [read, load], "current_stage": "load", "updated_at": LATER, "updated_by": "bob", "revision": 5,
    }  # fmt: skip


def test_stages_said_again_change_nothing(key: Key, raw: Raw, requests: list[str]) -> None:
    """A repeated start or end with the same facts writes nothing."""
    commands.start_run(**key, now=AT)
    started = commands.start_stage(**key, stage_name="s", now=AT)
    assert commands.start_stage(**key, stage_name="s", now=LATER) == started
    for facts in ({"end_time": LATER}, {}):
        ended = commands.finish_stage(**key, stage_name="s", now=LATER, **facts)  # type: ignore[arg-type]
        before = stored(raw, key)
        requests.clear()
        assert commands.finish_stage(**key, stage_name="s", now=LATER + timedelta(hours=1), **facts) == ended  # type: ignore[arg-type]
        assert requests == ["GetItem"]
        assert stored(raw, key) == before


def test_stages_that_are_refused(key: Key, raw: Raw) -> None:
    """An unknown stage, one that has ended, another ending: each its error with the run, and nothing changes."""
    commands.start_run(**key, now=AT)
    commands.start_stage(**key, stage_name="done", now=AT)
    run = commands.finish_stage(**key, stage_name="done", now=LATER)
    before = stored(raw, key)
    cases: list[tuple[Callable[[], Any], type[Exception], str]] = [
        (lambda: commands.finish_stage(**key, stage_name="x"), ItemNotFoundError, "there is no stage 'x' in run"),
        (
            lambda: commands.start_stage(**key, stage_name="done"),
            AlreadyExistsError,
            "stage 'done' of .* is success already",
        ),
        (
            lambda: commands.finish_stage(**key, stage_name="done", records_processed=5),
            IllegalTransitionError,
            "is success already",
        ),
        (
            lambda: commands.finish_stage(**key, stage_name="done", status="skipped"),
            IllegalTransitionError,
            "is success already",
        ),
    ]
    for work, kind, message in cases:
        with pytest.raises(kind, match=message) as caught:
            work()
        if isinstance(caught.value, ConflictError):
            assert caught.value.current == run
        assert stored(raw, key) == before


def test_bad_stages_are_refused_before_any_request(key: Key, requests: list[str]) -> None:
    """Names, states, times and numbers are checked first, and together."""
    naive = datetime(2026, 1, 1)
    with pytest.raises(NaiveDateTimeError):
        commands.start_stage(**key, stage_name="s", start_time=naive)
    with pytest.raises(NaiveDateTimeError):
        commands.finish_stage(**key, stage_name="s", end_time=naive)
    with pytest.raises(ValidationError, match="error_message: None is required of what failed"):
        commands.finish_stage(**key, stage_name="s", status="failed")
    for status in ("pending", "running"):
        with pytest.raises(IllegalTransitionError, match=f"a stage cannot end as {status}"):
            commands.finish_stage(**key, stage_name="s", status=status)
    with pytest.raises(ValidationError) as caught:
        commands.finish_stage(
            pipeline_id="", run_id="r", stage_name="", status=["success"], records_processed=-1, by="", now=naive  # type: ignore[arg-type]
        )  # fmt: skip
    assert [one.field for one in caught.value.problems] == [
        "pipeline_id", "now", "stage_name", "status", "records_processed", "updated_by",
    ]  # fmt: skip
    assert requests == []


def test_a_stage_cannot_end_before_it_started(key: Key, raw: Raw) -> None:
    """A time that is told is refused; the clock of another machine ends it at its start."""
    commands.start_run(**key, now=AT)
    commands.start_stage(**key, stage_name="s", now=LATER)
    before = stored(raw, key)
    with pytest.raises(ValidationError, match=r"end_time: .* is before start_time"):
        commands.finish_stage(**key, stage_name="s", end_time=AT)
    assert stored(raw, key) == before
    (stage,) = commands.finish_stage(**key, stage_name="s", now=AT).stages
    assert [stage.end_time, stage.duration_seconds] == [LATER, 0]


def interrupt(monkeypatch: pytest.MonkeyPatch, work: Callable[[int], object]) -> None:
    """Do something right after each read of a run, as another process might."""
    original, calls = writes.read, iter(range(100))

    def read(target: Any) -> Any:
        found = original(target)
        work(next(calls))
        return found

    monkeypatch.setattr(writes, "read", read)


def test_stages_of_two_processes_do_not_lose_each_other(key: Key, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stage that another process added between the read and the write stays."""
    commands.start_run(**key, now=AT)

    def other(call: int) -> None:
        if call == 0:
            commands.start_stage(**key, stage_name="other", now=AT)

    interrupt(monkeypatch, other)
    run = commands.start_stage(**key, stage_name="mine", now=AT)
    assert [stage.stage_name for stage in run.stages] == ["other", "mine"]


def test_a_run_that_ends_or_goes_between_read_and_write(key: Key, monkeypatch: pytest.MonkeyPatch) -> None:
    """The failed condition tells what became of the run."""
    commands.start_run(**key, now=AT)
    interrupt(monkeypatch, lambda _: commands.finish_run(**key, now=LATER))
    with pytest.raises(IllegalTransitionError, match="is success and cannot report a stage"):
        commands.start_stage(**key, stage_name="s", now=AT)
    other = key | {"run_id": "other"}
    commands.start_run(**other, now=AT)
    interrupt(monkeypatch, lambda call: PipelineRunLog(**other, revision=1).delete() if call == 0 else None)
    with pytest.raises(ItemNotFoundError):
        commands.start_stage(**other, stage_name="s", now=AT)


def test_a_stage_gives_up_when_others_never_stop(key: Key, monkeypatch: pytest.MonkeyPatch) -> None:
    """After ten tries it is a conflict that says so, with the run."""
    from pipemodels.commands import stages

    run = commands.start_run(**key, now=AT)

    def conflict(*_: Any, **__: Any) -> None:
        raise ConflictError("the condition failed", run)

    monkeypatch.setattr(writes, "update", conflict)
    with pytest.raises(ConflictError, match="others kept changing its stages; try again") as caught:
        stages.start_stage(**key, stage_name="s", now=AT)
    assert caught.value.current == run


# -- retry and delete ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", ["failed", "cancelled", "skipped"])
def test_retry(status: str, key: Key, requests: list[str]) -> None:
    """A new run waits in place of the old, which stays; it inherits what it is to do."""
    inherited: dict[str, Any] = {"pipeline_version": "1.0.0", "config_snapshot": {"a": 1}, "environment": "prod",
                 "input_tables": ["i"], "output_tables": ["o"], "tags": {"a": "b"}}  # fmt: skip
    begin = commands.queue_run if status == "skipped" else commands.start_run
    begin(**key, now=AT, spark_version="3.5", **inherited)
    old = ENDINGS[status](key)
    requests.clear()
    retry = commands.retry_run(**key, by="bob", now=LATER)
    assert requests == ["BatchGetItem", "UpdateItem"]
    new = key | {"run_id": key["run_id"] + "__attempt_2"}
    assert values(retry) == not_leased(new, **inherited) | {
        "status": RunStatus.PENDING, "status_shard": shard_of("pending", new["run_id"]), "trigger_type": "retry",
        "retry_of": key["run_id"], "attempt": 2, "start_time": LATER, "start_epoch": Decimal(1795327290),
        "created_at": LATER, "updated_at": LATER, "created_by": "bob", "updated_by": "bob",
    }  # fmt: skip
    assert PipelineRunLog.get(*key.values()) == old


def test_a_retry_said_again_gives_the_same_run(key: Key) -> None:
    """Also when the new run has started meanwhile, and reported other tables and tags."""
    in_status(key, "failed")
    retry = commands.retry_run(**key, now=LATER)
    assert commands.retry_run(**key) == retry
    started = commands.start_run(pipeline_id=retry.pipeline_id, run_id=retry.run_id, now=LATER)
    assert started.trigger_type == "retry"
    assert commands.retry_run(**key) == started
    told = commands.record_metrics(pipeline_id=retry.pipeline_id, run_id=retry.run_id, tags={"x": "y"})
    commands.record_metrics(**key | {"run_id": retry.run_id}, input_tables=["other"])
    assert commands.retry_run(**key).tags == told.tags


@pytest.mark.parametrize("facts", [{}, {"attempt": 2}, {"attempt": 2, "retry_of": "another"}])
def test_a_retry_does_not_take_another_run_for_its_own(facts: dict[str, Any], key: Key) -> None:
    """Where somebody else has the id that follows, it is refused; also where that is a second attempt too."""
    in_status(key, "failed")
    commands.start_run(**key | {"run_id": key["run_id"] + "__attempt_2"}, now=AT, **facts)
    with pytest.raises(AlreadyExistsError, match="exists with other facts"):
        commands.retry_run(**key)


def test_retries_of_retries_count(key: Key) -> None:
    """The third attempt hangs on the second; its id does not grow."""
    ids = [key["run_id"]]
    in_status(key, "failed")
    for _ in range(3):
        retry = commands.retry_run(pipeline_id=key["pipeline_id"], run_id=ids[-1], now=LATER)
        assert retry.retry_of == ids[-1]
        commands.cancel_run(pipeline_id=key["pipeline_id"], run_id=retry.run_id, now=LATER)
        ids.append(retry.run_id)
    assert ids[1:] == [f"{key['run_id']}__attempt_{n}" for n in (2, 3, 4)]


@pytest.mark.parametrize("run_id", ["x" * 255, "😀" * 250, "x" * 245])
def test_retries_of_long_ids(run_id: str, unique: Callable[[str], str]) -> None:
    """An id that would be too long is shortened with a hash; its own retries count on; others' ids differ."""
    ids: Key = {"pipeline_id": unique("long")}
    found = []
    for one in (run_id, run_id[:-1] + "y"):
        in_status(ids | {"run_id": one}, "failed")
        second = commands.retry_run(**ids, run_id=one)
        commands.cancel_run(**ids, run_id=second.run_id)
        third = commands.retry_run(**ids, run_id=second.run_id)
        assert third.run_id == second.run_id.removesuffix("2") + "3"
        found += [second.run_id, third.run_id]
    assert len(set(found)) == 4
    assert all(len(one) == 64 + len("__attempt_2") for one in found)


@pytest.mark.parametrize("status", ["pending", "running", "success"])
def test_what_cannot_be_retried(status: str, key: Key, requests: list[str]) -> None:
    """A run that has not ended, or succeeded, is refused; nothing is written."""
    run = in_status(key, status)
    requests.clear()
    message = f"is {status}: only a failed, cancelled or skipped run can be retried"
    with pytest.raises(IllegalTransitionError, match=message) as caught:
        commands.retry_run(**key)
    assert caught.value.current == run
    assert requests == ["BatchGetItem"]


def test_retry_a_missing_run(key: Key) -> None:
    """The error names it."""
    with pytest.raises(ItemNotFoundError, match="there is no run"):
        commands.retry_run(**key)


def test_delete_a_run(key: Key, raw: Raw, requests: list[str]) -> None:
    """One request deletes it, at the expected revision, and returns it as it was."""
    run = in_status(key, "success")
    with pytest.raises(StaleRevisionError) as caught:
        commands.delete_run(**key, expected_revision=1)
    assert caught.value.current == run
    requests.clear()
    assert commands.delete_run(**key, expected_revision=2) == run
    assert requests == ["DeleteItem"]
    assert stored(raw, key) is None
    with pytest.raises(ItemNotFoundError):
        commands.delete_run(**key)
