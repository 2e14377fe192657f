"""Items that were read in part, from an index or with `attributes_to_get`: unread values are not guessed or lost."""

import copy
import pickle
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from pynamodb.attributes import (
    DynamicMapAttribute,
    ListAttribute,
    MapAttribute,
    NumberAttribute,
    UnicodeAttribute,
    UnicodeSetAttribute,
    VersionAttribute,
)
from pynamodb.exceptions import DeleteError, UpdateError
from pynamodb.indexes import GlobalSecondaryIndex, KeysOnlyProjection
from pynamodb.transactions import TransactWrite

from pipemodels import (
    DynamoDBConfig,
    PipelineConfig,
    PipelineRunLog,
    SummaryError,
    ValidationError,
    create_tables,
    using,
)
from pipemodels.attributes import DocumentAttribute, RevisionAttribute, TextAttribute
from pipemodels.models import ConfiguredTable, Model
from pipemodels.models.partial import parts_of
from pipemodels.queries import in_timezone
from tests.helpers.items import pipeline_fields

Unique = Callable[[str], str]
Raw = Callable[..., dict[str, Any] | None]


class Address(MapAttribute[str, Any]):
    """A map with a default."""

    city = UnicodeAttribute(null=True)
    zip_code = UnicodeAttribute(null=True, attr_name="zip")
    floor = NumberAttribute(null=True, default=0)


class Loose(DynamicMapAttribute):
    """A map that declares only some of its attributes."""

    known = UnicodeAttribute(null=True)


class ByOwner(GlobalSecondaryIndex["Dataset"]):
    """An index of keys only."""

    class Meta:
        index_name = "by_owner"
        projection = KeysOnlyProjection()

    owner = UnicodeAttribute(hash_key=True)


class Dataset(Model):
    """A user's model, mostly of PynamoDB's own attributes."""

    class Meta(ConfiguredTable):
        base_name = "datasets"

    key = UnicodeAttribute(hash_key=True)
    owner = UnicodeAttribute(null=True)
    rows = NumberAttribute(null=True, attr_name="row_count")
    level = NumberAttribute(null=True, default=0)
    names = UnicodeSetAttribute()
    text = TextAttribute(null=True)
    address = Address(null=True)  # type: ignore[no-untyped-call]  # PynamoDB's
    loose = Loose(null=True)  # type: ignore[no-untyped-call]  # PynamoDB's
    free: MapAttribute[str, Any] = MapAttribute(null=True)
    places: ListAttribute[Any] = ListAttribute(of=Address, null=True)
    document = DocumentAttribute(null=True)
    by_owner = ByOwner()


class Counted(Dataset):
    """The same with a revision, which the index does not project."""

    class Meta(ConfiguredTable):
        base_name = "counted"

    revision = RevisionAttribute()


class Versioned(Dataset):
    """The same with PynamoDB's version."""

    class Meta(ConfiguredTable):
        base_name = "versioned"

    version = VersionAttribute()


@pytest.fixture(scope="module", autouse=True)
def tables(module_config: DynamoDBConfig) -> None:
    """Create the tables."""
    with using(module_config):
        create_tables([Dataset, Counted, Versioned])


def whole(model: Any, key: str) -> Any:
    """Return a saved item in which every attribute has a value."""
    item = model(
        key, owner=key, rows=5, level=9, names={"a"}, text="t", address={"city": "Rome", "zip_code": "1", "floor": 2},
        loose={"known": "k", "more": "m"}, free={"a": {"b": 1, "c": 2}, "d": 3},
        places=[{"city": "Rome", "zip_code": "1"}], document={"a": {"b": 1, "c": 2}, "d": [1]},
    )  # fmt: skip
    item.save()
    return item


READS: dict[str, Callable[[Any, str], Any]] = {
    "index": lambda model, key: next(model.by_owner.query(key)),
    "index scan": lambda model, key: next(model.by_owner.scan(filter_condition=model.owner == key)),
    "get": lambda model, key: model.get(key, attributes_to_get=["key", "owner"]),
    "get, by position": lambda model, key: model.get(key, None, False, ["key", "owner"]),
    "get, a tuple": lambda model, key: model.get(key, attributes_to_get=("key", model.owner)),
    "query": lambda model, key: next(model.query(key, attributes_to_get=iter(["key", "owner"]))),
    "query, by position": lambda model, key: next(
        model.query(key, None, None, False, None, None, None, None, ["key", "owner"])
    ),
    "scan": lambda model, key: next(model.scan(model.key == key, attributes_to_get=["key", "owner"])),
    "batch get": lambda model, key: next(model.batch_get([key], attributes_to_get=["key", "owner"])),
}


@pytest.fixture(params=READS)
def read(request: pytest.FixtureRequest) -> Any:
    """Return the ways to read an item in part."""
    return READS[request.param]


@pytest.fixture(params=[True, False])
def wire(request: pytest.FixtureRequest, config: DynamoDBConfig) -> Iterator[None]:
    """Use the compiled codecs, and the fallback."""
    from dataclasses import replace

    with using(replace(config, wire=request.param)):
        yield


def test_what_was_not_read_raises(read: Any, unique: Unique, wire: None) -> None:
    """Any attribute raises, with or without a default, until a refresh reads it."""
    stored = whole(Dataset, unique("part"))
    item = read(Dataset, stored.key)
    assert (item.key, item.owner) == (stored.key, stored.key)
    for name in ("rows", "level", "names", "text", "address", "loose", "free", "places", "document"):
        with pytest.raises(SummaryError, match=f"{name} is not in this summary; fetch the whole item"):
            getattr(item, name)
        assert not hasattr(item, name)
        with pytest.raises(SummaryError, match=f"{name}: the item was read in part, and is read-only"):
            setattr(item, name, None)
    item.refresh()
    again = Dataset.get(stored.key)
    assert item.to_simple_dict(force=True) == again.to_simple_dict(force=True)
    item.save()


def test_what_was_read_and_is_absent_is_none_or_the_default(unique: Unique) -> None:
    """As in a whole item."""
    key = unique("absent")
    Dataset(key, owner="me", level=None).save()
    item: Any = Dataset.get(key, attributes_to_get=["owner", "row_count", "level"])
    assert (item.owner, item.rows, item.level) == ("me", None, 0)
    with pytest.raises(SummaryError, match="key is not in this summary"):
        item.update([Dataset.text.set("x")])


def test_it_cannot_be_saved(read: Any, unique: Unique, raw: Raw) -> None:
    """It cannot be saved: not by itself, in a batch or in a transaction."""
    for model in (Dataset, Counted):
        key = whole(model, unique("unsaved")).key
        before, item = raw(model, key), read(model, key)

        def batch(model: Any = model, item: Any = item) -> None:
            with model.batch_write() as write:
                write.save(item)

        def transact(model: Any = model, item: Any = item) -> None:
            with TransactWrite(connection=model._get_connection().connection) as write:
                write.save(item)

        for way in (item.save, item.serialize, batch, transact):
            with pytest.raises(SummaryError, match="cannot be written over the whole item"):
                way()
        assert raw(model, key) == before


@pytest.mark.parametrize("model", [Dataset, Counted, Versioned])
def test_an_update_changes_what_it_says_and_no_more(model: Any, read: Any, unique: Unique, raw: Raw) -> None:
    """An update works by itself and in a transaction; after an update by itself, the item is whole."""
    key = whole(model, unique("update")).key
    before: Any = raw(model, key)
    item = read(model, key)
    item.update([model.rows.set(6)])
    counted = {name: {"N": "2"} for name in ("revision", "version") if name in before}
    assert raw(model, key) == before | {"row_count": {"N": "6"}} | counted
    assert (item.rows, item.level) == (6, 9)
    item = read(model, key)
    with TransactWrite(connection=model._get_connection().connection) as write:
        write.update(item, [model.rows.add(1)])
    counted = {name: {"N": "3"} for name in ("revision", "version") if name in before}
    assert raw(model, key) == before | {"row_count": {"N": "7"}} | counted
    with pytest.raises(SummaryError):
        _ = item.rows


@pytest.mark.parametrize("model", [Dataset, Counted, Versioned])
@pytest.mark.parametrize("how", ["delete", "batch", "transaction"])
def test_it_can_be_deleted(model: Any, how: str, read: Any, unique: Unique, raw: Raw) -> None:
    """If the revision was not read, any revision is deleted."""
    key = whole(model, unique("delete")).key
    item = read(model, key)
    if how == "delete":
        item.delete()
    elif how == "batch":
        with model.batch_write() as write:
            write.delete(item)
    else:
        with TransactWrite(connection=model._get_connection().connection) as transact:
            transact.delete(item)
    assert raw(model, key) is None


@pytest.mark.parametrize(("model", "name"), [(Counted, "revision"), (Versioned, "version")])
def test_a_revision_that_was_read_is_kept_to(model: Any, name: str, unique: Unique, raw: Raw) -> None:
    """A stale summary can neither be updated nor deleted; a fresh one increments the revision in a transaction."""
    stored = whole(model, unique("stale"))
    stale = model.get(stored.key, attributes_to_get=["key", name])
    stored.save()
    before: Any = raw(model, stored.key)
    with pytest.raises(UpdateError):
        stale.update([model.rows.set(6)])
    with pytest.raises(DeleteError):
        stale.delete()
    assert raw(model, stored.key) == before
    fresh = model.get(stored.key, attributes_to_get=["key", name])
    for _ in range(2):
        with TransactWrite(connection=model._get_connection().connection) as write:
            write.update(fresh, [model.rows.add(1)])
    assert raw(model, stored.key) == before | {"row_count": {"N": "7"}, name: {"N": "4"}}
    assert getattr(fresh, name) == 4
    fresh.delete()
    assert raw(model, stored.key) is None


def test_what_is_derived_follows_an_update_of_a_part(unique: Unique, raw: Raw) -> None:
    """The shards of an index follow their source, even if the object has not read them."""
    item = PipelineConfig(**pipeline_fields(pipeline_id=unique("derived"), environment=unique("env")))
    item.save()
    before: Any = raw(PipelineConfig, item.pipeline_id)
    part = PipelineConfig.get(item.pipeline_id, attributes_to_get=["pipeline_id"])
    part.update([PipelineConfig.is_active.set(False)])
    after: Any = raw(PipelineConfig, item.pipeline_id)
    changed = {"is_active": {"BOOL": False}, "revision": {"N": "2"}, "updated_at": after["updated_at"]}
    assert after == {name: one for name, one in before.items() if name != "active_shard"} | changed
    part = PipelineConfig.get(item.pipeline_id, attributes_to_get=["pipeline_id"])
    with pytest.raises(ValidationError, match="must be set to a value, because other attributes are derived from it"):
        part.update([PipelineConfig.environment.set(PipelineConfig.description)])


# -- parts of maps and lists -----------------------------------------------------------------------------------------


def test_a_part_of_a_map_is_that_part(unique: Unique, wire: None) -> None:
    """Other attributes raise, in maps of each kind, in lists and in documents; a refresh reads them."""
    key = whole(Dataset, unique("nested")).key
    paths = ["key", "address.zip", "loose.known", "free.a.b", "document.a.b", Dataset.rows]
    item = Dataset.get(key, attributes_to_get=paths)
    assert (item.address.zip_code, item.loose.known, item.free["a"]["b"], item.rows) == ("1", "k", 1, 5)
    assert (item.document["a"]["b"], item.document) == (1, {"a": {"b": 1}})
    unread: list[Callable[[], Any]] = [
        lambda: item.address.city,
        lambda: item.address.floor,
        lambda: item.loose.more,
        lambda: item.free["d"],
        lambda: item.free.d,
        lambda: item.free["a"]["c"],
        lambda: item.free["a"].get("c"),
        lambda: item.document["d"],
        lambda: item.document.get("d"),
        lambda: item.document["a"]["c"],
        lambda: item.level,
    ]
    for way in unread:
        with pytest.raises(SummaryError):
            way()
    ways: list[Callable[[], Any]] = [
        lambda: setattr(item.address, "city", "x"),
        lambda: Dataset.address.set(item.address),
        lambda: Dataset("other", address=item.address).save(),
        lambda: Dataset("other", places=[item.address]).save(),
        lambda: Dataset("other", free={"a": item.address}).save(),
    ]
    for way in ways:
        with pytest.raises(SummaryError):
            way()
    assert item.to_simple_dict() == {
        "key": key, "row_count": 5, "address": {"zip": "1"}, "loose": {"known": "k"}, "free": {"a": {"b": 1}},
        "document": {"a": {"b": 1}},
    }  # fmt: skip
    item.refresh()
    assert (item.address.city, item.document["d"]) == ("Rome", [1])


def test_a_part_of_an_element_is_that_part(wire: None) -> None:
    """A list that was read in part holds the elements that were read, each with the parts that were read."""
    stored = {"places": {"L": [{"M": {"city": {"S": "Rome"}}}]}}
    item = Dataset.summary(stored, parts_of(["places[3].city"]))
    assert ([one.city for one in item.places], item.to_simple_dict()) == (["Rome"], {"places": [{"city": "Rome"}]})
    for name in ("zip_code", "floor"):
        with pytest.raises(SummaryError):
            getattr(item.places[0], name)
    assert Dataset.summary(stored, parts_of(["places[3]"])).places[0].floor == 0
    assert Dataset.summary(stored, parts_of("places")).places[0].floor == 0


def test_the_attributes_of_a_map_name_its_parts(unique: Unique) -> None:
    """PynamoDB would read attributes of the item with the same names."""
    key = whole(Dataset, unique("path")).key
    item = Dataset.get(key, attributes_to_get=[Dataset.address.city, Dataset.address["floor"]])
    assert (item.address.city, item.address.floor) == ("Rome", 2)
    with pytest.raises(SummaryError):
        _ = item.address.zip_code


def test_records_are_read_whole(requests: list[str]) -> None:
    """A record without some of its values would be a different record."""
    with pytest.raises(ValidationError, match="attributes_to_get: 'stages' holds records, which are read whole"):
        PipelineRunLog.get("p", "r", attributes_to_get=["pipeline_id", "stages[0].status"])
    assert requests == []


# -- as a value ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, lambda item: pickle.loads(pickle.dumps(item))])
def test_a_copy_is_read_in_part_too(copied: Callable[[Any], Any], unique: Unique) -> None:
    """Unread attributes raise in the copy too, and inside maps."""
    key = whole(Dataset, unique("copy")).key
    item = Dataset.get(key, attributes_to_get=["key", "owner", "document.a.b", "address.zip"])
    made = copied(item)
    assert repr(made) == repr(item)
    assert hash(made) == hash(item)
    ways: list[Callable[[], Any]] = [
        lambda: made.rows,
        lambda: made.level,
        lambda: made.document["d"],
        lambda: made.address.floor,
    ]
    for way in ways:
        with pytest.raises(SummaryError):
            way()


def test_it_shows_what_was_read(unique: Unique) -> None:
    """Its repr ends with an ellipsis; its dictionaries have the values that were read."""
    key = whole(Dataset, unique("shown")).key
    item = next(Dataset.by_owner.query(key))
    assert repr(item) == f"Dataset(key={key!r}, owner={key!r}, …)"
    assert item.to_simple_dict() == {"key": key, "owner": key}
    assert item.to_dynamodb_dict() == {"key": {"S": key}, "owner": {"S": key}}
    assert item != Dataset(key, owner=key)
    assert item != Dataset.get(key)
    item.from_simple_dict({"key": "k", "row_count": 1})
    assert (item.key, item.rows, item.level) == ("k", 1, 0)


def test_a_view_in_another_zone_raises_too(unique: Unique) -> None:
    """It shows only the values that were read."""
    item = PipelineConfig(**pipeline_fields(pipeline_id=unique("zone"), environment=unique("env")))
    item.save()
    (part,) = PipelineConfig.environment_index.query(item.environment_shard)
    view: Any = in_timezone(part, "Europe/Berlin")
    assert view.created_at == item.created_at
    with pytest.raises(SummaryError):
        _ = view.config
