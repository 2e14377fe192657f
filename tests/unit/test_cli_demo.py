"""The data of the demo, and the progress bar."""

from __future__ import annotations

import io
import json
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pipemodels import RunStatus, parse_instant, queries, using
from pipemodels.cli import samples
from pipemodels.cli.progress import shown_progress
from tests.helpers.command_line import CommandLine, cli, config_of, moto_aws, prefix

__all__ = ["cli", "moto_aws", "prefix"]


class Terminal(io.StringIO):
    """Standard error that is a terminal."""

    def isatty(self) -> bool:
        """Say that it is a terminal."""
        return True


@pytest.mark.parametrize("minute", [0, 29, 59])
def test_the_example_events_end_within_the_last_hour(minute: int, tmp_path: Path) -> None:
    """All are moved by the same number of whole hours, and none into the future."""
    now = datetime(2030, 5, 6, 7, minute, 30, tzinfo=UTC)
    path, moved = samples.recent_events(tmp_path, now)
    times = [parse_instant(json.loads(line)["eventTime"]) for line in path.read_text().splitlines()]
    assert timedelta(0) <= now - max(times) < timedelta(hours=1)
    assert moved % timedelta(hours=1) == timedelta(0)


def test_the_demo_records_a_run_that_succeeds_and_one_that_fails(
    cli: CommandLine, prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both runs have stages, and the failed run its message; the error does not end the demo."""
    monkeypatch.setattr("pipemodels.cli.samples.time.sleep", lambda seconds: None)
    with using(config_of(prefix)):
        good, bad = samples.record_runs(["a", "b"])
        assert [queries.get_run(run.pipeline_id, run.run_id) for run in (good, bad)] == [good, bad]
    assert [(one.stage_name, one.status.value) for one in good.stages or ()] == [
        ("extract", "success"),
        ("transform", "success"),
        ("load", "success"),
    ]
    assert (good.status, good.total_records_processed) == (RunStatus.SUCCESS, 1_250)
    assert (bad.status, bad.error_message) == (
        RunStatus.FAILED,
        "MissingColumnError: column 'price' is missing from orders.csv",
    )


def test_progress_is_shown_on_a_terminal_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """The bar shows progress and total, and disappears at the end; a log gets no bar."""
    monkeypatch.setenv("TERM", "xterm")
    for stream in (Terminal(), io.StringIO()):
        monkeypatch.setattr(sys, "stderr", stream)
        with shown_progress("working") as update:
            update(2, 4)
        written = stream.getvalue()
        if stream.isatty():
            assert "2/4" in written
            assert written.endswith("\x1b[2K")
        else:
            assert written == ""
