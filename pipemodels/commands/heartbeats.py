"""The threads that send a recorded run's heartbeats while its code works."""

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

_TRIES_IN_A_THIRD = 10  # after one that did not come through
_LEAST_SECONDS = 0.05
_PATIENCE_SECONDS = 1.0  # a reply may take so long before another heartbeat is sent beside it
_AT_ONCE = 8  # heartbeats that wait for a reply
_SET_BACK_SECONDS = 1.0  # a clock that is behind by less was only corrected
_LAST_SECONDS = 1.0  # how long the end of the block waits for a heartbeat under way

_log = logging.getLogger("pipemodels.commands.heartbeats")
_CLOCK = getattr(time, "CLOCK_BOOTTIME", None)  # Linux: goes on while the machine sleeps


def running_seconds() -> float:
    """Return the seconds of a clock that nobody can set."""
    return time.monotonic() if _CLOCK is None else time.clock_gettime(_CLOCK)


class Heartbeats:
    """Heartbeats at a third of the lease, from daemon threads, for as long as the block lasts.

    A run without a lease has none. Whatever keeps one from coming through, another is sent soon, also beside one that
    still waits for its reply; only that the run is lost or gone ends them. Once the lease has passed without one, by
    a clock that nobody can set, the run counts as lost until one comes through.

    Args:
        run: the run as it was started.
        asked: when its start was asked for, by `running_seconds`: the lease began no sooner.
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
        # the configuration in force is the context's, and a thread starts without one
        self._context = copy_context()
        self._context.run(deadlines.begin, None)  # a limit of the code around is not the heartbeats'
        self._thread = threading.Thread(target=self._keep, name=f"heartbeats of {run.run_id}", daemon=True)

    def start(self) -> None:
        """Begin to send.

        Raises:
            RuntimeError: no thread is to be had.
        """
        if self._run.lease_expires_at is not None:
            self._thread.start()

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

        A forked process knows what was known when it was forked: the heartbeats are its parent's.

        Raises:
            LeaseLostError: somebody has ended it, or its lease has passed without a heartbeat.
        """
        if self._lost is not None:
            raise LeaseLostError(f"{self._name}: {self._lost}", getattr(self._lost, "current", None)) from self._lost
        seconds = self._run.lease_seconds
        if self._run.lease_expires_at is None or not seconds or self._process != os.getpid():
            return
        if running_seconds() - self._renewed > seconds:
            raise LeaseLostError(f"{self._name}: no heartbeat came through for {seconds} s; stop the work", self._run)

    def _keep(self) -> None:
        """Send until the block ends or the run is lost; other threads wait for replies, so that nothing ends this."""
        pause = self._third
        while self._lost is None and not self._stopped.wait(pause):
            came_through = False
            try:
                came_through = self._beat()
            except Exception as error:  # whatever it is: the run lives, and the next one may come through
                self._tell(error)
            pause = self._third if came_through else self._third / _TRIES_IN_A_THIRD

    def _beat(self) -> bool:
        """Send a heartbeat from a thread of its own, wait for it, but not long, and say whether it came through."""
        asked = running_seconds()
        self._senders = [sender for sender in self._senders if sender.is_alive()]
        if len(self._senders) == _AT_ONCE:
            return False
        sender = threading.Thread(target=self._context.copy().run, args=(self._send, asked), daemon=True)
        try:
            sender.start()
        except RuntimeError:  # no more threads are to be had, or the interpreter is about to exit
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
        except Exception as error:  # an odd reply, an odd item, no memory: the run lives, and is tried again
            self._tell(error)
            if isinstance(error, UnreadableItemError) and error.done:  # the lease is renewed all the same
                self._note(self._run, asked)
        else:
            self._note(run, asked)

    def _note(self, run: PipelineRunLog, asked: float) -> None:
        with self._writing:
            self._run = self.newer(run)
            # the lease began no sooner than it was asked for: the reply may have come late
            self._renewed = max(self._renewed, asked)

    def _heartbeat(self) -> PipelineRunLog:
        """Send a heartbeat; where the machine's clock was set back since the start, as if it had not been."""
        began, seconds = self._began
        now = shifted(began, running_seconds() - seconds)
        if shifted(now, -_SET_BACK_SECONDS) > utc_now():
            return heartbeat(self._run, now=now)
        return heartbeat(self._run)

    def _tell(self, error: Exception) -> None:
        _log.warning("%s: a heartbeat did not come through and is sent again: %s", self._name, error_text(error))
