"""Each attribute: the raw stored value, the value read back, and the values that it rejects."""

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pendulum
import pytest
from pynamodb.attributes import BinaryAttribute, UnicodeAttribute
from pynamodb.expressions.condition import Condition

from pipemodels import (
    DataQualityResult,
    DynamoDBConfig,
    NaiveDateTimeError,
    RunStatus,
    StageInfo,
    ValidationError,
    create_tables,
    using,
)
from pipemodels.attributes import (
    DecimalAttribute,
    DocumentAttribute,
    DocumentListAttribute,
    EnumAttribute,
    ExpiryAttribute,
    FlagAttribute,
    IdAttribute,
    IntegerAttribute,
    RecordListAttribute,
    ScheduleAttribute,
    SemVerAttribute,
    TextAttribute,
    TextListAttribute,
    TextMapAttribute,
    UTCInstantAttribute,
)
from pipemodels.models.base import ConfiguredTable, Model
from tests.unit.test_checks import Colour, Level

Unique = Callable[[str], str]
NOON = datetime(2026, 11, 22, 12, 0, 0, 5, tzinfo=UTC)


class Specimen(Model):
    """A user-defined model with one attribute of every kind."""

    class Meta(ConfiguredTable):
        base_name = "specimens"

    key = IdAttribute(hash_key=True)
    text = TextAttribute(null=True)
    version = SemVerAttribute(null=True)
    schedule = ScheduleAttribute(null=True)
    flag = FlagAttribute(null=True)
    instant = UTCInstantAttribute(null=True)
    expiry = ExpiryAttribute(null=True)
    status = EnumAttribute(RunStatus, null=True)
    decimal = DecimalAttribute(minimum=-5, null=True)
    integer = IntegerAttribute(minimum=0, null=True)
    document = DocumentAttribute(null=True)
    tags = TextMapAttribute(null=True)
    texts = TextListAttribute(null=True)
    documents = DocumentListAttribute(null=True)
    stages = RecordListAttribute(StageInfo, null=True)
    results = RecordListAttribute(DataQualityResult, null=True)
    foreign = UnicodeAttribute(null=True, attr_name="f")
    binary = BinaryAttribute(null=True, legacy_encoding=False)


@pytest.fixture(scope="module", autouse=True)
def specimens(module_config: DynamoDBConfig) -> None:
    """Create the table of specimens."""
    with using(module_config):
        create_tables([Specimen])


STAGE = StageInfo(
    stage_name="load", status=RunStatus.SUCCESS, start_time=NOON, end_time=NOON + timedelta(seconds=1.5)
)
RESULT = DataQualityResult(check_name="rows", passed=False, expected_value={"min": 1}, actual_value=Decimal("0.5"))
STAGE_STORED = {
    "M": {
        "stage_name": {"S": "load"},
        "status": {"S": "success"},
        "start_time": {"S": "2026-11-22T12:00:00.000005Z"},
        "end_time": {"S": "2026-11-22T12:00:01.500005Z"},
        "duration_seconds": {"N": "1.5"},
    }
}
RESULT_STORED = {
    "M": {
        "check_name": {"S": "rows"},
        "passed": {"BOOL": False},
        "expected_value": {"M": {"min": {"N": "1"}}},
        "actual_value": {"N": "0.5"},
    }
}

# attribute, value given, value held and read back, what is stored
VALUES: list[tuple[str, Any, Any, dict[str, Any]]] = [
    ("text", "Ü", "Ü", {"S": "Ü"}),
    ("text", "", "", {"S": ""}),
    ("text", Colour.RED, "red", {"S": "red"}),
    ("version", "1.4.0-rc.1", "1.4.0-rc.1", {"S": "1.4.0-rc.1"}),
    ("schedule", "rate(5 minutes)", "rate(5 minutes)", {"S": "rate(5 minutes)"}),
    ("flag", True, True, {"BOOL": True}),
    ("flag", False, False, {"BOOL": False}),
    ("instant", NOON, NOON, {"S": "2026-11-22T12:00:00.000005Z"}),
    ("instant", NOON.astimezone(ZoneInfo("Asia/Tokyo")), NOON, {"S": "2026-11-22T12:00:00.000005Z"}),
    ("instant", datetime(1, 1, 1, tzinfo=UTC), datetime(1, 1, 1, tzinfo=UTC), {"S": "0001-01-01T00:00:00.000000Z"}),
    ("expiry", NOON, datetime(2026, 11, 22, 12, 0, 1, tzinfo=UTC), {"N": "1795348801"}),
    (
        "expiry",
        datetime(1969, 12, 31, 23, 59, 58, 1, tzinfo=UTC),
        datetime(1969, 12, 31, 23, 59, 59, tzinfo=UTC),
        {"N": "-1"},
    ),
    ("status", RunStatus.FAILED, RunStatus.FAILED, {"S": "failed"}),
    ("status", "failed", RunStatus.FAILED, {"S": "failed"}),
    ("decimal", Decimal("0.10"), Decimal("0.1"), {"N": "0.1"}),
    ("decimal", 3, Decimal(3), {"N": "3"}),
    ("decimal", Decimal("1E+3"), Decimal(1000), {"N": "1000"}),
    ("decimal", Decimal("1." + "1" * 37), Decimal("1." + "1" * 37), {"N": "1." + "1" * 37}),
    ("decimal", -5, Decimal(-5), {"N": "-5"}),
    ("integer", 2**100, 2**100, {"N": str(2**100)}),
    ("integer", Decimal("5.0"), 5, {"N": "5"}),
    ("integer", Level.HIGH, 3, {"N": "3"}),
    ("integer", 0, 0, {"N": "0"}),
    ("document", {"a": [Decimal("1.0")]}, {"a": [1]}, {"M": {"a": {"L": [{"N": "1"}]}}}),
    ("document", {"S": "x"}, {"S": "x"}, {"M": {"S": {"S": "x"}}}),
    ("document", {"M": {}}, {"M": {}}, {"M": {"M": {"M": {}}}}),
    ("document", {}, {}, {"M": {}}),
    ("tags", {"N": "north"}, {"N": "north"}, {"M": {"N": {"S": "north"}}}),
    ("tags", {"team": Colour.RED}, {"team": "red"}, {"M": {"team": {"S": "red"}}}),
    ("texts", ["b", "a"], ["b", "a"], {"L": [{"S": "b"}, {"S": "a"}]}),
    ("texts", ("b",), ["b"], {"L": [{"S": "b"}]}),
    ("texts", [], [], {"L": []}),
    ("documents", [{"L": [1]}], [{"L": [1]}], {"L": [{"M": {"L": {"L": [{"N": "1"}]}}}]}),
    ("stages", [STAGE], [STAGE], {"L": [STAGE_STORED]}),
    (
        "stages",
        [{"stage_name": "x", "status": "running"}],
        [StageInfo(stage_name="x", status=RunStatus.RUNNING)],
        {"L": [{"M": {"stage_name": {"S": "x"}, "status": {"S": "running"}}}]},
    ),
    ("results", [RESULT], [RESULT], {"L": [RESULT_STORED]}),
    ("foreign", "x", "x", {"S": "x"}),
    ("binary", b"\x00x", b"\x00x", {"B": b"\x00x"}),
]


@pytest.mark.parametrize(("name", "given", "held", "stored"), VALUES)
def test_saved_and_read_back(name: str, given: Any, held: Any, stored: Any, unique: Unique, raw: Any) -> None:
    """An assigned value is normalised at once, stored in one format, and omitted if it is None."""
    key = unique("specimen")
    item = Specimen(key=key, **{name: given})
    assert (getattr(item, name), type(getattr(item, name))) == (held, type(getattr(Specimen(**{name: held}), name)))
    item.save()
    stored_name = Specimen.get_attributes()[name].attr_name
    assert raw(Specimen, key) == {"key": {"S": key}, stored_name: stored}
    found = Specimen.get(key)
    assert found == item
    assert (getattr(found, name), type(getattr(found, name))) == (held, type(getattr(item, name)))
    setattr(found, name, None)
    found.save()
    assert raw(Specimen, key) == {"key": {"S": key}}


@pytest.mark.parametrize(("name", "given", "held", "stored"), VALUES)
def test_updated_and_compared(name: str, given: Any, held: Any, stored: Any, unique: Unique, raw: Any) -> None:
    """An update stores the same format; a condition on the same value holds, and one on another value fails."""
    key, attribute = unique("specimen"), getattr(Specimen, name)
    item = Specimen(key=key)
    item.update([attribute.set(given)])
    stored_name = Specimen.get_attributes()[name].attr_name
    assert raw(Specimen, key) == {"key": {"S": key}, stored_name: stored}
    assert getattr(item, name) == held

    def matches(condition: Condition) -> bool:
        return [one.key for one in Specimen.query(key, filter_condition=condition)] == [key]

    assert matches(attribute == given)
    assert matches(attribute.is_in(given))
    assert not matches(attribute != given)
    if name in {"instant", "expiry", "decimal", "integer", "text"}:
        assert matches(attribute.between(given, given))
        assert matches(attribute >= given)
        assert matches(attribute <= given)
        assert not matches(attribute < given)
        assert not matches(attribute > given)
    item.update([attribute.set(attribute | given)])
    assert raw(Specimen, key) == {"key": {"S": key}, stored_name: stored}
    item.update([attribute.set(None) if name not in {"foreign", "binary"} else attribute.remove()])
    assert raw(Specimen, key) == {"key": {"S": key}}


NAIVE = datetime(2026, 11, 22)


def with_each(name: str, *values: Any) -> list[tuple[str, Any]]:
    """Return a pair of the name and each value."""
    return [(name, value) for value in values]


REFUSED: list[tuple[str, Any]] = [
    *with_each("text", 5, b"x", "\ud800", {"S": "x"}, ["x"], True),
    *with_each("version", "1.0", 1, {"S": "1.0.0"}),
    *with_each("schedule", "daily", {"S": "rate(5 minutes)"}),
    *with_each("flag", 1, 0, "true", {"BOOL": True}),
    *[
        ("instant", value)
        for value in (NAIVE, "2026-11-22T00:00:00Z", 5, NAIVE.date(), {"S": "2026-11-22T00:00:00.000000Z"})
    ],
    *with_each("expiry", NAIVE, 1795348801, timedelta.max, timedelta.min, "x", {"N": "5"}),
    ("expiry", datetime(9999, 12, 31, 23, 59, 59, 1, tzinfo=UTC)),
    *with_each("status", "done", 5, "", ["failed"], {"S": "failed"}),
    *[
        ("decimal", value)
        for value in (0.1, float("nan"), Decimal("NaN"), True, "1", Decimal("-5.1"), 10**126, {"N": "1"})
    ],
    *with_each("integer", 1.0, Decimal("1.5"), True, "1", -1, int("1" * 39), {"N": "1"}),
    *with_each(
        "document",
        "text",
        5,
        [1],
        {"a": set()},
        {"a": 0.1},
        {1: 2},
        {"": 1},
        STAGE,
    ),
    *with_each("tags", {"a": 1}, {"a": None}, {"a": {"b": "c"}}, "a", [["a", "b"]]),
    *with_each("texts", "abc", [1], [None], {"a"}, {"a": "b"}, [["a"]]),
    *with_each("documents", {"a": 1}, ["a"], [{"a": set()}], "abc"),
    *with_each(
        "stages",
        "abc",
        ["load"],
        STAGE,
        [{"stage_name": "x"}],
        [{"stage_name": "x", "status": "running", "nope": 1}],
        [RESULT],
    ),
    *[
        ("results", value)
        for value in ([{"check_name": "x", "passed": 1}], [{"check_name": "x", "passed": True, "actual_value": {1}}])
    ],
]


@pytest.mark.parametrize(("name", "value"), REFUSED)
def test_refused_wherever_it_comes_in(name: str, value: Any) -> None:
    """An invalid value is rejected on assignment, in comparisons and in updates; the error names the attribute."""
    attribute = getattr(Specimen, name)
    ways: list[Callable[[], Any]] = [
        lambda: Specimen(key="k", **{name: value}),
        lambda: setattr(Specimen(key="k"), name, value),
        lambda: attribute == value,
        lambda: attribute != value,
        lambda: attribute < value,
        lambda: attribute <= value,
        lambda: attribute > value,
        lambda: attribute >= value,
        lambda: attribute.between(value, value),
        lambda: attribute.is_in(value),
        lambda: attribute.set(value),
        lambda: attribute | value,
        lambda: attribute.serialize(value),
    ]
    for way in ways:
        with pytest.raises(ValidationError) as caught:
            way()
        assert all(problem.field.startswith(name) for problem in caught.value.problems)


@pytest.mark.parametrize("name", ["instant", "expiry"])
@pytest.mark.parametrize("value", [NAIVE, pendulum.naive(2026, 1, 1), datetime.max, datetime.min])
def test_naive_times_have_their_own_error(name: str, value: Any) -> None:
    """Input whose only faults are naive datetimes raises a NaiveDateTimeError."""
    with pytest.raises(NaiveDateTimeError, match=f"{name}: .* has no UTC offset; attach a time zone"):
        Specimen(**{"key": "k", name: value})
    with pytest.raises(NaiveDateTimeError):
        Specimen(key="k", instant=value, expiry=value)


def test_a_naive_time_beside_another_fault_is_a_validation_error() -> None:
    """Input with a naive datetime and another fault raises a plain ValidationError."""
    with pytest.raises(ValidationError) as caught:
        Specimen(key="", instant=NAIVE)
    assert type(caught.value) is ValidationError
    assert [problem.field for problem in caught.value.problems] == ["key", "instant"]


@pytest.mark.parametrize(
    "value",
    [
        datetime.min.replace(tzinfo=timezone(timedelta(hours=5))),
        datetime.max.replace(tzinfo=timezone(timedelta(hours=-5))),
    ],
)
def test_times_that_leave_the_calendar_in_utc_are_refused(value: datetime) -> None:
    """The limit of the years 1 to 9999 applies in UTC."""
    with pytest.raises(ValidationError, match=r"instant: .* falls outside the years 1 to 9999 in UTC"):
        Specimen(key="k", instant=value)


@pytest.mark.parametrize("name", ["texts", "documents", "stages"])
def test_a_problem_in_a_list_says_where(name: str) -> None:
    """The path contains the position in the list and, for a record, the field."""
    specimen: Any = Specimen
    good: dict[str, Any] = {"texts": "a", "documents": {}, "stages": STAGE}
    with pytest.raises(ValidationError) as caught:
        specimen(**{"key": "k", name: [good[name], 5, {"stage_name": 5, "status": "nope", "a": set()}]})
    fields = [problem.field for problem in caught.value.problems]
    assert (
        fields
        == {
            "texts": ["texts[1]", "texts[2]"],
            "documents": ["documents[1]", "documents[2].a"],
            "stages": ["stages[1]", "stages[2].a"],
        }[name]
    )


@pytest.mark.parametrize(
    ("name", "stored"),
    [
        ("text", {"N": "5"}),
        ("flag", {"S": "true"}),
        ("instant", {"S": "2026-11-22 00:00:00Z"}),
        ("instant", {"N": "5"}),
        ("expiry", {"N": "1.5"}),
        ("expiry", {"N": "1E+20"}),
        ("expiry", {"N": "-1E+20"}),
        ("status", {"S": "done"}),
        ("integer", {"N": "1.5"}),
        ("document", {"L": []}),
        ("texts", {"S": "x"}),
    ],
)
def test_what_is_stored_otherwise_is_refused_on_reading(name: str, stored: Any, unique: Unique) -> None:
    """A stored value of the wrong kind raises an error that names the attribute."""
    with pytest.raises(ValidationError, match=f"^{name}: "):
        Specimen.from_raw_data({"key": {"S": unique("bad")}, name: stored})


@pytest.mark.parametrize(
    ("name", "stored", "value"),
    [
        ("version", {"S": "v1"}, "v1"),
        ("schedule", {"S": "daily"}, "daily"),
        ("integer", {"N": "-7"}, -7),
        ("integer", {"N": "5.00"}, 5),
        ("decimal", {"N": "-99.50"}, Decimal("-99.5")),
        ("instant", {"S": "2026-11-22T12:00:00.000005+0000"}, NOON),
        ("document", {"M": {"s": {"SS": ["b", "a"]}}}, {"s": ["a", "b"]}),
        ("texts", {"NULL": True}, None),
        ("stages", {"L": [{"M": {"stage_name": {"S": "x"}, "status": {"S": "failed"}, "later": {"S": "?"}}}]}, None),
    ],
)
def test_what_was_stored_under_other_rules_can_be_read(name: str, stored: Any, value: Any) -> None:
    """Stored values that break newer rules can be read, and fields of a later version are ignored."""
    found = getattr(Specimen.from_raw_data({"key": {"S": "k"}, name: stored}), name)
    if name == "stages":
        (stage,) = found
        assert (stage.stage_name, stage.status, stage.error_message) == ("x", RunStatus.FAILED, None)
    else:
        assert found == value


def test_raw_maps_read_as_plain_dicts() -> None:
    """A document consists of dict and list at every level, so json and comparisons work."""
    found = Specimen.from_raw_data({"key": {"S": "k"}, "document": encode_nested()}).document
    assert type(found) is dict
    assert type(found["a"]) is list
    assert type(found["a"][0]) is dict


def encode_nested() -> dict[str, Any]:
    """Return a stored document of three levels."""
    return {"M": {"a": {"L": [{"M": {"b": {"NULL": True}}}]}}}


def test_an_expiry_counts_from_now() -> None:
    """A timedelta is added to the current instant and rounded up to a whole second."""
    before = datetime.now(UTC)
    expiry = Specimen(key="k", expiry=timedelta(days=30)).expiry
    assert expiry.microsecond == 0
    assert before + timedelta(days=30) <= expiry <= datetime.now(UTC) + timedelta(days=30, seconds=1)
    assert type(expiry) is pendulum.DateTime


def test_texts_are_searched_by_any_part(unique: Unique) -> None:
    """`startswith` and `contains` accept text that is not a valid value, e.g. `1.` for a version."""
    key = unique("specimen")
    Specimen(
        key=key, version="1.4.0", schedule="rate(5 minutes)", text="a b", texts=["x", "y"], documents=[{"S": "x"}]
    ).save()
    for condition in (
        Specimen.version.startswith("1."),
        Specimen.schedule.contains("5 min"),
        Specimen.text.startswith("a "),
        Specimen.text.contains(" "),
        Specimen.texts.contains("y"),
        Specimen.documents.contains({"S": "x"}),
        Specimen.text.contains(Specimen.text),
    ):
        assert [one.key for one in Specimen.query(key, filter_condition=condition)] == [key]
    texts: Any = Specimen
    ways: list[Callable[[], Any]] = [lambda: texts.version.startswith(5), lambda: texts.texts.contains(5)]
    for bad in ways:
        with pytest.raises(ValidationError):
            bad()


def test_lists_grow_in_an_update(unique: Unique) -> None:
    """`append` and `prepend` accept only lists of valid elements."""
    key = unique("specimen")
    item = Specimen(key=key, texts=["b"], stages=[])
    item.save()
    item.update(
        [Specimen.texts.set(Specimen.texts.append(["c"])), Specimen.stages.set(Specimen.stages.append([STAGE]))]
    )
    item.update([Specimen.texts.set(Specimen.texts.prepend(("a",)))])
    assert (item.texts, item.stages) == (["a", "b", "c"], [STAGE])
    for bad in ("c", [1], STAGE):
        with pytest.raises(ValidationError):
            Specimen.texts.append(bad)
        with pytest.raises(ValidationError):
            Specimen.texts.prepend(bad)


def test_expressions_pass_as_they_are(unique: Unique) -> None:
    """A path, an increment or another attribute in an expression is not checked as a value."""
    key = unique("specimen")
    item = Specimen(key=key, integer=5, document={"n": 1}, text="a")
    item.save()
    item.update(
        [
            Specimen.integer.set(Specimen.integer + 2),
            Specimen.document["n"].set(2),
            Specimen.schedule.set(Specimen.text),
        ]
    )
    assert (item.integer, item.document, item.schedule) == (7, {"n": 2}, "a")
    assert [one.key for one in Specimen.query(key, filter_condition=Specimen.text == Specimen.schedule)] == [key]
    item.update([Specimen.schedule.set(Specimen.schedule | "rate(1 day)")])
    assert item.schedule == "a"


def test_lists_of_records_decode_in_threads() -> None:
    """Threads that decode at the same time get separate values."""
    items = [
        {"key": {"S": "k"}, "stages": {"L": [{"M": {"stage_name": {"S": f"s{n}"}, "status": {"S": "failed"}}}] * 20}}
        for n in range(4)
    ]
    wrong: list[str] = []

    def read(number: int) -> None:
        for _ in range(50):
            names = {stage.stage_name for stage in Specimen.from_raw_data(items[number]).stages}
            if names != {f"s{number}"}:
                wrong.append(f"{number}: {names}")

    threads = [threading.Thread(target=read, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


@pytest.mark.parametrize(("depth", "fits"), [(29, True), (30, False)])
def test_depth_counts_from_the_item(depth: int, fits: bool, unique: Unique) -> None:
    """A value in a record in a list starts two levels deep, of the 31 levels that DynamoDB stores."""
    value: Any = 1
    for _ in range(depth):
        value = [value]
    given = {"check_name": "deep", "passed": True, "actual_value": value}
    if fits:
        Specimen(key=unique("deep"), results=[given], documents=[{"x": value}]).save()
        return
    with pytest.raises(ValidationError, match="nested deeper"):
        Specimen(key="k", results=[given])
    with pytest.raises(ValidationError, match="nested deeper"):
        Specimen(key="k", documents=[{"x": value}])
