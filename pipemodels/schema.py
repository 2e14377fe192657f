"""Tables: create them, say how they are, drop them.

Each request, with its repeats, has `time_limit_seconds` of the configuration. Waiting until DynamoDB has created or
deleted the tables, which may take minutes, has `timeout_seconds`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from botocore.exceptions import ClientError
from pynamodb.attributes import TTLAttribute
from pynamodb.exceptions import TableDoesNotExist

from pipemodels.errors import StorageError, ValidationError
from pipemodels.models import MODELS
from pipemodels.models.base import Model
from pipemodels.storage.sending import sent, with_deadline, within

_T = TypeVar("_T")
_POLL_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class TableStatus:
    """A table: its name, whether it is there as the model wants it, and how many items it held lately.

    `state` is DynamoDB's table status (`ACTIVE`, `CREATING`, …), `MISSING`, or `DIFFERENT` with `differences`.
    `items` is DynamoDB's own count, up to six hours old.
    """

    name: str
    state: str
    items: int | None = None
    differences: tuple[str, ...] = ()


def create_tables(models: Sequence[type[Model]] = MODELS, *, timeout_seconds: float = 120.0) -> list[TableStatus]:
    """Create the tables that are missing and wait until all are active; safe to repeat, also at the same time.

    All tables are compared with their models before the first is created.

    Raises:
        ValidationError: a table of that name has other keys or indexes; says which. Choose another prefix.
        StorageError: a table was not active in time.
    """
    found = {model: _description(model) for model in models}
    for model, description in found.items():
        if description and (differences := list(_differences(model, description))):
            raise ValidationError.of(
                "table",
                description["TableName"],
                f"exists and differs: {'; '.join(differences)}; use another prefix",
            )
    for model in (model for model, description in found.items() if description is None):
        _create(model)
    deadline = time.monotonic() + timeout_seconds
    return [_wait_until_active(model, deadline) for model in models]


def table_status(models: Sequence[type[Model]] = MODELS) -> list[TableStatus]:
    """Say of each table how it is; asks DynamoDB once a table."""
    return [_status(model, _description(model)) for model in models]


def drop_tables(models: Sequence[type[Model]] = MODELS, *, timeout_seconds: float = 120.0) -> list[str]:
    """Delete the models' tables with all that they hold, wait until they are gone, and return their names.

    A table that differs from its model is not ours: it is refused before any is deleted.

    Raises:
        ValidationError: a table of that name has other keys or indexes.
    """
    found = {model: _description(model) for model in models}
    for model, description in found.items():
        if description and (differences := list(_differences(model, description))):
            raise ValidationError.of("table", description["TableName"], f"is not ours: {'; '.join(differences)}")
    dropped = [model for model, description in found.items() if description]
    for model in dropped:
        _drop(model)
    deadline = time.monotonic() + timeout_seconds
    for model in dropped:
        _wait(model, deadline, lambda description: description is None, "deleted")
    return [model.Meta.table_name for model in dropped]


def _sent(model: type[Model], work: Callable[[], _T], what: str = "table") -> _T:
    name = model.Meta.table_name
    return sent(work, subject=f"{what} {name!r}", table=name)


def _create(model: type[Model]) -> None:
    def create() -> None:
        try:
            model.create_table()
        except Exception as error:
            # somebody else creates it at the same time, or the first reply was lost
            if _code(error) != "ResourceInUseException":
                raise

    _sent(model, create)


@with_deadline
def _drop(model: type[Model]) -> None:
    def drop() -> None:
        try:
            model._get_connection().delete_table()
        except Exception as error:
            # somebody else drops it at the same time, or the first reply was lost
            if _code(error) not in {"ResourceNotFoundException", "ResourceInUseException"} or not _is_going(model):
                raise

    _sent(model, drop)


def _is_going(model: type[Model]) -> bool:
    description = _description(model)
    return description is None or description["TableStatus"] == "DELETING"


def _code(error: BaseException | None) -> str | None:
    cause = getattr(error, "cause", error)
    return cause.response["Error"].get("Code") if isinstance(cause, ClientError) else None


def _description(model: type[Model]) -> dict[str, Any] | None:
    """Return DescribeTable's answer; it is not cached, so a table dropped elsewhere is seen."""

    def describe() -> dict[str, Any] | None:
        try:
            description: dict[str, Any] = model._get_connection().describe_table()
        except TableDoesNotExist:
            return None
        return description

    return _sent(model, describe)


def _wait_until_active(model: type[Model], deadline: float) -> TableStatus:
    description = _wait(model, deadline, _is_active, "active")
    if any(isinstance(one, TTLAttribute) for one in model.get_attributes().values()):
        _turn_on_ttl(model)
    return _status(model, description)


def _is_active(description: dict[str, Any] | None) -> bool:
    if description is None:
        return False
    states = [description["TableStatus"]]
    states += [index.get("IndexStatus", "ACTIVE") for index in description.get("GlobalSecondaryIndexes") or ()]
    return set(states) == {"ACTIVE"}


def _wait(model: type[Model], deadline: float, done: Any, wanted: str) -> dict[str, Any] | None:
    while True:
        with within(max(deadline - time.monotonic(), _POLL_SECONDS)):
            description = _description(model)
        if done(description):
            return description
        if time.monotonic() > deadline:
            raise StorageError(
                f"table {model.Meta.table_name!r} was not {wanted} in time; look at: pipemodels tables status"
            )
        time.sleep(_POLL_SECONDS)


def _turn_on_ttl(model: type[Model]) -> None:
    """Turn TTL on; asked first, because DynamoDB refuses to turn on what is on."""
    name, connection = model.Meta.table_name, model._get_connection().connection

    def turn_on() -> None:
        answer = connection.client._make_api_call("DescribeTimeToLive", {"TableName": name})
        if answer["TimeToLiveDescription"].get("TimeToLiveStatus") in {"ENABLED", "ENABLING"}:
            return
        try:
            model.update_ttl(ignore_update_ttl_errors=False)
        except Exception as error:
            if "already enabled" not in str(error):  # somebody else has turned it on at the same time
                raise

    _sent(model, turn_on, "TTL of table")


def _status(model: type[Model], description: dict[str, Any] | None) -> TableStatus:
    if description is None:
        return TableStatus(model.Meta.table_name, "MISSING")
    differences = tuple(_differences(model, description))
    state = "DIFFERENT" if differences else description["TableStatus"]
    return TableStatus(model.Meta.table_name, state, description.get("ItemCount"), differences)


def _differences(model: type[Model], description: dict[str, Any]) -> Iterator[str]:
    """Yield how a table differs from its model in keys, key types, indexes and projections."""
    schema: Any = model._get_schema()
    types = {one["AttributeName"]: one["AttributeType"] for one in schema["attribute_definitions"]}
    found_types = {one["AttributeName"]: one["AttributeType"] for one in description["AttributeDefinitions"]}
    yield from _key_differences("key", schema["key_schema"], description["KeySchema"], types, found_types)
    found = {index["IndexName"]: index for index in description.get("GlobalSecondaryIndexes") or ()}
    for index in schema["global_secondary_indexes"]:
        name = index["index_name"]
        if name not in found:
            yield f"index {name} is missing"
            continue
        there = found[name]
        yield from _key_differences(f"index {name}", index["key_schema"], there["KeySchema"], types, found_types)
        missing = _projected(index["projection"]) - _projected(there["Projection"])
        if there["Projection"]["ProjectionType"] != "ALL" and missing:
            yield f"index {name} does not project {', '.join(sorted(missing))}"


def _key_differences(
    what: str, wanted: Any, found: Any, types: dict[str, str], found_types: dict[str, str]
) -> Iterator[str]:
    wanted_key, found_key = _key_text(wanted, types), _key_text(found, found_types)
    if wanted_key != found_key:
        yield f"{what} is {found_key}, wanted {wanted_key}"


def _key_text(schema: Any, types: dict[str, str]) -> str:
    parts = sorted((one["KeyType"], one["AttributeName"]) for one in schema)
    return ", ".join(f"{kind} {name} ({types.get(name)})" for kind, name in parts)


def _projected(projection: Any) -> set[str]:
    return set(projection.get("NonKeyAttributes") or ())
