"""A client whose waits end at the deadline: connecting, TLS, sending, reading a reply, pausing between attempts.

botocore knows two timeouts, and each holds for one wait: an endpoint that sends a byte now and then is waited for
without end, and so is the next attempt. Here an attempt is not begun after the deadline, which botocore's own events
allow, and no wait on a connection goes on after it, for which connections of our own are put into the client's pools.
Without a deadline (the plain ORM) all is as botocore does it.
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

_LONGEST_PAUSE = 20.0  # botocore's: before attempt n + 1 it waits up to 2 ** n seconds, and no longer than this

_GRACE = 0.05  # seconds after the deadline, in which what has come is still read

_ASKED_FOR = 5.0  # and by so much longer where the reply asks for it


def install(client: Any) -> None:
    """Have a client of botocore heed the deadline in force."""
    events, service = client.meta.events, client.meta.service_model.service_id.hyphenize()
    endpoint_url = client.meta.endpoint_url

    def refuse(**_: Any) -> None:
        refuse_after_the_deadline(endpoint_url)

    events.register_first(f"before-send.{service}", refuse)
    events.register_first(f"needs-retry.{service}", stop_attempts)
    _install_pools(client)


def refuse_after_the_deadline(endpoint_url: str) -> None:
    """Raise where no time is left.

    Raises:
        TimeIsUpError: nothing was sent.
    """
    left = deadlines.seconds_left()
    if left is not None and left <= 0:
        raise TimeIsUpError(endpoint_url=endpoint_url)


def stop_attempts(*, attempts: int, **_: Any) -> bool | None:
    """Return False, which stops botocore's attempts, if its pause could last beyond the deadline; otherwise None.

    Commands and queries then repeat the request themselves while there is time, with pauses that end in time.
    """
    left = deadlines.seconds_left()
    if left is None or left >= min(2.0**attempts, _LONGEST_PAUSE) + _ASKED_FOR:
        return None
    return False


# -- connections ----------------------------------------------------------------------------------------------------


class LimitedSocket:
    """A socket each of whose waits ends at the deadline; TLS, and whatever else looks at it, finds a socket."""

    def __init__(self, sock: Any) -> None:
        self._sock = sock

    def __getattr__(self, name: str) -> Any:
        if name == "_sock":
            raise AttributeError(name)
        return getattr(self._sock, name)

    def gettimeout(self) -> float | None:
        """Return for how long the next wait may last; TLS takes this for its handshake."""
        self._shorten()
        timeout: float | None = self._sock.gettimeout()
        return timeout

    def sendall(self, data: Any, flags: int = 0) -> None:
        """Send all of it; the deadline is one for all its pieces."""
        view = memoryview(data).cast("B")
        while view:
            self._begin()
            view = view[self._sock.send(view) :]

    def recv(self, size: int, flags: int = 0) -> bytes:
        """Receive some bytes."""
        self._begin()
        received: bytes = self._sock.recv(size)
        return received

    def makefile(self, mode: str = "rb", buffering: int | None = None, **_: Any) -> io.BufferedReader:
        """Return a file that reads from the socket."""
        size = io.DEFAULT_BUFFER_SIZE if buffering is None or buffering < 2 else buffering
        return io.BufferedReader(_Reader(self._sock.makefile(mode, 0), self._begin), size)

    def _begin(self) -> None:
        """Begin to send or to receive; where bytes come without a pause, nothing is waited for, and that must end.

        Raises:
            TimeoutError: the deadline has passed, and what was there then has been read since.
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
    """The unbuffered file of a socket; each wait is begun."""

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
    """urllib3's connection with such a socket; all addresses of a host share the time that is left."""

    @property
    def timeout(self) -> Any:
        """How long one wait may last."""
        return deadlines.shortened(self._timeout)

    @timeout.setter
    def timeout(self, value: float | None) -> None:
        self._timeout = value

    def _new_conn(self) -> Any:
        try:
            host, family = self._dns_host.strip("[]"), allowed_gai_family()
            found = socket.getaddrinfo(host, self.port, family, socket.SOCK_STREAM)
        except (OSError, UnicodeError):
            return super()._new_conn()  # which says it in its own words
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
        """Connect; over TLS, the socket is a new one."""
        super().connect()
        if not isinstance(self.sock, LimitedSocket):
            self.sock = LimitedSocket(self.sock)


class LimitedHTTPConnection(_Limited, AWSHTTPConnection):  # type: ignore[misc]  # botocore carries no types
    """botocore's connection, whose waits end at the deadline."""


class LimitedHTTPSConnection(_Limited, AWSHTTPSConnection):  # type: ignore[misc]  # botocore carries no types
    """botocore's connection over TLS, whose waits end at the deadline."""


class LimitedHTTPPool(AWSHTTPConnectionPool):  # type: ignore[misc]  # botocore carries no types
    """botocore's pool, of such connections."""

    ConnectionCls = LimitedHTTPConnection


class LimitedHTTPSPool(AWSHTTPSConnectionPool):  # type: ignore[misc]  # botocore carries no types
    """botocore's pool, of such connections over TLS."""

    ConnectionCls = LimitedHTTPSConnection


_THEIRS = {"http": AWSHTTPConnectionPool, "https": AWSHTTPSConnectionPool}

_OURS = {"http": LimitedHTTPPool, "https": LimitedHTTPSPool}


def _install_pools(client: Any) -> None:
    """Have the client's pools, which are made when it first sends, make such connections, if all is as we know it."""
    session = getattr(getattr(client, "_endpoint", None), "http_session", None)
    classes = getattr(session, "_pool_classes_by_scheme", None)
    if classes != _THEIRS or not _is_known():
        _log.warning(
            "this botocore or urllib3 is not known to pipemodels: an attempt that is under way does not end at"
            " time_limit_seconds, but when its own connect_timeout_seconds or read_timeout_seconds have passed"
        )
        return
    classes.update(_OURS)


def _is_known() -> bool:
    """Say whether urllib3's connections are still made by what ours override."""
    return "_new_conn" in vars(HTTPConnection) and isinstance(getattr(HTTPConnection, "host", None), property)
