"""Create the tables, report their state, and drop them.

The configuration's `time_limit_seconds` covers each request with its retries. `timeout_seconds` covers the time until
DynamoDB has created or deleted the tables, which may take minutes.
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
    """The state of a table: whether it exists and matches its model, and its number of items.

    `state` is DynamoDB's table status (`ACTIVE`, `CREATING`, …), `MISSING`, or `DIFFERENT` with `differences`.
    `items` is DynamoDB's own count, which may be six hours old.
    """

    name: str
    state: str
    items: int | None = None
    differences: tuple[str, ...] = ()


def create_tables(models: Sequence[type[Model]] = MODELS, *, timeout_seconds: float = 120.0) -> list[TableStatus]:
    """Create the missing tables and wait until all tables are active; safe to repeat and to call concurrently.

    All existing tables are compared with their models before any table is created.

    Raises:
        ValidationError: a table with this name has different keys or indexes. The error names the differences; use
            another table prefix.
        StorageError: a table did not become active in time.
    """
    found = {model: _description(model) for model in models}
    for model, description in found.items():
        if description and (differences := list(_differences(model, description))):
            raise ValidationError.of(
                "table",
                description["TableName"],
                f"exists, but differs from the model: {'; '.join(differences)}; use another table prefix",
            )
    for model in (model for model, description in found.items() if description is None):
        _create(model)
    deadline = time.monotonic() + timeout_seconds
    return [_wait_until_active(model, deadline) for model in models]


def table_status(models: Sequence[type[Model]] = MODELS) -> list[TableStatus]:
    """Return the state of each table. Makes one request for each table."""
    return [_status(model, _description(model)) for model in models]


def drop_tables(models: Sequence[type[Model]] = MODELS, *, timeout_seconds: float = 120.0) -> list[str]:
    """Delete the models' tables with all their items, wait until they are gone, and return their names.

    If a table differs from its model, it belongs to someone else, and no table is deleted.

    Raises:
        ValidationError: a table with this name has different keys or indexes.
    """
    found = {model: _description(model) for model in models}
    for model, description in found.items():
        if description and (differences := list(_differences(model, description))):
            reason = (
                f"differs from the model, so nothing was deleted: {'; '.join(differences)}; check the table prefix"
            )
            raise ValidationError.of("table", description["TableName"], reason)
    dropped = [model for model, description in found.items() if description]
    for model in dropped:
        _drop(model)
    deadline = time.monotonic() + timeout_seconds
    for model in dropped:
        _wait(model, deadline, lambda description: description is None, "deleted")
    return [model.Meta.table_name for model in dropped]


def _sent(model: type[Model], work: Callable[[], _T], subject: str = "table") -> _T:
    name = model.Meta.table_name
    return sent(work, subject=f"{subject} {name!r}", table=name)


def _create(model: type[Model]) -> None:
    def create() -> None:
        try:
            model.create_table()
        except Exception as error:
            # another process is creating the table, or the reply to the first attempt was lost
            if _code(error) != "ResourceInUseException":
                raise

    _sent(model, create)


@with_deadline
def _drop(model: type[Model]) -> None:
    def drop() -> None:
        try:
            model._get_connection().delete_table()
        except Exception as error:
            # another process is deleting the table, or the reply to the first attempt was lost
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
    """Return the table's current description, or None if it does not exist. It is not cached."""

    def describe() -> dict[str, Any] | None:
        try:
            description: dict[str, Any] = model._get_connection().describe_table()
        except TableDoesNotExist:
            return None
        return description

    return _sent(model, describe)


def _wait_until_active(model: type[Model], deadline: float) -> TableStatus:
    description = _wait(model, deadline, _is_active, "active")
    if any(isinstance(attribute, TTLAttribute) for attribute in model.get_attributes().values()):
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
            name = model.Meta.table_name
            raise StorageError(f"table {name!r} was not {wanted} in time; to see its state: pipemodels tables status")
        time.sleep(_POLL_SECONDS)


def _turn_on_ttl(model: type[Model]) -> None:
    """Turn TTL on, unless it is on already: DynamoDB refuses to turn it on twice."""
    name, connection = model.Meta.table_name, model._get_connection().connection

    def turn_on() -> None:
        answer = connection.client._make_api_call("DescribeTimeToLive", {"TableName": name})
        if answer["TimeToLiveDescription"].get("TimeToLiveStatus") in {"ENABLED", "ENABLING"}:
            return
        try:
            model.update_ttl(ignore_update_ttl_errors=False)
        except Exception as error:
            if "already enabled" not in str(error):  # another process has turned it on meanwhile
                raise

    _sent(model, turn_on, "TTL of table")


def _status(model: type[Model], description: dict[str, Any] | None) -> TableStatus:
    if description is None:
        return TableStatus(model.Meta.table_name, "MISSING")
    differences = tuple(_differences(model, description))
    state = "DIFFERENT" if differences else description["TableStatus"]
    return TableStatus(model.Meta.table_name, state, description.get("ItemCount"), differences)


def _differences(model: type[Model], description: dict[str, Any]) -> Iterator[str]:
    """Yield the differences between a table and its model in keys, key types, indexes and projections."""
    schema: Any = model._get_schema()
    types = _types(schema["attribute_definitions"])
    found_types = _types(description["AttributeDefinitions"])
    yield from _key_differences("key", schema["key_schema"], description["KeySchema"], types, found_types)
    found = {index["IndexName"]: index for index in description.get("GlobalSecondaryIndexes") or ()}
    for index in schema["global_secondary_indexes"]:
        name = index["index_name"]
        if name not in found:
            yield f"index {name} is missing"
            continue
        existing = found[name]
        yield from _key_differences(f"index {name}", index["key_schema"], existing["KeySchema"], types, found_types)
        missing = _projected(index["projection"]) - _projected(existing["Projection"])
        if existing["Projection"]["ProjectionType"] != "ALL" and missing:
            yield f"index {name} does not project {', '.join(sorted(missing))}"


def _types(definitions: Sequence[dict[str, str]]) -> dict[str, str]:
    return {definition["AttributeName"]: definition["AttributeType"] for definition in definitions}


def _key_differences(
    subject: str, wanted: Any, found: Any, types: dict[str, str], found_types: dict[str, str]
) -> Iterator[str]:
    wanted_key, found_key = _key_text(wanted, types), _key_text(found, found_types)
    if wanted_key != found_key:
        yield f"{subject} is {found_key}, expected {wanted_key}"


def _key_text(schema: Any, types: dict[str, str]) -> str:
    parts = sorted((element["KeyType"], element["AttributeName"]) for element in schema)
    return ", ".join(f"{kind} {name} ({types.get(name)})" for kind, name in parts)


def _projected(projection: Any) -> set[str]:
    return set(projection.get("NonKeyAttributes") or ())
