"""Open the store that `--store`, the environment or the default names."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any
from zoneinfo import ZoneInfo

import typer

from pipemodels.cli.options import Options
from pipemodels.config import DynamoDBConfig, using
from pipemodels.endpoints import ProfileSettings, is_loopback, profile_in, region_in, store_in, without_password
from pipemodels.errors import ValidationError
from pipemodels.schema import create_tables

DEFAULT_DIRECTORY = ".pipemodels"
_log = logging.getLogger("pipemodels.cli")
_CONNECT_SECONDS = 2.0
_READ_SECONDS = 5.0
_ATTEMPTS = 2  # of requests to an endpoint URL; for AWS the configuration's value applies


@dataclass(frozen=True)
class Store:
    """An open store."""

    name: str
    config: DynamoDBConfig
    options: Options

    @property
    def zone(self) -> ZoneInfo:
        """The time zone in which times are shown."""
        return ZoneInfo(self.config.user_timezone)


@contextmanager
def opened(options: Options, *, with_tables: bool = True) -> Iterator[Store]:
    """Open the store and use it in the block; an embedded store is saved when the block ends.

    Args:
        options: the options of the command line.
        with_tables: create the missing tables of an embedded store.

    Raises:
        typer.BadParameter: the name is not that of a store.
        PipemodelsError: the store cannot be opened or saved.
    """
    name = store_name(options)
    _log.info("the store is %s", without_password(name))
    if name == "local" or name.startswith("local:"):
        with embedded(name, options) as store:
            if with_tables:
                create_tables()
            yield store
    else:
        with using(_remote_config(name, options)) as config:
            yield Store(name, config, options)


def store_name(options: Options) -> str:
    """Return the name of the store to use; `local` by default."""
    store = store_in(options.environ, options.store)
    return store.url if store else "local"


@contextmanager
def embedded(name: str, options: Options) -> Iterator[Store]:
    """Open the embedded store `local` or `local:DIR`, without creating tables."""
    from pipemodels.local import embedded_store  # needs the extra `local`

    directory = name.partition(":")[2] or DEFAULT_DIRECTORY
    if name != "local" and not name.partition(":")[2].strip():
        raise typer.BadParameter(
            f"{name!r} does not name a directory: write local:DIR, or local", param_hint=_source(options)
        )
    with embedded_store(directory, **_embedded_settings(options.environ)) as config, using(config):
        yield Store(f"local:{directory}", config, options)


def _embedded_settings(environ: Mapping[str, str]) -> dict[str, Any]:
    """Return the settings from the environment, without the connection, which the embedded store makes itself."""
    ours = {name: text for name, text in environ.items() if name.startswith("PIPEMODELS_")}
    ours.pop("PIPEMODELS_STORE", None)
    config = DynamoDBConfig.from_env(ours)
    settings = {"table_prefix": config.table_prefix, "user_timezone": config.user_timezone}
    settings |= {"environment": config.environment} if config.environment else {}
    return {**settings, "index_shards": config.index_shards}


def _remote_config(name: str, options: Options) -> DynamoDBConfig:
    environ = options.environ
    if name != "aws":
        _require_url(name, options)
        environ = {**environ, **_test_credentials(name, environ)}
    try:
        config = DynamoDBConfig.from_env(environ, store=name)
    except ValidationError as error:
        if any(problem.field == "endpoint_url" for problem in error.problems):
            raise typer.BadParameter(str(error), param_hint=_source(options)) from error
        raise
    config = replace(config, connect_timeout_seconds=_CONNECT_SECONDS)
    return config if name == "aws" else replace(config, max_attempts=_ATTEMPTS, read_timeout_seconds=_READ_SECONDS)


def _require_url(name: str, options: Options) -> None:
    if "://" not in name:
        stores = "local, local:DIR, aws, or an endpoint URL, e.g. http://127.0.0.1:4566"
        raise typer.BadParameter(
            f"{without_password(name)!r} is not a store: use {stores}", param_hint=_source(options)
        )


def _source(options: Options) -> str:
    """Return the option or the variable that names the store."""
    store = store_in(options.environ, options.store)
    return store.source if store else "--store"


def _test_credentials(endpoint_url: str, environ: Mapping[str, str]) -> dict[str, str]:
    """Return credentials and a region for a DynamoDB emulator on this machine, if the environment has none."""
    if not is_loopback(endpoint_url) or environ.get("AWS_ACCESS_KEY_ID") or profile_in(environ):
        return {}
    profile = ProfileSettings.of(environ)
    region = region_in(environ) or profile.region or "us-east-1"
    keys = {} if profile.has_credentials else {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
    return {**keys, "AWS_REGION": region}
