"""Find the container or process that uses a port."""

import os
import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from docker import DockerClient
from docker.errors import DockerException

_LISTEN = "0A"  # TCP_LISTEN of the kernel's include/net/tcp_states.h, in hexadecimal


def holder(client: DockerClient, port: int) -> str:
    """Return a container's name or a process's number and name, or an empty text if neither is visible."""
    return _container(client, port) or _process(port)


def _container(client: DockerClient, port: int) -> str:
    try:
        running = client.containers.list(ignore_removed=True)
    except DockerException:  # the caller reports an error already
        return ""
    for container in running:
        published = (binding for bindings in container.ports.values() for binding in bindings or [])
        if any(binding["HostPort"] == str(port) for binding in published):
            return f"the container {container.name}"
    return ""


def _process(port: int, proc: Path = Path("/proc")) -> str:
    tables = [proc / "net" / name for name in ("tcp", "tcp6")]
    sockets = {inode for table in tables if table.exists() for inode in listening(table.read_text(), port)}
    for pid in _owners(proc, sockets):
        with suppress(OSError):
            return f"process {pid} ({(proc / pid / 'comm').read_text().strip()})"
    return ""


def listening(table: str, port: int) -> set[str]:
    """Return the inodes of sockets that listen on the port, from the text of `/proc/net/tcp` (format: proc(5))."""
    rows = [line.split() for line in table.splitlines()[1:]]
    return {row[9] for row in rows if row[3] == _LISTEN and int(row[1].rpartition(":")[2], 16) == port}


def _owners(proc: Path, sockets: set[str]) -> Iterator[str]:
    """Yield the processes that hold one of the sockets; only root sees those of other users."""
    wanted = {f"socket:[{inode}]" for inode in sockets}
    for directory in proc.iterdir() if wanted else ():
        if re.fullmatch(r"\d+", directory.name) and wanted & _links(directory / "fd"):
            yield directory.name


def _links(directory: Path) -> set[str]:
    links = set()
    # the process may end or close a file meanwhile, or belong to another user
    with suppress(OSError), os.scandir(directory) as entries:
        for entry in entries:
            with suppress(OSError):
                links.add(os.readlink(entry.path))
    return links
