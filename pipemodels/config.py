"""The configuration: which DynamoDB and which tables the models use.

`configure()` sets it for the process, `using()` for the current context (a `ContextVar`: each thread and each asyncio
task has its own). Without either, `DynamoDBConfig.from_env()` is used.
"""

from __future__ import annotations

import logging
import os
import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, fields
from importlib import import_module
from typing import Any

from pipemodels.checks import id_problem, timezone_problem
from pipemodels.endpoints import (
    aws_endpoint,
    configured_endpoint,
    profile_in,
    region_in,
    store_in,
    url_problem,
    without_password,
)
from pipemodels.errors import Problem, ValidationError

_log = logging.getLogger("pipemodels.config")

_PREFIX = r"[A-Za-z0-9_.-]{0,200}"

_REGION = r"(?![0-9]+$)(?!-)[a-z0-9-]{1,60}(?<!-)"


@dataclass(frozen=True, kw_only=True)
class DynamoDBConfig:
    """How to connect to DynamoDB, and which tables to use. Every way to construct it checks all fields.

    Botocore determines the credentials, region and endpoint that are None. The AWS files and variables are not read
    if the access key, region and endpoint are given without a profile, and either the endpoint is on the loopback
    interface or the key is too short for AWS (e.g. `test`).

    Attributes:
        profile_name: a profile in the AWS configuration files.
        endpoint_url: an endpoint other than that of AWS, e.g. `http://127.0.0.1:4566`.
        table_prefix: the text before the base name of each table.
        environment: the default environment of new items.
        user_timezone: the IANA name of the time zone for displaying results and counting days. Items store UTC.
        connect_timeout_seconds: seconds for one attempt to connect to one address.
        read_timeout_seconds: seconds to wait for the next bytes of a reply.
        max_attempts: the largest number of requests that botocore sends for one operation, including the first.
        time_limit_seconds: seconds after which a command or query ends, even if the endpoint hangs or is busy. Failed
            requests are repeated until then, and a pending request is cut off. The limit covers each command and each
            page as a whole. For iterations, `count()` and commands on many items it applies to each step; see
            `docs/runs.md`. It does not cover resolving names and finding credentials. 0 means no limit: only botocore
            repeats requests, and only the two timeouts end them. The plain ORM has no limit.
        clock_skew_seconds: the largest difference between the clocks of machines; a lease counts as expired only
            after this additional time.
        index_shards: the number of partitions over which an index spreads one value. You may increase it once every
            reader uses the larger number; never decrease it.
        wire: whether to read and write items with generated code (the fast path) instead of PynamoDB's.

    Raises:
        ValidationError: one or more fields are invalid; the error lists every problem.
    """

    aws_access_key_id: str | None = field(default=None, repr=False)
    aws_secret_access_key: str | None = field(default=None, repr=False)
    aws_session_token: str | None = field(default=None, repr=False)
    profile_name: str | None = None
    region_name: str | None = None
    endpoint_url: str | None = None
    table_prefix: str = ""
    environment: str | None = None
    user_timezone: str = "UTC"
    max_pool_connections: int = 10
    connect_timeout_seconds: float = 5.0
    read_timeout_seconds: float = 10.0
    max_attempts: int = 4
    time_limit_seconds: float = 30.0
    clock_skew_seconds: float = 5.0
    index_shards: int = 4
    wire: bool = True

    def __post_init__(self) -> None:
        """Check every field."""
        if problems := list(_problems(self)):
            raise ValidationError(problems)

    @classmethod
    def from_env(cls, environ: Mapping[str, str] | None = None, *, store: str | None = None) -> DynamoDBConfig:
        """Return the settings of botocore's variables, the `PIPEMODELS_…` variables, and the AWS files' endpoint.

        The variables of this package are `PIPEMODELS_TABLE_PREFIX`, `PIPEMODELS_ENVIRONMENT`, `PIPEMODELS_TIMEZONE`,
        `PIPEMODELS_INDEX_SHARDS`, `PIPEMODELS_CLOCK_SKEW_SECONDS`, `PIPEMODELS_WIRE` (`on` or `off`), and
        `PIPEMODELS_STORE`: `aws` or an endpoint URL. `PIPEMODELS_STORE` overrides `AWS_ENDPOINT_URL_DYNAMODB`,
        `AWS_ENDPOINT_URL`, and the profile's `services` and `endpoint_url`. Those are ignored if
        `AWS_IGNORE_CONFIGURED_ENDPOINT_URLS` or the profile says so.

        Args:
            environ: the variables; the process's environment if None.
            store: overrides `PIPEMODELS_STORE`.

        Raises:
            ValidationError: a variable has a value that its field rejects, or the store is `local`, which only
                `pipemodels.local.embedded_store()` can open.
        """
        env = {name: value for name, value in (os.environ if environ is None else environ).items() if value}
        return cls(
            aws_access_key_id=env.get("AWS_ACCESS_KEY_ID"),
            aws_secret_access_key=env.get("AWS_SECRET_ACCESS_KEY"),
            aws_session_token=env.get("AWS_SESSION_TOKEN"),
            profile_name=profile_in(env),
            region_name=region_in(env),
            endpoint_url=_endpoint(env, store),
            table_prefix=env.get("PIPEMODELS_TABLE_PREFIX", ""),
            environment=env.get("PIPEMODELS_ENVIRONMENT"),
            user_timezone=env.get("PIPEMODELS_TIMEZONE", "UTC"),
            clock_skew_seconds=number_in(env.get("PIPEMODELS_CLOCK_SKEW_SECONDS", "5")),
            index_shards=number_in(env.get("PIPEMODELS_INDEX_SHARDS", "4")),
            wire=_switch(env.get("PIPEMODELS_WIRE", "on")),
        )

    @classmethod
    def for_local_development(cls, endpoint_url: str = "http://127.0.0.1:4566", **changes: Any) -> DynamoDBConfig:
        """Return a configuration with test credentials for a DynamoDB stand-in, by default on LocalStack's port."""
        local = {
            "aws_access_key_id": "test",
            "aws_secret_access_key": "test",
            "region_name": "us-east-1",
            "environment": "dev",
        }
        return cls(endpoint_url=endpoint_url, **(local | changes))

    def table_name(self, base_name: str) -> str:
        """Return the full name of the table with this base name."""
        return self.table_prefix + base_name


def number_in(text: str) -> Any:
    """Return the number in the text, or the text itself, which the check of the field then rejects."""
    if re.fullmatch(r"[0-9]{1,9}", text):
        return int(text)
    return float(text) if re.fullmatch(r"[0-9]{1,9}\.[0-9]{1,6}", text) else text


def _switch(text: str) -> Any:
    """Return True for `on`, False for `off`, else the text itself, which the check of the field then rejects."""
    return {"on": True, "off": False}.get(text, text)


def _endpoint(env: Mapping[str, str], given: str | None) -> str | None:
    store = store_in(env, given)
    if store is None:
        return None
    if store.url == "aws":
        return aws_endpoint(env) if configured_endpoint(env) else None
    if store.url == "local" or store.url.startswith("local:"):
        raise ValidationError.of(
            "PIPEMODELS_STORE", store.url, "must first be opened with pipemodels.local.embedded_store(directory)"
        )
    return store.url


def _problems(config: DynamoDBConfig) -> Iterator[Problem]:
    for setting in fields(config):
        name, value = setting.name, getattr(config, setting.name)
        if name in _NUMBERS:
            yield from _number_problems(name, value, *_NUMBERS[name])
        elif name == "wire":
            if not isinstance(value, bool):
                yield Problem(name, value, "must be True or False; in the environment, on or off")
        elif not isinstance(value, str) and not (value is None and setting.default is None):
            yield Problem(name, value if setting.repr else "***", "must be text")
        elif value is not None:
            yield from _text_problems(name, value)
    if (config.aws_access_key_id is None) != (config.aws_secret_access_key is None):
        missing = "aws_secret_access_key" if config.aws_access_key_id else "aws_access_key_id"
        yield Problem(missing, None, "must be given too: a key and its secret go together")


_NUMBERS: dict[str, tuple[type, float, float]] = {
    "max_pool_connections": (int, 1, 1_000),
    "connect_timeout_seconds": (float, 0.001, 300),
    "read_timeout_seconds": (float, 0.001, 300),
    "max_attempts": (int, 1, 20),
    "time_limit_seconds": (float, 0, 3_600),
    "clock_skew_seconds": (float, 0, 3_600),
    "index_shards": (int, 1, 1_000),
}


def checked_seconds(name: str, value: Any) -> float:
    """Return the value as a number of seconds to wait.

    Raises:
        ValidationError: the value is not a number from 0.001 to 3600.
    """
    if problems := list(_number_problems(name, value, float, 0.001, 3_600)):
        raise ValidationError(problems)
    return float(value)


def _number_problems(name: str, value: object, kind: type, low: float, high: float) -> Iterator[Problem]:
    expected = "a whole number" if kind is int else "a number of seconds"
    has_type = isinstance(value, int if kind is int else (int, float)) and not isinstance(value, bool)
    if not has_type or not isinstance(value, int | float) or not low <= value <= high:
        yield Problem(name, value, f"must be {expected} from {low} to {high}")


_NEVER_EMPTY = {"aws_access_key_id", "aws_secret_access_key", "aws_session_token", "profile_name"}


def _text_problems(name: str, value: str) -> Iterator[Problem]:
    if not value and name in _NEVER_EMPTY:
        yield Problem(name, value, "must not be empty")
    if name == "endpoint_url" and (reason := url_problem(value)):
        yield Problem(name, without_password(value), reason)
    if name == "table_prefix" and not re.fullmatch(_PREFIX, value):
        yield Problem(name, value, "may contain only letters, digits and _ . -, at most 200 characters")
    if name == "region_name" and not re.fullmatch(_REGION, value):
        yield Problem(name, value, "is not a valid region name, e.g. eu-central-1")
    if name == "environment" and (reason := id_problem(value)):
        yield Problem(name, value, reason)
    if name == "user_timezone" and (reason := timezone_problem(value)):
        yield Problem(name, value, reason)


_process: DynamoDBConfig | None = None

_context: ContextVar[DynamoDBConfig | None] = ContextVar("pipemodels_config", default=None)

_lock = threading.RLock()


def configure(config: DynamoDBConfig | None) -> None:
    """Set the configuration of this process. None removes it, so that the environment is read again."""
    global _process
    with _lock:
        _process = config
    _log.debug("configured: %s", config)


def process_config() -> DynamoDBConfig | None:
    """Return the configuration from `configure()` or already read from the environment, or None."""
    return _process


@contextmanager
def using(config: DynamoDBConfig) -> Iterator[DynamoDBConfig]:
    """Use a configuration inside the block, in the current thread or task only. Blocks can be nested."""
    token = _context.set(config)
    try:
        yield config
    finally:
        _context.reset(token)


def current_config() -> DynamoDBConfig:
    """Return the current configuration: that of `using()`, else of `configure()`, else of the environment."""
    global _process
    config = _context.get() or _process
    if config is None:
        with _lock:
            config = _process = _process or DynamoDBConfig.from_env()
            _log.debug("configuration read from the environment: %s", config)
    return config


def wire_is_on() -> bool:
    """Return whether the current configuration allows the fast path. Does not read the environment."""
    config = _context.get() or _process
    return config is None or config.wire


def _after_fork() -> None:
    """Replace the lock in a child process: another thread of the parent may have held it."""
    global _lock
    _lock = threading.RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)

_MOVED = ("ConfiguredConnection", "connection_of")  # moved to pipemodels.connections; still importable from here


def __getattr__(name: str) -> Any:
    if name in _MOVED:
        return getattr(import_module("pipemodels.connections"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
