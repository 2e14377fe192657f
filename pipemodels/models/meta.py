"""What a model's `Meta` may contain: the table's name and how to create it, but not how to reach DynamoDB."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from functools import cache
from typing import Any

from pynamodb import settings
from pynamodb.constants import AVAILABLE_BILLING_MODES, PAY_PER_REQUEST_BILLING_MODE, PROVISIONED_BILLING_MODE
from pynamodb.settings import get_settings_value

from pipemodels.config import current_config
from pipemodels.errors import Problem, ValidationError

_log = logging.getLogger("pipemodels.models")

REFUSED: dict[str, str] = {
    "host": "DynamoDBConfig(endpoint_url=…)",
    "region": "DynamoDBConfig(region_name=…)",
    "aws_access_key_id": "DynamoDBConfig(aws_access_key_id=…), or botocore's own credentials",
    "aws_secret_access_key": "DynamoDBConfig(aws_secret_access_key=…), or botocore's own credentials",
    "aws_session_token": "DynamoDBConfig(aws_session_token=…), or botocore's own credentials",
    "connect_timeout_seconds": "DynamoDBConfig(connect_timeout_seconds=…)",
    "read_timeout_seconds": "DynamoDBConfig(read_timeout_seconds=…)",
    "request_timeout_seconds": "DynamoDBConfig(read_timeout_seconds=…)",
    "max_retry_attempts": "DynamoDBConfig(max_attempts=…), which counts the first request too",
    "retry_configuration": "DynamoDBConfig(max_attempts=…), which counts the first request too",
    "base_backoff_ms": "botocore's own backoff, which cannot be set",
    "max_pool_connections": "DynamoDBConfig(max_pool_connections=…)",
    "extra_headers": "a handler of botocore's event before-sign.dynamodb, registered with the client",
    "session_cls": "the sessions of botocore, which cannot be replaced",
}
"""Settings of PynamoDB that a model cannot have, and where each belongs."""

_FILLED_IN = (
    "region", "host", "connect_timeout_seconds", "read_timeout_seconds", "max_retry_attempts", "max_pool_connections",
    "extra_headers", "aws_access_key_id", "aws_secret_access_key", "aws_session_token",
)  # fmt: skip
_SECRET = {"aws_access_key_id", "aws_secret_access_key", "aws_session_token", "extra_headers"}
_UNITS = ("read_capacity_units", "write_capacity_units")


class ConfiguredMeta(type):
    """The class of `Meta`: its table name, endpoint and timeouts come from the current configuration."""

    base_name: str

    def __getattr__(cls, name: str) -> Any:
        if name in {"base_name", "table_name"}:
            raise AttributeError(f"{cls.__qualname__} does not name a table: give it base_name = '…' (or table_name)")
        raise AttributeError(f"type object {cls.__qualname__!r} has no attribute {name!r}")

    def __setattr__(cls, name: str, value: Any) -> None:
        if name == "table_name":
            raise ValidationError.of(
                f"{cls.__qualname__}.table_name",
                value,
                "cannot be set: it is DynamoDBConfig's table_prefix and base_name",
            )
        if name in REFUSED:
            raise ValidationError([_refusal(cls.__qualname__, name, value)])
        super().__setattr__(name, value)

    @property
    def table_name(cls) -> str:
        """The table name: the configured prefix and the base name."""
        return current_config().table_name(cls.base_name)

    @property
    def region(cls) -> str | None:
        """The configured region."""
        return current_config().region_name

    @property
    def host(cls) -> str | None:
        """The configured endpoint."""
        return current_config().endpoint_url

    @property
    def connect_timeout_seconds(cls) -> float:
        """The configured timeout of one attempt to connect."""
        return current_config().connect_timeout_seconds

    @property
    def read_timeout_seconds(cls) -> float:
        """The configured timeout of one reply."""
        return current_config().read_timeout_seconds

    @property
    def max_retry_attempts(cls) -> int:
        """The most retries of a request, and of the unprocessed items of PynamoDB's batches."""
        return current_config().max_attempts - 1

    @property
    def max_pool_connections(cls) -> int:
        """The configured size of the connection pool."""
        return current_config().max_pool_connections

    @property
    def extra_headers(cls) -> None:
        """None: a model cannot add headers."""
        return


class ConfiguredTable(metaclass=ConfiguredMeta):
    """The base class of `Meta`: `base_name` is the table's name without the configured prefix.

    A `Meta` without this base class gets it; its `table_name` is then the base name.
    """

    base_name: str
    billing_mode = PAY_PER_REQUEST_BILLING_MODE


@cache
def warn_of_settings_file() -> None:
    """Warn once if PynamoDB's settings file has settings that models on our base do not read."""
    if names := [name for name in REFUSED if hasattr(settings.override_settings, name)]:
        _log.warning(
            "models of pipemodels do not read %s from PynamoDB's settings file %s: use DynamoDBConfig",
            ", ".join(names),
            settings.OVERRIDE_SETTINGS_PATH,
        )


def configured(model: str, meta: Any) -> Any:
    """Return the `Meta` of a model as a `ConfiguredTable`.

    Raises:
        ValidationError: it has settings that belong in the configuration, or that contradict each other; with all of
            them.
    """
    if not isinstance(meta, type):
        raise TypeError(f"{model}.Meta must be a class, not {meta!r}")
    given = _given(meta)
    problems = [_refusal(f"{model}.Meta", name, given[name]) for name in REFUSED if given.get(name) is not None]
    problems += _name_problems(f"{model}.Meta", given)
    problems += _capacity_problems(f"{model}.Meta", given)
    if problems:
        raise ValidationError(problems)
    table: Any = meta
    if not isinstance(meta, ConfiguredMeta):
        names = {"__module__": meta.__module__, "__qualname__": meta.__qualname__, "__doc__": meta.__doc__}
        table = ConfiguredMeta(meta.__name__, (meta, ConfiguredTable), names)
    if given.get("base_name") is None and given.get("table_name") is not None:
        table.base_name = given["table_name"]
    if given.get("billing_mode") is None and any(given.get(name) is not None for name in _UNITS):
        table.billing_mode = PROVISIONED_BILLING_MODE
    return table


def _given(meta: type) -> dict[str, Any]:
    """Return the settings of a `Meta` and its base classes; the table's name is that of the nearest class."""
    given: dict[str, Any] = {}
    is_filled_in = set(_FILLED_IN).issubset(name for base in meta.__mro__ for name in vars(base))
    for base in meta.__mro__:
        if base in (object, ConfiguredTable):
            continue
        own = {name: value for name, value in vars(base).items() if not (is_filled_in and _is_default(name, value))}
        if given.keys() & {"base_name", "table_name"}:
            own = {name: value for name, value in own.items() if name not in {"base_name", "table_name"}}
        given = own | given
    return given


def _is_default(name: str, value: Any) -> bool:
    """Return whether this is a default that PynamoDB has added to the `Meta` of one of its models."""
    return name in _FILLED_IN and bool(value == get_settings_value(name))


def _refusal(where: str, name: str, value: Any) -> Problem:
    shown = "***" if name in _SECRET else value
    if isinstance(shown, str):
        shown = re.sub(r".*@", "***@", shown, flags=re.DOTALL)  # never show a password in a URL
    return Problem(f"{where}.{name}", shown, f"cannot be set by a model: delete it and use {REFUSED[name]}")


def _name_problems(where: str, given: dict[str, Any]) -> Iterator[Problem]:
    names = {name: given[name] for name in ("base_name", "table_name") if given.get(name) is not None}
    for name, value in names.items():
        if not isinstance(value, str) or not value:
            yield Problem(f"{where}.{name}", value, "must be text that is not empty")
    if len(set(map(str, names.values()))) > 1:
        yield Problem(f"{where}.table_name", given["table_name"], f"contradicts base_name {given['base_name']!r}")


def _capacity_problems(where: str, given: dict[str, Any]) -> Iterator[Problem]:
    units = {name: given[name] for name in _UNITS if given.get(name) is not None}
    billing_mode = given.get("billing_mode")
    if billing_mode is not None and billing_mode not in AVAILABLE_BILLING_MODES:
        choices = ", ".join(AVAILABLE_BILLING_MODES)
        yield Problem(f"{where}.billing_mode", billing_mode, f"must be one of: {choices}")
    for name, value in units.items():
        if billing_mode == PAY_PER_REQUEST_BILLING_MODE:
            yield Problem(f"{where}.{name}", value, "contradicts billing_mode PAY_PER_REQUEST: delete one of them")
    for name in _UNITS if len(units) == 1 else ():
        if name not in units:
            yield Problem(f"{where}.{name}", None, "must be given too: read and write units go together")


def billing_mode_for(model: Any, units: dict[str, int], billing_mode: str | None) -> str:
    """Return the billing mode for a new table with these capacity units, or with those of its `Meta`.

    Raises:
        ValidationError: the billing mode contradicts the capacity units, which PynamoDB would silently ignore.
    """
    given = _given(model.Meta) if hasattr(model, "Meta") else {}
    mode = billing_mode or given.get("billing_mode")
    if mode is None:
        mode = PROVISIONED_BILLING_MODE if units else PAY_PER_REQUEST_BILLING_MODE
    if problems := list(_capacity_problems("create_table", given | units | {"billing_mode": mode})):
        raise ValidationError(problems)
    if mode == PAY_PER_REQUEST_BILLING_MODE:
        for index in model._indexes.values():
            if any(hasattr(index.Meta, name) for name in _UNITS):
                _log.warning(
                    "table %s is paid per request: the capacity units of its index %s are not used",
                    model.Meta.table_name,
                    index.Meta.index_name,
                )
    return str(mode)
