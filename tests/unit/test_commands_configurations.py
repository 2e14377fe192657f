"""Commands on pipelines and tables: whole items before and after, every refusal, and the requests each makes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from pipemodels import (
    AlreadyExistsError,
    DynamoDBConfig,
    ItemNotFoundError,
    ItemTooLargeError,
    NaiveDateTimeError,
    PipelineConfig,
    StaleRevisionError,
    TableConfig,
    ValidationError,
    commands,
    using,
)
from tests.unit.test_results import write

Unique = Callable[[str], str]
Raw = Callable[..., dict[str, Any] | None]
AT = datetime(2026, 11, 22, 6, tzinfo=UTC)
LATER = AT + timedelta(hours=1)


@dataclass(frozen=True)
class Kind:
    """What is the same of pipelines and tables: names of commands, required fields, and a field to change."""

    model: Any
    name: str
    fields: dict[str, Any]
    change: dict[str, Any]

    @property
    def key(self) -> str:
        """The name of the key."""
        return f"{self.name}_id"

    def command(self, verb: str) -> Callable[..., Any]:
        """Return the command of this verb."""
        command: Callable[..., Any] = getattr(commands, f"{verb}_{self.name}" + ("s" if "activate" in verb else ""))
        return command

    def create(self, item_id: str, **more: Any) -> Any:
        """Create an item of this kind."""
        return self.command("create")(**{self.key: item_id, **self.fields, "by": "ann", "now": AT, **more})

    def shards(self, item: Any) -> dict[str, Any]:
        """Return the index shards that an item holds."""
        names = ("active_shard", "environment_shard", "table_type_shard")
        return {name: getattr(item, name) for name in names if getattr(item, name, None) is not None}


KINDS = [
    Kind(
        PipelineConfig,
        "pipeline",
        {"pipeline_name": "Orders", "source_type": "s3", "destination_type": "iceberg"},
        {"config": {"a": 1}, "memory_gb": Decimal("1.5")},
    ),
    Kind(
        TableConfig,
        "table",
        {"pipeline_id": "p", "table_name": "t", "table_type": "source", "data_format": "csv", "location": "x"},
        {"read_options": {"a": 1}, "record_count": 5},
    ),
]


@pytest.fixture(params=KINDS, ids=lambda kind: kind.name)
def kind(request: pytest.FixtureRequest) -> Kind:
    """Run a test for pipelines and for tables."""
    found: Kind = request.param
    return found


def values(item: Any) -> dict[str, Any]:
    """Return all that an item holds, without its shards and the random name of its last write."""
    held = {name: value for name, value in item.attribute_values.items() if value is not None}
    return {name: value for name, value in held.items() if "shard" not in name and name != "write_id"}


CREATED = {
    "created_at": AT,
    "updated_at": AT,
    "created_by": "ann",
    "updated_by": "ann",
    "revision": 1,
    "is_active": True,
}


def test_create(kind: Kind, unique: Unique, raw: Raw, requests: list[str]) -> None:
    """One request stores the whole item and returns it as it is stored."""
    item_id = unique("create")
    item = kind.create(item_id)
    assert requests == ["PutItem"]
    version = {"version": "1.0.0", "schedule_timezone": "UTC"} if kind.name == "pipeline" else {}
    assert values(item) == kind.fields | CREATED | version | {kind.key: item_id}
    assert values(kind.model.from_raw_data(raw(kind.model, item_id))) == values(item)
    assert kind.model.get(item_id) == item


def test_create_a_taken_id(kind: Kind, unique: Unique, raw: Raw) -> None:
    """The error shows who has the id, and nothing is changed."""
    item_id = unique("taken")
    item = kind.create(item_id)
    before = raw(kind.model, item_id)
    with pytest.raises(AlreadyExistsError, match=f"^{kind.name} '{item_id}' exists already$") as caught:
        kind.create(item_id, description="other")
    assert caught.value.current == item
    assert raw(kind.model, item_id) == before


def test_what_is_created_without_by_or_now(kind: Kind, unique: Unique) -> None:
    """The clock is the time; nobody is named."""
    before = datetime.now(UTC)
    item = kind.command("create")(**{kind.key: unique("clock"), **kind.fields})
    assert before <= item.created_at == item.updated_at <= datetime.now(UTC)
    assert (item.created_by, item.updated_by) == (None, None)


def test_the_default_environment(kind: Kind, unique: Unique, config: DynamoDBConfig) -> None:
    """What is created without one is in the configuration's environment; None means none."""
    with using(replace(config, environment="prod")):
        assert kind.create(unique("env")).environment == "prod"
        assert kind.create(unique("env"), environment="dev").environment == "dev"
        assert kind.create(unique("env"), environment=None).environment is None
        assert kind.command("put")(**{kind.key: unique("env"), **kind.fields}).environment == "prod"


@pytest.mark.parametrize("verb", ["create", "put"])
def test_all_problems_of_a_new_item_together(kind: Kind, verb: str, requests: list[str]) -> None:
    """Protected, bad, unknown and missing fields make one error; nothing is sent."""
    with pytest.raises(ValidationError) as caught:
        kind.command(verb)(
            **{kind.key: "", "revision": 5, "created_at": AT, "tags": {"a": 1}, "descripton": "x", "is_active": 1}
        )
    problems = [(one.field, one.reason) for one in caught.value.problems]
    assert problems[:2] == [("created_at", "is set by the package"), ("revision", "is set by the package")]
    assert ("descripton", "is not a field; did you mean description?") in problems
    assert {field for field, reason in problems if reason == "is required"} == set(kind.fields)
    assert {kind.key, "tags.a", "is_active"} <= {field for field, _ in problems}
    assert requests == []


@pytest.mark.parametrize("verb", ["create", "put"])
def test_a_naive_clock_is_refused(kind: Kind, verb: str, unique: Unique, requests: list[str]) -> None:
    """`now` is an instant like any other."""
    with pytest.raises(NaiveDateTimeError, match=r"^now: "):
        kind.command(verb)(**{kind.key: unique("naive"), **kind.fields, "now": datetime(2026, 1, 1)})
    assert requests == []


def test_an_item_that_is_too_large(kind: Kind, unique: Unique, requests: list[str]) -> None:
    """Create, put and update refuse it before a request, naming the field."""
    item_id, large = unique("large"), {"x": "y" * 410_000}
    field = next(iter(kind.change))
    works: list[Callable[[], Any]] = [
        lambda: kind.create(item_id, **{field: large}),
        lambda: kind.command("put")(**{kind.key: item_id, **kind.fields, field: large}),
        lambda: kind.command("update")(**{kind.key: item_id, "changes": {field: large}}),
    ]
    for work in works:
        with pytest.raises(ItemTooLargeError, match=rf"its largest fields: {field} 410,\d\d\d bytes"):
            work()
    assert requests == []


def test_put_creates(kind: Kind, unique: Unique, requests: list[str]) -> None:
    """Where there is none, put is create."""
    first, second = unique("put"), unique("put")
    put = kind.command("put")(**{kind.key: first, **kind.fields, **kind.change, "by": "ann", "now": AT})
    assert requests == ["UpdateItem"]
    created = kind.create(second, **kind.change)
    assert values(put) == values(created) | {kind.key: first}
    assert kind.model.get(first) == put


def test_put_replaces_all_but_the_creation(kind: Kind, unique: Unique) -> None:
    """What is not given is cleared or back at its default; creation stays; the revision counts on."""
    item_id = unique("put")
    created = kind.create(item_id, description="old", is_active=False, environment="dev", tags={"a": "b"})
    put = kind.command("put")(**{kind.key: item_id, **kind.fields, **kind.change, "by": "bob", "now": LATER})
    gone = {"description", "environment", "tags"}
    expected = {name: value for name, value in values(created).items() if name not in gone}
    assert values(put) == expected | kind.change | {
        "is_active": True, "updated_at": LATER, "updated_by": "bob", "revision": 2,
    }  # fmt: skip
    fresh = kind.model.from_raw_data({})
    fresh.attribute_values = dict(put.attribute_values)
    fresh.serialize()
    assert kind.shards(put) == kind.shards(fresh)
    assert kind.model.get(item_id) == put


def test_update(kind: Kind, unique: Unique, raw: Raw, requests: list[str]) -> None:
    """One request changes the named fields, the stamps and the revision, and nothing else."""
    item_id = unique("update")
    created = kind.create(item_id, description="old")
    requests.clear()
    changes = kind.change | {"description": None}
    updated = kind.command("update")(**{kind.key: item_id, "changes": changes, "by": "bob", "now": LATER})
    assert requests == ["UpdateItem"]
    expected = {name: value for name, value in values(created).items() if name != "description"}
    assert values(updated) == expected | kind.change | {"updated_at": LATER, "updated_by": "bob", "revision": 2}
    assert kind.shards(updated) == kind.shards(created)
    assert values(kind.model.from_raw_data(raw(kind.model, item_id))) == values(updated)
    assert kind.model.get(item_id) == updated


def test_update_at_a_revision(kind: Kind, unique: Unique, raw: Raw) -> None:
    """The expected revision is updated; another is refused with the item as it is, and nothing changes."""
    item_id = unique("revision")
    kind.create(item_id)
    updated = kind.command("update")(**{kind.key: item_id, "changes": {"description": "a"}, "expected_revision": 1})
    before = raw(kind.model, item_id)
    with pytest.raises(
        StaleRevisionError, match=f"{kind.name} '{item_id}' is at revision 2, not 1: read it again"
    ) as caught:
        kind.command("update")(**{kind.key: item_id, "changes": {"description": "b"}, "expected_revision": 1})
    assert caught.value.current == updated
    assert raw(kind.model, item_id) == before


def test_update_a_missing_item(kind: Kind, unique: Unique, raw: Raw) -> None:
    """Nothing is created, whatever revision was expected."""
    item_id = unique("missing")
    for expected in (None, 1):
        with pytest.raises(ItemNotFoundError, match=f"^there is no {kind.name} '{item_id}'$"):
            kind.command("update")(
                **{kind.key: item_id, "changes": {"description": "b"}, "expected_revision": expected}
            )
    assert raw(kind.model, item_id) is None


@pytest.mark.parametrize("changes", [{}, None, [], "description", [("description", "x")]])
def test_an_update_names_at_least_one_change(kind: Kind, changes: Any, requests: list[str]) -> None:
    """An empty change, or none that is a mapping, is refused."""
    with pytest.raises(ValidationError, match=r"changes: .* must name at least one field and its new value"):
        kind.command("update")(**{kind.key: "x", "changes": changes})
    assert requests == []


def test_all_problems_of_an_update_together(kind: Kind, requests: list[str]) -> None:
    """Id, protected, unknown and bad fields, who and when make one error; nothing is sent."""
    shard = "active_shard" if kind.name == "pipeline" else "table_type_shard"
    changes = {kind.key: "new", "revision": 7, "created_by": "x", shard: "x", "descripton": "x", "tags": {"a": 1},
               "is_active": None}  # fmt: skip
    with pytest.raises(ValidationError) as caught:
        kind.command("update")(**{kind.key: " x", "changes": changes, "by": "", "now": datetime(2026, 1, 1)})
    problems = [(one.field, one.reason.partition(";")[0]) for one in caught.value.problems]
    assert problems == [
        (kind.key, "must not begin or end with white space"),
        *[(name, "may not be changed") for name in (kind.key, "revision", "created_by", shard)],
        ("descripton", "is not a field"),
        ("tags.a", "must be text"),
        ("is_active", "is required"),
        ("updated_by", "must not be empty"),
        ("now", "has no UTC offset"),
    ]
    assert requests == []


@pytest.mark.parametrize("revision", [0, -1, 1.0, "1", True])
def test_an_expected_revision_is_a_count(kind: Kind, revision: Any, requests: list[str]) -> None:
    """Anything but a whole number from 1 is refused before a request."""
    works: list[Callable[[], Any]] = [
        lambda: kind.command("update")(
            **{kind.key: "x", "changes": {"description": "d"}, "expected_revision": revision}
        ),
        lambda: kind.command("delete")(**{kind.key: "x", "expected_revision": revision}),
    ]
    for work in works:
        with pytest.raises(ValidationError, match=r"^revision: "):
            work()
    assert requests == []


def test_delete(kind: Kind, unique: Unique, raw: Raw, requests: list[str]) -> None:
    """One request deletes the item and returns it as it was; a second finds none."""
    item = kind.create(item_id := unique("delete"))
    requests.clear()
    with pytest.raises(StaleRevisionError, match="is at revision 1, not 2") as caught:
        kind.command("delete")(**{kind.key: item_id, "expected_revision": 2})
    assert caught.value.current == item == kind.model.get(item_id)
    requests.clear()
    assert kind.command("delete")(**{kind.key: item_id, "expected_revision": 1}) == item
    assert requests == ["DeleteItem"]
    assert raw(kind.model, item_id) is None
    with pytest.raises(ItemNotFoundError, match=f"^there is no {kind.name} '{item_id}'$"):
        kind.command("delete")(**{kind.key: item_id})


def test_activate_and_deactivate(kind: Kind, unique: Unique, requests: list[str]) -> None:
    """One transaction changes the flag, its shard, stamps and revision of each, once where an id comes twice."""
    ids = [unique("flag") for _ in range(3)]
    created = [kind.create(one, is_active=False) for one in ids]
    requests.clear()
    assert kind.command("activate")([*ids, ids[0]], by="bob", now=LATER) == ids
    assert requests == ["TransactWriteItems"]
    for before in created:
        after = kind.model.get(getattr(before, kind.key))
        assert values(after) == values(before) | {
            "is_active": True, "updated_at": LATER, "updated_by": "bob", "revision": 2,
        }  # fmt: skip
        if kind.name == "pipeline":
            assert after.active_shard.startswith("active#")
    assert kind.command("deactivate")(iter(ids)) == ids
    found = [kind.model.get(one) for one in ids]
    assert [(one.is_active, getattr(one, "active_shard", None), one.revision) for one in found] == [
        (False, None, 3)
    ] * 3


def test_activate_none_and_one(kind: Kind, unique: Unique, requests: list[str]) -> None:
    """No id is no request; a text is one id and never its letters."""
    assert kind.command("activate")([]) == []
    assert requests == []
    item_id = unique("one")
    kind.create(item_id)
    assert kind.command("deactivate")(item_id) == [item_id]


def test_activate_is_all_or_nothing(kind: Kind, unique: Unique, raw: Raw) -> None:
    """One missing id: the error names it, and no other is changed."""
    there, gone = unique("there"), unique("gone")
    kind.create(there, is_active=False)
    before = raw(kind.model, there)
    with pytest.raises(
        ItemNotFoundError, match=f"^there is no {kind.name} '{gone}', no {kind.name} '{gone}2'; nothing was changed$"
    ) as caught:
        kind.command("activate")([there, gone, f"{gone}2"])
    assert caught.value.done == ()
    assert (raw(kind.model, there), raw(kind.model, gone)) == (before, None)


def test_activate_refuses_a_bad_id_before_any_request(kind: Kind, requests: list[str]) -> None:
    """All ids are checked first."""
    with pytest.raises(ValidationError, match=f"^{kind.key}: '' must not be empty"):
        kind.command("activate")([*[f"x{n}" for n in range(150)], ""])
    assert requests == []


def test_activate_more_than_a_transaction_holds(kind: Kind, unique: Unique, requests: list[str]) -> None:
    """103 go in two transactions; a failure in the second tells what the first did."""
    ids = [unique("many") for _ in range(102)]
    write([kind.model(**{kind.key: one, **kind.fields}, is_active=False) for one in ids])
    with pytest.raises(ItemNotFoundError, match=r"there is no .*gone'; nothing was changed") as caught:
        kind.command("activate")([*ids, "gone"])
    assert caught.value.done == tuple(ids[:100])
    assert requests.count("TransactWriteItems") == 2
    flags = {getattr(one, kind.key): one.is_active for one in kind.model.batch_get(ids)}
    assert [flags[one] for one in ids] == [True] * 100 + [False] * 2


def test_retention_stays_behind_archiving(unique: Unique, raw: Raw) -> None:
    """An update of one of the two is judged by what is stored of the other; all refusals change nothing."""
    table = KINDS[1]
    item_id = unique("retention")
    table.create(item_id, archive_after_days=7, retention_days=30)
    before = raw(TableConfig, item_id)
    refused: list[tuple[dict[str, Any], int]] = [
        ({"archive_after_days": 30}, 30),
        ({"retention_days": 7}, 7),
        ({"archive_after_days": 5, "retention_days": 5}, 5),
    ]
    for changes, value in refused:
        with pytest.raises(
            ValidationError, match=r"archive_after_days: \d+ must be less than retention_days \(\d+\)"
        ):
            commands.update_table(table_id=item_id, changes=changes)
        assert raw(TableConfig, item_id) == before, value
    allowed: list[dict[str, Any]] = [
        {"archive_after_days": 29},
        {"retention_days": 100},
        {"archive_after_days": 100, "retention_days": 101},
        {"retention_days": None},
        {"archive_after_days": 1000},
        {"archive_after_days": None},
        {"retention_days": 1},
    ]
    for changes in allowed:
        commands.update_table(table_id=item_id, changes=changes)
    with pytest.raises(ItemNotFoundError):
        commands.update_table(table_id=unique("gone"), changes={"retention_days": 5})
    with pytest.raises(StaleRevisionError):
        commands.update_table(table_id=item_id, changes={"archive_after_days": 5}, expected_revision=1)


def test_record_table_statistics(unique: Unique, requests: list[str]) -> None:
    """What is given is set, what is None stays; nothing at all is refused."""
    item_id = unique("statistics")
    created = KINDS[1].create(item_id)
    requests.clear()
    commands.record_table_statistics(table_id=item_id, record_count=5, last_updated_data=AT, by="job", now=LATER)
    found = commands.record_table_statistics(table_id=item_id, size_bytes=0, now=LATER)
    assert requests == ["UpdateItem"] * 2
    assert values(found) == values(created) | {
        "record_count": 5,
        "size_bytes": 0,
        "last_updated_data": AT,
        "updated_at": LATER,
        "updated_by": "job",
        "revision": 3,
    }
    with pytest.raises(ValidationError, match="must name at least one field"):
        commands.record_table_statistics(table_id=item_id)
    with pytest.raises(ValidationError, match="record_count: -1 must be at least 0"):
        commands.record_table_statistics(table_id=item_id, record_count=-1)
