"""The state machine: any history of all commands and queries, held against the oracle after each step."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, cast
from zoneinfo import ZoneInfo

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from pipemodels import ConflictError, DynamoDBConfig, ValidationError, commands, queries, using
from pipemodels.connections import connection_of
from pipemodels.models import MODELS, PipelineRunLog, RunSlots
from pipemodels.models.base import Model
from pipemodels.queries import Results
from tests.helpers.backends import requests_of
from tests.helpers.items import plain
from tests.helpers.oracle import Item, Oracle, Refused, RunKey

START = datetime(2026, 3, 29, 0, 59, 59, 999_999, tzinfo=UTC)  # a microsecond before Berlin's summer time
EDGES = (datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC))
ZONES = (UTC, ZoneInfo("Europe/Berlin"), ZoneInfo("Asia/Kathmandu"))
STATUSES = ("pending", "running", "success", "failed", "cancelled", "skipped")

offsets = st.integers(-3, 3) | st.integers(-9, 9).map(lambda n: n * 1_000_001)
moments = st.builds(
    lambda n, zone: (START + timedelta(microseconds=n)).astimezone(zone), offsets, st.sampled_from(ZONES)
)
times = moments | moments | moments | st.sampled_from(EDGES)
maybe_time = st.none() | times
people = st.sampled_from((None, "ann", "bob"))
texts = st.sampled_from(("", "a", "größer\u2028😀\x00"))
amounts = st.sampled_from((Decimal(0), Decimal("0.1"), Decimal("12345678901234567890.123456789012345678")))
counts = st.integers(0, 3)
documents = st.sampled_from(({}, {"a": [1, Decimal("0.5"), None, {"b": ""}]}, {"a": True}))
tags = st.sampled_from(({}, {"team": "shop"}))

pipeline_ids = st.sampled_from(("p0", "p1", "p2"))
table_ids = st.sampled_from(("t0", "t1", "t2"))
run_ids = st.sampled_from(("r0", "r1"))
environments = st.sampled_from(("dev", "prod"))
statuses = st.sampled_from(STATUSES)
table_types = st.sampled_from(("source", "lookup"))
stage_names = st.sampled_from(("load", "join"))


def optional(**strategies: Any) -> st.SearchStrategy[dict[str, Any]]:
    """Draw some of these fields, None among their values."""
    return st.fixed_dictionaries({}, optional={name: st.none() | one for name, one in strategies.items()})


def joined(*parts: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[dict[str, Any]]:
    """Draw the fields of all these together."""
    return st.tuples(*parts).map(lambda drawn: {name: value for one in drawn for name, value in one.items()})


pipeline_options = optional(
    description=texts, config=documents, environment=environments, cpu_cores=st.integers(1, 9), memory_gb=amounts,
    tags=tags, max_concurrent_runs=st.integers(1, 2), max_attempts=st.integers(1, 3),
    schedule_expression=st.just("rate(5 minutes)"),
)  # fmt: skip
pipeline_set = st.fixed_dictionaries(
    {}, optional={"is_active": st.booleans(), "version": st.just("2.0.0"), "pipeline_name": texts}
)
pipelines = joined(
    st.fixed_dictionaries({"pipeline_id": pipeline_ids}),
    st.just({"pipeline_name": "a", "source_type": "s3", "destination_type": "s3"}),
    pipeline_options,
    pipeline_set,
)
table_options = optional(
    schema_definition=documents, partition_columns=st.lists(texts, max_size=2), tags=tags, record_count=counts,
    data_quality_checks=st.lists(documents, max_size=2), last_updated_data=times, retention_days=st.integers(1, 3),
    archive_after_days=st.integers(0, 3), environment=environments,
)  # fmt: skip
table_set = st.fixed_dictionaries(
    {}, optional={"table_type": table_types, "pipeline_id": pipeline_ids, "is_active": st.booleans()}
)
tables = joined(
    st.fixed_dictionaries({"table_id": table_ids, "pipeline_id": pipeline_ids, "table_type": table_types}),
    st.just({"table_name": "a", "data_format": "csv", "location": "b"}),
    table_options,
    table_set,
)
reports = optional(
    total_records_processed=counts, total_records_failed=counts, cpu_hours=amounts, tags=tags,
    output_tables=st.lists(texts, max_size=2), log_messages=st.lists(documents, max_size=2),
)  # fmt: skip
beginnings = joined(
    optional(tags=tags, config_snapshot=documents, environment=environments, total_records_processed=counts,
             total_records_failed=counts, input_tables=st.lists(texts, max_size=2)),
    st.fixed_dictionaries({}, optional={"trigger_type": st.sampled_from(("schedule", "manual"))}),
)  # fmt: skip
quality = st.lists(
    joined(st.fixed_dictionaries({"check_name": texts, "passed": st.booleans()}), optional(expected_value=amounts)),
    max_size=2,
)
messages = st.sampled_from(("", "disk full", "other"))

WRONG: list[Callable[[], Any]] = [
    lambda: commands.create_pipeline(pipeline_id=""),
    lambda: commands.create_pipeline(
        pipeline_id="p0", pipeline_name="a", source_type="a", destination_type="a", cpu=1
    ),
    lambda: commands.put_pipeline(pipeline_id="p0", pipeline_name="a", source_type="a", destination_type=1),
    lambda: commands.update_pipeline(pipeline_id="p0", changes={}),
    lambda: commands.update_pipeline(pipeline_id="p0", changes={"revision": 9}),
    lambda: commands.update_pipeline(pipeline_id="p0", changes={"is_active": None}),
    lambda: commands.update_pipeline(pipeline_id="p0", changes={"config": {"a": 0.5}}),
    lambda: commands.update_pipeline(pipeline_id="p0", changes={"cpu_cores": 1}, now=datetime(2026, 1, 1)),
    lambda: commands.activate_pipelines(["p0", " "]),
    lambda: commands.delete_pipeline(pipeline_id="p0", expected_revision=0),
    lambda: commands.update_table(table_id="t0", changes={"table_type": "tape"}),
    lambda: commands.record_table_statistics(table_id="t0"),
    lambda: commands.start_run(pipeline_id="p0", run_id="r0", status="running"),
    lambda: commands.start_run(pipeline_id="p0", run_id="r0", start_time=datetime(2026, 1, 1)),
    lambda: commands.finish_run(pipeline_id="p0", run_id="r0", stages=[]),
    lambda: commands.record_metrics(pipeline_id="p0", run_id="r0"),
    lambda: queries.runs_of_pipeline("p0", since=datetime(2026, 1, 1)),
    lambda: queries.runs_by_status("done"),
    lambda: queries.active_pipelines().page(0),
    lambda: queries.active_pipelines().page(1, "AAAA"),
]


class PipemodelsMachine(RuleBasedStateMachine):
    """Speaks to tables of its own, which are empty at the start of each history."""

    def __init__(self, config: DynamoDBConfig) -> None:
        super().__init__()
        self.config, self.oracle, self.step = config, Oracle(), 0
        self.stack, self.sound = ExitStack(), True

    @initialize(shards=st.sampled_from((1, 1, 2)), filled=st.booleans(), by=people)
    def begin(self, shards: int, filled: bool, by: str | None) -> None:
        """Choose over how many partitions the indexes spread, and whether there is something in the tables."""
        self.use(shards)
        for n in range(3 if filled else 0):
            common: Item = {"by": by, "now": START}
            names: Item = {
                "pipeline_name": "a",
                "source_type": "s3",
                "destination_type": "s3",
                "pipeline_id": f"p{n}",
            }
            facts: Item = {"table_name": "a", "data_format": "csv", "location": "b", "table_type": "lookup"}
            facts |= {"table_id": f"t{n}", "pipeline_id": "p0"}
            self.oracle.create_pipeline(**names, **common)
            commands.create_pipeline(**names, **common)
            self.oracle.create_table(**facts, **common)
            commands.create_table(**facts, **common)
            self.oracle.begin("running", pipeline_id=f"p{n}", run_id="r0", **common)
            commands.start_run(pipeline_id=f"p{n}", run_id="r0", **common)

    def use(self, shards: int) -> None:
        """Speak with this many index partitions from now on."""
        self.oracle.shards = shards
        self.config = replace(self.config, index_shards=shards)
        self.stack.enter_context(using(self.config))

    def teardown(self) -> None:
        """Compare everything, then empty the tables."""
        try:
            if self.sound:  # otherwise the failure of the step is what to look at
                self.everything()
        finally:
            empty(self.config)
            self.stack.close()

    # -- how a step is held against the oracle --------------------------------------------------------------------

    def agree(self, expected: Callable[[], Any], command: Callable[[], Any]) -> None:
        """Carry out a command: it returns, or refuses with the class and the current item, what the oracle says."""
        self.step, self.sound = self.step + 1, False
        outcome: Refused | None = None
        try:
            wanted = expected()
        except Refused as refused:
            outcome = refused
        if outcome is None:
            equal(plain(command()), wanted)
        else:
            self.refuses(outcome, command)
        self.sound = True

    def refuses(self, outcome: Refused, command: Callable[[], Any]) -> None:
        """Carry out a command that should raise exactly this class, with this current item."""
        with pytest.raises(outcome.kind) as caught:
            command()
        assert caught.type is outcome.kind
        if isinstance(caught.value, ConflictError):
            equal(plain(caught.value.current), outcome.current)

    def listed(self, results: Results[Any], expected: list[Item], order: str, *, newest_first: bool) -> None:
        """Compare a listing and its count; read at once, in pages, or in full, by turns."""
        index = results._query.index_name
        assert results.count() == len(expected)
        way = self.step % 3
        if way == 0:
            found = list(results)
        elif way == 1:
            found = paged(results, 1 + self.step % 4)
        else:
            found = list(results.in_full())
        held = held_by(results._query.model, index) if way != 2 and index else None
        equal(by_key(map(plain, found)), by_key(summary(item, held) for item in expected))
        keys = [plain(item)[order] for item in found]
        assert keys == sorted((item[order] for item in expected), reverse=newest_first)

    def check_pipeline(self, pipeline_id: str, *environments: str | None) -> None:
        """Compare a pipeline whole, and each listing that may show it."""
        all_ = self.oracle.pipelines
        equal(maybe(plain, queries.find_pipeline(pipeline_id)), all_.get(pipeline_id))
        wanted = ("dev", "prod", None)[self.step % 3]
        active = [one for one in all_.values() if one["is_active"] and wanted in {None, one.get("environment")}]
        self.listed(queries.active_pipelines(wanted), active, "updated_at", newest_first=True)
        flag = (None, True, False)[self.step % 3]
        now_in = all_.get(pipeline_id, {}).get("environment")
        for environment in {*environments, now_in} - {None}:
            there = [one for one in all_.values() if one.get("environment") == environment]
            there = [one for one in there if flag in {None, one["is_active"]}]
            listing = queries.pipelines_by_environment(cast(str, environment), flag)
            self.listed(listing, there, "created_at", newest_first=True)

    def check_table(self, table_id: str, before: Item | None = None) -> None:
        """Compare a table whole, and each listing that may show it."""
        all_ = self.oracle.tables
        equal(maybe(plain, queries.find_table(table_id)), all_.get(table_id))
        sides = [one for one in (before, all_.get(table_id)) if one]
        for pipeline_id in {one["pipeline_id"] for one in sides}:
            kind = sides[0]["table_type"] if self.step % 2 else None
            there = [one for one in all_.values() if one["pipeline_id"] == pipeline_id]
            there = [one for one in there if kind in {None, one["table_type"]}]
            self.listed(queries.tables_of_pipeline(pipeline_id, kind), there, "table_type", newest_first=False)
        for kind in {str(one["table_type"]) for one in sides}:
            there = [one for one in all_.values() if one["table_type"] == kind]
            self.listed(queries.tables_by_type(kind), there, "pipeline_id", newest_first=False)

    def check_run(self, key: RunKey, before: Item | None = None) -> None:
        """Compare a run whole, and each listing that may show it."""
        now = self.oracle.runs.get(key)
        equal(maybe(plain, queries.find_run(*key)), now)
        sides = [one for one in (before, now) if one]
        status = sides[0]["status"] if sides and self.step % 2 else None
        listing = queries.runs_of_pipeline(key[0], status=status)
        self.listed(listing, self.oracle.runs_where(key[0], status), "start_time", newest_first=True)
        for status in {str(one["status"]) for one in sides}:
            listing = queries.runs_by_status(status)
            self.listed(listing, self.oracle.runs_where(status=status), "start_time", newest_first=True)

    def everything(self) -> None:
        """Compare all items and all listings."""
        oracle = self.oracle
        for results, items in (
            (queries.all_pipelines(), oracle.pipelines),
            (queries.all_tables(), oracle.tables),
        ):
            equal(by_key(map(plain, results)), by_key(items.values()))
            assert results.count() == len(items)
        equal(by_key(map(plain, PipelineRunLog.scan())), by_key(oracle.runs.values()))
        slots = {one.pipeline_id: (one.holders, one.last_token) for one in RunSlots.scan()}
        equal(slots, {key: (oracle.holders(key), token) for key, token in oracle.tokens.items()})
        for pipeline_id in oracle.pipelines or ("p0",):
            self.check_pipeline(pipeline_id, "dev", "prod")
        for table_id in oracle.tables:
            self.check_table(table_id)
        for pipeline_id in {key[0] for key in oracle.runs}:
            self.statistics_agree(pipeline_id, None)
        for status in STATUSES:
            runs = oracle.runs_where(status=status)
            self.listed(queries.runs_by_status(status), runs, "start_time", newest_first=True)

    # -- pipelines ------------------------------------------------------------------------------------------------

    @rule(fields=pipelines, by=people, now=times)
    def create_pipeline(self, fields: Item, by: str | None, now: datetime) -> None:
        """Register a pipeline."""
        self.agree(
            lambda: self.oracle.create_pipeline(**fields, by=by, now=now),
            lambda: commands.create_pipeline(**fields, by=by, now=now),
        )
        self.check_pipeline(fields["pipeline_id"])

    @rule(fields=pipelines, by=people, now=times)
    def put_pipeline(self, fields: Item, by: str | None, now: datetime) -> None:
        """Create or replace a pipeline."""
        before = self.oracle.pipelines.get(fields["pipeline_id"], {})
        self.agree(
            lambda: self.oracle.put_pipeline(**fields, by=by, now=now),
            lambda: commands.put_pipeline(**fields, by=by, now=now),
        )
        self.check_pipeline(fields["pipeline_id"], before.get("environment"))

    @rule(
        key=pipeline_ids, changes=joined(pipeline_options, pipeline_set).filter(bool),
        ahead=st.sampled_from((None, 0, 0, 1)),
        by=people, now=times,
    )  # fmt: skip
    def update_pipeline(self, key: str, changes: Item, ahead: int | None, by: str | None, now: datetime) -> None:
        """Change a pipeline, at any revision, the right one, or one that is not there."""
        before = self.oracle.pipelines.get(key, {})
        revision = None if ahead is None else before.get("revision", 1) + ahead
        arguments: Item = {
            "pipeline_id": key,
            "changes": changes,
            "expected_revision": revision,
            "by": by,
            "now": now,
        }
        self.agree(lambda: self.oracle.update_pipeline(**arguments), lambda: commands.update_pipeline(**arguments))
        self.check_pipeline(key, before.get("environment"))

    @rule(ids=st.lists(pipeline_ids, max_size=3), is_active=st.booleans(), by=people, now=times)
    def set_active(self, ids: list[str], is_active: bool, by: str | None, now: datetime) -> None:
        """Activate or deactivate pipelines, all or none."""
        command = commands.activate_pipelines if is_active else commands.deactivate_pipelines
        self.agree(
            lambda: self.oracle.set_pipelines_active(ids, is_active, by, now), lambda: command(ids, by=by, now=now)
        )
        for one in dict.fromkeys(ids):
            self.check_pipeline(one)

    @rule(key=pipeline_ids, ahead=st.sampled_from((None, 0, 1)))
    def delete_pipeline(self, key: str, ahead: int | None) -> None:
        """Delete a pipeline."""
        before = self.oracle.pipelines.get(key, {})
        revision = None if ahead is None else before.get("revision", 1) + ahead
        arguments: Item = {"pipeline_id": key, "expected_revision": revision}
        self.agree(lambda: self.oracle.delete_pipeline(**arguments), lambda: commands.delete_pipeline(**arguments))
        self.check_pipeline(key, before.get("environment"))

    # -- tables ---------------------------------------------------------------------------------------------------

    @rule(put=st.booleans(), fields=tables, by=people, now=times)
    def write_table(self, put: bool, fields: Item, by: str | None, now: datetime) -> None:
        """Create a table, or replace it."""
        before = self.oracle.tables.get(fields["table_id"])
        name = "put_table" if put else "create_table"
        self.agree(
            lambda: getattr(self.oracle, name)(**fields, by=by, now=now),
            lambda: getattr(commands, name)(**fields, by=by, now=now),
        )
        self.check_table(fields["table_id"], before)

    @rule(
        key=table_ids, changes=joined(table_options, table_set).filter(bool), ahead=st.sampled_from((None, 0, 0, 1)),
        by=people, now=times,
    )  # fmt: skip
    def update_table(self, key: str, changes: Item, ahead: int | None, by: str | None, now: datetime) -> None:
        """Change a table."""
        before = self.oracle.tables.get(key)
        revision = None if ahead is None else (before or {}).get("revision", 1) + ahead
        arguments: Item = {"table_id": key, "changes": changes, "expected_revision": revision, "by": by, "now": now}
        self.agree(lambda: self.oracle.update_table(**arguments), lambda: commands.update_table(**arguments))
        self.check_table(key, before)

    @rule(
        key=table_ids, statistics=optional(record_count=counts, size_bytes=counts, last_updated_data=times), now=times
    )
    def record_table_statistics(self, key: str, statistics: Item, now: datetime) -> None:
        """Note what a table holds."""
        self.agree(
            lambda: self.oracle.record_table_statistics(table_id=key, by=None, now=now, **statistics),
            lambda: commands.record_table_statistics(table_id=key, now=now, **statistics),
        )
        self.check_table(key)

    @rule(ids=st.lists(table_ids, max_size=3), is_active=st.booleans(), by=people, now=times)
    def set_tables_active(self, ids: list[str], is_active: bool, by: str | None, now: datetime) -> None:
        """Activate or deactivate tables, all or none."""
        command = commands.activate_tables if is_active else commands.deactivate_tables
        self.agree(
            lambda: self.oracle.set_tables_active(ids, is_active, by, now), lambda: command(ids, by=by, now=now)
        )
        for one in dict.fromkeys(ids):
            self.check_table(one)

    @rule(key=table_ids, ahead=st.sampled_from((None, 0, 1)))
    def delete_table(self, key: str, ahead: int | None) -> None:
        """Delete a table."""
        before = self.oracle.tables.get(key)
        revision = None if ahead is None else (before or {}).get("revision", 1) + ahead
        arguments: Item = {"table_id": key, "expected_revision": revision}
        self.agree(lambda: self.oracle.delete_table(**arguments), lambda: commands.delete_table(**arguments))
        self.check_table(key, before)

    # -- runs -----------------------------------------------------------------------------------------------------

    def some_run(self, pick: int, fallback: RunKey) -> RunKey:
        """Return one of the runs that there are, most of the time."""
        keys = sorted(self.oracle.runs)
        return keys[pick % len(keys)] if keys and pick % 8 else fallback

    picks = st.integers(0, 63)
    keys = st.tuples(pipeline_ids, run_ids)

    @rule(
        pick=picks, key=keys, queue=st.booleans(), facts=beginnings, start_time=maybe_time, by=people, now=times,
    )  # fmt: skip
    def begin_run(
        self,
        pick: int,
        key: RunKey,
        queue: bool,
        facts: Item,
        start_time: datetime | None,
        by: str | None,
        now: datetime,
    ) -> None:
        """Queue a run, or start one, new or queued."""
        key = self.some_run(pick, key) if pick % 2 else key
        before = self.oracle.runs.get(key)
        arguments: Item = {"pipeline_id": key[0], "run_id": key[1], "by": by, "now": now, **facts}
        if queue:
            command = commands.queue_run
        else:
            command, arguments = commands.start_run, {"start_time": start_time, **arguments}
        status = "pending" if queue else "running"
        self.agree(lambda: self.oracle.begin(status, **arguments), lambda: command(**arguments))
        self.check_run(key, before)

    @rule(pick=picks, key=keys, by=people, now=times)
    def start_queued_run(self, pick: int, key: RunKey, by: str | None, now: datetime) -> None:
        """Start a run, or say so again, with no facts."""
        key = self.some_run(pick, key)
        before = self.oracle.runs.get(key)
        arguments: Item = {"pipeline_id": key[0], "run_id": key[1], "by": by, "now": now}
        self.agree(lambda: self.oracle.begin("running", **arguments), lambda: commands.start_run(**arguments))
        self.check_run(key, before)

    @rule(
        pick=picks, key=keys, status=st.sampled_from(("success", "success", "failed", "cancelled", "skipped")),
        end_time=maybe_time, message=messages, facts=reports, by=people, now=times,
    )  # fmt: skip
    def end_run(
        self, pick: int, key: RunKey, status: str, end_time: datetime | None, message: str, facts: Item,
        by: str | None,
        now: datetime,
    ) -> None:  # fmt: skip
        """End a run in any way, also one that has ended."""
        key = self.some_run(pick, key)
        before = self.oracle.runs.get(key)
        name, facts = {
            "success": ("finish_run", facts),
            "failed": ("fail_run", {**facts, "error_message": message}),
            "cancelled": ("cancel_run", {**facts, "error_message": message or None}),
            "skipped": ("skip_run", {"error_message": message or None}),
        }[status]
        expected = facts if status in {"success", "failed"} or message else _without_message(facts)
        common: Item = {"end_time": end_time, "by": by, "now": now}
        self.agree(
            lambda: self.oracle.end(status, key=key, **common, **expected),
            lambda: getattr(commands, name)(pipeline_id=key[0], run_id=key[1], **common, **facts),
        )
        self.check_run(key, before)

    @rule(pick=picks, key=keys, facts=reports, by=people, now=times)
    def record_metrics(self, pick: int, key: RunKey, facts: Item, by: str | None, now: datetime) -> None:
        """Set metrics."""
        key = self.some_run(pick, key)

        def expected() -> Item:
            if not facts:
                raise Refused(ValidationError)
            return self.oracle.report(key=key, by=by, now=now, changes=facts)

        self.agree(
            expected, lambda: commands.record_metrics(pipeline_id=key[0], run_id=key[1], by=by, now=now, **facts)
        )
        self.check_run(key)

    @rule(pick=picks, key=keys, results=quality, by=people, now=times)
    def record_quality(self, pick: int, key: RunKey, results: list[Item], by: str | None, now: datetime) -> None:
        """Set quality results."""
        key = self.some_run(pick, key)
        self.agree(
            lambda: self.oracle.record_quality(key=key, results=results, by=by, now=now),
            lambda: commands.record_quality(pipeline_id=key[0], run_id=key[1], results=results, by=by, now=now),
        )
        self.check_run(key)

    @rule(pick=picks, key=keys, stage_name=stage_names, start_time=maybe_time, now=times)
    def start_stage(
        self, pick: int, key: RunKey, stage_name: str, start_time: datetime | None, now: datetime
    ) -> None:
        """Start a stage."""
        key = self.some_run(pick, key)
        arguments: Item = {"stage_name": stage_name, "start_time": start_time, "by": None, "now": now}
        self.agree(
            lambda: self.oracle.start_stage(key=key, **arguments),
            lambda: commands.start_stage(pipeline_id=key[0], run_id=key[1], **arguments),
        )
        self.check_run(key)

    @rule(
        pick=picks, key=keys, stage_name=stage_names,
        status=st.sampled_from(("success", "failed", "cancelled", "skipped")),
        end_time=maybe_time, facts=optional(records_processed=counts, error_message=messages), now=times,
    )  # fmt: skip
    def finish_stage(
        self,
        pick: int,
        key: RunKey,
        stage_name: str,
        status: str,
        end_time: datetime | None,
        facts: Item,
        now: datetime,
    ) -> None:
        """End a stage."""
        key = self.some_run(pick, key)
        arguments: Item = {"stage_name": stage_name, "status": status, "end_time": end_time, "now": now, **facts}
        self.agree(
            lambda: self.oracle.finish_stage(key=key, by=None, **arguments),
            lambda: commands.finish_stage(pipeline_id=key[0], run_id=key[1], **arguments),
        )
        self.check_run(key)

    @rule(pick=picks, key=keys, by=people, now=times)
    def retry_run(self, pick: int, key: RunKey, by: str | None, now: datetime) -> None:
        """Queue a run again."""
        key = self.some_run(pick, key)
        self.agree(
            lambda: self.oracle.retry(key=key, by=by, now=now),
            lambda: commands.retry_run(pipeline_id=key[0], run_id=key[1], by=by, now=now),
        )
        self.check_run(key)

    @rule(pick=picks, key=keys, ahead=st.sampled_from((None, 0, 1)))
    def delete_run(self, pick: int, key: RunKey, ahead: int | None) -> None:
        """Delete a run."""
        key = self.some_run(pick, key)
        before = self.oracle.runs.get(key)
        revision = None if ahead is None else (before or {}).get("revision", 1) + ahead
        self.agree(
            lambda: self.oracle.delete_run(key=key, expected_revision=revision),
            lambda: commands.delete_run(pipeline_id=key[0], run_id=key[1], expected_revision=revision),
        )
        self.check_run(key, before)

    @rule(pick=picks, key=keys, by=people, now=times)
    def heartbeat(self, pick: int, key: RunKey, by: str | None, now: datetime) -> None:
        """Renew a lease, if there is one."""
        key = self.some_run(pick, key)
        run = queries.find_run(*key)
        if run is not None:
            self.agree(
                lambda: self.oracle.heartbeat(key=key, by=by, now=now),
                lambda: commands.heartbeat(run, by=by, now=now),
            )
            self.check_run(key)

    @rule(by=people, now=times)
    def reap(self, by: str | None, now: datetime) -> None:
        """List the runs whose lease has expired, and make them failed."""
        self.step, self.sound = self.step + 1, False
        self.listed(queries.expired_runs(now), self.oracle.expired(now), "lease_expires_at", newest_first=False)
        reaped = commands.reap_expired_runs(by=by, now=now)
        equal(by_key(map(plain, reaped)), by_key(self.oracle.reap(by, now)))
        for run in reaped:
            self.check_run((run.pipeline_id, run.run_id))
        self.sound = True

    @rule(key=keys, fails=st.booleans())
    def recorded_run(self, key: RunKey, fails: bool) -> None:
        """Record a run around a block; its times are the clock's, and taken from the store."""
        limit = self.oracle.pipelines.get(key[0], {}).get("max_concurrent_runs", 9)
        if key in self.oracle.runs or len(self.oracle.holders(key[0])) >= limit:
            return
        self.step, self.sound = self.step + 1, False
        try:
            with commands.recorded_run(pipeline_id=key[0], run_id=key[1], python_version="3.11.0") as run:
                run.record_metrics(total_records_processed=1)
                if fails:
                    raise LookupError("no rows")
        except LookupError:
            assert fails
        stored = plain(queries.get_run(*key))
        start, end = stored["start_time"], stored["end_time"]
        trace = stored.get("error_stack_trace", "")
        assert trace.endswith("LookupError: no rows\n") is fails
        failure = {"error_message": "LookupError: no rows", "error_stack_trace": trace} if fails else {}
        expected = self.oracle.begin(
            "running", pipeline_id=key[0], run_id=key[1], python_version="3.11.0", by=None, now=start,
            owner=stored["owner"],
        )  # fmt: skip
        self.oracle.report(key=key, by=None, now=start, changes={"total_records_processed": 1})
        status = "failed" if fails else "success"
        expected = self.oracle.end(status, key=key, end_time=end, by=None, now=stored["updated_at"], **failure)
        assert stored == expected | {"created_at": stored["created_at"]}
        expected["created_at"] = stored["created_at"]
        self.check_run(key)

    # -- queries --------------------------------------------------------------------------------------------------

    @rule(key=pipeline_ids, since=maybe_time, until=maybe_time, status=st.none() | statuses)
    def runs_of_pipeline(self, key: str, since: datetime | None, until: datetime | None, status: str | None) -> None:
        """List runs of a pipeline in a period."""
        self.step += 1
        listing = queries.runs_of_pipeline(key, since=since, until=until, status=status)
        self.listed(listing, self.oracle.runs_where(key, status, since, until), "start_time", newest_first=True)

    @rule(status=statuses, since=maybe_time, until=maybe_time)
    def runs_by_status(self, status: str, since: datetime | None, until: datetime | None) -> None:
        """List runs of a status in a period."""
        self.step += 1
        expected = self.oracle.runs_where(None, status, since, until)
        listing = queries.runs_by_status(status, since=since, until=until)
        self.listed(listing, expected, "start_time", newest_first=True)

    @rule(since=times)
    def named_listings(self, since: datetime) -> None:
        """List what is running, and what has failed."""
        self.step += 1
        running, failed = self.oracle.runs_where(status="running"), self.oracle.runs_where(None, "failed", since)
        self.listed(queries.running_runs(), running, "start_time", newest_first=True)
        self.listed(queries.failed_runs(since), failed, "start_time", newest_first=True)

    @rule(key=pipeline_ids, status=st.none() | statuses)
    def latest_run(self, key: str, status: str | None) -> None:
        """Find the run that started last, whole; of several at one instant, any."""
        runs = self.oracle.runs_where(key, status)
        last = max((run["start_time"] for run in runs), default=None)
        found = maybe(plain, queries.find_latest_run(key, status))
        latest: list[Item | None] = [run for run in runs if run["start_time"] == last]
        assert found in (latest or [None])

    @rule(run_id=run_ids)
    def run_by_its_id(self, run_id: str) -> None:
        """Find a run by its run_id alone, unless several share it."""
        runs = [run for run in self.oracle.runs.values() if run["run_id"] == run_id]
        if len(runs) > 1:
            with pytest.raises(ValidationError):
                queries.find_run(run_id=run_id)
        else:
            equal(maybe(plain, queries.find_run(run_id=run_id)), runs[0] if runs else None)

    @rule(key=pipeline_ids, since=maybe_time)
    def statistics_agree(self, key: str, since: datetime | None) -> None:
        """Count and time the runs of a pipeline."""
        found = queries.run_statistics(key, since=since)
        expected = self.oracle.statistics(key, since)
        assert {name: getattr(found, name) for name in expected} == expected
        assert list(found.by_day) == sorted(found.by_day)

    @rule(key=pipeline_ids, table_type=st.none() | table_types)
    def tables_of_pipeline(self, key: str, table_type: str | None) -> None:
        """List the tables of a pipeline."""
        self.step += 1
        there = [one for one in self.oracle.tables.values() if one["pipeline_id"] == key]
        there = [one for one in there if table_type in {None, one["table_type"]}]
        self.listed(queries.tables_of_pipeline(key, table_type), there, "table_type", newest_first=False)

    @rule(environment=environments, is_active=st.none() | st.booleans())
    def pipelines_by_environment(self, environment: str, is_active: bool | None) -> None:
        """List the pipelines of an environment, active or not."""
        self.step += 1
        there = [one for one in self.oracle.pipelines.values() if one.get("environment") == environment]
        there = [one for one in there if is_active in {None, one["is_active"]}]
        listing = queries.pipelines_by_environment(environment, is_active)
        self.listed(listing, there, "created_at", newest_first=True)

    @rule(call=st.sampled_from(WRONG))
    def wrong_input(self, call: Callable[[], Any]) -> None:
        """What is wrong with the input alone is a ValidationError, and nothing is sent."""
        with requests_of(self.config) as requests, pytest.raises(ValidationError):
            call()
        assert requests == []

    @rule()
    def grow_index_shards(self) -> None:
        """Let the indexes spread over more partitions; what is stored stays where it is."""
        if self.step > 20 and self.oracle.shards < 4:
            self.use(self.oracle.shards * 2)


def _without_message(facts: Item) -> Item:
    """Return facts of an ending without its message, which is not given."""
    return {name: value for name, value in facts.items() if name != "error_message"}


def equal(found: Any, expected: Any) -> None:
    """Say of two items, or of items by key, what differs, instead of showing all."""
    if found == expected:
        return
    if isinstance(found, dict) and isinstance(expected, dict):
        names = [name for name in found | expected if found.get(name) != expected.get(name)]
        raise AssertionError("; ".join(f"{name}: {found.get(name)!r}, not {expected.get(name)!r}" for name in names))
    raise AssertionError(f"{found!r}, not {expected!r}")


def maybe(function: Callable[[Any], Any], value: Any) -> Any:
    """Return what the function makes of a value; of None, None."""
    return None if value is None else function(value)


def by_key(items: Any) -> dict[tuple[Any, ...], Item]:
    """Return items by their keys, none of them twice."""
    listed = list(items)
    keyed = {(one.get("table_id"), one.get("pipeline_id"), one.get("run_id")): one for one in listed}
    assert len(keyed) == len(listed)
    return keyed


def held_by(model: type[Model], index: str) -> set[str]:
    """Return the fields that an index holds: its projection, its keys and the table's."""
    meta = model._indexes[index].Meta
    keys = {name for name, one in model.get_attributes().items() if one.is_hash_key or one.is_range_key}
    return keys | set(meta.attributes) | set(meta.projection.non_key_attributes or ())


def summary(item: Item, held: set[str] | None) -> Item:
    """Return the part of an item that a listing shows."""
    return item if held is None else {name: value for name, value in item.items() if name in held}


def paged(results: Results[Any], limit: int) -> list[Any]:
    """Return a listing read page by page; each is full but the last."""
    items: list[Any] = []
    cursor = None
    while True:
        page = results.page(limit, cursor)
        items += page.items
        cursor = page.cursor
        if cursor is None:
            return items
        assert len(page) == limit


_KEYS = (("pipeline_id",), ("table_id",), ("pipeline_id", "run_id"), ("pipeline_id",))


def empty(config: DynamoDBConfig) -> None:
    """Delete all items of the tables, with a plain client."""
    client = connection_of(config).client
    for model, names in zip(MODELS, _KEYS, strict=True):
        table = config.table_name(model.Meta.base_name)
        items = client._make_api_call("Scan", {"TableName": table, "ConsistentRead": True})["Items"]
        deletes = [{"DeleteRequest": {"Key": {name: item[name] for name in names}}} for item in items]
        for start in range(0, len(deletes), 25):
            client._make_api_call("BatchWriteItem", {"RequestItems": {table: deletes[start : start + 25]}})
