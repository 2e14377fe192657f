"""One item that is read for a model: equal results by the wire and the ordinary way, and a dict to whoever looks."""

from __future__ import annotations

import json
import operator
import pickle
from copy import copy, deepcopy
from typing import Any

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pipemodels import PipelineRunLog, using
from pipemodels.codecs import facade
from pipemodels.models.base import Model
from pipemodels.transport import schemas
from pipemodels.transport.lazy import Item
from pipemodels.transport.parsing import FastParser
from tests.wire import worlds
from tests.wire.worlds import MODELS, ON, exact, made_ordinarily, ordinarily, outcome, reply


def replied(item: Any) -> dict[str, Any]:
    """Return the reply of a get."""
    return {"Item": item, "ConsumedCapacity": {"TableName": "t", "CapacityUnits": 0.5}, "New": 1}


def got(model: type[Model], body: bytes) -> Any:
    """Return a reply as it is read for a model."""
    with facade.reading(model):
        return FastParser().parse(reply(body), worlds.shape("GetItem"))


def drawn(model: type[Model]) -> Any:
    """Draw a model and the body of a reply with one of its items."""
    return st.tuples(st.just(model), worlds.bodies(worlds.items(model).map(replied)))


@given(st.sampled_from(MODELS).flatmap(drawn))
@example((PipelineRunLog, json.dumps(replied({})).encode()))
@example((PipelineRunLog, b"{}"))
def test_an_item_for_a_model_gives_the_same_object_or_error(given_: tuple[type[Model], bytes]) -> None:
    """And the reply around it is the same, and so is the item to whoever looks."""
    model, body = given_
    parsed, ordinary = got(model, body), ordinarily(body, "GetItem")
    assert bool(parsed.get("Item")) is bool(ordinary.get("Item"))
    if ordinary.get("Item"):
        with using(ON):
            made = outcome(lambda: exact(model.from_raw_data(parsed["Item"])))
        assert made == made_ordinarily(model, ordinary["Item"])
        assert type(parsed["Item"]) in {Item, dict}
        parsed["Item"] = dict(parsed["Item"])
    assert exact(parsed) == exact(ordinary)


@pytest.mark.parametrize("item", ["null", "[]", '{"run_id":null}', '{"run_id":{}}', "5", '{"a":{"B":"?"}}'])
def test_what_is_no_item_is_read_as_botocore_reads_it(item: str) -> None:
    """With its result or its error."""
    body = b'{"Item":%b}' % item.encode()
    assert outcome(lambda: exact(got(PipelineRunLog, body))) == outcome(lambda: exact(ordinarily(body, "GetItem")))


PLAIN: dict[str, Any] = {"run_id": {"S": "a"}, "blob": {"B": b"\x00"}}
BODY = json.dumps(replied({"run_id": {"S": "a"}, "blob": {"B": "AA=="}})).encode()


def item_() -> Any:
    """Return such an item."""
    found = got(PipelineRunLog, BODY)["Item"]
    assert type(found) is Item
    return found


@pytest.mark.parametrize(
    "look",
    [
        dict, list, repr, json.dumps, copy, deepcopy, len, bool, iter, reversed, sorted, lambda x: x["run_id"],
        lambda x: x.get("no"), lambda x: {**x}, lambda x: x == PLAIN, lambda x: operator.eq(PLAIN, x),
        lambda x: x | {"a": 1}, lambda x: {"a": 1} | x, lambda x: "blob" in x, lambda x: list(x.items()),
        lambda x: pickle.loads(pickle.dumps(x)), lambda x: (x.pop("run_id"), dict(x)), lambda x: (x.clear(), bool(x)),
        lambda x: (x.update(a=1), dict(x)), lambda x: {"a": 1, **x}, lambda x: x["no"], lambda x: x.fromkeys("a"),
    ],
)  # fmt: skip
def test_every_look_is_at_a_plain_item(look: Any) -> None:
    """Whatever is done with it, it is done with a plain one."""

    def kept(found: Any) -> Any:
        seen = look(found)
        return list(seen) if hasattr(seen, "__next__") else seen

    assert outcome(lambda: kept(item_())) == outcome(lambda: kept(deepcopy(PLAIN)))


def test_who_looks_past_the_methods_sees_no_empty_item() -> None:
    """He fails."""
    with pytest.raises(TypeError, match="_Unread"):
        msgspec.json.encode(item_())


def test_it_is_a_decoded_item_for_the_model() -> None:
    """Until somebody has looked; what he has changed counts."""
    assert isinstance(facade.stored_items(item_()), schemas.Stored)
    seen = item_()
    seen["run_id"] = {"S": "changed"}
    assert facade.stored_items(seen) == PLAIN | {"run_id": {"S": "changed"}}
    assert PipelineRunLog.from_raw_data(seen).run_id == "changed"


def test_an_item_for_another_model_is_made_of_the_plain_one() -> None:
    """A handler that reads on its own may hand it on."""
    odd = MODELS[-1]
    with using(ON):
        made = outcome(lambda: exact(odd.from_raw_data(item_())))
    assert made == made_ordinarily(odd, deepcopy(PLAIN))
