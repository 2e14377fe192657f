"""What the commands on one pipeline's runs do, one at a time: the model that histories are checked against.

Instants are seconds; a state is immutable, so that the checker can remember it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from tests.helpers.linearizability import Call

LEASE = 300
SKEW = 5


@dataclass(frozen=True)
class Run:
    """A run as the model knows it."""

    status: str
    token: int
    lease_end: int | None
    processed: int | None = None
    revision: int = 1

    def written(self, **changes: Any) -> Run:
        """Return the run after one more write."""
        return replace(self, revision=self.revision + 1, **changes)

    def expired(self, now: int) -> bool:
        """Say whether the lease has passed, on whatever clock."""
        return self.status == "running" and self.lease_end is not None and self.lease_end + SKEW < now


@dataclass(frozen=True)
class Pipeline:
    """The runs of a pipeline, by id, and the last token that one of them was given."""

    limit: int | None
    runs: frozenset[tuple[str, Run]] = frozenset()
    last_token: int = 0

    def run(self, run_id: str) -> Run | None:
        """Return a run, or None."""
        return dict(self.runs).get(run_id)

    def having(self, run_id: str, run: Run) -> Pipeline:
        """Return the pipeline with this run in place of what had its id."""
        return replace(self, runs=frozenset({**dict(self.runs), run_id: run}.items()))

    def running(self) -> dict[str, Run]:
        """Return the runs that run: those that hold a slot."""
        return {run_id: run for run_id, run in self.runs if run.status == "running"}


@dataclass(frozen=True)
class Operation:
    """What was asked: `start`, `heartbeat`, `update`, `finish`, `reap`, `read`."""

    kind: str
    run_id: str = ""
    now: int = 0
    token: int = 0
    value: int = 0


@dataclass(frozen=True)
class Refusal:
    """An error, by its name, and whom it named."""

    name: str
    holders: frozenset[str] = frozenset()


LOST = Refusal("LeaseLostError")


def step(state: Pipeline, call: Call) -> Iterable[Pipeline]:
    """Yield the states in which the pipeline may be after this answer."""
    after: Iterator[Pipeline] = _STEPS[call.operation.kind](state, call.operation, call.result)
    return after


def _start(state: Pipeline, said: Operation, result: Any) -> Iterator[Pipeline]:
    there = state.run(said.run_id)
    running = state.running()
    if there is not None:
        if result == there:
            yield state
    elif state.limit is not None and len(running) >= state.limit:
        dead = any(run.expired(said.now) for run in running.values())
        if result == Refusal("RunLimitError", frozenset(running)) and not dead:
            yield state
    else:
        token = result.token if isinstance(result, Run) else 0
        run = Run("running", token, said.now + LEASE)
        if result == run and (state.limit is None or token > state.last_token):
            yield replace(state.having(said.run_id, run), last_token=token)


def _mine(state: Pipeline, said: Operation) -> Run | None:
    """Return the run, if who says this still has its lease."""
    run = state.run(said.run_id)
    return run if run is not None and run.status == "running" and run.token == said.token else None


def _heartbeat(state: Pipeline, said: Operation, result: Any) -> Iterator[Pipeline]:
    run = _mine(state, said)
    if run is None:
        if result == LOST:
            yield state
        return
    until = said.now + LEASE
    # a lease that ends later already stays as it is
    beaten = run if run.lease_end is not None and run.lease_end > until else run.written(lease_end=until)
    if result in {beaten, None}:
        yield state.having(said.run_id, beaten)


def _update(state: Pipeline, said: Operation, result: Any) -> Iterator[Pipeline]:
    run = _mine(state, said)
    if run is None:
        if result == LOST:
            yield state
        return
    updated = run.written(processed=said.value)
    if result in {updated, None}:
        yield state.having(said.run_id, updated)


def _finish(state: Pipeline, said: Operation, result: Any) -> Iterator[Pipeline]:
    run = _mine(state, said)
    if run is not None:
        finished = run.written(status="success", lease_end=None)
        if result in {finished, None}:
            yield state.having(said.run_id, finished)
        return
    there = state.run(said.run_id)
    same = there is not None and (there.status, there.token) == ("success", said.token)
    if result == (there if same else LOST):
        yield state


def _reap(state: Pipeline, said: Operation, result: Any) -> Iterator[Pipeline]:
    """Yield the state after one run was reaped: the one that is named, or any where none is."""
    for run_id, run in state.runs:
        if run.expired(said.now) and said.run_id in {"", run_id}:
            reaped = run.written(status="failed", lease_end=None)
            if result in {reaped, None}:
                yield state.having(run_id, reaped)


def _read(state: Pipeline, said: Operation, result: Any) -> Iterator[Pipeline]:
    if result == state.run(said.run_id):
        yield state


_STEPS = {
    "start": _start,
    "heartbeat": _heartbeat,
    "update": _update,
    "finish": _finish,
    "reap": _reap,
    "read": _read,
}
