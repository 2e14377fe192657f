"""Which DynamoDB, and which tables, the models speak to.

`configure()` chooses for the process, `using()` for the current context (a `ContextVar`: each thread and each
asyncio task has its own). An unconfigured process falls back to `DynamoDBConfig.from_env()` at first use.
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
    """How to reach DynamoDB and which tables to use; checked when it is made, however it is made.

    What is None is left to botocore: its credential chain, its region, its endpoint. Where the access key, the
    region and an endpoint are given, no profile is named, and the endpoint is on the loopback interface or the key
    is none of AWS's (`test`), the AWS files and variables are not read at all.

    Attributes:
        profile_name: a profile of the AWS configuration files.
        endpoint_url: another endpoint than AWS's, e.g. `http://127.0.0.1:4566`.
        table_prefix: a table's name is this and its base name, nothing else.
        environment: the environment of items that are created without one.
        user_timezone: IANA name; in it results are shown and days are counted. Stored is always UTC.
        connect_timeout_seconds: seconds for one attempt to connect to one address.
        read_timeout_seconds: seconds to wait for the next bytes of a reply.
        max_attempts: requests at the most that botocore sends for one operation, the first included.
        time_limit_seconds: seconds after which a command or a query ends, even if the endpoint hangs or is busy. Its
            requests are repeated until then, and a request under way is cut off. The limit covers each command and
            each page as a whole. Iterations, `count()` and commands on many items have it for each step; see
            `docs/runs.md`. Resolving names and finding credentials are not covered. 0 sets no limit: only botocore
            repeats requests, and only the two timeouts end them. The plain ORM has no limit.
        clock_skew_seconds: by how much clocks of machines may differ: no lease counts as expired before that.
        index_shards: over how many partitions an index spreads one value. It may grow, once every reader
            has the larger number; it must never shrink.
        wire: read and write items by compiled code; False does it step by step, as PynamoDB does.

    Raises:
        ValidationError: with every problem at once.
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
        """Read botocore's own variables and `PIPEMODELS_…`, and the endpoint that the AWS files name.

        `PIPEMODELS_TABLE_PREFIX`, `PIPEMODELS_ENVIRONMENT`, `PIPEMODELS_TIMEZONE`, `PIPEMODELS_INDEX_SHARDS`,
        `PIPEMODELS_CLOCK_SKEW_SECONDS`, `PIPEMODELS_WIRE` (`on` or `off`), and `PIPEMODELS_STORE`: `aws` or an
        endpoint URL, which wins over `AWS_ENDPOINT_URL_DYNAMODB`, `AWS_ENDPOINT_URL` and the profile's `services`
        and `endpoint_url`. These are passed over where `AWS_IGNORE_CONFIGURED_ENDPOINT_URLS` or the profile says so.

        Args:
            environ: the variables; the process's own if None.
            store: wins over `PIPEMODELS_STORE`.

        Raises:
            ValidationError: a variable holds what its field refuses, or the store is `local`, which only
                `pipemodels.local.embedded_store()` opens.
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
        """Speak to a DynamoDB stand-in (LocalStack's port, unless told otherwise) with test credentials."""
        local = {
            "aws_access_key_id": "test",
            "aws_secret_access_key": "test",
            "region_name": "us-east-1",
            "environment": "dev",
        }
        return cls(endpoint_url=endpoint_url, **(local | changes))

    def table_name(self, base_name: str) -> str:
        """Return the name of the table with this base name."""
        return self.table_prefix + base_name


def number_in(text: str) -> Any:
    """Return the number that the text is, or the text itself, which its field then refuses with the others."""
    if re.fullmatch(r"[0-9]{1,9}", text):
        return int(text)
    return float(text) if re.fullmatch(r"[0-9]{1,9}\.[0-9]{1,6}", text) else text


def _switch(text: str) -> Any:
    """Return what a switch says, or the text itself, which its field then refuses with the others."""
    return {"on": True, "off": False}.get(text, text)


def _endpoint(env: Mapping[str, str], given: str | None) -> str | None:
    store = store_in(env, given)
    if store is None:
        return None
    if store.url == "aws":
        return aws_endpoint(env) if configured_endpoint(env) else None
    if store.url == "local" or store.url.startswith("local:"):
        raise ValidationError.of(
            "PIPEMODELS_STORE", store.url, "must be opened first: with pipemodels.local.embedded_store(directory)"
        )
    return store.url


def _problems(config: DynamoDBConfig) -> Iterator[Problem]:
    for one in fields(config):
        value = getattr(config, one.name)
        if one.name in _NUMBERS:
            yield from _number_problems(one.name, value, *_NUMBERS[one.name])
        elif one.name == "wire":
            if not isinstance(value, bool):
                yield Problem(one.name, value, "must be True or False; in the environment, on or off")
        elif not isinstance(value, str) and not (value is None and one.default is None):
            yield Problem(one.name, value if one.repr else "***", "must be text")
        elif value is not None:
            yield from _text_problems(one.name, value)
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
    """Return a number of seconds to wait for something.

    Raises:
        ValidationError: it is none.
    """
    if problems := list(_number_problems(name, value, float, 0.001, 3_600)):
        raise ValidationError(problems)
    return float(value)


def _number_problems(name: str, value: object, kind: type, low: float, high: float) -> Iterator[Problem]:
    wanted = "a whole number" if kind is int else "a number of seconds"
    right = isinstance(value, int if kind is int else (int, float)) and not isinstance(value, bool)
    if not right or not isinstance(value, int | float) or not low <= value <= high:
        yield Problem(name, value, f"must be {wanted} from {low} to {high}")


_NEVER_EMPTY = {"aws_access_key_id", "aws_secret_access_key", "aws_session_token", "profile_name"}


def _text_problems(name: str, value: str) -> Iterator[Problem]:
    if not value and name in _NEVER_EMPTY:
        yield Problem(name, value, "must not be empty")
    if name == "endpoint_url" and (reason := url_problem(value)):
        yield Problem(name, without_password(value), reason)
    if name == "table_prefix" and not re.fullmatch(_PREFIX, value):
        yield Problem(name, value, "may hold up to 200 letters, digits and _ . - only")
    if name == "region_name" and not re.fullmatch(_REGION, value):
        yield Problem(name, value, "is no region name, e.g. eu-central-1")
    if name == "environment" and (reason := id_problem(value)):
        yield Problem(name, value, reason)
    if name == "user_timezone" and (reason := timezone_problem(value)):
        yield Problem(name, value, reason)


_process: DynamoDBConfig | None = None

_context: ContextVar[DynamoDBConfig | None] = ContextVar("pipemodels_config", default=None)

_lock = threading.RLock()


def configure(config: DynamoDBConfig | None) -> None:
    """Choose the configuration of this process; None forgets it, so that the environment is read anew."""
    global _process
    with _lock:
        _process = config
    _log.debug("configured: %s", config)


def process_config() -> DynamoDBConfig | None:
    """Return what `configure()` chose, or what was read from the environment; None where neither was done."""
    return _process


@contextmanager
def using(config: DynamoDBConfig) -> Iterator[DynamoDBConfig]:
    """Use this configuration inside the block: in this thread or task only, and nesting."""
    token = _context.set(config)
    try:
        yield config
    finally:
        _context.reset(token)


def current_config() -> DynamoDBConfig:
    """Return the configuration in force: that of `using()`, else of `configure()`, else of the environment."""
    global _process
    config = _context.get() or _process
    if config is None:
        with _lock:
            config = _process = _process or DynamoDBConfig.from_env()
            _log.debug("the environment says: %s", config)
    return config


def wire_is_on() -> bool:
    """Say whether the configuration in force leaves the wire on; where none is yet, the environment is not read."""
    config = _context.get() or _process
    return config is None or config.wire


def _after_fork() -> None:
    """A child must not wait for a lock that another thread of its parent held."""
    global _lock
    _lock = threading.RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)

_MOVED = ("ConfiguredConnection", "connection_of")  # they have been importable from here


def __getattr__(name: str) -> Any:
    if name in _MOVED:
        return getattr(import_module("pipemodels.connections"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
