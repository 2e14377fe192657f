"""Making, encoding and sending by the wire and the ordinary way: equal results, for whatever is given."""

from __future__ import annotations

import json
import math
import operator
import pickle
import pprint
from base64 import b64encode
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from copy import copy, deepcopy
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from enum import StrEnum
from itertools import repeat
from types import SimpleNamespace
from typing import Any

import pendulum
import pytest
from botocore.awsrequest import AWSResponse
from botocore.serialize import JSONSerializer
from hypothesis import example, given
from hypothesis import strategies as st
from pynamodb.attributes import UnicodeAttribute, UTCDateTimeAttribute

from pipemodels import DynamoDBConfig, PipelineRunLog, SummaryError, ValidationError, using
from pipemodels.attributes import RecordListAttribute, TextAttribute, UTCInstantAttribute
from pipemodels.codecs import facade
from pipemodels.codecs import fields as field_writers
from pipemodels.connections import connection_of
from pipemodels.instants import instant_text
from pipemodels.models import DataQualityResult, RunStatus, StageInfo, batch, writing
from pipemodels.models.base import Model
from pipemodels.records import Record, part
from pipemodels.testing import strategies as pm
from pipemodels.transport.lazy import Written
from pipemodels.transport.requests import FastSerializer
from tests.wire import worlds
from tests.wire.swapped import Every
from tests.wire.worlds import MODELS, OFF, ON, Odd, exact, outcome

NOON = pendulum.datetime(2026, 5, 17, 12)


class Word(StrEnum):
    """Text that is an enum's member."""

    RUNNING = "running"


class Loud(str):
    """Text of a class of its own."""

    __slots__ = ()


_times = st.sampled_from([NOON, NOON.add(seconds=1), datetime(2026, 5, 17, 12, tzinfo=UTC)]) | pm.instants()
HOSTILE: list[Any] = [
    None, "", " ", "a ", "a\n", "ä", "\ud800", "x" * 256, "é" * 600, Word.RUNNING, Loud("a"), b"a", 0, -1, 1,
    True, 10**38, 10**130, 1.5, math.nan, Decimal("1.50"), Decimal("100"), Decimal("1E+3"), Decimal("-0"),
    Decimal("NaN"),
    Decimal("0.1"), Decimal("1." + "1" * 40), "running", "1.4.0", "rate(5 minutes)", RunStatus.FAILED,
    datetime(2026, 5, 17, fold=1, tzinfo=UTC),
    datetime(2026, 5, 17), NOON, NOON.replace(fold=1), datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=5))),
    timedelta(days=1), {}, {"a": 1}, {"a": Decimal("2")}, {"": 1}, {"": "a"}, {"a": 1.5}, {1: "a"},
    {"a": {"b": [None, "\ud800"]}},
    OrderedDict(a=1), {"a": Loud("b")}, {"a": "b"}, [], ["a"], ["\ud800"], [{"a": 1}], ("a",), [1], {"a"},
    [{"stage_name": "s", "status": "failed"}], [{"stage_name": "s", "status": "running", "start_time": NOON}],
    [{"stage_name": "s", "status": "success", "start_time": NOON, "end_time": NOON.add(seconds=2)}],
    [{"stage_name": "s", "status": "success", "end_time": NOON}],
    [{"stage_name": "s", "status": "success", "start_time": NOON.add(seconds=2), "end_time": NOON}],
    [{"stage_name": "s", "status": "running", "duration_seconds": Decimal(1)}],
    [{"stage_name": "s", "status": "running", "duration_seconds": None}],
    [{"stage_name": "s", "status": "running", "end_time": None, "noise": None}],
    [StageInfo(stage_name="s", status=RunStatus.RUNNING)],
    [{"check_name": "c", "passed": True, "actual_value": [1]}],
    [DataQualityResult(check_name="c", passed=False, expected_value={"a": [Decimal("0.5")]})],
]  # fmt: skip
_hostile: Any = st.sampled_from(HOSTILE).map(deepcopy)
_deepest: Any = []  # in a dict, as deep as DynamoDB stores
for _ in range(29):
    _deepest = [_deepest]
HOSTILE += [{"a": _deepest}, {"a": [_deepest]}, -(10**38), Decimal("9" * 39)]
_nested: Any = []
for _ in range(40):
    _nested = [_nested]
_wide: Any = [1]
for _ in range(25):
    _wide = [_wide, _wide]


_KEYS: dict[str, Any] = {"pipeline_id": "p", "run_id": "r", "status": RunStatus.RUNNING, "trigger_type": "t"}
_ENDED: dict[str, Any] = {
    "status": "success", "stage_name": "s", "records_processed": 3, "end_time": NOON.add(days=1), "start_time": NOON,
}  # fmt: skip


def fields_of(model: type[Model]) -> st.SearchStrategy[dict[str, Any]]:
    """Draw what may be given for an object of a model: right, wrong, missing, unknown."""
    right: Any = st.just({})
    if model is PipelineRunLog:
        stage = st.fixed_dictionaries(
            {"stage_name": pm.ids(), "status": st.sampled_from(["running", RunStatus.SUCCESS])},
            optional={"start_time": st.just(NOON), "end_time": _times, "records_processed": st.integers(0, 9)},
        )
        right = st.fixed_dictionaries(
            {"pipeline_id": pm.ids(), "run_id": pm.ids(), "status": st.sampled_from(["running", RunStatus.FAILED]),
             "trigger_type": pm.texts()},
            optional={
                "start_time": _times, "end_time": _times, "error_message": pm.texts(), "stages": st.lists(stage,
                max_size=3),
                "tags": pm.tags(), "config_snapshot": pm.documents(), "log_messages": st.lists(pm.documents(),
                max_size=2),
                "input_tables": st.lists(pm.texts(), max_size=2), "cpu_hours": pm.numbers(),
                "attempt": st.integers(1, 9),
                "created_at": _times, "data_quality_passed": st.booleans(), "revision": st.integers(1, 9),
                "expires_at": st.just(NOON),
            },
        )  # fmt: skip
    wrong = st.dictionaries(st.sampled_from([*model.get_attributes(), "unknown"]), _hostile, max_size=2)
    return st.builds(lambda one, other: {**one, **other}, right, wrong)


_models: st.SearchStrategy[type[Model]] = st.sampled_from([PipelineRunLog, PipelineRunLog, *MODELS])
drawn = _models.flatmap(lambda model: st.tuples(st.just(model), fields_of(model)))


@pytest.fixture(autouse=True, scope="module")
def _one_clock() -> Iterator[None]:
    """Stop the clock, so that two ways may be compared."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(writing, "utc_now", lambda: NOON)
        patch.setattr(writing, "new_write_id", lambda: "named")
        patch.setattr(batch, "_new_write_ids", lambda: repeat("named"))
        for model in MODELS:
            if "_wire_encoder" in vars(model):
                patch.delattr(model, "_wire_encoder")  # it knows the clock as it was
            for attribute in model.get_attributes().values():
                if attribute.default_for_new is not None and callable(attribute.default_for_new):
                    patch.setattr(attribute, "default_for_new", lambda: NOON)
        yield


def both(work: Any) -> None:
    """Hold what comes of it with the wire on against what comes of it with the wire off."""
    with using(OFF):
        theirs = outcome(work)
    with using(ON):
        assert outcome(work) == theirs


@given(drawn)
@example((PipelineRunLog, {"config_snapshot": {"a": _nested}}))
@example((Odd, {"key": "a", "point": {"x": 1}, "places": [{"x": 1}], "flag": None}))
def test_making_gives_the_same_object_or_error(what: tuple[type[Model], dict[str, Any]]) -> None:
    """An object has the same values, or there is none and the same problems."""
    model, fields = what
    both(lambda: sorted(exact(model(**deepcopy(fields)))[2][1], key=str))


_ATTRIBUTES: list[tuple[Any, dict[str, Any], str]] = [
    (model, keys, name)
    for model, keys in ((PipelineRunLog, _KEYS), (Odd, {"key": "k"}))
    for name in sorted(model.get_attributes())
]


@pytest.mark.parametrize(("model", "keys", "name"), _ATTRIBUTES)
def test_each_hostile_value_in_each_attribute(model: Any, keys: dict[str, Any], name: str) -> None:
    """Made and encoded, the result is the same, for every value by itself."""
    for value in HOSTILE:
        fields: Any = {**keys, name: value}

        def make(fields: Any = fields) -> Any:
            return sorted(exact(model(**deepcopy(fields)))[2][1], key=str)

        def encode(fields: Any = fields) -> Any:
            item = model()
            item.attribute_values |= deepcopy(fields)  # past all checks
            return exact(sorted(item.serialize().items())), exact(sorted(item.attribute_values.items()))

        both(make)
        both(encode)


def test_a_document_without_end_is_refused_at_once() -> None:
    """One that holds a list again and again, so that to walk it would take for ever."""
    assert outcome(lambda: field_writers.copied(_wide, 0, [9]))[0] == "DeclinedError"
    with using(ON), pytest.raises(ValidationError, match="or contains itself"):
        PipelineRunLog(config_snapshot={"a": _wide})


@given(drawn, st.booleans())
@example((PipelineRunLog, {**_KEYS, "total_records_failed": 2, "total_records_processed": 1}), True)
def test_encoding_gives_the_same_item_or_error(what: tuple[type[Model], dict[str, Any]], null_check: bool) -> None:
    """The item is the same, whatever is in the object, and so is the object afterwards."""
    model, fields = what

    def encode() -> Any:
        item = model()
        item.attribute_values |= deepcopy(fields)  # past all checks
        encoded = item.serialize(null_check=null_check)
        return exact(sorted(encoded.items())), exact(sorted(item.attribute_values.items()))

    both(encode)


@given(
    drawn, st.dictionaries(st.sampled_from([*PipelineRunLog.get_attributes()]), _hostile, max_size=3), st.booleans()
)
@example((PipelineRunLog, {**_KEYS, "attempt": 1}), {"attempt": True}, True)
@example((PipelineRunLog, {**_KEYS, "cpu_hours": Decimal("1.5")}), {"cpu_hours": Decimal("1.50")}, True)
@example((PipelineRunLog, {**_KEYS, "stages": [{"status": "running", "stage_name": "not first"}]}), {}, True)
@example((PipelineRunLog, {**_KEYS, "stages": [_ENDED]}), {}, True)
def test_what_has_changed_since_an_object_was_made_is_written(
    what: tuple[type[Model], dict[str, Any]], changes: dict[str, Any], past_all_checks: bool
) -> None:
    """Whatever was kept of what it was made of."""
    model, fields = what

    def change() -> Any:
        item = model(**deepcopy(fields))
        for name in changes.keys() & model.get_attributes().keys():
            if past_all_checks:
                item.attribute_values[name] = deepcopy(changes[name])
            else:
                setattr(item, name, deepcopy(changes[name]))
        return exact(sorted(item.batch_put()["Item"].items()))

    both(change)


@pytest.mark.parametrize("settings", [{}, {"frozen": True}, {"slots": True}, {"frozen": True, "slots": True}])
@pytest.mark.parametrize("copied", [copy, deepcopy])
def test_records_of_every_kind_are_copied_and_written(settings: dict[str, bool], copied: Any) -> None:
    """Whether or not they are frozen, and wherever they have their fields."""

    class Note(Record):
        text: str = part(TextAttribute())

    Made: Any = dataclass(kw_only=True, **settings)(Note)

    class Noted(Odd):
        notes = RecordListAttribute(Made, null=True)

    def written() -> Any:
        noted = Noted(key="k", notes=[{"text": "a"}, Made(text="b")])
        noted.notes = [copied(one) for one in noted.notes]
        return [one.text for one in noted.notes], noted.serialize()["notes"]

    both(written)
    assert written()[0] == ["a", "b"]


def test_a_record_that_changes_itself_is_written_as_it_is() -> None:
    """Where its `derive` sets more than what is derived, or derives nothing."""

    @dataclass(frozen=True, kw_only=True)
    class Mark(Record):
        name: str = part(TextAttribute())
        note: str | None = part(TextAttribute(null=True))
        twice: str | None = part(TextAttribute(null=True), derived=True)

        def derive(self) -> None:
            if self.note is None:
                object.__setattr__(self, "note", "none")
            elif self.note != "as it is":
                object.__setattr__(self, "twice", self.note * 2)

    class Marked(Odd):
        marks = RecordListAttribute(Mark, null=True)

    for note in (None, "a", "as it is"):
        fields: Any = {"key": "k", "marks": [{"name": "m", "note": note}, {"name": "n"}]}
        both(lambda: exact(sorted(Marked(**fields).serialize().items())))  # noqa: B023  # called at once


def test_what_may_change_inside_an_object_is_written_as_it_is() -> None:
    """Documents, maps, lists, what records hold, and records that are not frozen."""

    @dataclass(kw_only=True)
    class Note(Record):
        text: str = part(TextAttribute())

    class Noted(Odd):
        notes = RecordListAttribute(Note, null=True)

    def changed() -> Any:
        stage = {"stage_name": "s", "status": "running"}
        run = PipelineRunLog(
            **_KEYS, tags={"a": "b"}, config_snapshot={"a": [1]}, input_tables=["a"], log_messages=[{"a": 1}],
            stages=[stage], data_quality_results=[{"check_name": "c", "passed": True, "expected_value": {"a": 1}}],
        )  # fmt: skip
        run.tags["c"] = "d"
        run.config_snapshot["a"].append(2)
        run.input_tables.append("b")
        run.log_messages[0]["b"] = None
        run.stages.append(StageInfo(stage_name="t", status=RunStatus.PENDING))
        run.data_quality_results[0].expected_value["b"] = 2
        noted = Noted(key="k", notes=[{"text": "a"}])
        noted.notes[0].text = "b"
        return [exact(sorted(one.serialize().items())) for one in (run, noted)]

    both(changed)


@given(drawn)
@example((PipelineRunLog, {**_KEYS, "revision": 3, "write_id": "w"}))
def test_a_save_request_is_the_same(what: tuple[type[Model], dict[str, Any]]) -> None:
    """What a transaction or a batch sends of an object is the same, condition included."""
    model, fields = what

    def request() -> Any:
        item = model()
        item.attribute_values |= deepcopy(fields)
        sent = item.batch_put()
        return sent | {"Item": sorted(sent["Item"].items())}

    both(request)


@pytest.mark.parametrize("revision", [None, 0, 1, 10**38 - 1, True, 1.0, "1", Decimal(1)])
@pytest.mark.parametrize("model", [PipelineRunLog, Every])
def test_a_revision_is_counted_or_refused_as_ever(model: Any, revision: Any) -> None:
    """Whatever it is: the package's own, and PynamoDB's `VersionAttribute`."""
    fields = {"key": "k", "numbers": {1}} if model is Every else {**_KEYS, "created_at": NOON}

    def request() -> Any:
        item = model(**fields)
        item.attribute_values[item._version_attribute_name] = revision
        put = item.batch_put()
        return put | {"Item": dict(put["Item"])}

    both(request)


def test_what_is_made_as_usual_is_compiled() -> None:
    """The package's models and records go the fast way: else the tests above would compare nothing."""
    assert [model.__name__ for model in MODELS if facade.encoder_of(model) is None] == ["Shape", "Circle"]
    stages = [{"stage_name": "s", "status": "success", "start_time": NOON, "end_time": NOON}]
    fields: Any = {"pipeline_id": "p", "run_id": "r", "status": "success", "trigger_type": "t", "stages": stages}
    encoder = facade.encoder_of(PipelineRunLog)
    assert encoder is not None
    item = PipelineRunLog.__new__(PipelineRunLog)
    encoder.fill(item, (), fields | {"tags": {"a": "b"}, "start_time": NOON, "cpu_hours": Decimal("1.5")})
    assert encoder.encoded(item)["stages"]["L"][0]["M"]["duration_seconds"] == {"N": "0"}


@pytest.mark.parametrize("model", [PipelineRunLog, Odd, Every])
@pytest.mark.parametrize(
    "keys",
    [("a",), ("a", "b"), (None, "b"), ("a", None), (None,), ("a", "b", True), ("a", "b", False), ("a", 5), (5,)],
)
@pytest.mark.parametrize(
    "named", [{}, {"pipeline_id": "c"}, {"run_id": "d"}, {"key": "e"}, {"hash_key": "f"}, {"range_key": "g"}]
)
def test_keys_by_position_are_taken_as_by_pynamodb(model: Any, keys: tuple[Any, ...], named: dict[str, Any]) -> None:
    """Also those that are None, too many, wrong, or given by name as well."""
    both(lambda: sorted(exact(model(*keys, **named))[2][1], key=str))


def test_keys_by_position_go_the_fast_way() -> None:
    """As keys by name do."""
    encoder = facade.encoder_of(PipelineRunLog)
    assert encoder is not None
    items = [PipelineRunLog.__new__(PipelineRunLog) for _ in range(2)]
    encoder.fill(items[0], ("p", "r"), {"status": "running", "trigger_type": "t", "write_id": "w"})
    encoder.fill(items[1], (), {**_KEYS, "write_id": "w"})
    assert items[0] == items[1]


def test_a_model_with_ways_of_its_own_keeps_them() -> None:
    """An `__init__`, or a way of setting attributes, that is a model's own is used."""

    class Own(Odd):
        def __init__(self, *args: Any, **fields: Any) -> None:
            super().__init__(*args, **fields, other="own")

        def _set_attributes(self, **attributes: Any) -> None:
            super()._set_attributes(**attributes, number=7)

    assert facade.encoder_of(Own) is None
    both(lambda: exact(Own(key="a")))
    assert Own(key="a").attribute_values["number"] == 7


def test_of_two_attributes_that_are_stored_under_one_name_the_same_is_written() -> None:
    """Whichever has a value."""

    class Twin(Odd):
        again = UnicodeAttribute(null=True, attr_name="S")

    given_: list[dict[str, Any]] = [{"other": "a"}, {"again": "b"}, {"other": "a", "again": "b"}]
    for fields in given_:
        both(lambda: Twin(key="k", **fields).serialize())  # noqa: B023  # called at once


def test_off_means_off() -> None:
    """With the switch off nothing is compiled for a model, however its objects are made and written."""

    class Fresh(Odd):
        pass

    with using(OFF):
        item = Fresh(key="k")
        assert item.serialize() == item.batch_put()["Item"] == {"the key": {"S": "k"}, "flag": {"BOOL": True}}
        assert type(facade.item_to_send(item)) is dict
    assert "_wire_encoder" not in vars(Fresh)
    with using(ON):
        Fresh(key="k")
    assert "_wire_encoder" in vars(Fresh)


@given(st.datetimes())
@example(datetime(2026, 5, 17, 12))  # msgspec leaves out a fraction that is zero
def test_an_instant_is_written_in_the_stored_form(value: datetime) -> None:
    """As `instant_text` writes it."""
    utc = pendulum.instance(value, tz=pendulum.UTC)
    encoder = facade.encoder_of(PipelineRunLog)
    assert encoder is not None
    run = PipelineRunLog(**_KEYS, created_at=utc)
    assert json.loads(encoder.encode(run))["created_at"] == {"S": instant_text(utc)}


# -- requests --------------------------------------------------------------------------------------------------------

_odd_parts: Any = st.sampled_from(
    [None, {}, {"S": None}, {"S": 5}, {"N": 5}, {"B": b"a"}, {"B": "text"}, {"BS": [b"a"]}, {"S": "a", "N": "1"},
    {"X": "a"},
     {"BOOL": 1}, {"S": Loud("a")}, {"S": Word.RUNNING}, {"S": b"a"}, {"S": "\ud800"}, {"N": Decimal(1)},
     {"SS": {"a"}},
     {"SS": ("a",)}, {"M": OrderedDict(a={"S": "b"})}, {"L": [None]}, {"M": {1: {"S": "a"}}}, {"S": NOON},
     {"NULL": None}]
)  # fmt: skip
_tagged = worlds.tagged.filter(lambda value: "B" not in value and "BS" not in value)
_items = st.dictionaries(st.text(max_size=3), _tagged | _odd_parts, max_size=4)
_oddities: Any = st.sampled_from(
    [{}, {}, {}, {"Limit": 5}, {"Limit": True}, {"Limit": 5.0}, {"ConsistentRead": 1}, {"Unknown": 1},
    {"TableName": None},
     {"ReturnConsumedCapacity": "TOTAL"}, {"ExpressionAttributeNames": {"#0": "é"}},
     {"Expected": {"a": {"Exists": False}}},
     {"TransactItems": [{"Put": {"TableName": "t", "Item": {}}}]}, {"Item": None}, {"Item": [1]}]
)  # fmt: skip
_parameters = st.one_of(
    st.tuples(st.just("PutItem"), _items.map(lambda item: {"TableName": "t", "Item": item})),
    st.tuples(st.just("Query"), _items.map(lambda item: {"TableName": "t", "ExclusiveStartKey": item, "Limit": 3})),
    st.tuples(
        st.just("BatchWriteItem"), _items.map(lambda one: {"RequestItems": {"t": [{"PutRequest": {"Item": one}}]}})
    ),
    st.tuples(
        st.just("TransactWriteItems"),
        _items.map(
            lambda item: {"TransactItems": [{"Put": {"TableName": "t", "Item": item}}, {"Delete": {"Key": item}}]}
        ),
    ),
    st.tuples(st.just("UpdateItem"), _items.map(lambda item: {"Key": {}, "ExpressionAttributeValues": item})),
    st.tuples(st.just("DescribeTable"), st.just({"TableName": "t"})),
)


@given(_parameters, _oddities)
def test_a_request_says_what_botocore_s_says(drawn_parameters: tuple[str, dict[str, Any]], more: Any) -> None:
    """Method, headers and body mean the same; what botocore refuses is refused in its words."""
    operation, parameters = drawn_parameters

    def written_by(serializer: Any) -> Any:
        written = serializer.serialize_to_request(parameters | more, worlds.operation(operation))
        return written | {
            "body": json.dumps(json.loads(written["body"]), sort_keys=True)
        }  # 1 is neither 1.0 nor true

    assert outcome(lambda: written_by(FastSerializer())) == outcome(lambda: written_by(JSONSerializer()))


def test_a_request_without_bytes_is_written_by_the_wire() -> None:
    """Its body is compact, which botocore's is not."""
    parameters = {"TableName": "t", "Item": {"a": {"L": [{"N": "1"}]}}}
    body = FastSerializer().serialize_to_request(parameters, worlds.operation("PutItem"))["body"]
    assert body == b'{"TableName":"t","Item":{"a":{"L":[{"N":"1"}]}}}'


def test_each_request_has_headers_of_its_own() -> None:
    """What a handler adds to those of one is not in the next, of the same operation."""
    serializer = FastSerializer()
    for _ in range(2):
        made = serializer.serialize_to_request({"TableName": "t", "Key": {}}, worlds.operation("GetItem"))
        assert sorted(made["headers"]) == ["Content-Type", "X-Amz-Target"]
        made["headers"]["X-Mine"] = "1"


# -- what is written -------------------------------------------------------------------------------------------------

PLAIN: dict[str, Any] = {"a": {"S": "é"}, "b": {"L": [{"N": "1"}]}}
PUT: dict[str, Any] = {"TableName": "t", "ConditionExpression": "attribute_not_exists (a)", "Item": PLAIN}


def written(plain: dict[str, Any] = PLAIN) -> Any:
    """Return such an item, or such a put, at which nobody has looked."""
    return Written(json.dumps(plain).encode(), plain.get("TableName"))


@pytest.mark.parametrize(
    "look",
    [
        dict, list, repr, str, json.dumps, deepcopy, copy, len, bool, iter, reversed, sorted, OrderedDict,
        pprint.pformat, lambda x: x["a"], lambda x: x.get("b"), lambda x: x["c"], lambda x: {**x}, lambda x: [*x],
        lambda x: x.copy(), lambda x: list(x.items()), lambda x: list(x.values()), lambda x: x.keys() & {"a"},
        lambda x: "a" in x, lambda x: x == PLAIN, lambda x: operator.eq(PLAIN, x), lambda x: x != PLAIN,
        lambda x: x | {"c": 1}, lambda x: {"c": 1} | x, lambda x: pickle.loads(pickle.dumps(x)),
        lambda x: (x.pop("a"), dict(x)), lambda x: (x.update(c=1), dict(x)), lambda x: x.setdefault("c", 1),
        lambda x: (x.clear(), dict(x)), lambda x: (x.__setitem__("a", 1), dict(x)), lambda x: "{a}".format(**x),
        lambda x: isinstance(x, dict), lambda x: {"c": 1, **x}, lambda x: x.__ior__({"c": 1}),
    ],
)  # fmt: skip
def test_who_looks_at_a_written_item_sees_a_plain_dict(look: Any) -> None:
    """Whatever is done with it, it is done with a plain dict."""

    def seen(item: Any) -> Any:
        found = look(item)
        return list(found) if hasattr(found, "__next__") else found

    assert outcome(lambda: seen(written())) == outcome(lambda: seen(deepcopy(PLAIN)))


def _requests(item: dict[str, Any], put: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    delete = {"TableName": "t", "Key": {"a": {"S": "b"}}}
    return [
        ("TransactWriteItems", {"TransactItems": [{"Put": put}, {"Delete": delete}], "ClientRequestToken": "c"}),
        (
            "BatchWriteItem",
            {"RequestItems": {"t": [{"DeleteRequest": {"Key": PLAIN}}, {"PutRequest": {"Item": item}}]}},
        ),
        ("PutItem", PUT | {"Item": item}),
        ("GetItem", {"TableName": "t", "Key": item}),
    ]


def _sent(serializer: Any, operation: str, parameters: dict[str, Any]) -> Any:
    sent = serializer.serialize_to_request(parameters, worlds.operation(operation))
    return sent | {"body": json.loads(sent["body"])}


@pytest.mark.parametrize("number", range(4))
def test_what_is_written_is_sent_as_what_is_plain(number: int) -> None:
    """In each operation, by the wire and by botocore; in a batch without a look at it."""
    operation, ours = _requests(item := written(), put := written(PUT))[number]
    plain = _requests(PLAIN, PUT)[number][1]
    untouched = deepcopy(plain)
    assert _sent(FastSerializer(), operation, ours) == _sent(JSONSerializer(), operation, plain)
    part = put if operation == "TransactWriteItems" else item
    assert (part.unread() is not None) == (operation in {"TransactWriteItems", "BatchWriteItem"})
    assert _sent(JSONSerializer(), operation, ours) == _sent(JSONSerializer(), operation, plain)
    assert (ours, plain) == (untouched, untouched)


@pytest.mark.parametrize("number", range(3))
def test_what_a_handler_has_changed_in_what_is_written_is_sent(number: int) -> None:
    """Once somebody has looked, the dict is what counts."""
    operation, parameters = _requests(item := written(), put := written(PUT))[number]
    put["Item"]["a"] = item["a"] = {"S": "changed"}
    new = PLAIN | {"a": {"S": "changed"}}
    changed = _requests(new, PUT | {"Item": new})[number][1]
    assert _sent(FastSerializer(), operation, parameters) == _sent(JSONSerializer(), operation, changed)


@pytest.mark.parametrize("put", [None, {}, {"Item": None}, 7, {"Item": {}, "Other": 1}])
def test_a_put_of_another_form_is_left_to_botocore(put: Any) -> None:
    """Its result, or its error."""
    for operation, parameters in (
        ("TransactWriteItems", {"TransactItems": [{"Put": put}]}), ("TransactWriteItems", {"TransactItems": put}),
        ("BatchWriteItem", {"RequestItems": {"t": [{"PutRequest": put}]}}), ("BatchWriteItem", {"RequestItems": put}),
    ):  # fmt: skip
        ours, theirs = (
            outcome(lambda: _sent(serializer, operation, parameters))  # noqa: B023  # called at once
            for serializer in (FastSerializer(), JSONSerializer())
        )
        assert ours == theirs


_BATCHED: list[tuple[Any, dict[str, Any]]] = [
    (
        PipelineRunLog,
        {"pipeline_id": "p", "run_id": "r", "status": "pending", "trigger_type": "t", "tags": {"a": "é"}},
    ),
    (Odd, {"key": "k", "number": 1.5, "names": {"a"}, "at": NOON}),
    (Odd, {"key": "k", "binary": b"a"}),
    (Every, {"key": "k", "numbers": {1}, "version": 3, "fresh": 7}),
]


def _batch(model: Any, fields: dict[str, Any], handler: Any = None, **settings: Any) -> Any:
    """Return the body of the request of a batch; a handler may look at its parameters."""
    config = DynamoDBConfig.for_local_development(table_prefix="batch_", **settings)
    bodies: list[Any] = []

    def answer(request: Any, **_: Any) -> AWSResponse:
        bodies.append(json.loads(request.body))
        body = b'{"UnprocessedItems":{}}' if "RequestItems" in bodies[-1] else b"{}"
        return AWSResponse(request.url, 200, {}, SimpleNamespace(stream=lambda: iter([body])))

    events = connection_of(config).client.meta.events
    handlers = [("before-send.dynamodb", answer), ("before-parameter-build.dynamodb", handler or (lambda **_: None))]
    for event, one in handlers:
        events.register(event, one)
    try:
        with using(config), model.batch_write() as batch:
            batch.save(model(**fields))
    finally:
        for event, one in handlers:
            events.unregister(event, one)
    return bodies


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return a list that grows with every look at a written item."""
    seen: list[int] = []
    look = Written._look

    def counted(item: Any) -> None:
        seen.append(1)
        look(item)

    monkeypatch.setattr(Written, "_look", counted)
    return seen


@pytest.mark.parametrize(("model", "fields"), _BATCHED)
def test_a_batch_sends_the_same_and_nobody_looks_at_its_items(
    model: Any, fields: dict[str, Any], looks: list[int]
) -> None:
    """With the wire on as with it off; what is in JSON stays so until it is sent."""
    ours, theirs = _batch(model, fields), _batch(model, fields, wire=False)
    assert len(ours) == 1
    assert [{**one, "ClientRequestToken": 0} for one in ours] == [{**one, "ClientRequestToken": 0} for one in theirs]
    assert not looks


@pytest.mark.parametrize(("model", "fields"), _BATCHED)
def test_a_handler_sees_and_changes_the_items_of_a_batch(model: Any, fields: dict[str, Any]) -> None:
    """They are dicts to it, and what it has changed is sent."""
    seen = []

    def change(params: dict[str, Any], **_: Any) -> None:
        if "TransactItems" in params:
            (put,) = (one["Put"] for one in params["TransactItems"])
        else:
            ((put,),) = ([one["PutRequest"] for one in ones] for ones in params["RequestItems"].values())
        seen.append(deepcopy(put["Item"]))
        put["Item"]["changed"] = {"BOOL": True}

    (body,), (plain,) = _batch(model, fields, change), _batch(model, fields)
    assert json.loads(json.dumps(seen[0], default=lambda value: b64encode(value).decode())) == _only_item(plain)
    assert _only_item(body) == _only_item(plain) | {"changed": {"BOOL": True}}


@pytest.mark.parametrize("wired", [True, False])
def test_a_batch_that_cannot_be_sent_stays_as_it_was(wired: bool) -> None:
    """An item without what is required refuses the batch each time, which then holds what was given."""
    right, wrong = Odd(key="k"), Odd()
    with using(ON if wired else OFF):
        batch = Odd.batch_write()
        batch.save(right)
        batch.save(wrong)
        for _ in range(2):
            with pytest.raises(ValidationError, match="key"):
                batch.commit()
            assert [one["item"] for one in batch.pending_operations] == [right, wrong]


def _only_item(body: dict[str, Any]) -> Any:
    if "TransactItems" in body:
        return body["TransactItems"][0]["Put"]["Item"]
    return body["RequestItems"]["batch_odd"][0]["PutRequest"]["Item"]


class TestWhatIsMadeAnew:
    """Ways of a model's own in writing are used."""

    def test_its_serialize(self) -> None:
        """One that adds something is asked, in each kind of batch."""

        class Own(Odd):
            def serialize(self, null_check: bool = True) -> dict[str, Any]:
                return super().serialize(null_check) | {"own": {"S": "a"}}

        class OwnRun(PipelineRunLog):
            def serialize(self, null_check: bool = True) -> dict[str, Any]:
                return super().serialize(null_check) | {"own": {"S": "a"}}

        for model, (_, fields) in ((Own, _BATCHED[1]), (OwnRun, _BATCHED[0])):
            assert _only_item(_batch(model, fields)[0])["own"] == {"S": "a"}

    @pytest.mark.parametrize("name", ["get_save_kwargs_from_instance", "_of_this_life", "_handle_version_attribute"])
    def test_its_condition(self, name: str) -> None:
        """Whichever of the functions that make it the model has made anew."""
        asked: list[str] = []

        def own(self: Any, *args: Any, **settings: Any) -> Any:
            asked.append(name)
            return getattr(super(Own, self), name)(*args, **settings)

        Own: Any = type("Own", (PipelineRunLog,), {name: own})
        with using(ON):
            Own(**_KEYS, revision=3).batch_put()
        assert asked == [name]

    def test_how_it_names_its_writes(self) -> None:
        """By an attribute that stores a name otherwise than it is given: so it is compared, too."""

        class Loud(UnicodeAttribute):
            def serialize(self, value: Any) -> Any:
                return value.upper()

        class Own(PipelineRunLog):
            write_id = Loud(null=True)

        def put() -> Any:
            sent = Own(**_KEYS, revision=3, write_id="a").batch_put()
            return sent["ExpressionAttributeValues"], sent["Item"]["write_id"]

        both(put)
        with using(ON):
            assert put() == ({":0": {"N": "3"}, ":1": {"S": "A"}}, {"S": "A"})

    @pytest.mark.parametrize("config", [ON, OFF])
    def test_what_it_derives(self, config: DynamoDBConfig) -> None:
        """It is given the sources and the keys, and what follows is kept as if it had been set."""
        given_: list[dict[str, Any]] = []

        class Own(Odd):
            DERIVED = frozenset({"updated_at", "other"})
            updated_at = UTCInstantAttribute(null=True)

            @classmethod
            def derived_sources(cls) -> frozenset[str]:
                return frozenset({"number"})

            @classmethod
            def derived(cls, values: Mapping[str, Any]) -> dict[str, Any]:
                given_.append(dict(values))
                return {"updated_at": datetime(2026, 5, 17, 12, tzinfo=UTC), "other": "a", "point": None}

        with using(config):
            item = Own(key="k", number=7)
            assert item.serialize() == {
                "the key": {"S": "k"}, "number": {"N": "7"}, "S": {"S": "a"}, "flag": {"BOOL": True},
                "updated_at": {"S": "2026-05-17T12:00:00.000000Z"},
            }  # fmt: skip
        assert given_ == [{"number": 7, "key": "k"}]
        assert exact(item.attribute_values["updated_at"]) == exact(NOON)
        assert item.attribute_values["other"] == "a"

    def test_its_record(self) -> None:
        """One that checks in a way of its own when it is made of a mapping."""

        @dataclass(frozen=True, kw_only=True)
        class Note(Record):
            text: str = part(TextAttribute())

            def __post_init__(self) -> None:
                object.__setattr__(self, "text", self.text.strip())
                super().__post_init__()

        class Own(Odd):
            notes = RecordListAttribute(Note, null=True)

        with using(ON):
            assert Own(key="k", notes=[{"text": " a "}]).serialize()["notes"] == {"L": [{"M": {"text": {"S": "a"}}}]}

    def test_its_updated_at(self) -> None:
        """An attribute of this name is set as it sets itself."""

        class Own(Odd):
            updated_at = UTCDateTimeAttribute(null=True)

        assert _only_item(_batch(Own, {"key": "k"})[0]).get("updated_at") is None
        item = Own(key="k")
        item._touch()
        assert item.attribute_values["updated_at"] == NOON

    def test_a_summary_is_refused(self) -> None:
        """In a batch too."""
        item = Odd.summary({"the key": {"S": "k"}}, frozenset({"the key"}))
        with using(ON), pytest.raises(SummaryError), Odd.batch_write() as batch:
            batch.save(item)
