"""What a stored item means, read without any client: the measure of whether a client has decoded it.

A client may decode less than all, and says so in its `Fidelity`; a page is right when it equals the stored items as
far as that goes.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Literal

INSTANTS = frozenset(
    {"start_time", "end_time", "created_at", "updated_at", "lease_expires_at", "heartbeat_at"},
)
"""The names whose texts are instants, in an item and in its stages."""


@dataclass(frozen=True, kw_only=True)
class Fidelity:
    """How far a client decodes.

    Attributes:
        instants: `all`; `own`: the item's own, those of its stages stay text; `none`.
        exact: numbers keep their digits; otherwise they go through float.
    """

    instants: Literal["all", "own", "none"] = "all"
    exact: bool = True

    def __str__(self) -> str:
        instants = {"all": "everything", "own": "instants of stages stay text", "none": "all instants stay text"}
        return instants[self.instants] + ("" if self.exact else "; numbers go through float")


def decoded(item: dict[str, Any]) -> dict[str, Any]:
    """Return the plain values of an item in DynamoDB's form: instants in UTC, numbers exact."""
    return {name: _decoded(name, value) for name, value in item.items()}


def _decoded(name: str, tagged: dict[str, Any]) -> Any:
    ((tag, value),) = tagged.items()
    match tag:
        case "M":
            return decoded(value)
        case "L":
            return [_decoded("", one) for one in value]
        case "N":
            number = Decimal(value)
            return int(number) if number == number.to_integral_value() else number
        case "NULL":
            return None
        case "S" if name in INSTANTS:
            return datetime.fromisoformat(value)
        case "S" | "BOOL":
            return value
    raise ValueError(f"no benchmark item holds a value under {tag!r}")


def instant_text(value: datetime) -> str:
    """Return the stored form of an instant."""
    return value.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def without_instants(value: Any) -> Any:
    """Return a plain value with each instant as the text that is stored: what untyped clients take and give."""
    if isinstance(value, datetime):
        return instant_text(value)
    if isinstance(value, dict):
        return {name: without_instants(one) for name, one in value.items()}
    return [without_instants(one) for one in value] if isinstance(value, list) else value


def with_floats(value: Any) -> Any:
    """Return a plain value with each Decimal as a float, for clients that take no Decimal."""
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, dict):
        return {name: with_floats(one) for name, one in value.items()}
    return [with_floats(one) for one in value] if isinstance(value, list) else value


def expected(item: dict[str, Any], fidelity: Fidelity) -> Any:
    """Return what a client of this fidelity must make of a stored item, in comparable form."""
    values = decoded(item)
    if fidelity.instants == "none":
        values = without_instants(values)
    elif fidelity.instants == "own":
        values = {name: one if isinstance(one, datetime) else without_instants(one) for name, one in values.items()}
    return comparable(values, exact=fidelity.exact)


def comparable(value: Any, *, exact: bool) -> Any:
    """Return a value as something that compares with its kind: 1, 1.0, True and "1" are all different.

    A name whose value is None is absent: models hold None for what an item lacks.

    Args:
        value: what a client has decoded, or what it should.
        exact: a float is refused as a number; otherwise every number is compared as a float.
    """
    if isinstance(value, datetime):
        return "instant", instant_text(value)
    if isinstance(value, bool | None):
        return value
    if isinstance(value, int | Decimal) and exact:
        return "number", Decimal(value)
    if isinstance(value, int | Decimal | float):
        return "number that went through float", float(value)
    if isinstance(value, str):
        return str(value)
    if isinstance(value, dict):
        return {name: comparable(one, exact=exact) for name, one in value.items() if one is not None}
    return [comparable(one, exact=exact) for one in value]
