"""What tests of leases share: who holds a slot, and all that a worker says under its lease."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pipemodels import commands
from pipemodels.models import RunSlots

Limited = Callable[..., str]
"""Makes a pipeline with limits, and returns its id."""

WORK: list[Callable[[dict[str, Any]], Any]] = [
    lambda key: commands.start_stage(**key, stage_name="s"),
    lambda key: commands.finish_stage(**key, stage_name="s"),
    lambda key: commands.record_metrics(**key, total_records_processed=1),
    lambda key: commands.record_quality(**key, results=[]),
    lambda key: commands.finish_run(**key),
    lambda key: commands.fail_run(**key, error_message="boom"),
    lambda key: commands.cancel_run(**key),
]


def holders(pipeline_id: str) -> dict[str, int]:
    """Return who holds a slot."""
    held: dict[str, int] = RunSlots.get(pipeline_id, consistent_read=True).holders
    return held
