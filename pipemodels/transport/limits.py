"""The deadline of a client: it ends connecting, TLS handshakes, sending, reading, and pauses between attempts.

The two timeouts of botocore limit a single wait, so an endpoint that sends a byte now and then may keep a request
waiting forever, and attempts add up. Here no attempt starts after the deadline, by handlers of botocore's events, and
no wait on a connection continues after it, by connection classes installed in the pools of the client. Without a
deadline (the plain ORM) nothing changes.
"""

from __future__ import annotations

import io
import logging
import socket
import sys
from collections.abc import Callable
from typing import Any

from botocore.awsrequest import AWSHTTPConnection, AWSHTTPConnectionPool, AWSHTTPSConnection, AWSHTTPSConnectionPool
from urllib3.connection import HTTPConnection
from urllib3.exceptions import ConnectTimeoutError as Urllib3ConnectTimeoutError
from urllib3.exceptions import NewConnectionError
from urllib3.util.connection import allowed_gai_family

from pipemodels.transport import deadlines
from pipemodels.transport.errors import TimeIsUpError

_log = logging.getLogger("pipemodels.transport")

_LONGEST_PAUSE = 20.0  # as in botocore, which waits up to 2 ** n seconds after attempt n, and at most this long

_GRACE = 0.05  # seconds after the deadline during which received bytes are still read

_ASKED_FOR = 5.0  # seconds that a reply may add to the pause


def install(client: Any) -> None:
    """Make a botocore client observe the current deadline."""
    events, service = client.meta.events, client.meta.service_model.service_id.hyphenize()
    endpoint_url = client.meta.endpoint_url

    def refuse(**_: Any) -> None:
        refuse_after_the_deadline(endpoint_url)

    events.register_first(f"before-send.{service}", refuse)
    events.register_first(f"needs-retry.{service}", stop_attempts)
    _install_pools(client)


def refuse_after_the_deadline(endpoint_url: str) -> None:
    """Check that the deadline has not passed.

    Raises:
        TimeIsUpError: it has; the request was not sent.
    """
    left = deadlines.seconds_left()
    if left is not None and left <= 0:
        raise TimeIsUpError(endpoint_url=endpoint_url)


def stop_attempts(*, attempts: int, **_: Any) -> bool | None:
    """Return False, which ends botocore's attempts, if its next pause could outlast the deadline, else None.

    Commands and queries then repeat the request themselves until the deadline.
    """
    left = deadlines.seconds_left()
    if left is None or left >= min(2.0**attempts, _LONGEST_PAUSE) + _ASKED_FOR:
        return None
    return False


# -- connections ----------------------------------------------------------------------------------------------------


class LimitedSocket:
    """A socket whose waits end at the deadline; it has all attributes of the wrapped socket, as TLS needs."""

    def __init__(self, sock: Any) -> None:
        self._sock = sock

    def __getattr__(self, name: str) -> Any:
        if name == "_sock":
            raise AttributeError(name)
        return getattr(self._sock, name)

    def gettimeout(self) -> float | None:
        """Return the timeout of the next wait; the TLS handshake uses it."""
        self._shorten()
        timeout: float | None = self._sock.gettimeout()
        return timeout

    def sendall(self, data: Any, flags: int = 0) -> None:
        """Send all data; one deadline holds for all chunks."""
        view = memoryview(data).cast("B")
        while view:
            self._begin()
            view = view[self._sock.send(view) :]

    def recv(self, size: int, flags: int = 0) -> bytes:
        """Receive at most `size` bytes."""
        self._begin()
        received: bytes = self._sock.recv(size)
        return received

    def makefile(self, mode: str = "rb", buffering: int | None = None, **_: Any) -> io.BufferedReader:
        """Return a file that reads from the socket."""
        size = io.DEFAULT_BUFFER_SIZE if buffering is None or buffering < 2 else buffering
        return io.BufferedReader(_Reader(self._sock.makefile(mode, 0), self._begin), size)

    def _begin(self) -> None:
        """Prepare to send or receive. The check also ends a stream of bytes that never has to wait.

        Raises:
            TimeoutError: the deadline, and the grace time for received bytes, have passed.
        """
        left = deadlines.seconds_left()
        if left is not None and left < -_GRACE:
            raise TimeoutError("timed out")
        self._shorten()

    def _shorten(self) -> None:
        timeout = self._sock.gettimeout()
        shorter = deadlines.shortened(timeout)
        if shorter != timeout:
            self._sock.settimeout(shorter)


class _Reader(io.RawIOBase):
    """The unbuffered file of a socket; it calls `begin` before each read."""

    def __init__(self, raw: Any, begin: Callable[[], None]) -> None:
        self._raw, self._begin = raw, begin

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        self._begin()
        size: int | None = self._raw.readinto(buffer)
        return size

    def close(self) -> None:
        if not self.closed:
            self._raw.close()
        super().close()


class _Limited(HTTPConnection):
    """A connection of urllib3 with a `LimitedSocket`; all addresses of a host share the remaining time."""

    @property
    def timeout(self) -> Any:
        """The timeout of a single wait."""
        return deadlines.shortened(self._timeout)

    @timeout.setter
    def timeout(self, value: float | None) -> None:
        self._timeout = value

    def _new_conn(self) -> Any:
        try:
            host, family = self._dns_host.strip("[]"), allowed_gai_family()
            found = socket.getaddrinfo(host, self.port, family, socket.SOCK_STREAM)
        except (OSError, UnicodeError):
            return super()._new_conn()  # which raises its own error
        error: Exception | None = None
        for family, kind, protocol, _, address in found:
            try:
                connected = self._connected(socket.socket(family, kind, protocol), address)
            except OSError as failed:
                error = failed
            else:
                sys.audit("http.client.connect", self, self.host, self.port)
                return LimitedSocket(connected)
        if isinstance(error, TimeoutError):
            raise Urllib3ConnectTimeoutError(self, f"Connection to {self.host} timed out") from error
        raise NewConnectionError(self, f"Failed to establish a new connection: {error}") from error

    def _connected(self, sock: socket.socket, address: Any) -> socket.socket:
        try:
            for option in self.socket_options or ():
                sock.setsockopt(*option)
            sock.settimeout(self.timeout)
            if self.source_address:
                sock.bind(self.source_address)
            sock.connect(address)
        except BaseException:
            sock.close()
            raise
        return sock

    def connect(self) -> None:
        """Connect; TLS replaces the socket, so wrap the new one."""
        super().connect()
        if not isinstance(self.sock, LimitedSocket):
            self.sock = LimitedSocket(self.sock)


class LimitedHTTPConnection(_Limited, AWSHTTPConnection):  # type: ignore[misc]  # botocore carries no types
    """A connection of botocore whose waits end at the deadline."""


class LimitedHTTPSConnection(_Limited, AWSHTTPSConnection):  # type: ignore[misc]  # botocore carries no types
    """A TLS connection of botocore whose waits end at the deadline."""


class LimitedHTTPPool(AWSHTTPConnectionPool):  # type: ignore[misc]  # botocore carries no types
    """A pool of `LimitedHTTPConnection`."""

    ConnectionCls = LimitedHTTPConnection


class LimitedHTTPSPool(AWSHTTPSConnectionPool):  # type: ignore[misc]  # botocore carries no types
    """A pool of `LimitedHTTPSConnection`."""

    ConnectionCls = LimitedHTTPSConnection


_THEIRS = {"http": AWSHTTPConnectionPool, "https": AWSHTTPSConnectionPool}

_OURS = {"http": LimitedHTTPPool, "https": LimitedHTTPSPool}


def _install_pools(client: Any) -> None:
    """Set the pool classes of a client before its first request; log a warning if its own classes are unknown."""
    session = getattr(getattr(client, "_endpoint", None), "http_session", None)
    classes = getattr(session, "_pool_classes_by_scheme", None)
    if classes != _THEIRS or not _is_known():
        _log.warning(
            "pipemodels does not know this version of botocore or urllib3: an attempt in progress does not end at"
            " time_limit_seconds, but after connect_timeout_seconds or read_timeout_seconds"
        )
        return
    classes.update(_OURS)


def _is_known() -> bool:
    """Return whether the connections of urllib3 still have the members that `_Limited` overrides."""
    return "_new_conn" in vars(HTTPConnection) and isinstance(getattr(HTTPConnection, "host", None), property)
