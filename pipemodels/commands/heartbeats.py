"""The threads that send the heartbeats of a recorded run while its block runs."""

from __future__ import annotations

import logging
import os
import threading
import time
from contextvars import copy_context

from pipemodels.commands.leases import HEARTBEATS_IN_A_LEASE, heartbeat
from pipemodels.errors import ItemNotFoundError, LeaseLostError, PipemodelsError, UnreadableItemError
from pipemodels.instants import shifted, utc_now
from pipemodels.lifecycle.error_texts import error_text
from pipemodels.models.run import PipelineRunLog
from pipemodels.transport import deadlines

_TRIES_IN_A_THIRD = 10  # of the lease, after a heartbeat that failed
_LEAST_SECONDS = 0.05
_PATIENCE_SECONDS = 1.0  # wait this long for a reply before sending another heartbeat
_AT_ONCE = 8  # heartbeats that may wait for a reply at the same time
_SET_BACK_SECONDS = 1.0  # a clock set back by less was only corrected
_LAST_SECONDS = 1.0  # how long the end of the block waits for a heartbeat in progress

_log = logging.getLogger("pipemodels.commands.heartbeats")
_CLOCK = getattr(time, "CLOCK_BOOTTIME", None)  # Linux: it also runs while the machine sleeps


def running_seconds() -> float:
    """Return the seconds of a clock that cannot be set."""
    return time.monotonic() if _CLOCK is None else time.clock_gettime(_CLOCK)


class Heartbeats:
    """Daemon threads that send a heartbeat every third of the lease, until the block ends.

    A run without a lease gets no heartbeats. After any failure, another heartbeat is sent soon, even while an earlier
    heartbeat still waits for its reply. Heartbeats stop only when the run is lost or deleted. If no heartbeat
    succeeds for the length of the lease, by a clock that cannot be set, the run counts as lost until one succeeds.

    Args:
        run: the run as it was started.
        asked: when its start was requested, by `running_seconds`; the lease cannot have begun earlier.
    """

    def __init__(self, run: PipelineRunLog, asked: float) -> None:
        self._run = run
        self._name = f"run {run.pipeline_id!r} / {run.run_id!r}"
        self._process = os.getpid()
        self._stopped = threading.Event()
        self._writing = threading.Lock()
        self._lost: PipemodelsError | None = None
        self._renewed = asked
        self._began = utc_now(), running_seconds()
        self._third = max(_LEAST_SECONDS, (run.lease_seconds or 0) / HEARTBEATS_IN_A_LEASE)
        self._patience = min(self._third, max(_PATIENCE_SECONDS, self._third / 2))
        self._senders: list[threading.Thread] = []
        # the current configuration belongs to the context, and a new thread starts with an empty context
        self._context = copy_context()
        self._context.run(deadlines.begin, None)  # a time limit around the block does not apply to heartbeats
        self._thread = threading.Thread(target=self._keep, name=f"heartbeats of {run.run_id}", daemon=True)

    def start(self) -> None:
        """Start sending, if the run has a lease.

        Raises:
            RuntimeError: no thread can be started.
        """
        if self._run.lease_expires_at is not None:
            self._thread.start()

    def stop(self) -> None:
        """Stop sending; wait at most a second for a heartbeat in progress."""
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join(_LAST_SECONDS)

    def newer(self, run: PipelineRunLog) -> PipelineRunLog:
        """Return the later state of the run: this one, or the one that a heartbeat wrote."""
        return max(run, self._run, key=lambda state: state.revision or 0)

    def raise_if_lost(self) -> None:
        """Raise if the worker is known to have lost the run. No request.

        A forked process knows only what was known at the fork: its parent sends the heartbeats.

        Raises:
            LeaseLostError: another process has ended the run, or its lease has passed without a heartbeat.
        """
        if self._lost is not None:
            raise LeaseLostError(f"{self._name}: {self._lost}", getattr(self._lost, "current", None)) from self._lost
        seconds = self._run.lease_seconds
        if self._run.lease_expires_at is None or not seconds or self._process != os.getpid():
            return
        if running_seconds() - self._renewed > seconds:
            raise LeaseLostError(f"{self._name}: no heartbeat succeeded for {seconds} s; stop the work", self._run)

    def _keep(self) -> None:
        """Send until the block ends or the run is lost; other threads wait for the replies."""
        pause = self._third
        while self._lost is None and not self._stopped.wait(pause):
            succeeded = False
            try:
                succeeded = self._beat()
            except Exception as error:  # the run is not lost: the next heartbeat may succeed
                self._tell(error)
            pause = self._third if succeeded else self._third / _TRIES_IN_A_THIRD

    def _beat(self) -> bool:
        """Send a heartbeat from another thread, wait a while for it, and return whether it succeeded."""
        asked = running_seconds()
        self._senders = [sender for sender in self._senders if sender.is_alive()]
        if len(self._senders) == _AT_ONCE:
            return False
        sender = threading.Thread(target=self._context.copy().run, args=(self._send, asked), daemon=True)
        try:
            sender.start()
        except RuntimeError:  # no more threads can be started, or the interpreter is about to exit
            self._context.copy().run(self._send, asked)
        else:
            self._senders.append(sender)
            sender.join(self._patience)
        return self._renewed >= asked

    def _send(self, asked: float) -> None:
        try:
            run = self._heartbeat()
        except (LeaseLostError, ItemNotFoundError) as error:
            if not self._stopped.is_set():
                self._lost = error
                _log.warning("%s is lost: %s", self._name, error_text(error))
        except Exception as error:  # an odd reply, an odd item, no memory: the run is not lost, so try again
            self._tell(error)
            if isinstance(error, UnreadableItemError) and error.done:  # the lease was renewed nevertheless
                self._note(self._run, asked)
        else:
            self._note(run, asked)

    def _note(self, run: PipelineRunLog, asked: float) -> None:
        with self._writing:
            self._run = self.newer(run)
            # count from the request, not from the reply, which may have come late
            self._renewed = max(self._renewed, asked)

    def _heartbeat(self) -> PipelineRunLog:
        """Send a heartbeat; if the clock was set back since the start, with the time as if it had not been."""
        began, seconds = self._began
        now = shifted(began, running_seconds() - seconds)
        if shifted(now, -_SET_BACK_SECONDS) > utc_now():
            return heartbeat(self._run, now=now)
        return heartbeat(self._run)

    def _tell(self, error: Exception) -> None:
        _log.warning("%s: a heartbeat failed and is sent again: %s", self._name, error_text(error))
