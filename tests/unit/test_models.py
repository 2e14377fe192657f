"""Models used with PynamoDB's methods: revisions, summaries, derived attributes and rules."""

import copy
import pickle
import weakref
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from pynamodb.attributes import Attribute, NumberAttribute, UnicodeAttribute
from pynamodb.exceptions import DeleteError, PutError, TransactWriteError, UpdateError
from pynamodb.indexes import AllProjection, GlobalSecondaryIndex, IncludeProjection
from pynamodb.transactions import TransactGet, TransactWrite

from pipemodels import (
    DataQualityResult,
    DynamoDBConfig,
    ItemTooLargeError,
    PipelineConfig,
    PipelineRunLog,
    RunStatus,
    StageInfo,
    SummaryError,
    TableConfig,
    ValidationError,
    commands,
    create_tables,
    using,
)
from pipemodels.attributes import IdAttribute, TextAttribute, UTCInstantAttribute
from pipemodels.models.base import ConfiguredTable, Model
from pipemodels.models.stamped import StampedModel
from tests.helpers.items import pipeline_fields

Unique = Callable[[str], str]
Raw = Callable[..., dict[str, Any] | None]
AT = datetime(2026, 11, 22, 6, tzinfo=UTC)


def pipeline(pipeline_id: str, **more: Any) -> PipelineConfig:
    """Return a pipeline that is not stored."""
    fields = {"pipeline_name": "Orders", "source_type": "s3", "destination_type": "iceberg"} | more
    return PipelineConfig(pipeline_id=pipeline_id, **fields)


def saved(pipeline_id: str, **more: Any) -> PipelineConfig:
    """Return a saved pipeline."""
    item = pipeline(pipeline_id, **more)
    item.save()
    return item


def run(pipeline_id: str, **more: Any) -> PipelineRunLog:
    """Return a run that is not stored."""
    fields: dict[str, Any] = {"run_id": "r", "status": "running", "trigger_type": "manual", "start_time": AT} | more
    return PipelineRunLog(pipeline_id=pipeline_id, **fields)


class Bare(Model):
    """A user's own model: no revision, no stamps, two of PynamoDB's own attributes."""

    class Meta(ConfiguredTable):
        base_name = "bare"

    key = IdAttribute(hash_key=True)
    amount = NumberAttribute(null=True)
    note = UnicodeAttribute(null=True)


@pytest.fixture(scope="module", autouse=True)
def bare(module_config: DynamoDBConfig) -> None:
    """Create the table of the bare model."""
    with using(module_config):
        create_tables([Bare])


# -- revisions -----------------------------------------------------------------------------------------------


def test_each_save_counts_the_revision(unique: Unique) -> None:
    """The revision is 1 after creation and increases by 1 with each write, in the object and in storage."""
    item = saved(unique("rev"))
    assert item.revision == 1
    item.description = "changed"
    item.save()
    assert item.revision == PipelineConfig.get(item.pipeline_id).revision == 2


def test_a_save_moves_updated_at_and_keeps_created_at(unique: Unique) -> None:
    """`updated_at` is the time of the save; `created_at` stays."""
    item = saved(unique("stamps"), created_at=AT, updated_at=AT)
    assert item.created_at == AT
    first = item.updated_at
    assert first > AT
    item.save()
    assert item.updated_at > first
    assert PipelineConfig.get(item.pipeline_id) == item


def save_again(item: PipelineConfig) -> None:
    """Save it, so that its revision changes."""
    item.save()


def make_anew(item: PipelineConfig) -> None:
    """Delete it, and save another item with its key, which has the same revision."""
    item.delete()
    assert saved(item.pipeline_id).revision == 1


def make_anew_by_command(item: PipelineConfig) -> None:
    """Delete it, and create another item with its key, which has the same revision."""
    commands.delete_pipeline(pipeline_id=item.pipeline_id)
    assert commands.create_pipeline(**pipeline_fields(pipeline_id=item.pipeline_id)).revision == 1


@pytest.mark.parametrize("how", ["save", "update", "delete", "batch save", "batch delete", "transaction save"])
@pytest.mark.parametrize("meanwhile", [save_again, make_anew, make_anew_by_command])
def test_a_stale_object_is_refused(
    how: str, meanwhile: Callable[[PipelineConfig], None], unique: Unique, raw: Raw
) -> None:
    """An object that was read before another write cannot be written: nothing is changed."""
    item = saved(unique("stale"))
    stale = PipelineConfig.get(item.pipeline_id)
    meanwhile(item)
    before = raw(PipelineConfig, item.pipeline_id)

    def batch(action: str) -> None:
        with PipelineConfig.batch_write() as write:
            getattr(write, action)(stale)

    def transaction() -> None:
        with TransactWrite(connection=PipelineConfig._get_connection().connection) as write:
            write.save(stale)

    works: dict[str, tuple[Callable[[], Any], type[Exception]]] = {
        "save": (stale.save, PutError),
        "update": (lambda: stale.update([PipelineConfig.description.set("x")]), UpdateError),
        "delete": (stale.delete, DeleteError),
        "batch save": (lambda: batch("save"), TransactWriteError),
        "batch delete": (lambda: batch("delete"), TransactWriteError),
        "transaction save": (transaction, TransactWriteError),
    }
    work, error = works[how]
    with pytest.raises(error):
        work()
    assert raw(PipelineConfig, item.pipeline_id) == before


def test_a_new_object_does_not_overwrite_a_stored_one(unique: Unique, raw: Raw) -> None:
    """An object that was never read has no revision: it cannot be saved over a stored item."""
    item = saved(unique("taken"))
    before = raw(PipelineConfig, item.pipeline_id)
    with pytest.raises(PutError):
        pipeline(item.pipeline_id).save()
    with pytest.raises(TransactWriteError), PipelineConfig.batch_write() as write:
        write.save(pipeline(item.pipeline_id))
    assert raw(PipelineConfig, item.pipeline_id) == before


def test_a_blind_update_counts_on(unique: Unique) -> None:
    """An update without a read increments the stored revision and never sets it back to 1."""
    item = saved(unique("blind"))
    item.save()
    blind = PipelineConfig(pipeline_id=item.pipeline_id)
    blind.update([PipelineConfig.description.set("x")])
    assert blind == PipelineConfig.get(item.pipeline_id)
    assert (blind.revision, blind.description, blind.pipeline_name) == (3, "x", "Orders")


@pytest.mark.parametrize("checked", [True, False])
def test_a_blind_update_creates_nothing(checked: bool, unique: Unique, raw: Raw) -> None:
    """An update of a missing item is refused, with or without the condition of the revision."""
    pipeline_id = unique("nobody")
    with pytest.raises(UpdateError):
        PipelineConfig(pipeline_id=pipeline_id).update(
            [PipelineConfig.description.set("x")], add_version_condition=checked
        )
    assert raw(PipelineConfig, pipeline_id) is None


def test_an_update_without_the_condition_still_counts(unique: Unique) -> None:
    """With `add_version_condition=False` the last writer wins, and the revision increases."""
    item = saved(unique("last"))
    stale = PipelineConfig.get(item.pipeline_id)
    item.save()
    stale.update([PipelineConfig.description.set("x")], add_version_condition=False)
    assert (stale.revision, stale.description) == (3, "x")


def test_a_save_without_the_condition_is_refused(unique: Unique, raw: Raw) -> None:
    """A put without a condition would overwrite newer revisions; a model without a revision allows it."""
    item = pipeline(unique("unconditional"))
    with pytest.raises(ValidationError, match="would overwrite newer revisions: use update"):
        item.save(add_version_condition=False)
    assert raw(PipelineConfig, item.pipeline_id) is None
    Bare(key=unique("bare")).save(add_version_condition=False)


def test_a_condition_of_ones_own_counts_too(unique: Unique) -> None:
    """`save` and `update` take a condition in addition to that of the revision."""
    item = saved(unique("condition"))
    with pytest.raises(PutError):
        item.save(PipelineConfig.is_active == False)  # noqa: E712  # an expression
    with pytest.raises(UpdateError):
        item.update([PipelineConfig.description.set("x")], PipelineConfig.cpu_cores > 1)
    item.save(PipelineConfig.is_active == True)  # noqa: E712  # an expression
    assert item.revision == 2


def test_a_list_of_actions_may_be_used_again(unique: Unique) -> None:
    """An update does not change the given list: the same actions on another item derive that item's shards."""
    actions = [PipelineConfig.is_active.set(True)]
    items = [saved(f"{unique('again')}-{n}", is_active=False) for n in range(5)]
    for item in items:
        item.update(actions)
        fresh = pipeline(item.pipeline_id)
        fresh.serialize()
        assert (item.active_shard, item.revision) == (fresh.active_shard, 2)
    assert len(actions) == 1


@pytest.mark.parametrize("name", ["revision", "active_shard", "environment_shard"])
def test_what_the_package_keeps_cannot_be_set_by_an_update(name: str, unique: Unique) -> None:
    """An update that sets the revision or a shard is refused before any request."""
    attribute = getattr(PipelineConfig, name)
    with pytest.raises(ValidationError, match=f"{name}: .* is set by the package and may not be changed"):
        saved(unique("kept")).update([attribute.set(1 if name == "revision" else "x")])


def test_transactions_keep_revisions_and_the_time_of_the_change(unique: Unique) -> None:
    """A transaction saves, updates and deletes as the methods do: with revision, derived attributes and stamps."""
    first, second, third = (saved(unique("transact"), created_at=AT, updated_at=AT) for _ in range(3))
    before = [first.updated_at, second.updated_at]
    first.is_active = False
    with TransactWrite(connection=PipelineConfig._get_connection().connection) as write:
        write.save(first)
        write.update(second, [PipelineConfig.environment.set("prod")])
        write.delete(third)
    one, two = PipelineConfig.get(first.pipeline_id), PipelineConfig.get(second.pipeline_id)
    assert [one.revision, one.active_shard, one.is_active] == [2, None, False]
    assert (two.revision, two.environment_shard[:5], first.revision, second.revision) == (2, "prod#", 2, 2)
    assert one.updated_at > before[0]
    assert two.updated_at > before[1]
    with pytest.raises(PipelineConfig.DoesNotExist):
        PipelineConfig.get(third.pipeline_id)


def test_a_transaction_reads_whole_items(unique: Unique) -> None:
    """TransactGet returns items that can be saved."""
    item = saved(unique("get"))
    with TransactGet(connection=PipelineConfig._get_connection().connection) as read:
        future = read.get(PipelineConfig, item.pipeline_id)
    found = future.get()
    assert found == item
    found.save()


# -- batches -------------------------------------------------------------------------------------------------


def test_a_batch_writes_under_the_conditions_of_save(unique: Unique, requests: list[str]) -> None:
    """Saves and deletes of one batch are one transaction, with revisions and stamps."""
    new, old, gone, blind = pipeline(unique("b")), saved(unique("b")), saved(unique("b")), saved(unique("b"))
    requests.clear()
    with PipelineConfig.batch_write() as write:
        write.save(new)
        write.save(old)
        write.delete(gone)
        write.delete(PipelineConfig(pipeline_id=blind.pipeline_id))
    assert requests == ["TransactWriteItems"]
    assert (new.revision, old.revision) == (1, 2)
    found = {
        one.pipeline_id: one for one in PipelineConfig.batch_get([x.pipeline_id for x in (new, old, gone, blind)])
    }
    assert found == {new.pipeline_id: new, old.pipeline_id: old}


def test_a_batch_of_more_than_a_transaction_holds(unique: Unique, requests: list[str]) -> None:
    """105 items are sent in three transactions, because one item is saved twice in succession."""
    items = [pipeline(unique("many")) for _ in range(105)]
    with PipelineConfig.batch_write() as write:
        for item in items[:101]:
            write.save(item)
        write.save(items[100])
        for item in items[101:]:
            write.save(item)
    assert requests.count("TransactWriteItems") == 3
    assert [one.revision for one in items] == [1] * 100 + [2] + [1] * 4
    assert sum(1 for _ in PipelineConfig.batch_get([one.pipeline_id for one in items])) == 105


def test_an_item_twice_in_a_batch_is_written_twice(unique: Unique) -> None:
    """A transaction may contain an item only once: the second write is in the next transaction."""
    item = pipeline(unique("twice"))
    with PipelineConfig.batch_write() as write:
        write.save(item)
        item.description = "again"
        write.save(item)
        write.delete(item)
        write.save(pipeline(item.pipeline_id))
    assert (PipelineConfig.get(item.pipeline_id).revision, item.revision) == (1, 2)


def test_a_batch_holds_no_object(unique: Unique) -> None:
    """An object without another reference is freed at once, and is written all the same."""
    item = pipeline(unique("light"))
    pipeline_id, gone = item.pipeline_id, weakref.ref(item)
    with PipelineConfig.batch_write() as write:
        write.save(item)
        expected = copy.copy(item)
        del item
        assert gone() is None
    expected.update_local_version_attribute()
    assert PipelineConfig.get(pipeline_id) == expected


def test_large_items_share_no_transaction(unique: Unique, requests: list[str]) -> None:
    """A transaction may have 4 MB: twelve items of 350 KB are sent in two."""
    items = [pipeline(unique("large"), config={"x": "y" * 350_000}) for _ in range(12)]
    with PipelineConfig.batch_write() as write:
        for item in items:
            write.save(item)
    assert requests == ["TransactWriteItems"] * 2


def test_a_batch_checks_each_item_when_it_is_added(unique: Unique) -> None:
    """An invalid item is refused by the batch's `save`; the items before it are written."""
    good = pipeline(unique("good"))
    with PipelineConfig.batch_write() as write:
        write.save(good)
        with pytest.raises(ValidationError, match="pipeline_name: None is required"):
            write.save(PipelineConfig(pipeline_id="x", source_type="s", destination_type="d"))
    assert good.revision == 1


def test_a_batch_knows_keys_that_have_no_hash(monkeypatch: pytest.MonkeyPatch) -> None:
    """The key may be a list; an item that is saved twice is sent in two transactions."""

    class Joined(Attribute[list[str]]):
        attr_type = "S"

        def serialize(self, value: list[str]) -> str:
            return "/".join(value)

    class Path(StampedModel):
        class Meta(ConfiguredTable):
            base_name = "paths"

        path = Joined(hash_key=True)

    write = Path.batch_write()
    sent: list[int] = []

    def commit() -> None:
        sent.append(len(write.pending_operations))
        write.pending_operations, write._pending_keys = [], set()  # type: ignore[attr-defined]  # ours

    monkeypatch.setattr(write, "commit", commit)
    for path in (["a"], ["b"], ["a"], ["a", "b"]):
        write.save(Path(path=path))
    assert (sent, len(write.pending_operations)) == ([2], 2)


def test_a_batch_without_auto_commit_takes_one_transaction() -> None:
    """Without `auto_commit`, a full transaction is an error."""
    write = PipelineConfig.batch_write(auto_commit=False)
    for number in range(100):
        write.save(pipeline(f"full-{number}"))
    with pytest.raises(ValueError, match="batch operations"):
        write.save(pipeline("full-100"))
    write.pending_operations = []


# -- derived attributes and rules ----------------------------------------------------------------------------


def test_an_update_of_a_source_updates_what_follows(unique: Unique) -> None:
    """`active_shard` exists while the pipeline is active, and `environment_shard` while it has an environment."""
    item = saved(unique("derived"), environment="dev")
    shard = item.active_shard
    steps: list[tuple[list[Any], Any, Any]] = [
        ([PipelineConfig.is_active.set(False)], None, "dev"),
        ([PipelineConfig.is_active.set(True), PipelineConfig.environment.set("prod")], shard, "prod"),
        ([PipelineConfig.environment.remove()], shard, None),
        ([PipelineConfig.environment.set(None), PipelineConfig.is_active.set(False)], None, None),
        ([PipelineConfig.description.set("x")], None, None),
    ]
    for actions, active, environment in steps:
        before = item.updated_at
        item.update(actions)
        assert item.active_shard == active
        assert item.environment_shard == (environment and f"{environment}#{shard[-1]}")
        assert item.updated_at > before
        assert PipelineConfig.get(item.pipeline_id) == item


def test_an_update_of_a_source_must_be_a_value(unique: Unique) -> None:
    """An expression that only DynamoDB can compute is refused before any request, because others derive from it."""
    item = saved(unique("expression"))
    for action in (
        PipelineConfig.environment.set(PipelineConfig.description),
        PipelineConfig.environment.set(PipelineConfig.environment | "dev"),
    ):
        with pytest.raises(ValidationError, match=r"environment: .* must be set to a value"):
            item.update([action])


def test_an_update_may_say_when_it_was(unique: Unique) -> None:
    """An explicit `updated_at` is kept."""
    item = saved(unique("when"))
    item.update([PipelineConfig.updated_at.set(AT)])
    assert item.updated_at == AT


def test_a_run_derives_shard_epoch_and_duration(unique: Unique) -> None:
    """A save derives them, and so do updates of status, start and end."""
    item: Any = run(unique("p"))
    item.save()
    shard = item.status_shard[-1]
    assert (item.status_shard, item.start_epoch, item.duration_seconds) == (
        f"running#{shard}",
        Decimal(1795327200),
        None,
    )
    end = AT + timedelta(seconds=2.5)
    item.update([PipelineRunLog.status.set("success"), PipelineRunLog.end_time.set(end)])
    assert (item.status_shard, item.duration_seconds) == (f"success#{shard}", Decimal("2.5"))
    item.update([PipelineRunLog.start_time.set(AT + timedelta(seconds=1)), PipelineRunLog.end_time.set(end)])
    assert (item.start_epoch, item.duration_seconds) == (Decimal(1795327201), Decimal("1.5"))
    item.update([PipelineRunLog.end_time.remove()])
    assert item.duration_seconds is None
    item.update([PipelineRunLog.start_time.remove(), PipelineRunLog.end_time.remove()])
    assert (item.start_epoch, item.duration_seconds, item.start_time) == (None, None, None)
    with pytest.raises(ValidationError, match=r"start_time: .* changes together with end_time"):
        item.update([PipelineRunLog.start_time.set(AT)])


def test_a_table_derives_its_shard(unique: Unique) -> None:
    """`table_type_shard` follows `table_type`."""
    item = TableConfig(
        table_id=unique("t"), pipeline_id="p", table_name="n", table_type="source", data_format="csv", location="x"
    )
    item.save()
    item.update([TableConfig.table_type.set("lookup")])
    fresh = TableConfig.get(item.table_id)
    assert (fresh.table_type_shard, fresh) == (f"lookup#{item.table_type_shard[-1]}", item)


@pytest.mark.parametrize(
    ("item", "problems"),
    [
        (
            lambda: PipelineConfig(pipeline_id="p"),
            ["pipeline_name is required", "source_type is required", "destination_type is required"],
        ),
        (
            lambda: PipelineRunLog(run_id="r"),
            ["pipeline_id is required", "status is required", "trigger_type is required"],
        ),
        (lambda: run("p", start_time=None, end_time=AT), ["end_time needs a start_time"]),
        (
            lambda: run(
                "p",
                end_time=AT - timedelta(microseconds=1),
                status="failed",
                total_records_failed=2,
                total_records_processed=1,
            ),
            [
                "end_time is before start_time (2026-11-22 06:00:00+00:00)",
                "error_message is required of what failed: say what went wrong",
                "total_records_failed exceeds total_records_processed (1)",
            ],
        ),
        (
            lambda: run("p", end_time=AT, status="failed", error_message=""),
            ["error_message is required of what failed: say what went wrong"],
        ),
        (
            lambda: TableConfig(
                table_id="t",
                pipeline_id="p",
                table_name="n",
                table_type="source",
                data_format="csv",
                location="x",
                archive_after_days=30,
                retention_days=30,
            ),
            ["archive_after_days must be less than retention_days (30)"],
        ),
    ],
)
def test_what_keeps_an_item_from_being_stored(item: Callable[[], Any], problems: list[str]) -> None:
    """All missing fields are reported together; else all broken rules, before any request."""
    with pytest.raises(ValidationError) as caught:
        item().save()
    assert [f"{one.field} {one.reason}" for one in caught.value.problems] == problems


def test_the_ends_of_what_the_rules_allow(unique: Unique) -> None:
    """A run may end as it starts, and every record of it may have failed."""
    item = run(unique("ends"), end_time=AT, total_records_failed=2, total_records_processed=2)
    item.save()
    assert PipelineRunLog.get(item.pipeline_id, item.run_id) == item


@pytest.mark.parametrize("name", ["is_active", "version", "created_at", "pipeline_name"])
def test_a_required_field_may_not_be_emptied(name: str, unique: Unique) -> None:
    """This holds for fields with a default for new items too; the error is this package's."""
    item = saved(unique("emptied"))
    setattr(item, name, None)
    with pytest.raises(ValidationError, match=f"^{name}: None is required$"):
        item.save()


def test_all_problems_of_a_constructor_are_reported_together() -> None:
    """Invalid values and unknown names are reported in the order in which they were given."""
    with pytest.raises(ValidationError) as caught:
        PipelineConfig(pipeline_id="", nam="x", config={"a": {1}}, version="x", pipeline_nme="y")
    assert [(one.field, one.reason) for one in caught.value.problems] == [
        ("pipeline_id", "must not be empty"),
        ("nam", "is not a field"),
        ("config.a", "is a set: write a sorted list"),
        ("version", "is not a semantic version, e.g. 1.4.0"),
        ("pipeline_nme", "is not a field; did you mean pipeline_name?"),
    ]


def test_an_item_that_is_too_large_names_its_largest_fields(unique: Unique, requests: list[str]) -> None:
    """Nothing is sent."""
    item = pipeline(unique("large"), config={"x": "y" * 400_000}, description="z" * 20_000)
    with pytest.raises(
        ItemTooLargeError, match=r"its largest fields: config 400,0\d\d bytes, description 20,011 bytes"
    ):
        item.save()
    assert requests == []


# -- values --------------------------------------------------------------------------------------------------


def test_items_are_equal_by_value(unique: Unique) -> None:
    """Class and all values count; None equals a missing value; equal items have the same hash, that of the key."""
    one, other = pipeline("p", created_at=AT, updated_at=AT), pipeline("p", created_at=AT, updated_at=AT)
    assert one == other
    other.description = None
    assert one == other
    other.description = ""
    assert one != other
    assert one != "p"
    assert Bare(key="p") != one
    assert hash(one) == hash(other) == hash(pipeline("p"))
    assert len({one, pipeline("p", created_at=AT, updated_at=AT), pipeline("q"), Bare(key="p")}) == 3


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, lambda item: pickle.loads(pickle.dumps(item))])
def test_items_survive_copying_and_pickling(copied: Callable[[Any], Any]) -> None:
    """Whole runs with stages and results are equal afterwards, instants to the microsecond."""
    item = run(
        "p",
        end_time=AT + timedelta(microseconds=7),
        stages=[StageInfo(stage_name="s", status=RunStatus.SKIPPED)],
        data_quality_results=[DataQualityResult(check_name="c", passed=True, actual_value={"a": 1})],
    )
    assert copied(item) == item


def test_records_are_checked_values() -> None:
    """A record is immutable, compares by value, reports all its problems and derives its duration."""
    with pytest.raises(ValidationError) as caught:
        StageInfo(stage_name="", status="nope", records_processed=-1)  # type: ignore[arg-type]  # what is tested
    assert [one.field for one in caught.value.problems] == ["stage_name", "status", "records_processed"]
    stage = StageInfo(stage_name="s", status="failed", start_time=AT, end_time=AT, error_message="e")  # type: ignore[arg-type]
    assert (stage.status, stage.duration_seconds) == (RunStatus.FAILED, Decimal(0))
    with pytest.raises(ValidationError, match=r"end_time: .* needs a start_time; error_message: None is required"):
        StageInfo(stage_name="s", status=RunStatus.FAILED, end_time=AT)
    with pytest.raises(AttributeError):
        stage.status = RunStatus.SUCCESS  # type: ignore[misc]  # what is tested
    with pytest.raises(ValidationError, match="duration_seconds: 5 is not a field"):
        StageInfo.from_mapping({"stage_name": "s", "status": "running", "duration_seconds": 5})
    with pytest.raises(ValidationError, match=r"stage_nam: 's' is not a field; did you mean stage_name?"):
        StageInfo.from_mapping({"stage_nam": "s"})
    with pytest.raises(ValidationError, match="stage_name: None is required; status: None is required"):
        StageInfo.from_mapping({})


# -- summaries -----------------------------------------------------------------------------------------------


@pytest.fixture
def summary(unique: Unique) -> Any:
    """Return an item of an index, the only one in its shard."""
    item = saved(unique("summary"), environment=unique("env"), config={"a": 1})
    (found,) = PipelineConfig.environment_index.query(item.environment_shard)
    return found


def test_a_summary_holds_what_its_index_holds(summary: Any) -> None:
    """Projected fields, keys and shards can be read; missing values of these are None; others raise on access."""
    assert (summary.pipeline_name, summary.is_active, summary.revision) == ("Orders", True, 1)
    assert summary.schedule_expression is None
    assert summary.environment_shard.startswith(summary.environment)
    for name in ("config", "description", "tags", "created_by", "active_shard"):
        with pytest.raises(SummaryError, match=f"{name} is not in this summary; fetch the whole item"):
            getattr(summary, name)
        assert not hasattr(summary, name)


def test_a_summary_cannot_be_written(summary: Any, raw: Raw) -> None:
    """It cannot be set, saved, or added to a batch or a transaction, because it is not the whole item."""
    before = raw(PipelineConfig, summary.pipeline_id)

    def batch(action: str) -> None:
        with PipelineConfig.batch_write() as write:
            getattr(write, action)(summary)

    def transact(action: str) -> None:
        with TransactWrite(connection=PipelineConfig._get_connection().connection) as write:
            getattr(write, action)(summary)

    ways: list[Callable[[], Any]] = [
        lambda: setattr(summary, "pipeline_name", "x"),
        summary.save,
        summary.serialize,
        lambda: batch("save"),
        lambda: transact("save"),
    ]
    for way in ways:
        with pytest.raises(SummaryError):
            way()
    assert raw(PipelineConfig, summary.pipeline_id) == before


def test_a_refresh_makes_a_summary_whole(summary: Any) -> None:
    """After `refresh` it can be read and saved."""
    summary.refresh()
    assert summary.config == {"a": 1}
    summary.save()
    assert summary == PipelineConfig.get(summary.pipeline_id)


def test_a_summary_is_not_the_item(summary: Any) -> None:
    """It does not equal the whole item, even if all its values do."""
    whole = PipelineConfig.get(summary.pipeline_id)
    assert summary != whole
    names = [attribute.attr_name for attribute in PipelineConfig.get_attributes().values()]
    part = PipelineConfig.get(summary.pipeline_id, attributes_to_get=names)
    assert part.attribute_values == whole.attribute_values
    assert part != whole


def test_an_item_read_in_part_is_a_summary(unique: Unique) -> None:
    """`attributes_to_get` of get, query, scan and batch get: other attributes raise, and the item cannot be saved."""
    item = saved(unique("part"), config={"a": 1})
    names = ["pipeline_id", "pipeline_name"]
    found = [
        PipelineConfig.get(item.pipeline_id, attributes_to_get=names),
        *PipelineConfig.query(item.pipeline_id, attributes_to_get=names),
        *PipelineConfig.scan(PipelineConfig.pipeline_id == item.pipeline_id, attributes_to_get=names),
        *PipelineConfig.batch_get([item.pipeline_id], attributes_to_get=names),
    ]
    assert [one.pipeline_name for one in found] == ["Orders"] * 4
    for one in found:
        with pytest.raises(SummaryError):
            _ = one.config
        with pytest.raises(SummaryError):
            one.save()


def test_other_reads_give_whole_items(unique: Unique) -> None:
    """Get, query, scan and batch get of the table return whole items without `attributes_to_get`."""
    item = saved(unique("whole"))
    found = [
        PipelineConfig.get(item.pipeline_id),
        *PipelineConfig.query(item.pipeline_id),
        *PipelineConfig.scan(PipelineConfig.pipeline_id == item.pipeline_id),
        *PipelineConfig.batch_get([item.pipeline_id]),
    ]
    assert found == [item] * 4
    assert PipelineConfig.count(item.pipeline_id) == 1


# -- users' own models ---------------------------------------------------------------------------------------


def test_a_model_without_revision_or_stamps(unique: Unique, raw: Raw, requests: list[str]) -> None:
    """The package adds nothing to it; batches are PynamoDB's; its attributes are PynamoDB's."""
    item = Bare(key=unique("bare"), amount=5, note="x")
    item.save()
    item.save()
    assert raw(Bare, item.key) == {"key": {"S": item.key}, "amount": {"N": "5"}, "note": {"S": "x"}}
    Bare(key=item.key).update([Bare.amount.add(1)])
    assert Bare.get(item.key).amount == 6
    requests.clear()
    with Bare.batch_write() as write:
        write.save(Bare(key=item.key, note="y"))
        write.delete(Bare(key=unique("bare")))
    assert requests == ["BatchWriteItem"]
    found = Bare.get(item.key)
    assert [found.note, found.amount] == ["y", None]
    found.delete()
    assert raw(Bare, item.key) is None


def test_two_models_may_share_a_table(unique: Unique) -> None:
    """A second model on the same table reads the items of the first, by its own index too."""

    class ByName(GlobalSecondaryIndex["Named"]):
        class Meta:
            index_name = "ByName"
            projection = AllProjection()

        name = TextAttribute(hash_key=True)

    class First(Model):
        class Meta(ConfiguredTable):
            base_name = "twice"

        key = IdAttribute(hash_key=True)
        name = TextAttribute(null=True)

    class Named(First):
        class Meta(ConfiguredTable):
            base_name = "twice"

        by_name = ByName()

    create_tables([Named])
    key = unique("key")
    First(key=key, name=key).save()
    (found,) = Named.by_name.query(key)
    assert (found.key, type(found)) == (key, Named)
    found.name = "x"
    found.save()


def test_an_index_key_that_differs_from_the_model_is_refused() -> None:
    """The key of an index must match an attribute of the model when the class is created."""

    class ByKind(GlobalSecondaryIndex["Model"]):
        class Meta:
            index_name = "ByKind"
            projection = IncludeProjection(["x"])

        kind = TextAttribute(hash_key=True)

    def declare(attribute: Any) -> None:
        type("Odd", (Model,), {"Meta": type("Meta", (ConfiguredTable,), {"base_name": "odd"}), "__module__": __name__,
                               "key": IdAttribute(hash_key=True), "by_kind": ByKind(), **attribute})  # fmt: skip

    declare({"kind": TextAttribute(null=True)})
    problem = r"Odd.kind: the key 'kind' \(type S\) of ByKind does not match the model, which (has|stores)"
    for attribute in ({}, {"kind": NumberAttribute()}, {"kind": TextAttribute(attr_name="other")}):
        with pytest.raises(TypeError, match=problem):
            declare(attribute)
    declare({"sort": TextAttribute(attr_name="kind")})


def test_a_stamped_model_of_ones_own(unique: Unique) -> None:
    """A user's model on StampedModel gains revisions and stamps."""

    class Team(StampedModel):
        class Meta(ConfiguredTable):
            base_name = "teams"

        team_id = IdAttribute(hash_key=True)
        founded = UTCInstantAttribute(null=True)

    create_tables([Team])
    team = Team(team_id=unique("team"), founded=AT)
    team.save()
    team.update([Team.founded.remove()])
    assert [team.revision, team.founded] == [2, None]
    assert Team.get(team.team_id) == team


def test_existing_tables_can_be_read(unique: Unique) -> None:
    """Items that PynamoDB's own attributes wrote can be read: its text for instants, and items without a revision."""
    found = PipelineRunLog.from_raw_data(
        {"pipeline_id": {"S": "p"}, "run_id": {"S": "r"}, "status": {"S": "failed"}, "trigger_type": {"S": "x"},
         "start_time": {"S": "2026-11-22T06:00:00.000000+0000"}, "unknown": {"SS": ["a"]}}
    )  # fmt: skip
    assert [found.start_time, found.status, found.revision, found.error_message] == [AT, RunStatus.FAILED, None, None]
