"""What workers do in the tests of crash points: command by command, each with its own instant."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from pipemodels import commands
from pipemodels.errors import ItemNotFoundError
from tests.survival.world import LATE, LEASE, PIPELINE, START

OWNER = "worker"
RUN: dict[str, Any] = {"run_id": "first"}
RETRY = {"run_id": "first__attempt_2"}


@dataclass
class Memory:
    """What a worker keeps between its commands: its pipeline, and its run, as the last command returned it."""

    pipeline_id: str = PIPELINE
    run: Any = None

    @property
    def token(self) -> int:
        """The token of the worker's lease."""
        return int(self.run.lease_token)


@dataclass(frozen=True)
class Step:
    """One command.

    Attributes:
        name: for people.
        call: what is said.
        counts_again: said twice it is written twice: the same values, and another revision.
    """

    name: str
    call: Callable[[Memory], object]
    counts_again: bool = False


@dataclass(frozen=True)
class Scenario:
    """Commands of one worker, and what has happened before.

    Attributes:
        name: for people.
        steps: the commands.
        limit: how many runs of the pipeline there may be at once.
        before: what somebody who does not die has done before.
    """

    name: str
    steps: tuple[Step, ...]
    limit: int | None = None
    before: tuple[Step, ...] = field(default=())

    def __str__(self) -> str:
        return self.name


def at(seconds: int) -> datetime:
    """Return an instant, as seconds after the start."""
    return START + timedelta(seconds=seconds)


def start(when: datetime = START, **key: Any) -> Step:
    """Return the start of a run, whose lease the worker remembers."""

    def call(memory: Memory) -> None:
        memory.run = commands.start_run(
            pipeline_id=memory.pipeline_id,
            **(RUN | key),
            owner=OWNER,
            lease_seconds=LEASE,
            now=when,
            by=OWNER,
            trigger_type="schedule",
        )

    return Step("start", call)


def heartbeat(when: datetime) -> Step:
    """Return a heartbeat."""

    def call(memory: Memory) -> None:
        memory.run = commands.heartbeat(memory.run, now=when)

    return Step("heartbeat", call, counts_again=True)


def work(name: str, when: datetime, *, counts_again: bool = False, **said: Any) -> Step:
    """Return a command on the worker's own run, under the token of its lease."""
    command = getattr(commands, name)

    def call(memory: Memory) -> None:
        key = {"pipeline_id": memory.pipeline_id, "run_id": memory.run.run_id}
        command(**key, lease_token=memory.token, now=when, by=OWNER, **said)

    return Step(name, call, counts_again)


def say(name: str, **said: Any) -> Step:
    """Return a command of anybody on the pipeline."""
    command = getattr(commands, name)
    return Step(name, lambda memory: command(pipeline_id=memory.pipeline_id, **said))


def reap() -> Step:
    """Return the work of a reaper."""
    return Step("reap", lambda _: commands.reap_expired_runs(now=LATE, by="reaper"))


def delete() -> Step:
    """Return the deletion of a run; after a lost reply it is gone, which is what was wanted."""

    def call(memory: Memory) -> None:
        with suppress(ItemNotFoundError):
            commands.delete_run(pipeline_id=memory.pipeline_id, **RUN)

    return Step("delete_run", call)


def vanish() -> Step:
    """Return a deletion that knows nothing of slots, as by DynamoDB itself at the end of an item's time to live."""
    return Step("vanish", lambda memory: memory.run.delete())


WORK = (
    work("start_stage", at(10), stage_name="extract"),
    heartbeat(at(100)),
    work("record_metrics", at(110), counts_again=True, total_records_processed=7),
    work("record_quality", at(115), counts_again=True, results=[{"check_name": "rows", "passed": True}]),
    work("finish_stage", at(120), stage_name="extract", records_processed=7),
)
FINISH = work("finish_run", at(130), total_records_failed=1)
FAIL = work("fail_run", at(130), error_message="disk full")
RETRIED = say("retry_run", **RUN, now=at(2))
FAILED = (start(), say("fail_run", **RUN, error_message="disk full", now=at(1)))

SCENARIOS = (
    Scenario("lifecycle", (start(), *WORK, FINISH)),
    Scenario("exclusive lifecycle", (start(), *WORK, FINISH), limit=1),
    Scenario("one of two", (start(), heartbeat(at(100)), FAIL), limit=2, before=(start(run_id="neighbour"),)),
    Scenario(
        "queued, exclusive",
        (say("queue_run", **RUN, trigger_type="schedule", now=START), start(at(5)), work("cancel_run", at(9))),
        limit=1,
    ),
    Scenario("retry", (RETRIED, start(at(3), **RETRY), FINISH), before=FAILED),
    Scenario("exclusive retry", (RETRIED, start(at(3), **RETRY), FAIL), 1, FAILED),
    Scenario("reap", (reap(),), before=(start(),)),
    Scenario("reap a holder", (reap(),), 1, (start(),)),
    Scenario("reap two holders", (reap(),), 2, (start(), start(run_id="second"))),
    Scenario("delete", (delete(),), before=(start(),)),
    Scenario("delete a holder", (delete(),), 1, (start(),)),
    Scenario("cancel a holder", (say("cancel_run", **RUN, now=at(7)),), 1, (start(),)),
    Scenario(
        "start in place of the expired",
        (start(LATE, run_id="second"), work("finish_run", LATE + timedelta(seconds=1))),
        limit=1,
        before=(start(),),
    ),
    Scenario("start in place of the vanished", (start(at(7), run_id="second"),), 1, (start(), vanish())),
    Scenario("start of the vanished", (start(at(7)), FINISH), 1, (start(), vanish())),
)

LIFECYCLES = (
    Scenario("lifecycle", (start(), *WORK, FINISH)),
    Scenario("exclusive lifecycle", (start(), *WORK, FINISH), limit=1),
    Scenario("exclusive, at the second attempt", (*FAILED, RETRIED, start(at(3), **RETRY), *WORK, FINISH), limit=1),
)
