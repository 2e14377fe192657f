"""Concurrent histories: workers that say at random what workers say, and when they asked and were answered."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import Any

from pipemodels import commands
from pipemodels.errors import ConflictError
from pipemodels.instants import microseconds_since_epoch
from pipemodels.models.run import PipelineRunLog
from tests.helpers.linearizability import Call
from tests.helpers.racing import Racers
from tests.survival.run_model import LEASE, Operation, Refusal, Run
from tests.survival.world import PIPELINE, START, World

RUNS = ("a", "b", "c", "d", "e")
# leases of some end at others of these: just not yet, by the allowance for clocks, and just so
_INSTANTS = (0, 100, 305, 306, 405, 406, 1000)
_KINDS = {"start": 3, "heartbeat": 3, "update": 3, "finish": 2, "reap": 2}
Commands = dict[str, Callable[[Operation, Any], Any]]


def _at(seconds: int) -> Any:
    return START + timedelta(seconds=seconds)


def _key(said: Operation) -> dict[str, Any]:
    return {"pipeline_id": PIPELINE, "run_id": said.run_id, "now": _at(said.now)}


COMMANDS: Commands = {
    "start": lambda said, _: commands.start_run(**_key(said), owner="worker", lease_seconds=LEASE),
    "heartbeat": lambda said, run: commands.heartbeat(run, now=_at(said.now)),
    "update": lambda said, _: commands.record_metrics(
        **_key(said), lease_token=said.token, total_records_processed=said.value
    ),
    "finish": lambda said, _: commands.finish_run(**_key(said), lease_token=said.token),
    "reap": lambda said, _: commands.reap_expired_runs(now=_at(said.now)),
}


def seen(run: PipelineRunLog) -> Run:
    """Return a stored run as the model knows it."""
    end = run.lease_expires_at
    seconds = None if end is None else (microseconds_since_epoch(end) - microseconds_since_epoch(START)) // 10**6
    return Run(str(run.status), run.lease_token or 0, seconds, run.total_records_processed, run.revision or 0)


@dataclass
class Client:
    """One worker, what it knows, and what it was answered.

    Attributes:
        limited: its starts may reap others' runs first.
    """

    rng: random.Random
    commands: Commands
    limited: bool
    runs: dict[str, PipelineRunLog] = field(default_factory=dict)
    calls: list[Call] = field(default_factory=list)

    def work(self, count: int) -> list[Call]:
        """Say something so often, and return the calls."""
        for _ in range(count):
            self.say(self.next())
        return self.calls

    def next(self) -> Operation:
        """Draw what to say next."""
        now = self.rng.choice(_INSTANTS)
        kind = self.rng.choices(list(_KINDS), list(_KINDS.values()))[0]
        if kind == "start" or not self.runs:
            return Operation("start", self.rng.choice(RUNS), now)
        if kind == "reap":
            return Operation("reap", now=now)
        run = self.runs[self.rng.choice(sorted(self.runs))]
        value = self.rng.randrange(10**6)
        return Operation(kind, run.run_id, now, run.lease_token or 0, value if kind == "update" else 0)

    def say(self, said: Operation) -> None:
        """Say it, and note what was answered."""
        invoked = time.monotonic()
        try:
            answer = self.commands[said.kind](said, self.runs.get(said.run_id))
        except ConflictError as error:
            holders = frozenset(run.run_id for run in getattr(error, "holders", ()))
            answer = Refusal(type(error).__name__, holders)
        self.note(said, answer, invoked, time.monotonic())

    def note(self, said: Operation, answer: Any, invoked: float, replied: float) -> None:
        """Note a call: one for each run that was reaped, since they are reaped one by one."""
        if said.kind == "reap":
            for run in answer:
                one = Operation("reap", run.run_id, said.now)
                self.calls.append(Call(one, seen(run), invoked, replied))
            return
        if isinstance(answer, PipelineRunLog):
            self.runs[answer.run_id] = answer
            answer = seen(answer)
        self.calls.append(Call(said, answer, invoked, replied))
        if said.kind == "start" and self.limited:
            # a start reaps whoever holds a slot and has expired, before it takes it; and another, if that was faster
            self.calls += [Call(Operation("reap", now=said.now), None, invoked, replied, optional=True)] * len(RUNS)


def history(
    world: World, crowd: Racers, *, seed: int, limit: int | None, calls: int, said: Commands = COMMANDS
) -> list[Call]:
    """Let a crowd work on one pipeline, then read its runs; return all calls."""
    world.begin(limit=limit)
    clients = [Client(random.Random(f"{seed}/{n}"), said, limit is not None) for n in range(crowd.count)]
    outcomes = crowd.race([partial(client.work, calls) for client in clients])
    for outcome in outcomes:
        if isinstance(outcome, Exception):
            raise outcome
    moment = time.monotonic()
    stored = {run.run_id: seen(run) for run in world.runs()}
    reads = [Call(Operation("read", run_id), stored.get(run_id), moment, moment) for run_id in RUNS]
    return [call for made in outcomes for call in made] + reads
