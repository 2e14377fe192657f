"""The connection of a configuration: one client, created once, shared by threads, discarded in a forked child."""

from __future__ import annotations

import os
import threading
import time
from typing import Any

import botocore.session
from botocore.config import Config as BotocoreConfig
from botocore.exceptions import NoRegionError, ProfileNotFound
from pynamodb.connection import Connection, TableConnection

from pipemodels import transport
from pipemodels.codecs import facade
from pipemodels.config import DynamoDBConfig
from pipemodels.endpoints import (
    check_configured_endpoint,
    is_loopback,
    needs_no_files,
    profile_in,
    session_of,
    session_without_files,
)
from pipemodels.errors import ValidationError
from pipemodels.translation import translating_errors
from pipemodels.transport import deadlines, limits

_lock = threading.RLock()
_connections: dict[DynamoDBConfig, ConfiguredConnection] = {}


def _session(config: DynamoDBConfig) -> botocore.session.Session:
    if needs_no_files(config.aws_access_key_id, config.region_name, config.endpoint_url, config.profile_name):
        return session_without_files(config.endpoint_url)
    return session_of(config.profile_name or profile_in(os.environ))


class ConfiguredConnection(Connection):
    """PynamoDB's connection with two additions: an AWS profile, and attempts counted as botocore counts them."""

    def __init__(self, config: DynamoDBConfig) -> None:
        super().__init__(
            region=config.region_name,
            host=config.endpoint_url,
            connect_timeout_seconds=config.connect_timeout_seconds,
            read_timeout_seconds=config.read_timeout_seconds,
            max_retry_attempts=config.max_attempts - 1,
            max_pool_connections=config.max_pool_connections,
            aws_access_key_id=config.aws_access_key_id,
            aws_secret_access_key=config.aws_secret_access_key,
            aws_session_token=config.aws_session_token,
        )
        self._config = config
        self._seen: Any = None  # the client that was last set up
        self.lock = threading.RLock()
        self.tables: dict[type, TableConnection] = {}  # by model; the base model adds entries

    @property
    def session(self) -> botocore.session.Session:
        """Return the session of this thread, with the configured profile."""
        if getattr(self._local, "session", None) is None:
            session = _session(self._config)
            if self._config.aws_access_key_id:
                session.set_credentials(
                    self._config.aws_access_key_id,
                    self._config.aws_secret_access_key,
                    self._config.aws_session_token,
                )
            if is_loopback(self._config.endpoint_url):
                # a proxy from the environment cannot reach the loopback interface of this machine
                session.set_default_client_config(BotocoreConfig(proxies={}))
            transport.install(session)
            self._local.session = session
        return self._local.session

    def get_item_attribute_map(
        self, table_name: str, attributes: Any, item_key: str = "Item", pythonic_key: bool = True
    ) -> dict[str, Any]:
        """Return the part of a request that holds an item. An item that is already encoded is used as it is."""
        if facade.is_written(attributes):
            return {item_key: attributes}
        return super().get_item_attribute_map(table_name, attributes, item_key, pythonic_key)

    @property
    def client(self) -> Any:
        """Return the client. PynamoDB creates it on first use, and again as long as it has no credentials."""
        client = super().client
        if client is not self._seen:
            limits.install(client)
            if self._config.wire:
                from pipemodels.transport import gate  # imported late: it loads msgspec and more

                gate.install(client, self.session)
        self._seen = client
        return client


def connection_of(config: DynamoDBConfig) -> ConfiguredConnection:
    """Return the connection (client and pool) of a configuration. It is created once and shared by threads."""
    connection = _connections.get(config)
    if connection is None:
        with _lock:
            connection = _connections.get(config)
            if connection is None:
                began = time.monotonic()
                connection = _connections[config] = _connect(config)
                deadlines.postpone(time.monotonic() - began)  # time limits do not cover making the client
    return connection


def _connect(config: DynamoDBConfig) -> ConfiguredConnection:
    """Create a connection and its client. Creating a client is not thread-safe. Makes no request.

    Raises:
        ValidationError: the region is missing, or the profile does not exist.
        StorageError: the credentials or the AWS configuration files cannot be used.
    """
    connection = ConfiguredConnection(config)
    with translating_errors("the connection"):
        _make_client(connection, config)
    return connection


def _make_client(connection: ConfiguredConnection, config: DynamoDBConfig) -> None:
    if config.endpoint_url is None:
        check_configured_endpoint(os.environ)
    try:
        connection.client  # noqa: B018  # PynamoDB creates the client on first access
    except NoRegionError:
        raise ValidationError.of("region_name", None, "is required: set AWS_REGION, e.g. eu-central-1") from None
    except ProfileNotFound:
        profile = config.profile_name or profile_in(os.environ)
        raise ValidationError.of("profile_name", profile, "is not in the AWS configuration files") from None


def _after_fork() -> None:
    """Discard the parent's connections and lock in a child process: sockets must not be shared."""
    global _lock
    _lock = threading.RLock()
    _connections.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
