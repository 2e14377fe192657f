"""Starts the embedded store's server, sees that it holds what was saved, and makes it save."""

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
from pipemodels._embedded.directory import Tables, is_saved
from pipemodels._embedded.forks import only_here, unshared
from pipemodels.errors import StorageError

_OLDEST = (1, 5, 33)
_INSTALL = 'pip install "pipemodels[local]"'
_SAVE_SECONDS = 300.0  # the end of patience with a server that neither saves nor ends
_LOG_LINES = 5
_KEPT_VARIABLES = re.compile(
    r"PATH|HOME|LANG|LC_.*|TZ|LD_LIBRARY_PATH|DYLD_.*"
    r"|PYTHON(PATH|HOME|USERBASE|NOUSERSITE|PYCACHEPREFIX|DONTWRITEBYTECODE)"
)


def library() -> str:
    """Return the directory that ministack is installed in, without importing it.

    Raises:
        StorageError: it is not installed, or too old; says how to install it.
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

    def wait_until_ready(self, tables: Tables, timeout_seconds: float) -> None:
        """Wait until it answers, and see that it has loaded these tables: where it fails to, it starts empty.

        Raises:
            StorageError: it ended, took too long or did not load the state; with the last lines of its log.
        """
        deadline = time.monotonic() + timeout_seconds
        for (account, region), names in (tables or {("test", "us-east-1"): set()}).items():
            loaded = self._list_tables(account, region, max(0.001, deadline - time.monotonic()))
            if not loaded <= names or bool(loaded) != bool(names):
                raise self._failure("did not load the saved state, which was left as it is")

    def _list_tables(self, account: str, region: str, timeout_seconds: float) -> set[str]:
        # By hand: making a botocore client takes longer than starting the server.
        scope = f"{account}/20000101/{region}/dynamodb/aws4_request"
        headers = {
            "Authorization": f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=0",
            "Content-Type": "application/x-amz-json-1.0",
            "X-Amz-Target": "DynamoDB_20120810.ListTables",
            "Connection": "close",
        }
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=timeout_seconds)
        try:
            connection.request("POST", "/", b"{}", headers)
            return set(json.loads(connection.getresponse().read())["TableNames"])
        except TimeoutError as error:
            raise self._failure(
                f"was not ready within {timeout_seconds:.1f} s: try again, or give it longer"
            ) from error
        except (OSError, http.client.HTTPException, ValueError, LookupError) as error:
            raise self._failure(f"did not start ({error})") from error
        finally:
            connection.close()

    def save(self) -> bool:
        """Make it save into its session's directory and return True; False if nothing had changed.

        Raises:
            StorageError: it has not saved.
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
                    raise self._failure(f"ended without saving (status {status}); the last saved state is kept")
            if time.monotonic() > deadline:
                raise self._failure(f"did not save within {_SAVE_SECONDS:g} s; the last saved state is kept")
        return True

    def kill(self) -> None:
        """End it at once. It has nothing to finish: what it saves is published by this process alone."""
        self._process.kill()
        self._process.wait()

    def _failure(self, what: str) -> StorageError:
        lines = self._log.read_text(encoding="utf-8", errors="replace").splitlines()[-_LOG_LINES:]
        return StorageError("\n  ".join([f"the embedded store's server {what}; see {self._log}", *lines]))


@contextmanager
def running_server(session: Path, *, lock: int, log: Path, library: str) -> Iterator[Server]:
    """Start the server on a free port of the loopback interface; after the block it is gone.

    The port is bound here and handed over, so nobody can take it in between, and whoever answers on it is the
    server. The server shares the lock, so that nobody opens the store while that of a killed session runs.
    """
    with _listener() as listener, ExitStack() as stack:
        reader, writer = os.pipe()
        stack.enter_context(unshared(writer))
        try:
            command = [sys.executable, "-P", child.__file__, str(listener.fileno()), library]
            with log.open("wb") as output:
                process = subprocess.Popen(  # noqa: S603  # this interpreter, on a file of this package
                    command,
                    stdin=reader,
                    stdout=output,
                    stderr=output,
                    env=_environment(session, listener.getsockname()[1]),
                    pass_fds=(listener.fileno(), lock),
                    start_new_session=True,
                    umask=0o077,
                )
        except OSError as error:
            raise StorageError(f"cannot start the embedded store's server: {error}") from error
        finally:
            os.close(reader)
        server = Server(process, listener.getsockname()[1], writer, session, log)
        stack.callback(only_here(server.kill))
        listener.close()  # or a request would wait for a server that has died
        yield server


def _listener() -> socket.socket:
    try:
        return socket.create_server(("127.0.0.1", 0))
    except OSError as error:
        raise StorageError(f"cannot listen on the loopback interface: {error}") from error


def _environment(session: Path, port: int) -> dict[str, str]:
    """Return all that ministack is told: the user's variables for it, for AWS or for Docker are not ours."""
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
        # It would remove the containers of other ministacks from the user's Docker.
        "DOCKER_HOST": f"unix://{session}/no-docker",
    }
