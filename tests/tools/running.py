"""The tool as its users run it: a process of its own, with a project of its own."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "tools" / "localstack.py"
SECONDS = 90


@dataclass(frozen=True)
class Tool:
    """One project of the tool, apart from every other by its name and port."""

    project: str = "pipemodels-test-none"
    port: int = 4566
    script: Path = SCRIPT
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def container(self) -> str:
        """What the compose file makes of the project's name."""
        return f"{self.project}-localstack"

    @property
    def endpoint(self) -> str:
        """Where the compose file publishes it."""
        return f"http://127.0.0.1:{self.port}"

    def run(self, *arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
        """Runs a command to its end, without a terminal."""
        with self.popen(*arguments, **environment) as process:
            output, errors = process.communicate(timeout=SECONDS)
        assert "Traceback" not in errors, errors
        return subprocess.CompletedProcess(process.args, process.returncode, output, errors)

    def popen(self, *arguments: str, **environment: str) -> AbstractContextManager["subprocess.Popen[str]"]:
        """Begins a command; it ends with the block at the latest."""
        return self.begin(arguments, environment, subprocess.PIPE)

    @contextmanager
    def begin(
        self, arguments: Sequence[str], environment: Mapping[str, str], stdout: int | IO[str]
    ) -> Iterator["subprocess.Popen[str]"]:
        """Begins a command whose output goes where it is told."""
        with subprocess.Popen(
            [sys.executable, str(self.script), *arguments],
            env={**self._environment(), **environment},
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            try:
                yield process
            finally:
                process.kill()  # nothing where it has ended; a failed test must not wait for it

    def status(self) -> dict[str, Any]:
        """What `status --json` says."""
        found: dict[str, Any] = json.loads(self.run("status", "--json").stdout)
        return found

    def _environment(self) -> dict[str, str]:
        # a developer's own settings must neither change these tests nor be touched by them
        known = ("LOCALSTACK_", "DYNAMODB_", "PIPEMODELS_", "PERSISTENCE", "AWS_")
        kept = {name: value for name, value in os.environ.items() if not name.startswith(known)}
        image = {name: os.environ[name] for name in ("LOCALSTACK_IMAGE",) if name in os.environ}
        own = {"PIPEMODELS_LOCALSTACK_PROJECT": self.project, "LOCALSTACK_PORT": str(self.port)}
        return kept | image | own | self.environment


def wait_until(holds: Callable[[], bool], what: str, seconds: float = 30) -> None:
    """Asks again and again until it holds; fails after so many seconds."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, f"not within {seconds} seconds: {what}"
        time.sleep(0.02)
