"""The rules that all writes to a run share: its key, its lease, the fields that it reports, and refusals."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from pynamodb.expressions.condition import Condition

from pipemodels.errors import (
    ConflictError,
    IllegalTransitionError,
    ItemNotFoundError,
    LeaseLostError,
    PipemodelsError,
    Problem,
    ValidationError,
    joined,
    shown,
)
from pipemodels.models.run import TRANSITIONS, PipelineRunLog, RunStatus
from pipemodels.storage import targets

# the fields that a run may report while it runs or as it ends; commands set all others
REPORTED = frozenset(
    {
        "total_records_processed", "total_records_failed", "input_data_size_bytes", "output_data_size_bytes",
        "spark_application_id", "cpu_hours", "memory_usage_gb", "data_quality_results", "data_quality_passed",
        "input_tables", "output_tables", "log_level", "log_messages", "monitoring_urls", "spark_version",
        "python_version", "tags", "expires_at",
    }
)  # fmt: skip


def run_target(pipeline_id: str, run_id: str) -> targets.Target:
    """Return the target of a command that writes a run."""
    key = {"pipeline_id": pipeline_id, "run_id": run_id}
    return targets.Target(PipelineRunLog, key, f"run {pipeline_id!r} / {run_id!r}")


@dataclass(frozen=True, slots=True)
class Lease:
    """The lease that a run must still have for a write to be accepted; without a token, any."""

    token: int | None = None
    expires_at: datetime | None = None

    @classmethod
    def checked(cls, token: int | None) -> Lease:
        """Return the lease with this token.

        Raises:
            ValidationError: the token is not valid.
        """
        return cls(targets.check_values(PipelineRunLog, {"lease_token": token})["lease_token"])

    def condition(self) -> Condition | None:
        """Return the condition of a write under this lease; None if there is no token."""
        condition = None if self.token is None else PipelineRunLog.lease_token == self.token
        return (
            condition if self.expires_at is None else condition & (PipelineRunLog.lease_expires_at == self.expires_at)
        )

    def holds(self, run: PipelineRunLog) -> bool:
        """Return whether a stored run has this lease; a run that is not running has no lease."""
        if self.token is None:
            return True
        same_end = self.expires_at in {None, run.lease_expires_at}
        return run.status is RunStatus.RUNNING and run.lease_token == self.token and same_end


def refusal(
    target: targets.Target,
    current: PipelineRunLog | None,
    changes: Mapping[str, Any],
    error: ConflictError,
    lease: Lease = Lease(),  # immutable
) -> PipemodelsError:
    """Return the error that says why a write to a run was refused, judged from the stored run."""
    if current is None:
        return ItemNotFoundError(f"there is no {target.name}")
    if not lease.holds(current):
        return lease_lost(target, current, lease)
    status = RunStatus(changes.get("status", current.status))
    reporting = "status" not in changes
    if (reporting and status is not RunStatus.RUNNING) or (
        not reporting and status not in TRANSITIONS[current.status]
    ):
        wanted = "report anything" if reporting else f"become {status}"
        return IllegalTransitionError(f"{target.name} is {current.status} and cannot {wanted}", current)
    after = {
        name: getattr(current, name) for name in ("start_time", "total_records_processed", "total_records_failed")
    }
    after |= changes
    end = after.get("end_time")
    if end is not None and after["start_time"] is None:
        return ValidationError.of("end_time", end, "needs a start_time, and the run has none")
    if end is not None and end < after["start_time"]:
        return ValidationError.of("end_time", end, f"is before start_time ({after['start_time']})")
    failed, processed = after["total_records_failed"], after["total_records_processed"]
    if failed is not None and processed is not None and failed > processed:
        return ValidationError.of("total_records_failed", failed, f"exceeds total_records_processed ({processed})")
    return error


def lease_lost(target: targets.Target, current: PipelineRunLog, lease: Lease) -> LeaseLostError:
    """Return the error for a worker that has lost the lease of its run."""
    reason = f" ({current.error_message})" if current.error_message else ""
    message = f"{target.name} is {current.status}{reason}: lease {lease.token} no longer holds; stop the work"
    return LeaseLostError(message, current)


def comparable(facts: Mapping[str, Any]) -> Mapping[str, Any]:
    """Leave out values relative to the clock: each call makes another instant of them."""
    return {name: value for name, value in facts.items() if not isinstance(value, timedelta)}


def differences(facts: Mapping[str, Any], current: PipelineRunLog) -> str:
    """Describe the facts in which the stored run differs; empty if it differs in none."""
    return "; ".join(
        f"{name} is {shown(there)}, not {shown(value)}"
        for name, value in facts.items()
        if value is not None and (there := getattr(current, name)) != value
    )


def checked_report(report: Mapping[str, Any], more: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return the reported fields and the other fields of a command, normalised; raise all problems together."""
    unknown = [
        Problem(name, value, "is not a field that a run reports: " + ", ".join(sorted(REPORTED)))
        for name, value in report.items()
        if name not in REPORTED
    ]
    known = {name: value for name, value in report.items() if name in REPORTED}
    try:
        checked = targets.check_values(PipelineRunLog, {**known, **(more or {})})
    except ValidationError as error:
        raise joined([*unknown, *error.problems], [error]) from None
    if unknown:
        raise ValidationError(unknown)
    return checked


def records_rule(changes: Mapping[str, Any]) -> Any:
    """Return the condition that no more records fail than are processed; None if none is needed."""
    failed, processed = changes.get("total_records_failed"), changes.get("total_records_processed")
    if failed is not None and processed is not None and failed > processed:
        raise ValidationError.of("total_records_failed", failed, f"exceeds total_records_processed ({processed})")
    if failed is not None and "total_records_processed" not in changes:
        there = PipelineRunLog.total_records_processed
        return there.does_not_exist() | (there >= failed)
    if processed is not None and "total_records_failed" not in changes:
        there = PipelineRunLog.total_records_failed
        return there.does_not_exist() | (there <= processed)
    return None
