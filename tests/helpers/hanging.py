"""Servers on the loopback interface that hang, each in another way."""

from __future__ import annotations

import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

Behaviour = Callable[[socket.socket, threading.Event], None]
"""What a server does with a connection; the event says that the test is over."""
PACE = 0.05  # seconds between two bytes of what dribbles


def reply(status: str, content: dict[str, object]) -> bytes:
    """Return a whole reply of DynamoDB."""
    body = json.dumps(content).encode()
    head = f"HTTP/1.1 {status}\r\nContent-Type: application/x-amz-json-1.0\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


def refusal(status: str, code: str) -> bytes:
    """Return a reply that refuses."""
    return reply(status, {"__type": f"com.amazonaws.dynamodb.v20120810#{code}", "message": "no"})


def silent(connection: socket.socket, over: threading.Event) -> None:
    """Take all that comes and never answer."""
    _read_on(connection)


def deaf(connection: socket.socket, over: threading.Event) -> None:
    """Read nothing."""
    over.wait()


def slow_reader(connection: socket.socket, over: threading.Event) -> None:
    """Read a little now and then."""
    while not over.wait(PACE) and connection.recv(2_000):
        pass


def half_a_head(connection: socket.socket, over: threading.Event) -> None:
    """Answer with a part of a head, and nothing more."""
    connection.recv(1_000_000)
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Ty")
    _read_on(connection)


def half_a_body(connection: socket.socket, over: threading.Event) -> None:
    """Answer with a part of a body, and nothing more."""
    connection.recv(1_000_000)
    connection.sendall(b'HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{"Item"')
    _read_on(connection)


def dribbled_head(connection: socket.socket, over: threading.Event) -> None:
    """Answer with a head that comes byte by byte and does not end."""
    connection.recv(1_000_000)
    connection.sendall(b"HTTP/1.1 200 OK\r\nX-Slow: ")
    _dribble(connection, over)


def dribbled_body(connection: socket.socket, over: threading.Event) -> None:
    """Answer with a body that comes byte by byte and does not end."""
    connection.recv(1_000_000)
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
    _dribble(connection, over)


def dribbled_hello(connection: socket.socket, over: threading.Event) -> None:
    """Answer the beginning of TLS with a record that comes byte by byte and does not end."""
    connection.sendall(b"\x16\x03\x03\x40\x00\x02\x00\x3f\xfc")
    _dribble(connection, over)


def answering(*replies: bytes, after: float = 0.0) -> Behaviour:
    """Return a behaviour that gives these replies in turn, the last one for ever, each after a pause."""

    def behave(connection: socket.socket, over: threading.Event) -> None:
        number = 0
        while _request(connection) and not over.wait(after):
            connection.sendall(replies[min(number, len(replies) - 1)])
            number += 1

    return behave


def over_tls(behave: Behaviour, directory: Path) -> Behaviour:
    """Return the same behaviour over TLS, under a certificate that is put into the directory as `ca.pem`."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(_certificate(directory))

    def served(connection: socket.socket, over: threading.Event) -> None:
        with context.wrap_socket(connection, server_side=True) as inside:
            behave(inside, over)

    return served


@contextmanager
def server(behave: Behaviour) -> Iterator[str]:
    """Yield `127.0.0.1:port` of a server that behaves so with every connection."""
    over = threading.Event()
    held: list[socket.socket] = []  # the connections once more, to end what waits on them
    threads: list[threading.Thread] = []

    def serve(connection: socket.socket) -> None:
        with connection, suppress(OSError):  # the client has gone, or the test is over
            behave(connection, over)

    def accept() -> None:
        with suppress(OSError):  # closed at the end
            while True:
                connection = listening.accept()[0]
                held.append(connection.dup())
                threads.append(threading.Thread(target=serve, args=(connection,)))
                threads[-1].start()

    with socket.socket() as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)  # what is not read is soon not taken
        listening.bind(("127.0.0.1", 0))
        listening.listen(64)
        accepting = threading.Thread(target=accept)
        accepting.start()
        try:
            yield f"127.0.0.1:{listening.getsockname()[1]}"
        finally:
            over.set()
            listening.shutdown(socket.SHUT_RDWR)
            accepting.join()
            for connection in held:
                with connection, suppress(OSError):  # the client has gone
                    connection.shutdown(socket.SHUT_RDWR)
            for thread in threads:
                thread.join()


@contextmanager
def full_backlog() -> Iterator[str]:
    """Yield `127.0.0.1:port` where a connection is neither accepted nor refused."""
    with socket.socket() as listening, ExitStack() as waiting:
        listening.bind(("127.0.0.1", 0))
        listening.listen(0)
        for _ in range(3):
            client = waiting.enter_context(socket.socket())
            client.setblocking(False)
            with suppress(BlockingIOError):
                client.connect(listening.getsockname())
        yield f"127.0.0.1:{listening.getsockname()[1]}"


def _request(connection: socket.socket) -> bool:
    """Read one request, whole; False where the client has gone."""
    received = b""
    while b"\r\n\r\n" not in received:
        if not (more := connection.recv(65_536)):
            return False
        received += more
    head, _, body = received.partition(b"\r\n\r\n")
    headers = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:])
    missing = int(headers.get(b"content-length", b"0")) - len(body)
    while missing > 0:
        if not (more := connection.recv(65_536)):
            return False
        missing -= len(more)
    return True


def _read_on(connection: socket.socket) -> None:
    while connection.recv(65_536):
        pass


def _dribble(connection: socket.socket, over: threading.Event) -> None:
    while not over.wait(PACE):
        connection.sendall(b"a")


def _certificate(directory: Path) -> Path:
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    parts = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path = directory / "ca.pem"
    path.write_bytes(parts + certificate.public_bytes(serialization.Encoding.PEM))
    return path
