"""The thread that sends a recorded run's heartbeats while its code works."""

from __future__ import annotations

import threading
import time
from contextvars import copy_context

from pipemodels.commands.leases import heartbeat
from pipemodels.errors import ConflictError, ItemNotFoundError, LeaseLostError, PipemodelsError
from pipemodels.models.run import PipelineRunLog

_BEATS_IN_A_LEASE = 3  # two may be lost before the lease is
_LEAST_SECONDS = 0.05
_LAST_SECONDS = 1.0  # how long the end of the block waits for a heartbeat under way


class Heartbeats:
    """Heartbeats at a third of the lease, from a daemon thread, for as long as the block lasts.

    A run without a lease has none. One that does not come through is sent again at the next third; once the lease has
    passed by this machine's monotonic clock without one, the run counts as lost.

    Args:
        run: the run as it was started.
        asked: when its start was asked for, by the monotonic clock: the lease began no sooner.
    """

    def __init__(self, run: PipelineRunLog, asked: float) -> None:
        self._run = run
        self._stopped = threading.Event()
        self._lost: PipemodelsError | None = None
        self._renewed = asked
        # the configuration in force is the context's, and a thread starts without one
        self._thread = threading.Thread(
            target=copy_context().run, args=(self._beat,), name=f"heartbeats of {run.run_id}", daemon=True
        )

    def __enter__(self) -> Heartbeats:
        if self._run.lease_expires_at is not None:
            self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Send no more; a heartbeat under way is waited for, but not long."""
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join(_LAST_SECONDS)

    def newer(self, run: PipelineRunLog) -> PipelineRunLog:
        """Return the run as it was written last, by the caller or by a heartbeat."""
        return max(run, self._run, key=lambda one: one.revision or 0)

    def raise_if_lost(self) -> None:
        """Raise if the run is no longer the worker's, as far as is known here.

        Raises:
            LeaseLostError: somebody has ended it, or its lease has passed without a heartbeat.
        """
        name = f"run {self._run.pipeline_id!r} / {self._run.run_id!r}"
        if self._lost is not None:
            raise LeaseLostError(f"{name}: {self._lost}", getattr(self._lost, "current", None)) from self._lost
        seconds = self._run.lease_seconds
        if self._run.lease_expires_at is not None and seconds and time.monotonic() - self._renewed > seconds:
            raise LeaseLostError(f"{name}: no heartbeat came through for {seconds} s; stop the work", self._run)

    def _beat(self) -> None:
        pause = max(_LEAST_SECONDS, (self._run.lease_seconds or 0) / _BEATS_IN_A_LEASE)
        while not self._stopped.wait(pause):
            asked = time.monotonic()
            try:
                self._run = heartbeat(self._run)
            except (ConflictError, ItemNotFoundError) as error:
                self._lost = error
                return
            except PipemodelsError:
                continue  # DynamoDB is busy or away: the next one may come through
            self._renewed = asked
