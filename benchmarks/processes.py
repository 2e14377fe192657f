"""Start and control a worker (`benchmarks.worker`)."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self


class WorkerProcess:
    """A client in a separate process, which runs for the block and checks the client at its start.

    Args:
        name: the client.
        corpus: the file of its items.
        endpoint: the URL of the endpoint.
        under: a command that runs the process, such as a counter of instructions.

    Raises:
        RuntimeError: the client returned a wrong result, or ended; standard error has the reason.
    """

    def __init__(self, name: str, corpus: Path, endpoint: str, *, under: Sequence[str] = ()) -> None:
        self.name = name
        self._command = [*under, sys.executable, "-m", "benchmarks.worker", name, str(corpus), endpoint]

    def __enter__(self) -> Self:
        # counts must not depend on the order of a set of texts
        environment = os.environ | {"PYTHONHASHSEED": "0"}
        self._process = subprocess.Popen(
            self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
        )
        self.pid = self._process.pid
        about = self._answer()
        self.title, self.decodes = about["title"], about["decodes"]
        return self

    def timed(self, work: str, calls: int) -> dict[str, float]:
        """Repeat the work this many times; return the seconds by clock, and the number of items."""
        orders = self._stream(self._process.stdin)
        orders.write(f"{work} {calls}\n")
        orders.flush()
        found: dict[str, float] = self._answer()
        return found

    def _answer(self) -> Any:
        line = self._stream(self._process.stdout).readline()
        if not line:
            self._process.communicate()
            raise RuntimeError(f"{self.name} has ended with {self._process.returncode}: no figures")
        return json.loads(line)

    @staticmethod
    def _stream(stream: IO[str] | None) -> IO[str]:
        assert stream is not None, "Popen opened a pipe"
        return stream

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.communicate()
