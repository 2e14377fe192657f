"""Where the block of a recorded run may stand: other contexts, forked processes, functions, asynchronous code."""

from __future__ import annotations

import asyncio
import contextvars
import dataclasses
import functools
import os
import threading
import time
import warnings
from collections.abc import AsyncIterator, Callable, Generator
from contextlib import contextmanager, suppress
from typing import Any

import pytest

from pipemodels import AlreadyExistsError, PipelineRunLog, RunStatus, StorageError, commands, queries
from pipemodels.commands import RecordedRun, current_run, recorded_run, recording, runs, stages
from pipemodels.storage import sending, writes


@dataclasses.dataclass(frozen=True)
class FrozenError(Exception):
    """An error that takes neither a note nor a traceback."""

    code: str


@pytest.fixture
def pipeline_id(unique: Callable[[str], str]) -> str:
    """Return the id of a pipeline without runs."""
    return unique("recorded")


def ends(pipeline_id: str) -> list[tuple[RunStatus, str | None]]:
    """Return how the runs of a pipeline ended, in the order of their ids."""
    return [(run.status, run.error_message) for run in PipelineRunLog.query(pipeline_id)]


def no_run() -> bool:
    """Say whether no run is being recorded in this context."""
    return not hasattr(current_run, "run_id")


# -- contexts -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("error", [None, KeyError("own")])
def test_a_block_may_be_left_in_another_context(pipeline_id: str, error: KeyError | None) -> None:
    """Its run ends, and nothing is raised; in a copy of its context there is no current run any more."""
    block = recorded_run(pipeline_id=pipeline_id)
    entered = contextvars.copy_context()
    entered.run(block.__enter__)
    left = entered.copy()
    left.run(block.__exit__, type(error) if error else None, error, None)
    assert ends(pipeline_id) == [(RunStatus.FAILED, "KeyError: 'own'") if error else (RunStatus.SUCCESS, None)]
    assert left.run(no_run)


def test_a_block_left_elsewhere_leaves_the_run_there_alone(pipeline_id: str) -> None:
    """The current run of the context in which a block is left stays what it is."""
    block = recorded_run(pipeline_id=pipeline_id)
    contextvars.copy_context().run(block.__enter__)
    with recorded_run(pipeline_id=pipeline_id) as own:
        block.__exit__(None, None, None)
        assert current_run.run_id == own.run_id
    assert ends(pipeline_id) == [(RunStatus.SUCCESS, None)] * 2


@pytest.mark.parametrize("recordable", [True, False])
def test_an_error_that_cannot_be_changed_comes_through(
    pipeline_id: str, recordable: bool, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The very same, also out of a stage and where its end cannot be recorded: that is in the log."""

    def down(*_: Any, **__: Any) -> None:
        raise StorageError("down")

    if not recordable:
        monkeypatch.setattr(recording, "end_run", down)
    mine = FrozenError("NoSuchKey")
    with pytest.raises(FrozenError) as caught, recorded_run(pipeline_id=pipeline_id) as run, run.stage("load"):
        raise mine
    assert caught.value is mine
    (stored,) = PipelineRunLog.query(pipeline_id)
    assert (stored.stages[0].status, stored.stages[0].error_message) == (RunStatus.FAILED, "FrozenError: NoSuchKey")
    assert stored.status is (RunStatus.FAILED if recordable else RunStatus.RUNNING)
    failure = "pipemodels could not record this end of the run: down; it was FrozenError: NoSuchKey"
    assert [record.getMessage() for record in caplog.records] == ([] if recordable else [failure])


def test_blocks_may_be_left_in_any_order(pipeline_id: str) -> None:
    """The current run is the innermost of those that have not been left; after all there is none."""
    outer, inner = (recorded_run(pipeline_id=pipeline_id, run_id=name) for name in "ab")
    outer.__enter__()
    inner.__enter__()
    outer.__exit__(None, None, None)
    assert current_run.run_id == "b"
    inner.__exit__(None, None, None)
    assert no_run()
    assert ends(pipeline_id) == [(RunStatus.SUCCESS, None)] * 2


@pytest.mark.parametrize(
    ("kind", "message"), [(KeyError, "KeyError"), (UnicodeDecodeError, "RuntimeError: UnicodeDecodeError")]
)
def test_a_block_that_is_left_by_a_class_of_errors(pipeline_id: str, kind: type[Exception], message: str) -> None:
    """Its run fails, also where the class makes no error without arguments."""
    block = recorded_run(pipeline_id=pipeline_id)
    block.__enter__()
    block.__exit__(kind, None, None)
    assert ends(pipeline_id) == [(RunStatus.FAILED, message)]


def test_a_block_is_used_once(pipeline_id: str) -> None:
    """Entered again it says what to do; left again it does nothing."""
    block = recorded_run(pipeline_id=pipeline_id)
    with block:
        pass
    with pytest.raises(RuntimeError, match="has been entered already; make one for each block"), block:
        pytest.fail("the block ran")
    block.__exit__(KeyError, KeyError("late"), None)
    assert ends(pipeline_id) == [(RunStatus.SUCCESS, None)]


def test_a_block_inside_a_generator_that_is_closed(pipeline_id: str) -> None:
    """Its run is cancelled."""

    def batches() -> Generator[str, None, None]:
        with recorded_run(pipeline_id=pipeline_id) as run:
            yield run.run_id

    generator = batches()
    next(generator)
    generator.close()
    assert ends(pipeline_id) == [(RunStatus.CANCELLED, "GeneratorExit")]


# -- forks --------------------------------------------------------------------------------------------------------


def forked(work: Callable[[], Any]) -> int:
    """Return the exit code of a forked process: 0 where nothing is raised."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # Python warns where there are threads
        child = os.fork()
    if child == 0:
        with suppress(BaseException):
            work()
            os._exit(0)
        os._exit(1)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


@pytest.mark.parametrize("error", [None, SystemExit(0), SystemExit(1), KeyError("own")])
@pytest.mark.parametrize("kind", ["run", "stage"])
def test_a_forked_process_ends_nothing(pipeline_id: str, kind: str, error: BaseException | None) -> None:
    """It leaves the block without a request and without an error of its own; the run is its parent's to end."""
    run = recorded_run(pipeline_id=pipeline_id)
    with run as recorded:
        stage = recorded.stage("load")
        with stage:

            def leave() -> None:
                for name in ("start_run", "end_run", "send"):
                    for module in (recording, runs, sending, writes):
                        vars(module).update({name: lambda *_, **__: os._exit(2)} if name in vars(module) else {})
                block = run if kind == "run" else stage
                block.__exit__(type(error) if error else None, error, None)
                recorded.raise_if_lost()

            assert forked(leave) == 0
    (stored,) = PipelineRunLog.query(pipeline_id)
    assert (stored.status, stored.stages[0].status) == (RunStatus.SUCCESS, RunStatus.SUCCESS)


def test_a_forked_process_does_not_take_its_run_for_lost(pipeline_id: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Heartbeats are sent by its parent, of which it hears nothing: the time that passes says nothing there."""
    with recorded_run(pipeline_id=pipeline_id, lease_seconds=5) as recorded:

        def look() -> None:
            monkeypatch.setattr("pipemodels.commands.heartbeats.running_seconds", lambda: 1e9)
            recorded.raise_if_lost()

        assert forked(look) == 0


def test_a_forked_process_records_blocks_of_its_own(pipeline_id: str) -> None:
    """What it enters itself it ends itself."""
    with recorded_run(pipeline_id=pipeline_id):

        def work() -> None:
            with recorded_run(pipeline_id=pipeline_id, run_id="own"):
                pass
            if queries.get_run(pipeline_id, "own").status is not RunStatus.SUCCESS:
                os._exit(2)

        assert forked(work) == 0


# -- decorators ---------------------------------------------------------------------------------------------------


def test_each_call_of_a_function_is_a_run(pipeline_id: str) -> None:
    """It keeps its name, its arguments and what it returns; its error fails its run."""

    @recorded_run(pipeline_id=pipeline_id, trigger_type="schedule")
    def load(number: int, *, divisor: int) -> float:
        """Load it."""
        assert current_run.run.trigger_type == "schedule"
        return number / divisor

    assert (load.__name__, load.__doc__, load(4, divisor=2), load(4, divisor=1)) == ("load", "Load it.", 2, 4)
    with pytest.raises(ZeroDivisionError):
        load(1, divisor=0)
    failure = (RunStatus.FAILED, "ZeroDivisionError: division by zero")
    assert sorted(ends(pipeline_id), key=str) == sorted([(RunStatus.SUCCESS, None)] * 2 + [failure], key=str)
    assert no_run()


def test_a_function_under_one_id_runs_once(pipeline_id: str) -> None:
    """A second call under a `run_id` that is given is refused, as a second block would be."""

    @recorded_run(pipeline_id=pipeline_id, run_id="r")
    def load() -> None:
        """Load it."""

    load()
    with pytest.raises(AlreadyExistsError, match="is success already"):
        load()


def test_an_asynchronous_function_is_a_run_while_it_is_awaited(pipeline_id: str) -> None:
    """Not while it is only called; a callable object too."""

    class Job:
        async def __call__(self) -> str:
            await asyncio.sleep(0)
            return current_run.run_id

    @recorded_run(pipeline_id=pipeline_id)
    async def load() -> str:
        await asyncio.sleep(0)
        return current_run.run_id

    async def work() -> list[str]:
        waiting = load()
        assert ends(pipeline_id) == []
        return [await waiting, await recorded_run(pipeline_id=pipeline_id)(Job())()]

    assert sorted(asyncio.run(work())) == [run.run_id for run in PipelineRunLog.query(pipeline_id)]
    assert ends(pipeline_id) == [(RunStatus.SUCCESS, None)] * 2


def test_a_generator_function_is_a_run_while_it_is_iterated(pipeline_id: str) -> None:
    """What it is sent and what it returns go through."""

    @recorded_run(pipeline_id=pipeline_id)
    def load() -> Generator[int, int, str]:
        return f"got {yield 1}"

    generator = load()
    assert ends(pipeline_id) == []
    assert next(generator) == 1
    assert ends(pipeline_id) == [(RunStatus.RUNNING, None)]
    with pytest.raises(StopIteration, match="got 2"):
        generator.send(2)
    assert ends(pipeline_id) == [(RunStatus.SUCCESS, None)]


def test_an_asynchronous_generator_function_is_refused(pipeline_id: str) -> None:
    """At once, and the error says what to write in its place."""

    async def load() -> AsyncIterator[int]:
        yield 1

    with pytest.raises(TypeError, match="load is an asynchronous generator: say `async with` inside it"):
        recorded_run(pipeline_id=pipeline_id)(load)


def test_a_function_that_returns_a_coroutine_is_refused(pipeline_id: str) -> None:
    """Its run would be a success before anything has been done: it fails, and the message says what to do."""

    async def job() -> None:
        pytest.fail("it ran")

    def passed_on() -> Any:
        return job()

    decorated = recorded_run(pipeline_id=pipeline_id)(passed_on)
    with pytest.raises(TypeError) as caught:
        decorated()
    message = "passed_on returned a coroutine: decorate the `async` function itself"
    assert str(caught.value) == message
    assert ends(pipeline_id) == [(RunStatus.FAILED, f"TypeError: {message}")]


def test_objects_that_are_called_are_recorded_like_functions(pipeline_id: str) -> None:
    """A generator while it is iterated; an asynchronous one is refused."""

    class Batches:
        def __call__(self) -> Generator[str, None, None]:
            yield current_run.run_id

    class AsyncBatches:
        async def __call__(self) -> AsyncIterator[int]:
            yield 1

    (run_id,) = recorded_run(pipeline_id=pipeline_id)(Batches())()
    assert [(run.run_id, run.status) for run in PipelineRunLog.query(pipeline_id)] == [(run_id, RunStatus.SUCCESS)]
    for batches in (AsyncBatches(), functools.partial(AsyncBatches.__call__, AsyncBatches())):
        with pytest.raises(TypeError, match="is an asynchronous generator: say `async with` inside it"):
            recorded_run(pipeline_id=pipeline_id)(batches)


def test_a_stage_may_be_a_function(pipeline_id: str) -> None:
    """A stage ends with the call."""
    with recorded_run(pipeline_id=pipeline_id) as run:
        assert run.stage("load")(lambda: 7)() == 7
    (stored,) = PipelineRunLog.query(pipeline_id)
    assert [(one.stage_name, one.status) for one in stored.stages] == [("load", RunStatus.SUCCESS)]


# -- asynchronous code --------------------------------------------------------------------------------------------


@contextmanager
def slow(
    monkeypatch: pytest.MonkeyPatch, module: Any, name: str
) -> Generator[tuple[threading.Event, threading.Event]]:
    """Have a function of a module begin, say so, and wait until it is released."""
    original, begun, released = getattr(module, name), threading.Event(), threading.Event()

    def wait(*args: Any, **kwargs: Any) -> Any:
        begun.set()
        assert released.wait(30)
        return original(*args, **kwargs)

    monkeypatch.setattr(module, name, wait)
    yield begun, released
    released.set()


async def happened(event: threading.Event) -> None:
    """Wait for an event of another thread."""
    deadline = time.monotonic() + 30
    while not event.is_set():
        assert time.monotonic() < deadline, "it never came"
        await asyncio.sleep(0.01)


def test_an_asynchronous_block(pipeline_id: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its requests are sent by other threads, and it is the current run of the task inside."""
    threads: list[threading.Thread] = []
    for module, name in ((runs, "start_run"), (recording, "end_run"), (stages, "finish_stage")):
        original = getattr(module, name)

        def noted(*args: Any, original: Any = original, **kwargs: Any) -> Any:
            threads.append(threading.current_thread())
            return original(*args, **kwargs)

        monkeypatch.setattr(module, name, noted)

    async def work() -> RecordedRun:
        async with recorded_run(pipeline_id=pipeline_id) as run:
            assert current_run.run_id == run.run_id
            async with run.stage("load"):
                assert run.run.current_stage == "load"
                run.record_metrics(total_records_processed=5)
        assert no_run()
        return run

    run = asyncio.run(work()).run
    assert queries.get_run(pipeline_id, run.run_id) == run
    assert (run.status, run.total_records_processed) == (RunStatus.SUCCESS, 5)
    assert [(one.stage_name, one.status) for one in run.stages] == [("load", RunStatus.SUCCESS)]
    assert len(threads) == 3
    assert threading.current_thread() not in threads


def test_an_asynchronous_block_that_fails(pipeline_id: str) -> None:
    """Its error is recorded, of its stage too, and comes through as it is."""
    mine = FrozenError("NoSuchKey")

    async def work() -> None:
        async with recorded_run(pipeline_id=pipeline_id) as run, run.stage("load"):
            raise mine

    with pytest.raises(FrozenError) as caught:
        asyncio.run(work())
    assert caught.value is mine
    (stored,) = PipelineRunLog.query(pipeline_id)
    assert [stored.error_message, *(one.error_message for one in stored.stages)] == ["FrozenError: NoSuchKey"] * 2


def test_an_asynchronous_block_that_is_not_entered(pipeline_id: str) -> None:
    """A start that is refused is raised by the thread that asked, and there is no current run."""

    async def work() -> None:
        commands.start_run(pipeline_id=pipeline_id, run_id="r")
        with pytest.raises(AlreadyExistsError, match="its owner is"):
            async with recorded_run(pipeline_id=pipeline_id, run_id="r"):
                pytest.fail("the block ran")
        assert no_run()

    asyncio.run(work())


@pytest.mark.parametrize("recordable", [True, False])
def test_a_success_that_cannot_be_recorded_is_an_error(
    pipeline_id: str, recordable: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In asynchronous code, too."""

    def down(*_: Any, **__: Any) -> None:
        raise StorageError("down")

    async def work() -> None:
        async with recorded_run(pipeline_id=pipeline_id):
            monkeypatch.setattr(recording, "end_run", down)
        pytest.fail("nobody must believe that it is recorded")

    with pytest.raises(StorageError, match="down"):
        asyncio.run(work())


def test_a_task_that_is_cancelled_in_its_block(pipeline_id: str) -> None:
    """Its run is cancelled, recorded before the task ends; a timeout stays a timeout."""

    async def work() -> None:
        async with recorded_run(pipeline_id=pipeline_id) as run, run.stage("load"):
            await asyncio.sleep(60)

    async def limited() -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(work(), 0.3)
        assert ends(pipeline_id) == [(RunStatus.CANCELLED, "CancelledError")]

    asyncio.run(limited())


def test_a_task_that_is_cancelled_while_its_run_starts(pipeline_id: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The run that was asked for is cancelled too: nothing is left running; the block is not entered."""

    async def work() -> None:
        async with recorded_run(pipeline_id=pipeline_id):
            pytest.fail("the block ran")

    async def cancelled() -> None:
        with slow(monkeypatch, runs, "start_run") as (begun, released):
            task = asyncio.create_task(work())
            await happened(begun)
            for _ in range(2):
                task.cancel()
                await asyncio.sleep(0.05)
            assert not task.done()
            released.set()
            with pytest.raises(asyncio.CancelledError):
                await task
        assert ends(pipeline_id) == [(RunStatus.CANCELLED, "CancelledError")]

    asyncio.run(cancelled())


@pytest.mark.parametrize("error", [None, KeyError("own")])
def test_a_task_that_is_cancelled_while_its_run_ends(
    pipeline_id: str, error: KeyError | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The end is recorded as it was, and then the task is cancelled; the block's own error is its context."""

    async def work() -> None:
        async with recorded_run(pipeline_id=pipeline_id):
            if error:
                raise error

    async def cancelled() -> None:
        with slow(monkeypatch, recording, "end_run") as (begun, released):
            task = asyncio.create_task(work())
            await happened(begun)
            task.cancel()
            await asyncio.sleep(0.05)
            assert not task.done()
            released.set()
            with pytest.raises(asyncio.CancelledError) as caught:
                await task
        assert caught.value.__context__ is error
        assert ends(pipeline_id) == [(RunStatus.FAILED, "KeyError: 'own'") if error else (RunStatus.SUCCESS, None)]

    asyncio.run(cancelled())


def test_heartbeats_go_on_while_the_event_loop_is_blocked(pipeline_id: str) -> None:
    """A job that never awaits keeps its run."""

    async def work() -> None:
        async with recorded_run(pipeline_id=pipeline_id, lease_seconds=1) as run:
            deadline = time.monotonic() + 30
            while queries.get_run(pipeline_id, run.run_id).heartbeat_at is None:
                assert time.monotonic() < deadline, "no heartbeat came"
                time.sleep(0.02)  # the loop is blocked on purpose

    asyncio.run(work())


def test_an_end_does_not_wait_for_the_threads_of_the_loop(pipeline_id: str) -> None:
    """All of them may be busy with the work of the block."""

    async def work() -> None:
        loop, released = asyncio.get_running_loop(), threading.Event()
        busy = [loop.run_in_executor(None, released.wait) for _ in range(64)]
        async with recorded_run(pipeline_id=pipeline_id):
            pass
        assert ends(pipeline_id) == [(RunStatus.SUCCESS, None)]
        released.set()
        await asyncio.gather(*busy)

    asyncio.run(work())


def test_a_coroutine_that_is_closed_ends_its_run_at_once(pipeline_id: str) -> None:
    """It may wait for nothing: Python would say that it ignores its end."""

    async def work() -> None:
        block = recorded_run(pipeline_id=pipeline_id)
        await block.__aenter__()
        leaving = block.__aexit__(GeneratorExit, GeneratorExit(), None)
        with pytest.raises(StopIteration):
            leaving.send(None)
        assert ends(pipeline_id) == [(RunStatus.CANCELLED, "GeneratorExit")]

    asyncio.run(work())


def test_a_coroutine_that_is_closed_while_its_run_starts(pipeline_id: str) -> None:
    """It waits for the start after all, and cancels the run."""

    async def work() -> None:
        entering = recorded_run(pipeline_id=pipeline_id).__aenter__()
        entering.send(None)
        entering.close()
        assert ends(pipeline_id) == [(RunStatus.CANCELLED, "GeneratorExit")]

    asyncio.run(work())


def test_another_librarys_event_loop(pipeline_id: str) -> None:
    """Where asyncio does not run, the requests are sent in place: the block works all the same."""

    async def work() -> None:
        async with recorded_run(pipeline_id=pipeline_id) as run, run.stage("load"):
            pass

    with pytest.raises(StopIteration):
        work().send(None)
    assert ends(pipeline_id) == [(RunStatus.SUCCESS, None)]
