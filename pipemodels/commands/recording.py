"""Recording a run around the code that makes it."""

from __future__ import annotations

import platform
import traceback
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from pipemodels.commands import runs, stages
from pipemodels.errors import AlreadyExistsError
from pipemodels.models.run import DataQualityResult, PipelineRunLog, RunStatus

_MESSAGE_CHARACTERS = 4_000
_TRACE_CHARACTERS = 50_000  # its end says most; the item has room for 400 KB in all


class RecordedRun:
    """A run that is being recorded: what the code inside `recorded_run` reports through."""

    def __init__(self, run: PipelineRunLog) -> None:
        self.run = run
        self._key: dict[str, Any] = {"pipeline_id": run.pipeline_id, "run_id": run.run_id}

    @property
    def run_id(self) -> str:
        """The run's id."""
        return self.run.run_id

    def record_metrics(self, **report: Any) -> None:
        """Set metrics and other facts now; see `record_metrics` of the commands."""
        self.run = runs.record_metrics(**self._key, **report)

    def record_quality(self, results: Iterable[DataQualityResult | Mapping[str, Any]]) -> None:
        """Set the data-quality results now."""
        self.run = runs.record_quality(**self._key, results=results)

    @contextmanager
    def stage(self, stage_name: str) -> Iterator[None]:
        """Record a stage: started, then a success, or a failure with its message."""
        self.run = stages.start_stage(**self._key, stage_name=stage_name)
        try:
            yield
        except BaseException as error:
            status = _status_after(error)
            message = error_text(error) if status is not RunStatus.SUCCESS else None
            with _noting(error):
                self.run = stages.finish_stage(
                    **self._key, stage_name=stage_name, status=status, error_message=message
                )
            raise
        self.run = stages.finish_stage(**self._key, stage_name=stage_name)


@contextmanager
def recorded_run(*, pipeline_id: str, run_id: str | None = None, **facts: Any) -> Iterator[RecordedRun]:
    """Record a run around a block: started, then a success, or a failure with message and stack; it always ends.

    An exception goes on to the caller. Ctrl-C is recorded as cancelled; `sys.exit()` with code 0 as a success. If
    the end cannot be recorded, a note on the block's own exception says so; without one, that error is raised.

    Args:
        pipeline_id: whose run.
        run_id: the scheduler's own id; a random one, if not given.
        facts: other arguments of `start_run`.

    Raises:
        AlreadyExistsError: a run of this id has ended, or started with other facts; the block is not entered.
        PipemodelsError: the start, or the success, could not be recorded.
    """
    started = runs.start_run(
        pipeline_id=pipeline_id, run_id=run_id, **{"python_version": platform.python_version(), **facts}
    )
    if started.status is not RunStatus.RUNNING:
        name = f"run {pipeline_id!r} / {started.run_id!r}"
        raise AlreadyExistsError(f"{name} is {started.status} already: give another run_id, or retry it", started)
    recorded = RecordedRun(started)
    try:
        yield recorded
    except BaseException as error:
        with _noting(error):
            recorded.run = _record_end(recorded, error)
        raise
    recorded.run = runs.finish_run(**recorded._key)


def _record_end(recorded: RecordedRun, error: BaseException) -> PipelineRunLog:
    status = _status_after(error)
    if status is RunStatus.SUCCESS:
        return runs.finish_run(**recorded._key)
    if status is RunStatus.CANCELLED:
        return runs.cancel_run(**recorded._key, error_message=error_text(error))
    return runs.fail_run(**recorded._key, error_message=error_text(error), error_stack_trace=_stack_text(error))


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
