"""Recording a run around the code that makes it."""

from __future__ import annotations

import platform
import time
import traceback
import uuid
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, cast

from pipemodels.commands import runs, stages
from pipemodels.commands._ending import end_run
from pipemodels.commands._heartbeats import Heartbeats
from pipemodels.commands._starting import default_owner
from pipemodels.errors import AlreadyExistsError
from pipemodels.models.run import DataQualityResult, PipelineRunLog, RunStatus

_MESSAGE_CHARACTERS = 4_000
_TRACE_CHARACTERS = 50_000  # its end says most; the item has room for 400 KB in all


class RecordedRun:
    """A run that is being recorded: what the code inside `recorded_run` reports through.

    Everything is written under the run's lease: once that is lost, each report raises `LeaseLostError`.
    """

    def __init__(self, run: PipelineRunLog, asked: float) -> None:
        self.run = run
        self._key: dict[str, Any] = {"pipeline_id": run.pipeline_id, "run_id": run.run_id}
        self._leased = {**self._key, "lease_token": run.lease_token}
        self._beats = Heartbeats(run, asked)

    @property
    def run_id(self) -> str:
        """The run's id."""
        return self.run.run_id

    def raise_if_lost(self) -> None:
        """Look whether the run is still this worker's; asks nobody, and may be called often, e.g. in a long loop.

        Raises:
            LeaseLostError: somebody has taken the run away, or no heartbeat came through while the lease lasted.
        """
        self._beats.raise_if_lost()

    def record_metrics(self, **report: Any) -> None:
        """Set metrics and other facts now; see `record_metrics` of the commands."""
        self.run = runs.record_metrics(**self._leased, **report)

    def record_quality(self, results: Iterable[DataQualityResult | Mapping[str, Any]]) -> None:
        """Set the data-quality results now."""
        self.run = runs.record_quality(**self._leased, results=results)

    @contextmanager
    def stage(self, stage_name: str) -> Iterator[None]:
        """Record a stage: started, then a success, or a failure with its message."""
        self.run = stages.start_stage(**self._leased, stage_name=stage_name)
        try:
            yield
        except BaseException as error:
            status = _status_after(error)
            message = error_text(error) if status is not RunStatus.SUCCESS else None
            with _noting(error):
                self.run = stages.finish_stage(
                    **self._leased, stage_name=stage_name, status=status, error_message=message
                )
            raise
        self.run = stages.finish_stage(**self._leased, stage_name=stage_name)

    def _end(self, status: RunStatus, **said: Any) -> None:
        self._beats.stop()
        known = self._beats.newer(self.run)
        self.run = end_run(status, **self._leased, said=said, known=known)


class _CurrentRun:
    """The run that is being recorded around the code that asks, in this thread or task."""

    def __getattr__(self, name: str) -> Any:
        if (run := _current.get()) is None:
            raise AttributeError(f"{name}: no run is being recorded here; call this inside `recorded_run(...)`")
        return getattr(run, name)


_current: ContextVar[RecordedRun | None] = ContextVar("pipemodels_run", default=None)
current_run: RecordedRun = cast(RecordedRun, _CurrentRun())
"""Stands for the run of the innermost `recorded_run`, e.g. `current_run.raise_if_lost()` deep inside a job."""


@contextmanager
def recorded_run(*, pipeline_id: str, run_id: str | None = None, **facts: Any) -> Iterator[RecordedRun]:
    """Record a run around a block: started, then a success, or a failure with message and stack; it always ends.

    While the block runs, a thread sends heartbeats at a third of the run's lease. An exception goes on to the caller.
    Ctrl-C is recorded as cancelled; `sys.exit()` with code 0 as a success. If the end cannot be recorded, a note on
    the block's own exception says so; without one, that error is raised.

    Args:
        pipeline_id: whose run.
        run_id: the scheduler's own id; a random one, if not given.
        facts: other arguments of `start_run`; `owner` is this call alone, if not given.

    Raises:
        AlreadyExistsError: a run of this id has ended, is another's, or started with other facts; the block is not
            entered.
        RunLimitError: the pipeline has as many running runs as it may; the block is not entered.
        LeaseLostError: the block went well, but the run had been taken away meanwhile.
        PipemodelsError: the start, or the success, could not be recorded.
    """
    given = {"python_version": platform.python_version(), **facts}
    owner = given.pop("owner", None) or f"{default_owner()}:{uuid.uuid4().hex[:8]}"
    asked = time.monotonic()
    recorded = RecordedRun(_begun(pipeline_id, run_id, owner, given), asked)
    token = _current.set(recorded)
    try:
        with recorded._beats:
            try:
                yield recorded
            except BaseException as error:
                with _noting(error):
                    _record_end(recorded, error)
                raise
            recorded._end(RunStatus.SUCCESS)
    finally:
        _current.reset(token)


def _begun(pipeline_id: str, run_id: str | None, owner: str, facts: Mapping[str, Any]) -> PipelineRunLog:
    """Start the run for this owner alone."""
    try:
        started = runs.start_run(pipeline_id=pipeline_id, run_id=run_id, owner=owner, **facts)
    except AlreadyExistsError as error:
        there: PipelineRunLog = error.current
        if there.status is RunStatus.RUNNING and there.owner != owner:
            until = f" until {there.lease_expires_at}, unless it goes on" if there.lease_expires_at else ""
            raise AlreadyExistsError(f"{error}; it is run by {there.owner}{until}", there) from error
        _refuse_ended(there)
        raise
    _refuse_ended(started)
    return started


def _refuse_ended(run: PipelineRunLog) -> None:
    if run.status is not RunStatus.RUNNING:
        name = f"run {run.pipeline_id!r} / {run.run_id!r}"
        raise AlreadyExistsError(f"{name} is {run.status} already: give another run_id, or retry it", run)


def _record_end(recorded: RecordedRun, error: BaseException) -> None:
    status = _status_after(error)
    if status is RunStatus.SUCCESS:
        recorded._end(status)
    elif status is RunStatus.CANCELLED:
        recorded._end(status, error_message=error_text(error))
    else:
        recorded._end(status, error_message=error_text(error), error_stack_trace=_stack_text(error))


def _status_after(error: BaseException) -> RunStatus:
    if isinstance(error, SystemExit) and (error.code is None or (isinstance(error.code, int) and error.code == 0)):
        return RunStatus.SUCCESS  # Python exits with 1 where the code is any text, also an empty one
    return RunStatus.CANCELLED if isinstance(error, _stops()) else RunStatus.FAILED


def _stops() -> tuple[type[BaseException], ...]:
    from asyncio import CancelledError  # here, because nobody who imports the package should wait for it

    return KeyboardInterrupt, GeneratorExit, CancelledError


@contextmanager
def _noting(error: BaseException) -> Iterator[None]:
    """Keep a failure to record the end from hiding the error that ended the block."""
    try:
        yield
    except Exception as unrecorded:
        error.add_note(f"pipemodels could not record this end of the run: {unrecorded}")


def error_text(error: BaseException) -> str:
    """Return type and message of an error, as text that can be stored."""
    try:
        message = f"{type(error).__name__}: {error}".removesuffix(": ")
    except Exception:  # a broken __str__ must not keep the run from ending
        message = type(error).__name__
    return _storable(message)[:_MESSAGE_CHARACTERS]


def _stack_text(error: BaseException) -> str:
    return _storable("".join(traceback.format_exception(error)))[-_TRACE_CHARACTERS:]


def _storable(text: str) -> str:
    return text.encode(errors="replace").decode()
