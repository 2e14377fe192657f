"""Data of the demo: the shipped examples with recent times, and two simulated runs."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from importlib.resources import files
from pathlib import Path

from pipemodels.commands.recording import RecordedRun, recorded_run
from pipemodels.instants import instant_text, microseconds_since_epoch, parse_instant
from pipemodels.models import PipelineRunLog

EXAMPLES = files("pipemodels") / "examples"
DEFINITIONS = "shop.yaml"
EVENTS = "runs.ndjson"
_STAGES = {"extract": 0.2, "transform": 0.35, "load": 0.15}  # seconds of simulated work
_ROWS = 1_250
_HOUR = 3_600_000_000  # microseconds


def recent_events(directory: Path, now: datetime) -> tuple[Path, timedelta]:
    """Write the example events to a directory, with their times moved by whole hours so that they end at about now.

    Returns:
        The file, and the duration by which the times were moved.
    """
    lines = (EXAMPLES / EVENTS).read_text(encoding="utf-8").splitlines()
    events = [json.loads(line) for line in lines if line.strip()]
    last = max(parse_instant(event["eventTime"]) for event in events)
    # integers, because the difference of two pendulum instants does not support //
    moved = timedelta(hours=(microseconds_since_epoch(now) - microseconds_since_epoch(last)) // _HOUR)
    for event in events:
        event["eventTime"] = instant_text(parse_instant(event["eventTime"]) + moved)
    path = directory / EVENTS
    path.write_text("".join(json.dumps(event) + "\n" for event in events), encoding="utf-8")
    return path, moved


def record_runs(pipeline_ids: Sequence[str]) -> list[PipelineRunLog]:
    """Record a successful run of the first pipeline and a failed run of the last."""
    recorded = []
    for pipeline_id, goes_well in ((pipeline_ids[0], True), (pipeline_ids[-1], False)):
        with suppress(MissingColumnError), recorded_run(pipeline_id=pipeline_id, trigger_type="demo") as run:
            _simulate(run, goes_well=goes_well)
        recorded.append(run.run)
    return recorded


class MissingColumnError(ValueError):
    """The error of the run that fails."""


def _simulate(run: RecordedRun, *, goes_well: bool) -> None:
    for name, seconds in _STAGES.items():
        with run.stage(name):
            time.sleep(seconds)
            if name == "transform" and not goes_well:
                raise MissingColumnError("column 'price' is missing from orders.csv")
    run.record_metrics(total_records_processed=_ROWS, total_records_failed=0)
