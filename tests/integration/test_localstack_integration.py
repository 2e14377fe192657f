"""The package's main work against a DynamoDB that runs: commands, queries, indexes, errors, network, consistency."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pendulum
import pytest
from pynamodb.exceptions import PutError, TransactWriteError

from pipemodels import (
    AlreadyExistsError,
    DataQualityResult,
    DynamoDBConfig,
    ItemNotFoundError,
    PipelineConfig,
    RunStatus,
    StaleRevisionError,
    StorageError,
    SummaryError,
    TableMissingError,
    commands,
    queries,
    using,
)
from tests.helpers.backends import Backend, fresh, requests_of
from tests.helpers.differences import concurrent, differs
from tests.helpers.items import NOON, pipeline_fields, plain, raw_item, run_key, table_fields
from tests.helpers.loopback import closed_port, silent_server

HOUR = timedelta(hours=1)


def listed(results: Any) -> list[str]:
    """Return the ids of a listing of pipelines, in its order."""
    return [one.pipeline_id for one in results]


def in_pages(results: Any, limit: int) -> list[list[str]]:
    """Return the ids of a listing page by page."""
    pages, cursor = [], None
    while True:
        page = results.page(limit, cursor)
        pages.append(listed(page))
        cursor = page.cursor
        if cursor is None:
            return pages


class TestLocalStackCQRSOperations:
    """Commands change one item, queries show it, on real storage."""

    def test_pipeline_config_full_lifecycle(self, store: Backend) -> None:
        """Created, read, updated, listed, deactivated, replaced, deleted: the stored item is the whole truth."""
        fields = pipeline_fields(
            description="größer\u2028😀",
            config={"sources": [{"bucket": "shop", "weight": Decimal("0.125"), "deep": {"on": True, "none": None}}]},
            schedule_expression="0 6 * * 1-5",
            environment=fresh("env"),
            memory_gb=Decimal("12345678901234567890.123456789012345678"),
            cpu_cores=4,
            tags={"team": "shop"},
        )
        created = commands.create_pipeline(**fields, by="ann", now=NOON)
        shards = {"active_shard": created.active_shard, "environment_shard": created.environment_shard}
        assert plain(created) == fields | shards | {
            "is_active": True,
            "version": "1.0.0",
            "schedule_timezone": "UTC",
            "revision": 1,
            "created_at": NOON,
            "updated_at": NOON,
            "created_by": "ann",
            "updated_by": "ann",
        }
        key = created.pipeline_id
        assert queries.get_pipeline(key) == created == PipelineConfig.get(key)

        changes: dict[str, Any] = {"description": None, "version": "2.0.0", "config": {}}
        updated = commands.update_pipeline(
            pipeline_id=key, changes=changes, expected_revision=1, by="bob", now=NOON + HOUR
        )
        expected = plain(created) | {"version": "2.0.0", "config": {}, "revision": 2}
        expected |= {"updated_at": NOON + HOUR, "updated_by": "bob"}
        del expected["description"]
        assert plain(updated) == plain(queries.get_pipeline(key)) == expected

        assert commands.deactivate_pipelines([key], now=NOON + 2 * HOUR) == [key]
        expected |= {"is_active": False, "updated_at": NOON + 2 * HOUR, "revision": 3}
        del expected["active_shard"]
        assert plain(queries.get_pipeline(key)) == expected
        assert key not in listed(queries.active_pipelines(fields["environment"]))

        deleted = commands.delete_pipeline(pipeline_id=key, expected_revision=3)
        assert plain(deleted) == expected
        assert queries.find_pipeline(key) is None
        assert queries.pipelines_by_environment(fields["environment"]).count() == 0

    def test_gsi_queries_with_real_dynamodb(self, store: Backend) -> None:
        """All seven indexes: order, full pages with and without filters, counts, summaries and whole items."""
        environment = fresh("env")
        pipelines = [
            commands.create_pipeline(
                **pipeline_fields(environment=environment, is_active=n % 3 == 0, config={"n": n}),
                now=NOON + n // 5 * HOUR,  # five share each sort key
            )
            for n in range(25)
        ]
        ids = [one.pipeline_id for one in pipelines]
        listing = queries.pipelines_by_environment(environment)
        pages = in_pages(listing, 4)
        assert [len(page) for page in pages] == [4, 4, 4, 4, 4, 4, 1]
        seen = [one for page in pages for one in page]
        assert sorted(seen) == sorted(ids)
        assert seen == listed(listing)
        created = [queries.get_pipeline(one).created_at for one in seen]
        assert created == sorted(created, reverse=True)

        active = queries.pipelines_by_environment(environment, is_active=True)
        assert [len(page) for page in in_pages(active, 4)] == [4, 4, 1]
        assert sorted(listed(active)) == sorted(ids[::3])
        assert (listing.count(), active.count()) == (25, 9)
        assert sorted(listed(queries.active_pipelines(environment))) == sorted(ids[::3])

        whole = {one.pipeline_id: one for one in pipelines}
        assert all(whole[one.pipeline_id] == one for one in listing.in_full())
        summary = listing.first()
        assert summary is not None
        index: Any = PipelineConfig.environment_index.Meta
        held = {"pipeline_id", *index.attributes, *index.projection.non_key_attributes}
        expected = plain(whole[summary.pipeline_id])
        assert plain(summary) == {name: value for name, value in expected.items() if name in held}
        with pytest.raises(SummaryError, match="config is not in this summary"):
            _ = summary.config
        with pytest.raises(SummaryError):
            summary.save()

        owner, types = ids[0], ("source", "lookup", "destination", "source")
        tables = [commands.create_table(**table_fields(pipeline_id=owner, table_type=kind)) for kind in types]
        assert [str(one.table_type) for one in queries.tables_of_pipeline(owner)] == sorted(types)
        sources = {tables[0].table_id, tables[3].table_id}
        assert {one.table_id for one in queries.tables_of_pipeline(owner, "source")} == sources
        assert sources <= {one.table_id for one in queries.tables_by_type("source")}

        runs = [commands.start_run(pipeline_id=owner, run_id=fresh("r"), now=NOON + n * HOUR) for n in range(6)]
        for run in runs[::2]:
            commands.fail_run(
                pipeline_id=run.pipeline_id, run_id=run.run_id, error_message="disk full", now=NOON + 9 * HOUR
            )
        names = [run.run_id for run in runs]
        found = [run.run_id for run in queries.runs_of_pipeline(owner, since=NOON + HOUR, until=NOON + 5 * HOUR)]
        assert found == names[4:0:-1]
        failed = [run.run_id for run in queries.runs_of_pipeline(owner, status="failed")]
        assert failed == [names[4], names[2], names[0]]
        assert set(failed) <= {run.run_id for run in queries.failed_runs(NOON)}
        assert not set(failed) & {run.run_id for run in queries.running_runs()}
        latest = queries.find_latest_run(owner)
        assert latest == queries.find_run(run_id=names[5]) == runs[5]

    def test_cross_domain_operations_with_real_storage(self, store: Backend) -> None:
        """A pipeline, its tables and its runs hang together by ids, and deleting one leaves the others."""
        pipeline = commands.create_pipeline(**pipeline_fields(version="3.1.0"), now=NOON)
        key = pipeline.pipeline_id
        source = commands.create_table(**table_fields(pipeline_id=key, location="s3://a"), now=NOON)
        target = commands.create_table(**table_fields(pipeline_id=key, table_type="destination"), now=NOON)
        with commands.recorded_run(
            pipeline_id=key,
            pipeline_version=pipeline.version,
            input_tables=[source.table_id],
            output_tables=[target.table_id],
        ) as recorded:
            with recorded.stage("load"):
                recorded.record_metrics(total_records_processed=10, total_records_failed=1)
            recorded.record_quality([DataQualityResult(check_name="rows", passed=True, actual_value=Decimal("9.5"))])
        commands.record_table_statistics(table_id=target.table_id, record_count=9, now=NOON)
        with pytest.raises(ZeroDivisionError), commands.recorded_run(pipeline_id=key) as broken:
            _ = 1 // 0

        run = queries.get_run(key, recorded.run_id)
        assert run == recorded.run
        assert (run.status, run.pipeline_version, run.input_tables) == ("success", "3.1.0", [source.table_id])
        assert [(stage.stage_name, stage.status) for stage in run.stages] == [("load", "success")]
        assert (run.data_quality_passed, run.total_records_processed) == (True, 10)
        failure = queries.get_run(key, broken.run_id)
        assert (failure.status, failure.error_message) == (
            RunStatus.FAILED,
            "ZeroDivisionError: integer division or modulo by zero",
        )
        assert failure.error_stack_trace.endswith("ZeroDivisionError: integer division or modulo by zero\n")
        statistics = queries.run_statistics(key)
        assert (statistics.runs, statistics.by_status) == (2, {"success": 1, "failed": 1})
        assert statistics.success_rate == 0.5

        commands.delete_pipeline(pipeline_id=key)
        assert {one.table_id for one in queries.tables_of_pipeline(key)} == {source.table_id, target.table_id}
        assert queries.runs_of_pipeline(key).count() == 2
        assert queries.get_table(target.table_id).record_count == 9

    def test_timezone_compliance_with_real_storage(self, store: Backend) -> None:
        """Berlin's two half past twos are an hour apart, stored as UTC text in order, and shown in any zone."""
        berlin = ZoneInfo("Europe/Berlin")
        first = datetime(2026, 10, 25, 2, 30, tzinfo=berlin, fold=0)
        second = datetime(2026, 10, 25, 2, 30, tzinfo=berlin, fold=1)
        key = run_key()
        commands.start_run(**key, start_time=first)
        run = commands.finish_run(**key, end_time=second)
        raw = raw_item(store.config, "pipeline_run_logs", **key)
        assert (raw["start_time"], raw["end_time"]) == (
            {"S": "2026-10-25T00:30:00.000000Z"},
            {"S": "2026-10-25T01:30:00.000000Z"},
        )
        assert raw["duration_seconds"] == {"N": "3600"}
        assert run.duration_seconds == Decimal(3600)
        shown = queries.in_timezone(run, "Asia/Tokyo")
        assert shown.start_time.isoformat() == "2026-10-25T09:30:00+09:00"
        assert run.start_time == pendulum.datetime(2026, 10, 25, 0, 30)
        listed_ = queries.runs_of_pipeline(key["pipeline_id"], since=first, until=first + timedelta(microseconds=1))
        assert [one.run_id for one in listed_] == [key["run_id"]]
        assert queries.runs_of_pipeline(key["pipeline_id"], since=second).count() == 0

    def test_error_handling_with_real_dynamodb(self, store: Backend) -> None:
        """ConditionalCheckFailed, ResourceNotFound, a silent server, a closed port: each its own error."""
        created = commands.create_pipeline(**pipeline_fields())
        with pytest.raises(AlreadyExistsError) as taken:
            commands.create_pipeline(**pipeline_fields(pipeline_id=created.pipeline_id))
        assert taken.value.current == created
        assert _code(taken.value) == "ConditionalCheckFailedException"
        with pytest.raises(StaleRevisionError) as stale:
            commands.update_pipeline(pipeline_id=created.pipeline_id, changes={"tags": {}}, expected_revision=7)
        assert stale.value.current == created
        assert _code(stale.value) == "ConditionalCheckFailedException"
        with pytest.raises(ItemNotFoundError):
            commands.delete_pipeline(pipeline_id=fresh("p"))
        with using(replace(store.config, table_prefix=fresh("nowhere"))), pytest.raises(TableMissingError) as missing:
            commands.create_pipeline(**pipeline_fields())
        assert missing.value.table_name.endswith("pipeline_config")
        assert _code(missing.value) == "ResourceNotFoundException"

        impatient: dict[str, Any] = {"connect_timeout_seconds": 0.2, "read_timeout_seconds": 0.2, "max_attempts": 2}
        impatient["time_limit_seconds"] = 0
        with silent_server() as (url, accepted), using(DynamoDBConfig.for_local_development(url, **impatient)):
            with pytest.raises(StorageError, match=f"no answer from DynamoDB: Read timeout .*{url}"):
                queries.get_pipeline("p")
            assert len(accepted) == 2  # as many as max_attempts says
        with (
            closed_port() as url,
            using(DynamoDBConfig.for_local_development(url, **impatient)),
            pytest.raises(StorageError, match=f"Could not connect to the endpoint URL: .*{url}"),
        ):
            commands.create_pipeline(**pipeline_fields())

    def test_performance_characteristics_with_real_network(self, store: Backend) -> None:
        """A command is one request; a listing asks each shard once a page; a batch of whole items is one request."""
        environment = fresh("env")
        with requests_of(store.config) as requests:
            created = [commands.create_pipeline(**pipeline_fields(environment=environment)) for _ in range(12)]
            assert [one.operation for one in requests] == ["PutItem"] * 12
            del requests[:]
            commands.update_pipeline(pipeline_id=created[0].pipeline_id, changes={"tags": {}})
            commands.put_pipeline(**pipeline_fields(pipeline_id=created[0].pipeline_id, environment=environment))
            commands.activate_pipelines([one.pipeline_id for one in created])
            queries.get_pipeline(created[0].pipeline_id)
            assert [one.operation for one in requests] == [
                "UpdateItem",
                "UpdateItem",
                "TransactWriteItems",
                "GetItem",
            ]
            del requests[:]
            listing = queries.pipelines_by_environment(environment)
            assert [one.operation for one in requests] == []  # lazy
            assert len(list(listing)) == 12
            assert [one.operation for one in requests] == ["Query"] * store.config.index_shards
            del requests[:]
            assert listing.count() == 12
            assert [one.operation for one in requests] == ["Query"] * store.config.index_shards
            del requests[:]
            assert len(listing.in_full().page(12)) == 12
            operations = [one.operation for one in requests]
            assert operations == [*["Query"] * store.config.index_shards, "BatchGetItem"]

    @differs("capacity")
    def test_a_write_costs_the_indexes_that_hold_it(self, store: Backend) -> None:
        """An inactive pipeline is in one index, an active one in two: two units, and three."""
        with requests_of(store.config) as requests:
            commands.create_pipeline(**pipeline_fields(environment="dev", is_active=False))
            commands.create_pipeline(**pipeline_fields(environment="dev", is_active=True))
        assert [one.reply["ConsumedCapacity"]["CapacityUnits"] for one in requests] == [2, 3]

    @differs("exact-size")
    def test_an_item_of_almost_400_kb_is_stored(self, store: Backend) -> None:
        """What the package's own count lets through, DynamoDB stores."""
        created = commands.put_pipeline(**pipeline_fields(config={"text": "x" * 409_000}))
        assert queries.get_pipeline(created.pipeline_id) == created

    def test_a_listing_reads_on_after_a_megabyte(self, store: Backend) -> None:
        """Twelve whole items of 100 KB take more than one request of a scan, and none is missed."""
        with store.fresh_tables() as config:
            for n in range(12):
                commands.create_pipeline(**pipeline_fields(pipeline_id=f"p{n:02}", config={"text": "x" * 100_000}))
            with requests_of(config) as requests:
                assert sorted(listed(queries.all_pipelines())) == [f"p{n:02}" for n in range(12)]
            assert [one.operation for one in requests] == ["Scan"] * 2


class TestLocalStackDataConsistency:
    """Writers at the same time: nothing is lost, nothing is half done."""

    @concurrent
    def test_concurrent_updates(self, store: Backend) -> None:
        """Eight threads that read, change and save until it works: every one of 24 changes is there in the end."""
        key = commands.create_pipeline(**pipeline_fields(tags={})).pipeline_id

        def add(name: str) -> None:
            while True:
                item = PipelineConfig.get(key, consistent_read=True)
                item.tags = {**item.tags, name: "done"}
                try:
                    item.save()
                except PutError as error:
                    if error.cause_response_code != "ConditionalCheckFailedException":
                        raise
                else:
                    return

        contexts = [copy_context() for _ in range(24)]
        with ThreadPoolExecutor(8) as threads:
            list(threads.map(lambda n: contexts[n].run(add, f"w{n}"), range(24)))
        stored = queries.get_pipeline(key)
        assert stored.tags == {f"w{n}": "done" for n in range(24)}
        assert stored.revision == 25

    def test_transaction_style_operations(self, store: Backend) -> None:
        """Activations and batches are whole or not at all; the error names what stood in the way."""
        ids = sorted(
            commands.create_pipeline(**pipeline_fields(is_active=False), now=NOON).pipeline_id for _ in range(5)
        )
        before = {one.pipeline_id: plain(one) for one in PipelineConfig.batch_get(ids)}
        gone = fresh("gone")
        with pytest.raises(ItemNotFoundError, match=gone):
            commands.activate_pipelines([*ids[:3], gone, *ids[3:]])
        assert {one.pipeline_id: plain(one) for one in PipelineConfig.batch_get(ids)} == before
        commands.activate_pipelines(ids, now=NOON + HOUR)
        active = [one for one in queries.active_pipelines() if one.pipeline_id in ids]
        assert sorted(listed(active)) == ids
        assert {one.updated_at for one in active} == {NOON + HOUR}

        items = [PipelineConfig.get(one) for one in ids]
        newer = commands.update_pipeline(pipeline_id=ids[4], changes={"description": "newer"}, now=NOON + 2 * HOUR)
        before = {one.pipeline_id: plain(one) for one in PipelineConfig.batch_get(ids)}
        with pytest.raises(TransactWriteError) as refused:
            batch_save(items, description="batch")
        reasons = [one.code if one else None for one in refused.value.cancellation_reasons]
        assert reasons == [None] * 4 + ["ConditionalCheckFailed"]
        assert {one.pipeline_id: plain(one) for one in PipelineConfig.batch_get(ids)} == before
        assert queries.get_pipeline(ids[4]) == newer


def batch_save(items: list[PipelineConfig], *, description: str) -> None:
    """Change all items and write them as one batch."""
    with PipelineConfig.batch_write() as batch:
        for item in items:
            item.description = description
            batch.save(item)


def _code(error: BaseException) -> str:
    """Return the service's code behind an error of the package."""
    cause: Any = error
    while cause is not None:
        if hasattr(cause, "response"):
            return str(cause.response["Error"]["Code"])
        cause = cause.__cause__ or cause.__context__
    return "none"
