"""A process that opens a store, writes a key and meets its fate: `embedded_writer DIRECTORY KEY MODE`.

Modes: `end`; `wait` inside the block for a line; `wait:POINT` and `kill:POINT`, to wait, or to be killed, at
a point of closing the store; `full`, where files cannot grow; `fork` and `fork-kill`, with a forked child.
"""

from __future__ import annotations

import os
import resource
import shutil
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pipemodels._embedded import directory as embedded_directory
from pipemodels._embedded.server import Server
from tests.helpers.embedded import keys_in, opened, write

POINTS: dict[str, tuple[Any, str]] = {
    "before-save": (Server, "save"),
    "before-check": (embedded_directory, "_check"),
    "before-sync": (embedded_directory, "_sync"),
    "before-rename": (os, "replace"),
    "after-rename": (embedded_directory, "_sync_directory"),
    "after-kill": (shutil, "rmtree"),
}
"""Points of closing a store, in their order: the functions that are called next."""


def say(*words: object) -> None:
    """Tell the test."""
    sys.stdout.write(" ".join(map(str, words)) + "\n")
    sys.stdout.flush()


def wait() -> None:
    """Wait for a line."""
    sys.stdin.readline()


def die() -> None:
    """Be killed, with nothing cleaned up."""
    os.kill(os.getpid(), signal.SIGKILL)


def before(point: str, act: Callable[[], None]) -> None:
    """Say so and act when closing the store reaches this point."""
    owner, name = POINTS[point]
    original = getattr(owner, name)

    def stopped(*args: Any, **kwargs: Any) -> Any:
        say(point)
        act()
        return original(*args, **kwargs)

    setattr(owner, name, stopped)


def inside(mode: str, key: str, config: Any, directory: Path) -> None:
    """Do what the mode asks for inside the block."""
    if mode == "wait":
        wait()
    elif mode == "full":
        write(config, *(f"{key}-{number}" for number in range(25)))
    elif mode == "fork":
        child = os.fork()
        if child == 0:
            sys.exit(0)
        if os.waitpid(child, 0)[1] != 0:
            sys.exit("the child did not leave the block in peace")
        say("sessions", len(list(directory.glob(".pipemodels-session-*"))))
        write(config, f"{key}-after-fork")
    elif mode == "fork-kill":
        if os.fork() == 0:
            wait()
            os._exit(0)
        die()
    elif ":" in mode:
        action, point = mode.split(":")
        before(point, wait if action == "wait" else die)


def main(directory: Path, key: str, mode: str) -> None:
    """Open, write, meet the fate."""
    if mode == "full":  # the server inherits it
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, resource.RLIM_INFINITY))
    with opened(directory) as config:
        say("open", config.endpoint_url)
        write(config, key)
        say("written", len(keys_in(config)))
        inside(mode, key, config, directory)
    say("closed")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], sys.argv[3])
