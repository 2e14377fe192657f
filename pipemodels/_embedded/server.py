"""Start the server of the embedded store, check that it loaded the saved state, and make it save."""

from __future__ import annotations

import http.client
import importlib.metadata
import importlib.util
import json
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from pipemodels._embedded import child
from pipemodels._embedded.directory import Tables, is_saved, opened_log
from pipemodels._embedded.forks import handing_over, only_here, unshared
from pipemodels.errors import StorageError

_OLDEST = (1, 5, 33)
_INSTALL = 'pip install "pipemodels[local]"'
_SAVE_SECONDS = 300.0  # timeout for a server that neither saves nor exits
_LOG_LINES = 5
_GLANCE_SECONDS = 0.05  # how often to check that a server that has not answered is still running
_KEPT_VARIABLES = re.compile(
    r"PATH|HOME|LANG|LC_.*|TZ|LD_LIBRARY_PATH|DYLD_.*"
    r"|PYTHON(PATH|HOME|USERBASE|NOUSERSITE|PYCACHEPREFIX|DONTWRITEBYTECODE)"
)


def library() -> str:
    """Return the directory that contains the installed ministack, without importing it.

    Raises:
        StorageError: ministack is not installed or too old; the message says how to install it.
    """
    spec = importlib.util.find_spec("ministack")
    if spec is None or spec.origin is None:
        raise StorageError(f"the embedded store is not installed: {_INSTALL}")
    version = importlib.metadata.version("ministack")
    if tuple(int(number) for number in re.findall(r"\d+", version)[:3]) < _OLDEST:
        oldest = ".".join(map(str, _OLDEST))
        raise StorageError(f"ministack {version} is too old, {oldest} is needed: {_INSTALL}")
    return str(Path(spec.origin).parents[1])


class Server:
    """The running server process."""

    def __init__(self, process: subprocess.Popen[bytes], port: int, control: int, session: Path, log: Path) -> None:
        self.endpoint_url = f"http://127.0.0.1:{port}"
        self._process = process
        self._port = port
        self._control = control
        self._session = session
        self._log = log

    def wait_until_ready(self, tables: Tables, timeout_seconds: float, advice: str) -> None:
        """Wait until the server answers, and check that it loaded the saved tables; it may have started empty.

        Args:
            tables: the tables in the saved state.
            timeout_seconds: how long to wait.
            advice: the advice in the error after a timeout.

        Raises:
            StorageError: the server exited, took too long or did not load the state; with the end of its log.
        """
        deadline = time.monotonic() + timeout_seconds
        for (account, region), names in (tables or {("test", "us-east-1"): set()}).items():
            try:
                loaded = self._list_tables(account, region, deadline)
            except TimeoutError as error:
                raise self._failure(f"was not ready within {timeout_seconds:.1f} s: {advice}") from error
            except (OSError, http.client.HTTPException, ValueError, LookupError) as error:
                raise self._failure(f"did not start ({error})") from error
            if not loaded <= names or bool(loaded) != bool(names):
                raise self._failure("did not load the saved state, which was left as it is")

    def _list_tables(self, account: str, region: str, deadline: float) -> set[str]:
        # Without botocore: creating a client takes longer than starting the server.
        scope = f"{account}/20000101/{region}/dynamodb/aws4_request"
        headers = {
            "Authorization": f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=0",
            "Content-Type": "application/x-amz-json-1.0",
            "X-Amz-Target": "DynamoDB_20120810.ListTables",
            "Connection": "close",
        }
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=_patience(deadline))
        try:
            connection.request("POST", "/", b"{}", headers)
            self._wait_for_reply(connection.sock, deadline)
            connection.sock.settimeout(_patience(deadline))
            return set(json.loads(connection.getresponse().read())["TableNames"])
        finally:
            connection.close()

    def _wait_for_reply(self, sock: socket.socket, deadline: float) -> None:
        sock.settimeout(_GLANCE_SECONDS)
        while True:
            with suppress(TimeoutError):
                sock.recv(1, socket.MSG_PEEK)
                return
            if (status := self._process.poll()) is not None:
                raise ConnectionError(f"it exited with status {status}")
            if time.monotonic() >= deadline:
                raise TimeoutError

    def save(self) -> bool:
        """Make the server save into the session directory and return True; return False if nothing has changed.

        Raises:
            StorageError: the server did not save.
        """
        with suppress(BrokenPipeError):
            os.write(self._control, child.SAVE)
        deadline = time.monotonic() + _SAVE_SECONDS
        while not is_saved(self._session):
            with suppress(subprocess.TimeoutExpired):
                status = self._process.wait(0.005)
                if status == child.UNCHANGED:
                    return False
                if not is_saved(self._session):
                    raise self._failure(f"exited without saving (status {status}); the last saved state is kept")
            if time.monotonic() > deadline:
                raise self._failure(f"did not save within {_SAVE_SECONDS:g} s; the last saved state is kept")
        return True

    def kill(self) -> None:
        """Kill the server. This is safe, because only this process publishes the saved state."""
        self._process.kill()
        self._process.wait()

    def _failure(self, what: str) -> StorageError:
        lines = self._log.read_text(encoding="utf-8", errors="replace").splitlines()[-_LOG_LINES:]
        return StorageError("\n  ".join([f"the embedded store's server {what}; see {self._log}", *lines]))


def _patience(deadline: float) -> float:
    return max(0.001, deadline - time.monotonic())


@contextmanager
def running_server(session: Path, *, lock: int, log: Path, library: str) -> Iterator[Server]:
    """Start the server on a free port of the loopback interface, and kill it after the block.

    This process binds the port and passes the socket on, so that no other program can take the port. The server
    shares the lock, so that the store cannot be opened while the server of a killed session is still running.
    """
    with ExitStack() as stack:
        listener, port = _listener()
        with unshared(listener):  # closed soon, so that requests do not wait for a server that has died
            reader, writer = os.pipe()
            stack.enter_context(unshared(writer))
            try:
                process = _started(
                    [sys.executable, "-P", child.__file__, str(listener), library],
                    control=reader,
                    log=log,
                    environment=_environment(session, port),
                    handed=(listener, lock),
                )
            except OSError as error:
                raise StorageError(f"cannot start the embedded store's server: {error}") from error
            finally:
                os.close(reader)
            server = Server(process, port, writer, session, log)
            stack.callback(only_here(server.kill))
        yield server


def _started(
    command: list[str], *, control: int, log: Path, environment: dict[str, str], handed: tuple[int, ...]
) -> subprocess.Popen[bytes]:
    with opened_log(log) as output, handing_over(*handed):
        return subprocess.Popen(  # noqa: S603  # runs this interpreter on a file of this package
            command,
            stdin=control,
            stdout=output,
            stderr=output,
            env=environment,
            pass_fds=handed,
            start_new_session=True,
            umask=0o077,
        )


def _listener() -> tuple[int, int]:
    """Return the descriptor and the port of a listening socket."""
    try:
        listener = socket.create_server(("127.0.0.1", 0))
    except OSError as error:
        raise StorageError(f"cannot listen on the loopback interface: {error}") from error
    port = listener.getsockname()[1]
    return listener.detach(), port


def _environment(session: Path, port: int) -> dict[str, str]:
    """Return the environment for ministack, without the variables of the user for ministack, AWS or Docker."""
    kept = {name: value for name, value in os.environ.items() if _KEPT_VARIABLES.fullmatch(name)}
    return kept | {
        "BIND_HOST": "127.0.0.1",
        "GATEWAY_PORT": str(port),
        "PERSIST_STATE": "1",
        "STATE_DIR": str(session),
        "TMPDIR": str(session),
        "SERVICES": "dynamodb",
        "IOT_MTLS_ENABLED": "0",
        "SFTP_ENABLED": "0",
        "LOG_LEVEL": "WARNING",
        # Otherwise ministack would remove the containers of other ministacks from the user's Docker.
        "DOCKER_HOST": f"unix://{session}/no-docker",
    }
