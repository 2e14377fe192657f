"""`pipemodels runs reap`: mark runs as failed whose lease has expired."""

from __future__ import annotations

import re
import time
from collections import deque
from collections.abc import Sequence
from typing import Annotated

import typer

from pipemodels import commands
from pipemodels.cli.app import runs, store_command
from pipemodels.cli.formatting import plural
from pipemodels.cli.listing import document
from pipemodels.cli.options import ByOption, author
from pipemodels.cli.output import Report, Screen, note
from pipemodels.cli.runs import show_runs
from pipemodels.cli.stores import Store
from pipemodels.errors import StorageError, ThrottledError, UnreapedRunsError
from pipemodels.models import PipelineRunLog

_EVERY = re.compile(r"([0-9]{1,5}) ?(s|m|min|h)")
_SECONDS = {"s": 1, "m": 60, "min": 60, "h": 3_600}
_KEPT = 1_000  # the report names at most this many runs, the latest ones


def _seconds(text: str) -> int:
    """Parse an interval longer than zero and return its seconds."""
    span = _EVERY.fullmatch(text.strip())
    if span is None or int(span[1]) == 0:
        raise typer.BadParameter(f"{text!r} is not a valid interval: write e.g. 30s or 5m")
    return int(span[1]) * _SECONDS[span[2]]


EveryOption = Annotated[
    int | None,
    typer.Option("--every", metavar="30s|5m", parser=_seconds, help="Repeat at this interval until Ctrl-C."),
]


@store_command(runs, "reap")
def reap_runs(store: Store, every: EveryOption = None, by: ByOption = None) -> Report:
    """Mark runs as failed whose lease has expired, and free their slots; with --every, repeat until Ctrl-C."""
    if every is None:
        reaped, exit_code = _reap_once(author(by))
    else:
        reaped, exit_code = _reap_until_interrupted(every, author(by)), 0
    return Report(
        document=[document(run) for run in reaped],
        show=lambda screen: _show_reaped(screen, store, list(reaped), exit_code),
        exit_code=exit_code,
    )


def _reap_once(by: str | None) -> tuple[Sequence[PipelineRunLog], int]:
    """Return the reaped runs and the exit code; a warning has named each run that could not be reaped."""
    try:
        return commands.reap_expired_runs(by=by), 0
    except UnreapedRunsError as error:
        return error.reaped, 1


def _reap_until_interrupted(every: int, by: str | None) -> deque[PipelineRunLog]:
    """Reap at an interval until Ctrl-C, and return the reaped runs.

    If DynamoDB is busy or unreachable, or a run cannot be reaped, the next round tries again.
    """
    reaped: deque[PipelineRunLog] = deque(maxlen=_KEPT)
    try:
        while True:
            try:
                found, _ = _reap_once(by)
            except (ThrottledError, StorageError) as error:
                note(f"{error}; trying again in {every} s")
            else:
                for run in found:
                    note(f"reaped run {run.pipeline_id!r} / {run.run_id!r}: {run.error_message}")
                reaped.extend(found)
            time.sleep(every)
    except KeyboardInterrupt:
        return reaped


def _show_reaped(screen: Screen, store: Store, reaped: list[PipelineRunLog], exit_code: int) -> None:
    if not reaped:
        screen.line("Nothing was reaped." if exit_code else "No lease has expired.")
        return
    show_runs(screen, store.zone, reaped)
    if screen.is_terminal:
        screen.line(f"{plural(len(reaped), 'run')} reaped · times in {store.zone.key} · {store.name}", "bright_black")
