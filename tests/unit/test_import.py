"""Importing the package does nothing but import: no network, no process, no file but modules, no environment."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]

THEIRS = "pynamodb.models, pynamodb.connection, pynamodb.pagination, pynamodb.transactions, pendulum, difflib"
ALL = "pipemodels, pipemodels.commands, pipemodels.queries, pipemodels.schema"

WATCH = """
import json, os, sys
import sysconfig

opened, calls, read = set(), set(), set()
WATCHED = ("socket.", "subprocess.", "os.system", "os.exec", "os.fork", "os.posix_spawn", "urllib.", "http.")

def hook(event, arguments):
    if event == "open" and isinstance(arguments[0], (str, bytes)):
        name = os.fsdecode(arguments[0])
        if not name.endswith((".py", ".pyc", ".so", ".pyd", ".cfg")) and ".dist-info" not in name:
            opened.add(name)
    elif event.startswith(WATCHED):
        calls.add(event)

class Watched(os._Environ):
    def __getitem__(self, name):
        read.add(name)
        return super().__getitem__(name)

import {first}
sys.addaudithook(hook)
os.environ = Watched({{}}, lambda x: x, lambda x: x, lambda x: x, lambda x: x)
os._Environ = Watched
import {second}
print(json.dumps([sorted(opened), sorted(calls), sorted(read)]))
"""


def watched(first: str, second: str, **environment: str) -> Any:
    """Import one thing, then watch what importing another does: files opened, calls, variables read."""
    clean = {
        "PYTHONDONTWRITEBYTECODE": "1",
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT),
        "HOME": "/nonexistent",
        **environment,
    }
    code = WATCH.format(first=first, second=second)
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        env=clean,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_importing_does_no_input_or_output() -> None:
    """Beside PynamoDB and pendulum it opens no file, no socket, starts no process and reads no variable."""
    assert watched(THEIRS, ALL) == [[], [], []]


def test_the_watch_sees() -> None:
    """The same watch sees a file, a socket and a variable, where there are some."""
    opened, calls, read = watched(
        "socket",
        "pathlib; open('/dev/null').close(); socket.socket().close(); os.environ.get('HOME')",
    )
    assert opened == ["/dev/null"]
    assert "socket.__new__" in calls
    assert read == ["HOME"]


def test_a_bad_environment_does_not_fail_the_import() -> None:
    """Variables that hold nonsense are refused at first use, not at import."""
    bad = {
        "PIPEMODELS_INDEX_SHARDS": "many",
        "PIPEMODELS_TIMEZONE": "Mars",
        "AWS_ENDPOINT_URL": "nowhere",
        "AWS_PROFILE": "x",
    }
    assert watched(THEIRS, ALL, **bad) == [[], [], []]


@pytest.mark.parametrize("module", ["moto", "pytest", "typer", "rich", "yaml", "ministack", "asyncio", "boto3"])
def test_importing_brings_no_more_than_it_needs(module: str) -> None:
    """Neither extras nor what tests need; and not what nothing of PynamoDB needs either."""
    asked = f"'{module}' in sys.modules"
    code = f"import sys, pynamodb.models, pendulum; before = {asked}; import {ALL}; print({asked} and not before)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == "False"


def test_everything_public_is_there() -> None:
    """Each name of `__all__` can be imported, in the package and in its rooms; another is an AttributeError."""
    import pipemodels
    from pipemodels import commands, models, queries

    for room in (pipemodels, commands, models, queries):
        assert [name for name in room.__all__ if not hasattr(room, name)] == []
    assert set(pipemodels.__all__) <= set(dir(pipemodels))
    with pytest.raises(AttributeError, match="module 'pipemodels' has no attribute 'nothing'"):
        _ = pipemodels.nothing  # type: ignore[attr-defined]  # what is tested


@pytest.mark.parametrize("name", ["commands", "queries", "create_tables", "drop_tables", "table_status"])
def test_what_is_imported_later_is_there_when_asked(name: str) -> None:
    """Rooms that the import leaves out come at the first look, by attribute and by `from … import`."""
    code = f"""
import sys, pipemodels
assert "pipemodels.queries" not in sys.modules
one = pipemodels.{name}
from pipemodels import {name}
assert one is {name} is pipemodels.{name}
from pipemodels import *
assert {name} is one
"""
    subprocess.run([sys.executable, "-W", "error", "-c", code], cwd=ROOT, check=True, timeout=60)
