"""Two writers on stale copies of one item: a write is stored whole, or refused; no update is ever lost silently."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test
from pynamodb.exceptions import DeleteError, PutError, TransactWriteError, UpdateError
from pynamodb.transactions import TransactWrite

from pipemodels import (
    AlreadyExistsError,
    DynamoDBConfig,
    ItemNotFoundError,
    PipelineConfig,
    StaleRevisionError,
    commands,
    queries,
    using,
)
from tests.helpers.backends import Backend, fresh
from tests.helpers.items import pipeline_fields, plain

writers = st.sampled_from((0, 1))
_CLOCK = {"updated_at"}  # the ORM's writes take it from the clock


class TwoWriters(RuleBasedStateMachine):
    """Each writer changes a field of its own, `description` or `source_type`, to a value that was never there."""

    def __init__(self, config: DynamoDBConfig) -> None:
        super().__init__()
        self.stack = ExitStack()
        self.stack.enter_context(using(config))
        self.pipeline_id = fresh("p")
        self.copies: list[PipelineConfig | None] = [None, None]
        self.life = 0  # what is made anew under the key of what was deleted is another item
        self.lives = [0, 0]
        self.truth: dict[str, Any] | None = None
        self.written = 0

    def teardown(self) -> None:
        """Leave the tables."""
        self.stack.close()

    # -- the truth ------------------------------------------------------------------------------------------------

    def news(self, writer: int) -> dict[str, str]:
        """Return a change that only this writer makes, and only once."""
        self.written += 1
        return {("description", "source_type")[writer]: f"{writer}.{self.written}"}

    def takes(self, writer: int, copy: PipelineConfig | None) -> None:
        """Give a writer a copy of what is stored."""
        self.copies[writer], self.lives[writer] = copy, self.life

    def at(self, revision: int | None) -> bool:
        """Say whether something is stored at this revision."""
        return self.truth is not None and self.truth["revision"] == revision

    def current(self, writer: int, revision: int | None) -> bool:
        """Say whether this writer, who saw this revision, may write."""
        return self.at(revision) and self.lives[writer] == self.life

    def attempt(self, allowed: bool, refusal: type[Exception], write: Callable[[], Any]) -> bool:
        """Write: it must succeed if it is allowed, and be refused by name if not."""
        if allowed:
            write()
        else:
            with pytest.raises(refusal):
                write()
        return allowed

    def now_holds(self, expected: dict[str, Any] | None) -> None:
        """Compare the stored item with what must be there, and keep that as the truth."""
        stored = queries.find_pipeline(self.pipeline_id)
        found = None if stored is None else plain(stored)
        if found is None or expected is None:
            assert found == expected
        else:
            assert _timeless(found) == _timeless(expected)
        self.truth = found

    def changed(self, **changes: Any) -> dict[str, Any]:
        """Return the truth with changes, one revision on."""
        assert self.truth is not None
        return self.truth | changes | {"revision": self.truth["revision"] + 1}

    # -- what writers do ------------------------------------------------------------------------------------------

    @rule(writer=writers)
    def read(self, writer: int) -> None:
        """Take a copy of what is stored."""
        self.takes(writer, queries.find_pipeline(self.pipeline_id))

    @rule(writer=writers)
    def create(self, writer: int) -> None:
        """Create the item, unless it is there."""
        fields = pipeline_fields(pipeline_id=self.pipeline_id) | self.news(writer)
        created: list[PipelineConfig] = []
        if self.attempt(
            self.truth is None, AlreadyExistsError, lambda: created.append(commands.create_pipeline(**fields))
        ):
            self.takes(writer, created[0])
            self.truth = plain(created[0])
        self.now_holds(self.truth)

    @rule(writer=writers)
    def save_blindly(self, writer: int) -> None:
        """Save an object that was never read: it may create, and never overwrite."""
        item = PipelineConfig(**pipeline_fields(pipeline_id=self.pipeline_id) | self.news(writer))
        if self.attempt(self.truth is None, PutError, item.save):
            self.takes(writer, item)
            self.truth = plain(item)
        self.now_holds(self.truth)

    @precondition(lambda self: any(self.copies))
    @rule(writer=writers, way=st.sampled_from(("save", "batch", "transaction")))
    def save_the_copy(self, writer: int, way: str) -> None:
        """Change the copy and put it whole: only while nobody wrote since."""
        copy = self.copies[writer]
        if copy is None:
            return
        before = plain(copy)
        for name, value in self.news(writer).items():
            setattr(copy, name, value)
        expected = plain(copy) | {"revision": before["revision"] + 1}

        def batch() -> None:
            with PipelineConfig.batch_write() as one:
                one.save(copy)

        def transaction() -> None:
            with TransactWrite(connection=PipelineConfig._get_connection().connection) as one:
                one.save(copy)

        ways: dict[str, Callable[[], Any]] = {"save": copy.save, "batch": batch, "transaction": transaction}
        write = ways[way]
        refusal = PutError if way == "save" else TransactWriteError
        if self.attempt(self.current(writer, before["revision"]), refusal, write):
            self.truth = expected
            assert copy.revision == expected["revision"]
        else:
            self.copies[writer] = None
        self.now_holds(self.truth)

    @precondition(lambda self: any(self.copies))
    @rule(writer=writers)
    def update_the_copy(self, writer: int) -> None:
        """Update by expressions: only while nobody wrote since; the copy is then what is stored."""
        copy = self.copies[writer]
        if copy is None:
            return
        news = self.news(writer)
        if self.attempt(self.current(writer, copy.revision), UpdateError, lambda: copy.update(_actions(news))):
            self.truth = self.changed(**news)
            assert _timeless(plain(copy)) == _timeless(self.truth)
        self.now_holds(self.truth)

    @precondition(lambda self: any(self.copies))
    @rule(writer=writers)
    def update_whatever_is_there(self, writer: int) -> None:
        """Without the condition the named field changes, all else stays, and the revision counts; none is created."""
        copy = self.copies[writer]
        if copy is None:
            return
        news = self.news(writer)

        def write() -> None:
            copy.update(_actions(news), add_version_condition=False)

        if self.attempt(self.truth is not None, UpdateError, write):
            self.takes(writer, copy)  # it is now what is stored
            self.truth = self.changed(**news)
        self.now_holds(self.truth)

    @rule(writer=writers, expecting=st.booleans())
    def update_by_command(self, writer: int, expecting: bool) -> None:
        """Update by command, at the copy's revision or at any."""
        copy = self.copies[writer]
        revision = copy.revision if copy is not None and expecting else None
        news = self.news(writer)
        refusal = ItemNotFoundError if self.truth is None else StaleRevisionError
        allowed = self.truth is not None if revision is None else self.at(revision)
        stored: list[PipelineConfig] = []

        def write() -> None:
            stored.append(
                commands.update_pipeline(pipeline_id=self.pipeline_id, changes=news, expected_revision=revision)
            )

        if self.attempt(allowed, refusal, write):
            self.takes(writer, stored[0])
            self.truth = self.changed(**news)
        self.now_holds(self.truth)

    @rule(writer=writers, is_active=st.booleans())
    def switch(self, writer: int, is_active: bool) -> None:
        """Switch it on or off by a transaction: all else stays, and every stale copy notices."""
        command = commands.activate_pipelines if is_active else commands.deactivate_pipelines
        if self.attempt(self.truth is not None, ItemNotFoundError, lambda: command([self.pipeline_id])):
            truth = self.changed(is_active=is_active)
            truth.pop("active_shard", None)
            if is_active:
                truth["active_shard"] = PipelineConfig.derived(truth)["active_shard"]
            self.truth = truth
        self.now_holds(self.truth)

    @rule(writer=writers)
    def replace_by_command(self, writer: int) -> None:
        """Put by command: the last writer wins by its own word, and the revision shows it to the other."""
        fields = pipeline_fields(pipeline_id=self.pipeline_id) | self.news(writer)
        before = self.truth or {"revision": 0}
        stored = commands.put_pipeline(**fields)
        assert stored.revision == before["revision"] + 1
        assert plain(stored).items() >= fields.items()
        self.takes(writer, stored)
        self.truth = plain(stored)
        self.now_holds(self.truth)

    @precondition(lambda self: any(self.copies))
    @rule(writer=writers)
    def delete_the_copy(self, writer: int) -> None:
        """Delete through the ORM: only what the copy shows."""
        copy = self.copies[writer]
        if copy is None:
            return
        if self.attempt(self.current(writer, copy.revision), DeleteError, copy.delete):
            self.truth = None
            self.life += 1
        self.copies[writer] = None
        self.now_holds(self.truth)

    @precondition(lambda self: all(self.copies))
    @rule(first=writers)
    def both_in_one_batch(self, first: int) -> None:
        """Both copies in one batch: the second is stale once the first is stored, and not tried if that is."""
        one, two = self.copies[first], self.copies[1 - first]
        if one is None or two is None or one is two:
            return
        revision, news, later = one.revision, self.news(first), self.news(1 - first)
        allowed = self.current(first, revision)
        for copy, change in ((one, news), (two, later)):
            for name, value in change.items():
                setattr(copy, name, value)
        expected = plain(one) | {"revision": (revision or 0) + 1}

        def write() -> None:
            with PipelineConfig.batch_write() as batch:
                batch.save(one)
                batch.save(two)

        with pytest.raises(TransactWriteError):
            write()
        if allowed:
            self.truth = expected
        self.copies = [None, None]
        self.now_holds(self.truth)


def _actions(changes: dict[str, str]) -> list[Any]:
    return [PipelineConfig.get_attributes()[name].set(value) for name, value in changes.items()]


def _timeless(item: dict[str, Any]) -> dict[str, Any]:
    assert isinstance(item["updated_at"], datetime)
    assert item["updated_at"].tzinfo is UTC
    return {name: value for name, value in item.items() if name not in _CLOCK}


def _histories(backend: Backend) -> settings:
    return backend.examples(60, stateful_step_count=25)


@pytest.mark.no_cover  # as for the state machine
def test_no_update_is_lost_silently(backend: Backend) -> None:
    """Interleaved saves, updates, batches, transactions and commands of two writers: stored whole, or refused."""
    with backend.fresh_tables() as config:
        factory: Any = lambda: TwoWriters(config)  # noqa: E731  # typed as a class, and a factory is taken
        run_state_machine_as_test(factory, settings=_histories(backend))
