"""Events that dbt emitted, from `shared/data/openlineage` beside the project's directory; see its README."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import pytest

from pipemodels import PipelineRunLog, RunStatus, queries
from pipemodels.interop import ingest_events
from pipemodels.interop.openlineage.reasons import NO_MESSAGE
from tests.acceptance.shared_data import OPENLINEAGE
from tests.helpers.moto_store import moto_store, requests


@pytest.fixture(autouse=True)
def _store() -> Iterator[None]:
    with moto_store():
        yield


@pytest.mark.parametrize(
    ("name", "events", "runs", "ends"),
    [
        ("dbt_successful_run.ndjson", 72, 36, {"success": 36}),
        ("dbt_failed_run.ndjson", 8, 4, {"success": 1, "failed": 3}),
        ("dbt_test.ndjson", 26, 13, {"success": 11, "failed": 2}),
    ],
)
def test_the_counts_of_the_readme_come_out(name: str, events: int, runs: int, ends: dict[str, int]) -> None:
    """Events, runs and ends are those that the README of `shared/data` gives; each run is written once."""
    with requests() as asked:
        report = ingest_events([OPENLINEAGE / name])
    assert (report.events, report.runs, report.refused) == (events, runs, [])
    assert asked.count("PutItem") == runs + report.pipelines
    stored = list(PipelineRunLog.scan())
    assert Counter(str(run.status) for run in stored) == ends
    assert all(run.start_time < run.end_time for run in stored)
    assert NO_MESSAGE not in {run.error_message for run in stored}


def test_what_has_no_run_id_is_refused_and_the_rest_is_stored() -> None:
    """All of `shared/data/openlineage` together: the one invalid event is refused by line and reason."""
    report = ingest_events([OPENLINEAGE])
    refused = [(one.file, one.line, one.reason) for one in report.refused]
    assert refused == [(str(OPENLINEAGE / "invalid_no_run_id.json"), 1, "run.runId: None is required")]
    assert (report.events, report.runs) == (72 + 8 + 26 + 2, 36 + 4 + 13 + 2)
    full = queries.find_latest_run("my-scheduler-namespace/myjob.mytask")
    assert full is not None
    assert (full.status, full.total_records_processed, full.data_quality_passed) == (RunStatus.SUCCESS, 2_000, True)
