"""Decode stored items without a client, to check the results of the clients.

A client may decode only some values, as its `Fidelity` states; its result is right if it equals the stored items
to that extent.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Literal

INSTANTS = frozenset(
    {"start_time", "end_time", "created_at", "updated_at", "lease_expires_at", "heartbeat_at"},
)
"""The names of instants, in an item and in its stages."""


@dataclass(frozen=True, kw_only=True)
class Fidelity:
    """Which values a client decodes.

    Attributes:
        instants: `all`; `own`: those of the item, while those of its stages stay text; `none`.
        exact: numbers keep their digits; if False, they are converted to float.
    """

    instants: Literal["all", "own", "none"] = "all"
    exact: bool = True

    def __str__(self) -> str:
        instants = {"all": "everything", "own": "instants of stages stay text", "none": "all instants stay text"}
        return instants[self.instants] + ("" if self.exact else "; numbers go through float")


def decoded(item: dict[str, Any]) -> dict[str, Any]:
    """Return the plain values of an item in DynamoDB's JSON: instants in UTC, numbers exact."""
    return {name: _decoded(name, value) for name, value in item.items()}


def _decoded(name: str, tagged: dict[str, Any]) -> Any:
    ((tag, value),) = tagged.items()
    match tag:
        case "M":
            return decoded(value)
        case "L":
            return [_decoded("", element) for element in value]
        case "N":
            number = Decimal(value)
            return int(number) if number == number.to_integral_value() else number
        case "NULL":
            return None
        case "S" if name in INSTANTS:
            return datetime.fromisoformat(value)
        case "S" | "BOOL":
            return value
    raise ValueError(f"benchmark items have no values of type {tag!r}")


def instant_text(value: datetime) -> str:
    """Return the stored text of an instant."""
    return value.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def without_instants(value: Any) -> Any:
    """Return a plain value with each instant as its stored text, as untyped clients use it."""
    if isinstance(value, datetime):
        return instant_text(value)
    if isinstance(value, dict):
        return {name: without_instants(inner) for name, inner in value.items()}
    return [without_instants(inner) for inner in value] if isinstance(value, list) else value


def with_floats(value: Any) -> Any:
    """Return a plain value with each Decimal as a float, for clients that do not accept Decimal."""
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, dict):
        return {name: with_floats(inner) for name, inner in value.items()}
    return [with_floats(inner) for inner in value] if isinstance(value, list) else value


def expected(item: dict[str, Any], fidelity: Fidelity) -> Any:
    """Return the expected result of a client of this fidelity for a stored item, in comparable form."""
    values = decoded(item)
    if fidelity.instants == "none":
        values = without_instants(values)
    elif fidelity.instants == "own":
        values = {
            name: value if isinstance(value, datetime) else without_instants(value) for name, value in values.items()
        }
    return comparable(values, exact=fidelity.exact)


def comparable(value: Any, *, exact: bool) -> Any:
    """Return a value in a form in which 1, 1.0, True and "1" are all different.

    A None in a dict counts as absent: models use None for attributes that an item lacks.

    Args:
        value: a decoded value of a client, or the expected value.
        exact: numbers must not be floats; if False, every number is compared as a float.
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
        return {name: comparable(inner, exact=exact) for name, inner in value.items() if inner is not None}
    return [comparable(inner, exact=exact) for inner in value]
