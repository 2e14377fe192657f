"""Compare the time of `import pipemodels` with `import pynamodb, pendulum`: medians of many new processes.

The two take turns, so that other load on the machine affects both.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys

ROUNDS = 15
OURS = "pipemodels"
# the package pynamodb itself is empty: users import its models
THEIRS = "pynamodb, pynamodb.models, pendulum"
CODE = """
import resource
before = resource.getrusage(resource.RUSAGE_SELF)
import {modules}
after = resource.getrusage(resource.RUSAGE_SELF)
print(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
"""


def seconds(modules: str) -> float:
    """Return the processor seconds that a new process needs to import the modules."""
    command = [sys.executable, "-c", CODE.format(modules=modules)]
    # let Python write .pyc files, as an installer does
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return float(subprocess.run(command, capture_output=True, text=True, check=True, env=environment).stdout)


def main(rounds: int = ROUNDS) -> None:
    """Measure and print."""
    times: dict[str, list[float]] = {OURS: [], THEIRS: []}
    for modules in times:
        seconds(modules)  # writes the .pyc files
    for _ in range(rounds):
        for modules, found in times.items():
            found.append(seconds(modules))
    ours, theirs = (statistics.median(found) for found in times.values())
    print(f"import {OURS}: {ours * 1000:.0f} ms; import {THEIRS}: {theirs * 1000:.0f} ms; ratio {ours / theirs:.2f}")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
