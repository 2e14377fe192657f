"""Run a command line, and turn its errors into messages and an exit code."""

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

# the base class of Click's usage errors: newer versions of Typer bundle Click, older ones import it
_ClickException: Any = typer.BadParameter.__mro__[2]

_FAILED, _WRONG_USAGE = 1, 2
_INTERRUPTED = 130  # 128 + SIGINT, as in shells


def run(arguments: Sequence[str]) -> int:
    """Run the command line and return its exit code; print each error and warning as one line on standard error.

    If a stored item could not be read, everything else is shown, and the exit code is 1.
    """
    _use_any_encoding()
    with shown_warnings() as warnings:
        code = _run(arguments)
        if count := len(warnings.unreadable):
            note(f"{plural(count, 'item')} could not be read: repair or delete what is named above")
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
        return _ended("interrupted; all changes made until then are kept", _INTERRUPTED)
    return code if isinstance(code, int) else 0


def _ended(line: str, code: int) -> int:
    note(f"pipemodels: {' '.join(line.split())}")
    return code


def _usage_line(error: Any) -> str:
    """Return a usage error in one line that refers to the command's help."""
    message = error.format_message().rstrip(".").replace("Value error, ", "")  # Pydantic's prefix, passed on by Typer
    context = getattr(error, "ctx", None)
    path = context.command_path if context else "pipemodels"
    return f"{message}; see: {path} --help" if message else f"see: {path} --help"


def _use_any_encoding() -> None:
    """Print characters that standard output cannot encode as escapes."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
