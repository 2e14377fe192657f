"""A model of all of PynamoDB's attributes, on its base and on ours: what a user has who only swaps the base."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from pynamodb.attributes import (
    Attribute,
    BinaryAttribute,
    BinarySetAttribute,
    BooleanAttribute,
    DynamicMapAttribute,
    JSONAttribute,
    ListAttribute,
    MapAttribute,
    NullAttribute,
    NumberAttribute,
    NumberSetAttribute,
    TTLAttribute,
    UnicodeAttribute,
    UnicodeSetAttribute,
    UTCDateTimeAttribute,
    VersionAttribute,
)
from pynamodb.models import Model as PynamoModel

from pipemodels.attributes import TextAttribute, UTCInstantAttribute
from pipemodels.models.base import ConfiguredTable, Model


class Upper(UnicodeAttribute):
    """An attribute of a user's own, which only sets otherwise."""

    def __set__(self, instance: Any, value: Any) -> None:
        super().__set__(instance, "none" if value is None else value.upper())


class Instant(Attribute[datetime]):
    """One of a few lines."""

    attr_type = "S"

    def serialize(self, value: Any) -> str:
        """Return the text."""
        return str(value.isoformat())

    def deserialize(self, value: str) -> datetime:
        """Read the text."""
        return datetime.fromisoformat(value)


class Lenient(NumberAttribute):
    """One that takes numbers from text too."""

    def get_value(self, value: dict[str, Any]) -> Any:
        """Return what stands behind whatever tag."""
        return next(iter(value.values()))


class Padded(UTCDateTimeAttribute):
    """One with nothing of its own."""


class Step(MapAttribute[str, Any]):
    """A map inside maps and lists."""

    x = NumberAttribute()
    name = UnicodeAttribute(null=True, attr_name="the name")
    at = UTCDateTimeAttribute(null=True)
    own = Instant(null=True)
    checked = TextAttribute(null=True)
    upper = Upper(null=True)
    limit = NumberAttribute(default=7)
    made: MapAttribute[str, Any] = MapAttribute(null=True, default=dict)
    nothing = NullAttribute(null=True)


class Nested(MapAttribute[str, Any]):
    """A map of maps."""

    step = Step(null=True)  # type: ignore[no-untyped-call]  # PynamoDB's
    steps = ListAttribute(of=Step, null=True)
    status: MapAttribute[str, Any] = MapAttribute(null=True)
    version = VersionAttribute()
    gone = TTLAttribute(null=True)
    names = UnicodeSetAttribute()
    numbers = NumberSetAttribute()
    children: ListAttribute[Any] = ListAttribute(null=True)


Nested.children.element_type = Nested  # a tree


class Ruled(MapAttribute[str, Any]):
    """A map with a rule of its own."""

    x = NumberAttribute(null=True)

    def validate(self, *, null_check: bool = False) -> bool:
        """Refuse seven."""
        return self.x != 7 and bool(super().validate(null_check=null_check))


class Sized(MapAttribute[str, Any]):
    """A map that PynamoDB takes for none, and sets nothing in."""

    x = NumberAttribute(null=True)

    def __len__(self) -> int:
        return 0


class Loose(DynamicMapAttribute):
    """A map that declares some of what it holds."""

    x = NumberAttribute(null=True)


def every_attribute(base: Any, meta: type) -> Any:
    """Return the model on this base."""

    class Every(base):  # type: ignore[misc]  # the base is what is compared
        Meta = meta

        key = UnicodeAttribute(hash_key=True, attr_name="the key")
        swapped = NumberAttribute(null=True, attr_name="text")
        text = UnicodeAttribute(null=True, attr_name="swapped")
        flag = BooleanAttribute(default=True)
        made_at = UTCDateTimeAttribute(default=lambda: datetime(2026, 5, 17, tzinfo=UTC))
        absent = UnicodeAttribute(null=True, default=lambda: None)  # type: ignore[arg-type,return-value]  # odd, and taken
        fresh = NumberAttribute(null=True, default_for_new=3)
        binary = BinaryAttribute(legacy_encoding=False, null=True)
        legacy = BinaryAttribute(legacy_encoding=True, null=True)
        binaries = BinarySetAttribute(legacy_encoding=False)
        legacies = BinarySetAttribute(legacy_encoding=True)
        names = UnicodeSetAttribute()
        numbers = NumberSetAttribute(null=False)
        anything = JSONAttribute(null=True)
        nothing = NullAttribute(null=True)
        at = UTCDateTimeAttribute(null=True)
        padded = Padded(null=True)
        gone = TTLAttribute(null=True)
        version = VersionAttribute()
        upper = Upper(null=True)
        own = Instant(null=True)
        lenient = Lenient(null=True)
        free: MapAttribute[str, Any] = MapAttribute(null=True)
        step = Step(null=True)  # type: ignore[no-untyped-call]  # PynamoDB's
        nested = Nested(null=True)  # type: ignore[no-untyped-call]  # PynamoDB's
        ruled = Ruled(null=True)  # type: ignore[no-untyped-call]  # PynamoDB's
        sized = Sized(null=True)  # type: ignore[no-untyped-call]  # PynamoDB's
        loose = Loose(null=True)  # type: ignore[no-untyped-call]  # PynamoDB's
        some: ListAttribute[Any] = ListAttribute(null=True)
        texts: ListAttribute[Any] = ListAttribute(of=UnicodeAttribute, null=True)
        digits: ListAttribute[Any] = ListAttribute(of=NumberAttribute, null=True)
        instants: ListAttribute[Any] = ListAttribute(of=Instant, null=True)
        lists: ListAttribute[Any] = ListAttribute(of=ListAttribute, null=True)
        maps: ListAttribute[Any] = ListAttribute(of=MapAttribute, null=True)
        steps = ListAttribute(of=Step, null=True)
        trees = ListAttribute(of=Nested, null=True)
        instant = UTCInstantAttribute(null=True)

    return Every


class _Meta(ConfiguredTable):
    base_name = "every"


class _TheirMeta:
    table_name = "every"


Every = every_attribute(Model, _Meta)
Theirs = every_attribute(PynamoModel, _TheirMeta)
# in the order of declaration, as ours have them: PynamoDB goes by the alphabet
Theirs._attributes = {name: Theirs._attributes[name] for name in Every._attributes}
