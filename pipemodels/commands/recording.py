"""Recording a run around a block of code."""

from __future__ import annotations

import logging
import platform
import uuid
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from typing import Any, cast

from pipemodels.commands import runs, stages
from pipemodels.commands.blocks import Block
from pipemodels.commands.heartbeats import Heartbeats, running_seconds
from pipemodels.errors import AlreadyExistsError
from pipemodels.lifecycle.ending import end_run
from pipemodels.lifecycle.error_texts import error_text, stack_text
from pipemodels.lifecycle.starting import default_owner
from pipemodels.models.run import DataQualityResult, PipelineRunLog, RunStatus

_log = logging.getLogger("pipemodels.commands.recording")


class RecordedRun:
    """The run that the code inside `recorded_run` reports to.

    Every report is written under the run's lease; once the lease is lost, each report raises `LeaseLostError`.
    """

    def __init__(self, run: PipelineRunLog, asked: float) -> None:
        self.run = run
        self._key: dict[str, Any] = {"pipeline_id": run.pipeline_id, "run_id": run.run_id}
        self._leased = {**self._key, "lease_token": run.lease_token}
        self._beats = Heartbeats(run, asked)
        self._outer: RecordedRun | None = None
        self._is_left = False

    @property
    def run_id(self) -> str:
        """The run's id."""
        return self.run.run_id

    def raise_if_lost(self) -> None:
        """Raise if this worker is known to have lost the run. No request: call it often, e.g. in a long loop.

        Raises:
            LeaseLostError: another process has ended the run, or no heartbeat succeeded while the lease lasted.
        """
        self._beats.raise_if_lost()

    def record_metrics(self, **report: Any) -> None:
        """Set metrics and other facts now; see `commands.record_metrics`."""
        self._keep(runs.record_metrics(**self._leased, **report))

    def record_quality(self, results: Iterable[DataQualityResult | Mapping[str, Any]]) -> None:
        """Set the data-quality results now; see `commands.record_quality`."""
        self._keep(runs.record_quality(**self._leased, results=results))

    def stage(self, stage_name: str) -> RecordedStage:
        """Record a stage, in `with` or `async with`: its start, and its success or its failure with the message."""
        return RecordedStage(self, stage_name)

    def _keep(self, run: PipelineRunLog) -> None:
        """Keep the later state of the run, in whichever order two threads receive their replies."""
        if (run.revision or 0) >= (self.run.revision or 0):
            self.run = run

    def _end(self, status: RunStatus, **said: Any) -> None:
        self._beats.stop()
        known = self._beats.newer(self.run)
        self.run = end_run(status, **self._leased, said=said, known=known)


class RecordedStage(Block[None]):
    """The block of a stage; `RecordedRun.stage` returns it."""

    def __init__(self, recorded: RecordedRun, stage_name: str) -> None:
        self._recorded, self._stage_name = recorded, stage_name

    def _another(self) -> RecordedStage:
        return RecordedStage(self._recorded, self._stage_name)

    def _begin(self) -> None:
        self._recorded._keep(stages.start_stage(**self._recorded._leased, stage_name=self._stage_name))

    def _end(self, error: BaseException | None) -> None:
        status, message = RunStatus.SUCCESS if error is None else _status_after(error), None
        if error is not None and status is not RunStatus.SUCCESS:
            message = error_text(error)
        leased = self._recorded._leased
        with _noting(error):
            self._recorded._keep(
                stages.finish_stage(**leased, stage_name=self._stage_name, status=status, error_message=message)
            )


class _CurrentRun:
    """A proxy of the run that is recorded around the calling code, in this thread or task."""

    def __getattr__(self, name: str) -> Any:
        if (run := _current.get()) is None:
            raise AttributeError(f"{name}: no run is being recorded here; call this inside `recorded_run(...)`")
        return getattr(run, name)


_current: ContextVar[RecordedRun | None] = ContextVar("pipemodels_run", default=None)
current_run: RecordedRun = cast(RecordedRun, _CurrentRun())
"""The run of the innermost `recorded_run`; e.g. `current_run.raise_if_lost()` deep inside a job."""


class recorded_run(Block[RecordedRun]):  # read as a verb
    """Record a run around a block: its start, and its success or its failure with message and stack trace.

    Use it in `with` and `async with`, or to decorate a function or an `async` function; each call is then a run of
    its own. While the block runs, threads send heartbeats at a third of the run's lease, even while an event loop is
    blocked. Exceptions reach the caller. Ctrl-C and the cancellation of a task are recorded as cancelled;
    `sys.exit()` with code 0 as a success. If the end cannot be recorded, a warning is logged and a note is added to
    the block's own exception; without an exception, the error is raised. A process that is forked inside the block
    does not end the run.

    Args:
        pipeline_id: the pipeline of the run.
        run_id: the scheduler's id of the run; by default a random id.
        facts: other arguments of `start_run`; by default, `owner` is unique to this call.

    Raises:
        AlreadyExistsError: the run has ended, belongs to another owner, or started with other facts; the block is not
            entered.
        RunLimitError: the pipeline has reached `max_concurrent_runs`; the block is not entered.
        LeaseLostError: the block succeeded, but another process had ended the run meanwhile.
        PipemodelsError: the start or the success could not be recorded.
        RuntimeError: no thread for the heartbeats could be started; the run is recorded as failed, and the block is
            not entered.
    """

    def __init__(self, *, pipeline_id: str, run_id: str | None = None, **facts: Any) -> None:
        self._pipeline_id, self._run_id, self._facts = pipeline_id, run_id, facts

    def _another(self) -> recorded_run:
        return recorded_run(pipeline_id=self._pipeline_id, run_id=self._run_id, **self._facts)

    def _begin(self) -> RecordedRun:
        given = {"python_version": platform.python_version(), **self._facts}
        owner = given.pop("owner", None) or f"{default_owner()}:{uuid.uuid4().hex[:8]}"
        asked = running_seconds()
        self._recorded = RecordedRun(_begun(self._pipeline_id, self._run_id, owner, given), asked)
        try:
            self._recorded._beats.start()
        except BaseException as error:
            self._end(error)
            raise
        return self._recorded

    def _end(self, error: BaseException | None) -> None:
        try:
            with _noting(error):
                _record_end(self._recorded, error)
        finally:
            self._recorded._beats.stop()

    def _enter(self) -> None:
        self._recorded._outer = _current.get()
        _current.set(self._recorded)

    def _leave(self) -> None:
        # not by a token: blocks may be left in any order, and in another context than they were entered in
        self._recorded._is_left = True
        run = _current.get()
        while run is not None and run._is_left:
            run = run._outer
        _current.set(run)


def _begun(pipeline_id: str, run_id: str | None, owner: str, facts: Mapping[str, Any]) -> PipelineRunLog:
    """Start the run for this owner; raise if it belongs to another owner or has ended."""
    try:
        started = runs.start_run(pipeline_id=pipeline_id, run_id=run_id, owner=owner, **facts)
    except AlreadyExistsError as error:
        there: PipelineRunLog = error.current
        if there.status is RunStatus.RUNNING and there.owner != owner:
            until = (
                f", whose lease ends at {there.lease_expires_at} unless it is renewed"
                if there.lease_expires_at
                else ""
            )
            raise AlreadyExistsError(f"{error}; its owner is {there.owner}{until}", there) from error
        _refuse_ended(there)
        raise
    _refuse_ended(started)
    return started


def _refuse_ended(run: PipelineRunLog) -> None:
    if run.status is not RunStatus.RUNNING:
        name = f"run {run.pipeline_id!r} / {run.run_id!r}"
        raise AlreadyExistsError(f"{name} is {run.status} already: give another run_id, or retry it", run)


def _record_end(recorded: RecordedRun, error: BaseException | None) -> None:
    status = RunStatus.SUCCESS if error is None else _status_after(error)
    if error is None or status is RunStatus.SUCCESS:
        recorded._end(status)
    elif status is RunStatus.CANCELLED:
        recorded._end(status, error_message=error_text(error))
    else:
        recorded._end(status, error_message=error_text(error), error_stack_trace=stack_text(error))


def _status_after(error: BaseException) -> RunStatus:
    if isinstance(error, SystemExit) and (error.code is None or (isinstance(error.code, int) and error.code == 0)):
        return RunStatus.SUCCESS  # any text as the code, even empty text, makes Python exit with 1
    stopped = all(isinstance(cause, _stops()) for cause in _causes(error))
    return RunStatus.CANCELLED if stopped else RunStatus.FAILED


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield the error; of an exception group, yield the errors inside it."""
    rest = [error]
    while rest:
        cause = rest.pop()
        if isinstance(cause, BaseExceptionGroup):
            rest += cause.exceptions
        else:
            yield cause


def _stops() -> tuple[type[BaseException], ...]:
    from asyncio import CancelledError  # imported here, so that importing the package stays fast

    return KeyboardInterrupt, GeneratorExit, CancelledError


@contextmanager
def _noting(error: BaseException | None) -> Iterator[None]:
    """Log and note a failure to record the end, so that it does not hide the block's error; without one, raise it."""
    try:
        yield
    except Exception as unrecorded:
        if error is None:
            raise
        note = f"pipemodels could not record this end of the run: {unrecorded}"
        _log.warning("%s; it was %s", note, error_text(error))
        with suppress(Exception):  # an error that does not accept notes must still reach the caller
            error.add_note(note)
