"""Typed maps made by compiled code are PynamoDB's: same values, same errors, same looks."""

from __future__ import annotations

import copy
import functools
import inspect
import pickle
import sys
from collections import OrderedDict
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pynamodb.attributes import MapAttribute, NumberAttribute, UnicodeAttribute
from pynamodb.models import Model as PynamoModel

from pipemodels import using
from pipemodels.models.base import ConfiguredTable, Model
from pipemodels.wire.pynamodb_decoders import is_plain_map, same_functions
from tests.wire import swapped
from tests.wire.swapped import Every
from tests.wire.test_swapped import VALUES
from tests.wire.worlds import OFF, ON, exact, outcome

PYNAMODB_S: Any = MapAttribute.__init__
seen: list[Any] = []
maps: Any = sys.modules[__name__]  # PynamoDB's `__init__` carries no types


class Seeing(UnicodeAttribute):
    """An attribute that sets in its own way, and looks at what it sets in."""

    def __set__(self, instance: Any, value: Any) -> None:
        seen.append((self.attr_name, exact(vars(instance)), exact(value)))
        if value == "":
            raise ValueError("empty")
        super().__set__(instance, value)


def _told(name: str, value: Any) -> Any:
    def default() -> Any:
        seen.append(name)
        return value

    return default


class Plain(MapAttribute[str, Any]):
    """A map of nothing odd."""

    x = NumberAttribute()
    name = UnicodeAttribute(null=True, attr_name="the name")


class Preset(MapAttribute[str, Any]):
    """A map with defaults."""

    x = NumberAttribute(default=7)
    name = UnicodeAttribute(default_for_new=_told("name", "é"))
    absent = UnicodeAttribute(null=True, default=_told("absent", None))
    other = UnicodeAttribute(null=True)


class Settings(MapAttribute[str, Any]):
    """A map with names that PynamoDB takes for settings."""

    null: Any = UnicodeAttribute()
    default: Any = NumberAttribute(null=True, default=7)
    x = NumberAttribute(null=True)


class Whole(MapAttribute[str, Any]):
    """A map of maps, and of attributes that set in their own way."""

    x = NumberAttribute(null=True)
    name = Seeing(null=True)
    other = Seeing(default="é")
    plain = maps.Plain(null=True)
    preset = maps.Preset(null=True, default=dict)
    free: MapAttribute[str, Any] = MapAttribute(null=True, default=lambda: {"a": {"b": 1}})
    loose = maps.swapped.Loose(null=True)


class Below(Plain):
    """A map that adds to another."""

    more = UnicodeAttribute(null=True)


class Through(Plain):
    """A map that is made in its own way, by that of its base."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**{"name": "through", **attributes})  # type: ignore[no-untyped-call]  # PynamoDB's


class Doubled(Plain):
    """A map that takes what it is given in its own way, and is made by its base."""

    def _set_attributes(self, **attributes: Any) -> None:
        super()._set_attributes(**{name: [value, value] for name, value in attributes.items()})  # type: ignore[no-untyped-call]  # PynamoDB's


MAPS: list[Any] = [
    Plain, Preset, Settings, Whole, Below, Through, Doubled, swapped.Step, swapped.Nested, swapped.Ruled,
    swapped.Sized, swapped.Loose,
]  # fmt: skip
COMPILED: list[Any] = [Plain, Preset, Settings, Whole, Below, swapped.Step, swapped.Nested]


def with_maps(*kinds: Any) -> Any:
    """Return a model of an attribute of each class."""
    attributes = {kind.__name__.lower(): kind() for kind in kinds}

    class Meta(ConfiguredTable):
        base_name = "maps"

    return type(Every)("Maps", (Model,), {"Meta": Meta, "key": UnicodeAttribute(hash_key=True), **attributes})


with using(ON):
    with_maps(*MAPS)(key="k")  # compiles them


def called(work: Any) -> set[Any]:
    """Return the functions that are called, by their code."""
    codes = set()
    sys.setprofile(lambda frame, *_: codes.add(frame.f_code))
    try:
        work()
    finally:
        sys.setprofile(None)
    return codes


def of_pynamodb(work: Any) -> bool:
    """Say whether PynamoDB's own `__init__` is called."""
    return PYNAMODB_S.__code__ in called(work)


def made(kind: Any, values: Any) -> Any:
    """Return what comes of making a map, and what its attributes have seen."""
    seen.clear()
    result = outcome(lambda: kind(**copy.deepcopy(values)))
    how = type(result[1]), exact(vars(result[1])) if result[0] == "value" else result
    return how, copy.copy(seen)


_names = st.sampled_from(sorted({name for kind in MAPS for name in kind.get_attributes()})) | st.sampled_from(
    ["self", "hash_key", "default_for_new", "attr_name", "_user_instantiated", "attribute_values", "unknown"]
)
_values = st.sampled_from(
    [value for value in VALUES if type(value) is not int or value < 10]  # a huge one has no `repr`
    + [maps.Plain(x=1), maps.Preset(), {"x": 1, "name": None}, {"x": "a", "no": 1}, {"null": ""}]
)


@given(st.sampled_from(MAPS), st.data())
def test_a_map_is_made_as_by_pynamodb(kind: Any, data: st.DataObject) -> None:
    """The same attributes in the same order, having seen the same on the way; or the same error."""
    names = st.sampled_from(sorted(kind.get_attributes())) | _names
    values = data.draw(st.dictionaries(st.sampled_from(sorted(kind.get_attributes())), _values, max_size=4)
                       | st.dictionaries(names, _values, max_size=3))  # fmt: skip
    with using(ON):
        ours = made(kind, values)
    with using(OFF):
        assert ours == made(kind, values)


@pytest.mark.parametrize("kind", COMPILED)
def test_it_is_made_in_one_step(kind: Any) -> None:
    """Without PynamoDB's `__init__`, where all names are known; with it where the wire is off."""
    values = dict.fromkeys(kind.get_attributes().keys() - {"null", "default", "version"})
    with using(ON):
        assert not of_pynamodb(lambda: kind(**values))
        assert not of_pynamodb(lambda: kind())
    with using(OFF):
        assert of_pynamodb(lambda: kind(**values))


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        (Plain, {"null": True}), (Plain, {"unknown": 1}), (Settings, {"null": ""}), (Through, {"x": 1}),
        (swapped.Loose, {"x": 1}), (swapped.Sized, {"x": 1}), (MapAttribute, {"a": 1}),
    ],
)  # fmt: skip
def test_what_is_odd_is_made_by_pynamodb(kind: Any, values: Any) -> None:
    """Settings of an attribute, unknown names, a class with its own way to make, or that holds what it likes."""
    with using(ON):
        assert of_pynamodb(lambda: outcome(lambda: kind(**values)))


def test_dicts_become_maps_on_the_way() -> None:
    """A map in a map, given as a dict, in a model too; without PynamoDB's `__init__`."""
    values = {"plain": {"x": 1}, "preset": OrderedDict(x=2), "free": {"a": [1]}, "x": 3}
    model = with_maps(Whole)
    with using(ON):
        ours = maps.Whole(**values)
        item = model(key="k", whole=values)
        assert not of_pynamodb(lambda: maps.Whole(**values))
        assert not of_pynamodb(lambda: model(key="k", whole=values))
    with using(OFF):
        theirs = maps.Whole(**values)
    assert exact(ours) == exact(theirs) == exact(item.whole)
    assert type(ours.preset) is Preset


@pytest.mark.parametrize("kind", COMPILED)
def test_the_function_looks_like_pynamodb_s(kind: Any) -> None:
    """To `inspect`, in errors, and to the wire itself; one that only wraps it does not."""
    looks: Any = ("__module__", "__qualname__", "__doc__", "__annotations__")
    assert inspect.signature(kind) == inspect.signature(MapAttribute)
    assert [getattr(kind.__init__, name) for name in looks] == [getattr(PYNAMODB_S, name) for name in looks]
    assert is_plain_map(kind)
    for wrong in (lambda: kind(1), lambda: kind(**{"self": 1})):
        with using(ON):
            ours = outcome(wrong)
        with using(OFF):
            assert ours == outcome(wrong)


def test_a_map_s_own_way_is_not_taken_for_pynamodb_s(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor is what wraps the compiled one."""
    assert not same_functions(Through, MapAttribute, ["__init__"])
    monkeypatch.setattr(Plain, "__init__", functools.wraps(Plain.__init__)(lambda self, **more: None))
    assert not same_functions(Plain, MapAttribute, ["__init__"])
    assert not is_plain_map(Plain)


@pytest.mark.parametrize("of", [Plain, MapAttribute])
def test_who_replaces_it_later_is_called(of: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """On the class, and on PynamoDB's."""
    calls = []

    def other(self: Any, **attributes: Any) -> None:
        calls.append(attributes)
        PYNAMODB_S(self, **attributes)

    monkeypatch.setattr(of, "__init__", other)
    with using(ON):
        assert maps.Plain(x=1).attribute_values == {"x": 1}
    assert calls == [{"x": 1}]


def test_a_map_is_made_again_as_by_pynamodb() -> None:
    """What else it holds stays."""

    def again() -> Any:
        one: Any = maps.Plain(x=1)
        object.__setattr__(one, "note", "kept")
        one.__init__(name="a")
        return exact(vars(one))

    with using(ON):
        ours = again()
    with using(OFF):
        assert ours == again()


def test_a_class_that_is_declared_later_takes_it_for_an_attribute() -> None:
    """With settings or without, as an attribute or in a list; on our base and on PynamoDB's."""

    def declared() -> Any:
        class Later(PynamoModel):
            class Meta:
                table_name = "later"

            key = UnicodeAttribute(hash_key=True)
            plain = maps.Plain(null=True, attr_name="its name")
            whole = maps.Whole()

        paths = [str(one) for one in (Later.plain.x, Later.whole.plain.name == "a", Later.whole.free["a"].exists())]
        attributes = [sorted(vars(one)) for one in Later.get_attributes().values()]
        item = Later(key="k", plain={"x": 1}, whole=maps.Whole(x=2))
        return paths[1:], attributes, [one.attr_path for one in (Later.plain.x, Later.whole)], exact(item.serialize())

    with using(ON):
        ours = declared()
    with using(OFF):
        assert ours == declared()


@pytest.mark.parametrize("work", [copy.copy, copy.deepcopy, lambda one: pickle.loads(pickle.dumps(one))])
def test_a_map_is_copied_as_it_is(work: Any) -> None:
    """By `copy` and by `pickle`; its values may be changed afterwards without those that it was made of."""
    values = {"x": 1, "plain": maps.Plain(x=1)}
    with using(ON):
        one = maps.Whole(**values)
        assert exact(work(one)) == exact(one)
        one.x = 2
        one["name"] = "a"
    assert values["x"] == 1
    assert "name" not in values


def test_maps_are_read_as_fast_when_they_have_been_written() -> None:
    """The wire knows its own function on the class, and reads the class's maps by compiled code."""
    model = with_maps(Plain, Preset)
    item = {"plain": {"M": {"x": {"N": "1"}}}, "preset": {"M": {}}}
    with using(ON):
        assert MapAttribute.deserialize.__code__ not in called(lambda: model.from_raw_data(item))


def test_two_that_share_a_class_share_its_function() -> None:
    """A class is compiled once."""
    before = Plain.__init__
    with using(ON):
        with_maps(Plain)(key="k")
    assert Plain.__init__ is before
