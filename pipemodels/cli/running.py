"""Running a command line: what its errors become, and its exit code."""

from __future__ import annotations

import io
import sys
from collections.abc import Sequence
from typing import Any

import typer

from pipemodels.cli import definitions, demo, events, pipelines, reaping, runs, tables
from pipemodels.cli.app import app
from pipemodels.cli.formatting import plural
from pipemodels.cli.output import note
from pipemodels.cli.warnings import shown_warnings
from pipemodels.errors import PipemodelsError, ValidationError

__all__ = [
    "definitions",
    "demo",
    "events",
    "pipelines",
    "reaping",
    "run",
    "runs",
    "tables",
]  # importing them registers them

# Typer carries Click inside itself, older ones use it from outside: whichever it is, this is its base of wrong usage
_ClickException: Any = typer.BadParameter.__mro__[2]

_FAILED, _WRONG_USAGE = 1, 2
_INTERRUPTED = 130  # 128 + SIGINT, as shells have it


def run(arguments: Sequence[str]) -> int:
    """Run the command line and return its exit code; an error is one line on standard error.

    So is each warning. Where a stored item could not be read, everything else is shown, and the exit code is 1.
    """
    _use_any_encoding()
    with shown_warnings() as warnings:
        code = _run(arguments)
        if count := len(warnings.unreadable):
            note(f"{plural(count, 'item')} could not be read: mend or delete what is named above")
    return code or (_FAILED if count else 0)


def _run(arguments: Sequence[str]) -> int:
    try:
        code = app(list(arguments), prog_name="pipemodels", standalone_mode=False)
    except _ClickException as error:
        return _ended(_usage_line(error), _WRONG_USAGE)
    except ValidationError as error:
        return _ended(str(error), _WRONG_USAGE)
    except PipemodelsError as error:
        return _ended(str(error), _FAILED)
    except (KeyboardInterrupt, typer.Abort):
        code = _INTERRUPTED
    except OSError as error:
        return _ended(str(error), _FAILED)
    if code == _INTERRUPTED:  # Typer's own code for Ctrl-C
        return _ended("interrupted; what was done until then stays", _INTERRUPTED)
    return code if isinstance(code, int) else 0


def _ended(line: str, code: int) -> int:
    note(f"pipemodels: {' '.join(line.split())}")
    return code


def _usage_line(error: Any) -> str:
    """Return a usage error in one line, with the command whose help tells more."""
    message = error.format_message().rstrip(".").replace("Value error, ", "")  # Pydantic's word, inside Typer
    context = getattr(error, "ctx", None)
    path = context.command_path if context else "pipemodels"
    return f"{message}; see: {path} --help" if message else f"see: {path} --help"


def _use_any_encoding() -> None:
    """Show what standard output cannot encode by its number."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
