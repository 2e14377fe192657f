"""The `pipemodels` command, built on Typer and Rich. It needs `pip install "pipemodels[cli]"`."""

from __future__ import annotations

import sys
from collections.abc import Sequence

_NEEDED = {"typer", "rich", "yaml"}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code: 0 done, 1 refused or failed, 2 wrong usage, 130 interrupted.

    Args:
        arguments: the arguments of the command; by default, those of the process.
    """
    try:
        from pipemodels.cli.running import run
    except KeyboardInterrupt:
        return 130
    except ModuleNotFoundError as error:
        if error.name not in _NEEDED:
            raise
        sys.stderr.write(f'pipemodels: {error.name} is not installed; try: pip install "pipemodels[cli]"\n')
        return 1
    return run(sys.argv[1:] if arguments is None else arguments)
