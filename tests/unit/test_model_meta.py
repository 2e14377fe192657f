"""The settings of a model's Meta: its table and how to create it. Other settings are refused by name."""

import logging
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from pynamodb import settings
from pynamodb.attributes import NumberAttribute, UnicodeAttribute
from pynamodb.exceptions import TableDoesNotExist
from pynamodb.indexes import AllProjection, GlobalSecondaryIndex
from pynamodb.models import Model as PynamoModel

from pipemodels import DynamoDBConfig, ValidationError, create_tables
from pipemodels.models import ConfiguredTable, Model
from pipemodels.models.meta import REFUSED, warn_of_settings_file

Unique = Callable[[str], str]


make: Any = type(Model)
make_theirs: Any = type(PynamoModel)


def model(**meta: Any) -> Any:
    """Return a model of which a user of PynamoDB has changed only the base."""
    return _model((), meta)


def ours(**meta: Any) -> Any:
    """Return a model whose Meta derives from ours."""
    return _model((ConfiguredTable,), meta)


def _model(bases: tuple[type, ...], meta: dict[str, Any]) -> Any:
    class Dataset(Model):
        Meta = type("Meta", bases, meta)  # type: ignore[assignment]  # as a user writes it

        key = UnicodeAttribute(hash_key=True)
        rows = NumberAttribute(null=True)

    return Dataset


VALUES: dict[str, Any] = {"host": "http://user:password@127.0.0.1:8000", "extra_headers": {"x-tenant": "7"}}


@pytest.mark.parametrize("how", [model, ours])
@pytest.mark.parametrize("setting", REFUSED)
def test_what_the_configuration_makes_is_refused_by_name(setting: str, how: Any) -> None:
    """The error names the setting and its replacement; zero is a value too; no secret or password is shown."""
    value = VALUES.get(setting, 0)
    with pytest.raises(ValidationError) as caught:
        how(table_name="datasets", **{setting: value})
    (problem,) = caught.value.problems
    assert problem.field == "Dataset.Meta." + setting
    assert problem.reason == f"cannot be set by a model: delete it and use {REFUSED[setting]}"
    assert "password" not in str(caught.value)
    assert "tenant" not in str(caught.value)


def test_all_settings_are_refused_together() -> None:
    """One error names all settings to delete, in whichever base class of Meta they are."""

    class Base:
        region = "eu-central-1"
        aws_secret_access_key = "secret"

    with pytest.raises(ValidationError) as caught:

        class Dataset(Model):
            class Meta(Base):
                host = "http://127.0.0.1:8000"
                max_retry_attempts = 0

            key = UnicodeAttribute(hash_key=True)

    assert [(one.field, one.value) for one in caught.value.problems] == [
        ("Dataset.Meta.host", "http://127.0.0.1:8000"),
        ("Dataset.Meta.region", "eu-central-1"),
        ("Dataset.Meta.aws_secret_access_key", "***"),
        ("Dataset.Meta.max_retry_attempts", 0),
    ]


def test_a_mixin_s_meta_is_looked_at_too() -> None:
    """PynamoDB finds Meta by inheritance, whichever class has it."""

    class Mixin:
        class Meta:
            table_name = "datasets"
            region = "eu-central-1"

    with pytest.raises(ValidationError, match=r"Dataset.Meta.region: 'eu-central-1' cannot be set by a model"):

        class Dataset(Mixin, Model):  # type: ignore[misc]  # its Meta is of another class
            key = UnicodeAttribute(hash_key=True)


def test_none_says_nothing_and_is_taken() -> None:
    """For example `host = os.environ.get(...)` if the variable is not set."""
    assert model(table_name="datasets", host=None, region=None).Meta.base_name == "datasets"


def test_a_meta_that_pynamodb_has_filled_in_is_taken() -> None:
    """A Meta that PynamoDB's base has used too is accepted, unless a value is not PynamoDB's default."""

    class Meta:
        table_name = "shared"

    def both() -> Any:
        make_theirs("Theirs", (PynamoModel,), {"Meta": Meta, "__module__": __name__})
        return make("Ours", (Model,), {"Meta": Meta, "__module__": __name__})

    assert both().Meta.base_name == "shared"
    Meta.read_timeout_seconds = 31  # type: ignore[attr-defined]  # as PynamoDB does
    with pytest.raises(ValidationError, match=r"Ours.Meta.read_timeout_seconds: 31 cannot be set by a model"):
        both()


def test_a_model_whose_base_alone_is_swapped_works(unique: Unique, config: DynamoDBConfig) -> None:
    """Its `table_name` is the base name, after the prefix, for tables, items, batches and queries."""
    name = unique("swapped")

    class ByOwner(GlobalSecondaryIndex["Dataset"]):
        class Meta:
            index_name = "by_owner"
            projection = AllProjection()

        owner = UnicodeAttribute(hash_key=True)

    class Dataset(Model):
        class Meta:
            table_name = name

        key = UnicodeAttribute(hash_key=True)
        owner = UnicodeAttribute(null=True)
        by_owner = ByOwner()

    assert Dataset.Meta.table_name == f"unit.{name}"
    assert not Dataset.exists()
    with pytest.raises(TableDoesNotExist):
        Dataset.describe_table()
    Dataset.create_table(wait=True)
    (status,) = create_tables([Dataset])
    assert (status.name, status.state) == (f"unit.{name}", "ACTIVE")
    assert Dataset.describe_table()["BillingModeSummary"]["BillingMode"] == "PAY_PER_REQUEST"
    Dataset("a", owner="me").save()
    with Dataset.batch_write() as batch:
        batch.save(Dataset("b", owner="me"))
    found = [Dataset.get("a"), *Dataset.query("a"), *Dataset.scan(), *Dataset.by_owner.query("me")]
    assert sorted(one.key for one in found) == ["a", "a", "a", "a", "b", "b"]
    assert Dataset.exists()
    Dataset.delete_table()
    assert not Dataset.exists()


def test_the_nearest_name_counts() -> None:
    """A Meta that derives from another model's Meta has its own name, or inherits that name."""
    parent = model(table_name="parent")
    for child, name in (
        (type("Meta", (parent.Meta,), {"table_name": "child"}), "child"),
        (type("Meta", (parent.Meta,), {"base_name": "child"}), "child"),
        (type("Meta", (parent.Meta,), {}), "parent"),
    ):
        made: Any = make("Child", (parent,), {"Meta": child, "__module__": __name__})
        assert (made.Meta.base_name, parent.Meta.base_name) == (name, "parent")


@pytest.mark.parametrize(
    ("meta", "problem"),
    [
        ({"table_name": "a", "base_name": "b"}, "Dataset.Meta.table_name: 'a' contradicts base_name 'b'"),
        ({"table_name": ""}, "Dataset.Meta.table_name: '' must be text that is not empty"),
        ({"base_name": 5}, "Dataset.Meta.base_name: 5 must be text that is not empty"),
    ],
)
def test_a_name_that_is_none_is_refused(meta: dict[str, Any], problem: str) -> None:
    """The error comes before any request to a table of that name."""
    for how in (model, ours):
        with pytest.raises(ValidationError, match=f"^{problem}$"):
            how(**meta)


def test_a_model_without_a_name_says_so_at_first_use() -> None:
    """A base class of other models may have no name; using it says what is missing."""
    problem = r"Meta does not name a table: give it base_name = '…' \(or table_name\)"
    for nameless in (model(), ours(), model(table_name=None)):
        with pytest.raises(AttributeError, match=problem):
            nameless.exists()

    class Without(Model):
        key = UnicodeAttribute(hash_key=True)

    with pytest.raises(AttributeError, match=r"Without has no Meta: give it class Meta: base_name = '…'"):
        Without("k").save()
    with pytest.raises(TypeError, match=r"Dataset.Meta must be a class, not 'datasets'"):
        make("Dataset", (Model,), {"Meta": "datasets", "__module__": __name__})


def test_meta_answers_from_the_configuration(config: DynamoDBConfig) -> None:
    """Settings that are read are the configured ones; setting one later is refused as in the class."""
    meta = model(table_name="datasets").Meta
    assert (meta.region, meta.host, meta.max_retry_attempts, meta.max_pool_connections, meta.extra_headers) == (
        config.region_name, None, 0, 10, None,
    )  # fmt: skip
    assert (meta.connect_timeout_seconds, meta.read_timeout_seconds) == (5.0, 10.0)
    with pytest.raises(ValidationError, match=r"Meta.host: 'http://x' cannot be set by a model"):
        meta.host = "http://x"
    with pytest.raises(
        ValidationError, match=r"Meta.table_name: 'x' cannot be set: it is DynamoDBConfig's table_prefix"
    ):
        meta.table_name = "x"
    assert not hasattr(meta, "unheard_of")


def test_another_base_name_is_another_table(unique: Unique) -> None:
    """A base name that is set after the first use applies from then on."""
    first, second = unique("first"), unique("second")
    dataset = model(table_name=first)
    dataset.create_table()
    dataset("k").save()
    dataset.Meta.base_name = second
    dataset.create_table()
    assert list(dataset.scan()) == []
    dataset.Meta.base_name = first
    assert [one.key for one in dataset.scan()] == ["k"]


def test_an_attribute_that_would_hide_a_method_of_the_base_is_refused() -> None:
    """Its stored name may stay; an attribute may hide PynamoDB's own methods, as in PynamoDB."""
    for name in ("summary", "derived", "problems", "held_by"):
        with pytest.raises(TypeError, match=f"Hiding.{name}: the base uses this name; .* with attr_name='{name}'"):
            make("Hiding", (Model,), {name: UnicodeAttribute(), "__module__": __name__})
    made: Any = make("Hiding", (Model,), {"count": NumberAttribute(), "__module__": __name__})
    assert list(made.get_attributes()) == ["count"]


def test_only_instants_are_stamped(unique: Unique) -> None:
    """A user's `updated_at` of another type is left alone."""

    class Dataset(Model):
        class Meta:
            table_name = unique("stamped")

        key = UnicodeAttribute(hash_key=True)
        updated_at = NumberAttribute(null=True)

    create_tables([Dataset])
    Dataset("k", updated_at=7).save()
    Dataset("k").update([Dataset.updated_at.add(1)])
    Dataset("l").save()
    assert {one.key: one.updated_at for one in Dataset.scan()} == {"k": 8, "l": None}


def test_a_settings_file_of_pynamodb_is_named_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Models on our base do not read it; without such settings in it there is no warning."""
    warn_of_settings_file.cache_clear()
    warn_of_settings_file()
    assert caplog.records == []
    warn_of_settings_file.cache_clear()
    monkeypatch.setattr(settings, "override_settings", SimpleNamespace(host="http://x", region="eu-central-1"))
    monkeypatch.setattr(settings, "OVERRIDE_SETTINGS_PATH", "/settings.py")
    for name in ("first", "second"):
        model(table_name=name)._get_connection()
    warn_of_settings_file.cache_clear()
    assert [record.getMessage() for record in caplog.records] == [
        "models of pipemodels do not read host, region from PynamoDB's settings file /settings.py: use DynamoDBConfig"
    ]


# -- capacity --------------------------------------------------------------------------------------------------------


def throughput(dataset: Any) -> tuple[str, int, int]:
    """Return the billing mode of a table, and its units."""
    found = dataset.describe_table()
    units = found["ProvisionedThroughput"]
    return found["BillingModeSummary"]["BillingMode"], units["ReadCapacityUnits"], units["WriteCapacityUnits"]


def test_capacity_units_make_a_provisioned_table(unique: Unique) -> None:
    """In Meta or in `create_table`, as with PynamoDB; without units the table is paid per request."""
    units = {"read_capacity_units": 3, "write_capacity_units": 2}
    for how in (model, ours):
        in_meta, in_call, without = (
            how(table_name=unique("t"), **units),
            how(table_name=unique("t")),
            how(table_name=unique("t")),
        )
        in_meta.create_table()
        assert throughput(in_meta) == ("PROVISIONED", 3, 2)
        in_call.create_table(**units)
        assert throughput(in_call) == ("PROVISIONED", 3, 2)
        create_tables([without])
        assert throughput(without) == ("PAY_PER_REQUEST", 0, 0)


def test_capacity_units_that_would_be_dropped_are_refused(requests: list[str]) -> None:
    """They contradict pay per request, in Meta or the call; one unit alone and an unknown billing mode are errors."""
    both = {"read_capacity_units": 3, "write_capacity_units": 2}
    on_demand = {"table_name": "t", "billing_mode": "PAY_PER_REQUEST"}
    ways: list[tuple[Callable[[], Any], str]] = [
        (lambda: model(**on_demand, **both), "Dataset.Meta.read_capacity_units: 3 contradicts billing_mode"),
        (lambda: model(table_name="t", write_capacity_units=1), "Meta.read_capacity_units: None must be given too"),
        (lambda: model(table_name="t", billing_mode="ON"), "Meta.billing_mode: 'ON' must be one of: PROVISIONED"),
        (lambda: model(**on_demand).create_table(**both), "create_table.read_capacity_units: 3 contradicts"),
        (lambda: model(table_name="t").create_table(read_capacity_units=1), "write_capacity_units: None must be"),
    ]
    for work, problem in ways:
        with pytest.raises(ValidationError, match=problem):
            work()
    assert requests == []


def test_an_index_s_units_of_a_table_paid_per_request_are_logged(unique: Unique, caplog: Any) -> None:
    """DynamoDB would ignore them silently."""

    class ByOwner(GlobalSecondaryIndex["Model"]):
        class Meta:
            index_name = "by_owner"
            projection = AllProjection()
            read_capacity_units = write_capacity_units = 1

        owner = UnicodeAttribute(hash_key=True)

    class Dataset(Model):
        class Meta:
            table_name = unique("indexed")

        key = UnicodeAttribute(hash_key=True)
        owner = UnicodeAttribute(null=True)
        by_owner = ByOwner()

    with caplog.at_level(logging.WARNING, logger="pipemodels.models"):
        Dataset.create_table()
    (record,) = caplog.records
    assert record.getMessage() == (
        f"table {Dataset.Meta.table_name} is paid per request: the capacity units of its index by_owner are not used"
    )
