"""recorded_run: every way in which a block may end is recorded, and the block's own error always comes out."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from pipemodels import AlreadyExistsError, LeaseLostError, PipelineRunLog, RunStatus, StorageError, commands
from pipemodels.commands import recording
from pipemodels.lifecycle.error_texts import error_text

AT = datetime(2026, 11, 22, 6, tzinfo=UTC)


class Unprintable(Exception):
    """An error without a text."""

    def __str__(self) -> str:
        raise RuntimeError("no text")


class Leaving(Exception):
    """An error whose text leaves Python."""

    def __str__(self) -> str:
        raise SystemExit(3)


class Noted(Exception):
    """An error whose notes leave Python."""

    def __getattribute__(self, name: str) -> Any:
        if name == "__notes__":
            raise SystemExit(3)
        return super().__getattribute__(name)


class _Unnamed(type):
    def __getattribute__(cls, name: str) -> Any:
        if name == "__name__":
            raise RuntimeError("no name")
        return super().__getattribute__(name)


class Unnamed(Exception, metaclass=_Unnamed):
    """An error whose class does not say its name."""


Nameless = type("", (Exception,), {})


@pytest.fixture
def pipeline_id(unique: Callable[[str], str]) -> str:
    """Return the id of a pipeline without runs."""
    return unique("recorded")


def only_run(pipeline_id: str) -> PipelineRunLog:
    """Return a pipeline's only run."""
    (run,) = PipelineRunLog.query(pipeline_id)
    return run


def record(pipeline_id: str, error: BaseException) -> PipelineRunLog:
    """Record a block that raises, and return its run; the same error comes out."""
    with pytest.raises(type(error)) as caught, commands.recorded_run(pipeline_id=pipeline_id):
        raise error
    assert caught.value is error
    return only_run(pipeline_id)


def test_a_block_that_ends(pipeline_id: str, requests: list[str]) -> None:
    """The run starts, succeeds, and knows its Python; two requests."""
    with commands.recorded_run(pipeline_id=pipeline_id, run_id="r", trigger_type="schedule", by="ann") as recorded:
        assert recorded.run_id == "r"
        assert only_run(pipeline_id) == recorded.run
        assert recorded.run.status is RunStatus.RUNNING
        requests.clear()
    assert requests == ["UpdateItem"]
    run = only_run(pipeline_id)
    assert run == recorded.run
    assert (run.status, run.trigger_type, run.created_by) == (RunStatus.SUCCESS, "schedule", "ann")
    assert run.python_version.count(".") == 2
    assert run.start_time <= run.end_time <= datetime.now(UTC)


def test_a_block_reports(pipeline_id: str) -> None:
    """Metrics, quality and stages through the recorded run; a stage ends with its block."""
    with commands.recorded_run(pipeline_id=pipeline_id, python_version="3.99") as recorded:
        recorded.record_metrics(total_records_processed=5)
        recorded.record_quality([{"check_name": "c", "passed": True}])
        with recorded.stage("load"):
            assert recorded.run.current_stage == "load"
    run = only_run(pipeline_id)
    assert run == recorded.run
    assert (run.total_records_processed, run.data_quality_passed, run.python_version) == (5, True, "3.99")
    assert [(one.stage_name, one.status) for one in run.stages] == [("load", RunStatus.SUCCESS)]


def test_a_block_that_fails(pipeline_id: str) -> None:
    """Type, message and stack of the error are in the run."""
    run = record(pipeline_id, ZeroDivisionError("by nought"))
    assert (run.status, run.error_message) == (RunStatus.FAILED, "ZeroDivisionError: by nought")
    assert run.error_stack_trace.startswith("Traceback (most recent call last):")
    assert run.error_stack_trace.endswith("ZeroDivisionError: by nought\n")


@pytest.mark.parametrize(
    ("error", "status", "message"),
    [
        (KeyboardInterrupt(), RunStatus.CANCELLED, "KeyboardInterrupt"),
        (GeneratorExit(), RunStatus.CANCELLED, "GeneratorExit"),
        (asyncio.CancelledError(), RunStatus.CANCELLED, "CancelledError"),
        (SystemExit(), RunStatus.SUCCESS, None),
        (SystemExit(0), RunStatus.SUCCESS, None),
        (SystemExit(False), RunStatus.SUCCESS, None),
        (SystemExit(1), RunStatus.FAILED, "SystemExit: 1"),
        (SystemExit("no input"), RunStatus.FAILED, "SystemExit: no input"),
        (SystemExit(""), RunStatus.FAILED, "SystemExit"),
        (Exception(), RunStatus.FAILED, "Exception"),
        (Unprintable(), RunStatus.FAILED, "Unprintable"),
        (Leaving(), RunStatus.FAILED, "Leaving"),
        (Unnamed("m"), RunStatus.FAILED, "an error without a name: m"),
        (Nameless(), RunStatus.FAILED, "an error without a name"),
        (
            BaseExceptionGroup("g", [KeyboardInterrupt()]),
            RunStatus.CANCELLED,
            "BaseExceptionGroup: g (1 sub-exception)",
        ),
        (
            BaseExceptionGroup("g", [asyncio.CancelledError(), BaseExceptionGroup("h", [KeyboardInterrupt()])]),
            RunStatus.CANCELLED,
            "BaseExceptionGroup: g (2 sub-exceptions)",
        ),
        (
            BaseExceptionGroup("g", [KeyboardInterrupt(), BaseExceptionGroup("h", [ValueError("a")])]),
            RunStatus.FAILED,
            "BaseExceptionGroup: g (2 sub-exceptions)",
        ),
        (ValueError("half \ud800 of a pair"), RunStatus.FAILED, "ValueError: half ? of a pair"),
        (ValueError("ü" * 10_000), RunStatus.FAILED, "ValueError: " + "ü" * 3_988),
        (
            ExceptionGroup("two", [ValueError("a"), KeyError("b")]),
            RunStatus.FAILED,
            "ExceptionGroup: two (2 sub-exceptions)",
        ),
    ],
    ids=lambda value: repr(value)[:40] if isinstance(value, BaseException) else None,
)
def test_every_way_out(pipeline_id: str, error: BaseException, status: RunStatus, message: str | None) -> None:
    """A block that is stopped is cancelled, one that exits with 0 a success, any other a failure."""
    run = record(pipeline_id, error)
    assert (run.status, run.error_message) == (status, message)
    assert (run.error_stack_trace is None) == (status is not RunStatus.FAILED)


def test_an_error_without_a_stack_has_its_message(pipeline_id: str) -> None:
    """Where the notes cannot be read there is no stack trace; the run ends nevertheless."""
    run = record(pipeline_id, Noted("m"))
    assert (run.status, run.error_message) == (RunStatus.FAILED, "Noted: m")
    assert run.error_stack_trace is None


def test_a_huge_stack_keeps_its_end(pipeline_id: str) -> None:
    """The end of a stack says most: its last 50,000 characters are stored."""
    run = record(pipeline_id, ValueError("\n".join(str(number) for number in range(20_000))))
    assert len(run.error_stack_trace) == 50_000
    assert run.error_stack_trace.endswith("19998\n19999\n")


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (KeyError("x"), RunStatus.FAILED),
        (KeyboardInterrupt(), RunStatus.CANCELLED),
        (SystemExit(0), RunStatus.SUCCESS),
    ],
)
def test_a_stage_ends_with_the_error_of_its_block(pipeline_id: str, error: BaseException, status: RunStatus) -> None:
    """The stage ends as the run does, with the message, and the error goes on."""
    with pytest.raises(type(error)), commands.recorded_run(pipeline_id=pipeline_id) as recorded, recorded.stage("s"):
        raise error
    run = only_run(pipeline_id)
    (stage,) = run.stages
    assert (stage.status, run.status) == (status, status)
    assert stage.error_message == run.error_message == (None if status is RunStatus.SUCCESS else error_text(error))


def test_a_run_that_cannot_start_does_not_run(pipeline_id: str) -> None:
    """Where the start is refused the block is not entered."""
    commands.start_run(pipeline_id=pipeline_id, run_id="r", trigger_type="event", now=AT)
    with (
        pytest.raises(AlreadyExistsError, match="trigger_type is 'event', not 'manual'"),
        commands.recorded_run(pipeline_id=pipeline_id, run_id="r", trigger_type="manual"),
    ):
        pytest.fail("the block ran")


def test_a_queued_run_is_taken_up(pipeline_id: str) -> None:
    """The run that waits under the id starts."""
    commands.queue_run(pipeline_id=pipeline_id, run_id="r", trigger_type="schedule", now=AT)
    with commands.recorded_run(pipeline_id=pipeline_id, run_id="r"):
        pass
    assert (only_run(pipeline_id).status, only_run(pipeline_id).trigger_type) == (RunStatus.SUCCESS, "schedule")


@pytest.mark.parametrize("unrecorded", [StorageError("down"), OSError("no route")])
def test_an_end_that_cannot_be_recorded_is_a_note(
    pipeline_id: str, unrecorded: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The block's own error comes out, with a note of what could not be recorded, whatever went wrong there."""

    def down(*_: Any, **__: Any) -> None:
        raise unrecorded

    monkeypatch.setattr(recording, "end_run", down)
    with pytest.raises(KeyError) as caught, commands.recorded_run(pipeline_id=pipeline_id):
        raise KeyError("own")
    assert caught.value.__notes__ == [f"pipemodels could not record this end of the run: {unrecorded}"]
    assert only_run(pipeline_id).status is RunStatus.RUNNING


def test_a_success_that_cannot_be_recorded_is_an_error(pipeline_id: str) -> None:
    """Nobody must believe that a run is recorded which is not."""
    with pytest.raises(LeaseLostError), commands.recorded_run(pipeline_id=pipeline_id, run_id="r"):
        commands.cancel_run(pipeline_id=pipeline_id, run_id="r")


def test_a_block_may_end_its_run_itself(pipeline_id: str) -> None:
    """An ending inside the block with facts of its own stands."""
    with commands.recorded_run(pipeline_id=pipeline_id, run_id="r", start_time=AT):
        commands.finish_run(pipeline_id=pipeline_id, run_id="r", end_time=AT + timedelta(seconds=1))
    assert only_run(pipeline_id).duration_seconds == 1


def test_recorded_runs_nest(pipeline_id: str) -> None:
    """An error inside fails the inner and the outer run."""
    with (
        pytest.raises(ValueError, match="inner"),
        commands.recorded_run(pipeline_id=pipeline_id, run_id="outer"),
        commands.recorded_run(pipeline_id=pipeline_id, run_id="inner"),
    ):
        raise ValueError("inner")
    assert [run.status for run in PipelineRunLog.query(pipeline_id)] == [RunStatus.FAILED] * 2


def test_the_current_run_is_the_innermost(pipeline_id: str) -> None:
    """After an inner run it is the outer one again; outside there is none, and the error says where to ask."""
    with commands.recorded_run(pipeline_id=pipeline_id, run_id="outer"):
        with commands.recorded_run(pipeline_id=pipeline_id, run_id="inner"):
            assert commands.current_run.run_id == "inner"
        assert commands.current_run.run_id == "outer"
    with pytest.raises(AttributeError, match=r"^run_id: no run is being recorded here; call this inside"):
        commands.current_run.run_id  # noqa: B018  # asking is what is tried


@pytest.mark.parametrize("owner", [None, "ann"])
def test_a_run_that_has_ended_is_not_run_again(owner: str | None, pipeline_id: str) -> None:
    """The id of an ended run, from a scheduler that fires twice, is refused before the block begins.

    Also where it is the same owner's, to whom `start_run` would return the run that there is.
    """
    with commands.recorded_run(pipeline_id=pipeline_id, run_id="r", owner=owner):
        pass
    ended, entered = only_run(pipeline_id), False
    with (
        pytest.raises(AlreadyExistsError, match="'r' is success already") as caught,
        commands.recorded_run(pipeline_id=pipeline_id, run_id="r", owner=owner),
    ):
        entered = True
    assert (caught.value.current, entered) == (ended, False)
    assert only_run(pipeline_id) == ended


def test_an_error_whose_notes_cannot_be_read_ends_its_run(pipeline_id: str) -> None:
    """Without a stack trace, which Python cannot make."""

    class OddError(Exception):
        @property
        def __notes__(self) -> Any:  # type: ignore[override]  # it is odd
            raise RuntimeError("no notes")

    run = record(pipeline_id, OddError("odd"))
    assert (run.status, run.error_message) == (RunStatus.FAILED, "OddError: odd")
