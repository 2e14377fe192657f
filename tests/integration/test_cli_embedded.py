"""The command line as people run it: processes, on the embedded store in a directory."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

import pytest
from rich.cells import cell_len
from rich.text import Text

from pipemodels.cli import main

PATIENCE_SECONDS = 60.0
GOOD = "pipelines:\n  - {pipeline_id: orders, pipeline_name: Orders, source_type: s3, destination_type: iceberg}\n"
EVENT: dict[str, Any] = {
    "eventTime": "2026-03-01T12:00:00Z",
    "producer": "https://example.com/tests",
    "schemaURL": "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent",
    "eventType": "START",
    "job": {"namespace": "shop", "name": "orders"},
}

Process = subprocess.Popen[str]
Start = Callable[..., Process]


def event(number: int) -> str:
    """Return a line that starts a run of its own."""
    return json.dumps({**EVENT, "run": {"runId": f"0188b7a4-7f7b-7b7c-8a4c-{number:012}"}}) + "\n"


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Return what starts the command in an empty directory, with nothing said; none outlives the test."""
    environ = {name: text for name, text in os.environ.items() if not name.startswith(("AWS_", "PIPEMODELS_"))}
    environ["PYTHONPATH"] = os.pathsep.join([str(Path(__file__).parents[2]), *filter(None, sys.path)])
    started: list[Process] = []

    def begin(*arguments: str, stdin: int | IO[str] = subprocess.DEVNULL, **variables: str) -> Process:
        process = subprocess.Popen(
            [sys.executable, "-m", "pipemodels.cli", *arguments],
            cwd=tmp_path,
            env=environ | variables,
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        started.append(process)
        return process

    yield begin
    for process in started:
        with process:
            process.kill()


def done(process: Process) -> tuple[int, str, str]:
    """Wait for its end and return exit code, standard output and standard error."""
    out, err = process.communicate(timeout=PATIENCE_SECONDS)
    return process.returncode, out, err


def document(process: Process) -> Any:
    """Wait for a success that prints one JSON document and nothing else, and return that."""
    code, out, err = done(process)
    assert (code, err) == (0, "")
    return json.loads(out)


def wait_until(condition: Callable[[], bool]) -> None:
    """Ask until it is so; fail when patience ends."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, f"not so after {PATIENCE_SECONDS} s"
        time.sleep(0.01)


def ingesting(start: Start, directory: Path, number: int) -> Process:
    """Start an `ingest` from standard input, give it an event, and wait until it holds the store."""
    process = start("ingest", "-", stdin=subprocess.PIPE)
    assert process.stdin
    process.stdin.write(event(number))
    process.stdin.flush()
    lock = directory / ".pipemodels" / "lock"
    wait_until(lambda: lock.exists() and f'"pid": {process.pid},' in lock.read_text())
    wait_until(lambda: bool(list((directory / ".pipemodels").glob(".pipemodels-session-*"))))
    return process


def test_a_newcomer_needs_no_preparation(start: Start, tmp_path: Path) -> None:
    """The first command, in an empty directory, opens a store with its tables in `.pipemodels/`."""
    assert document(start("pipelines", "list", "--json")) == []
    states = {table["state"] for table in document(start("tables", "status", "--json"))}
    assert states == {"ACTIVE"}
    assert [path.name for path in tmp_path.iterdir()] == [".pipemodels"]


def test_the_status_of_an_empty_store_creates_nothing(start: Start) -> None:
    """`tables status` only looks."""
    for _ in range(2):
        assert {table["state"] for table in document(start("tables", "status", "--json"))} == {"MISSING"}


def test_what_one_command_wrote_the_next_one_reads_also_after_a_kill(start: Start, tmp_path: Path) -> None:
    """Exit code 0 means that it is on the disk; a command that is killed takes nothing of it away."""
    (tmp_path / "shop.yaml").write_text(GOOD)
    assert document(start("apply", "shop.yaml", "--json"))["created"] == ["orders"]
    killed = ingesting(start, tmp_path, 1)
    os.killpg(killed.pid, signal.SIGKILL)
    killed.wait(PATIENCE_SECONDS)
    assert [one["pipeline_id"] for one in document(start("pipelines", "list", "--json"))] == ["orders"]


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_command_that_is_interrupted_leaves_a_good_store(
    start: Start, tmp_path: Path, number: signal.Signals, code: int
) -> None:
    """Ctrl-C and SIGTERM end it with the shell's code, without a traceback; the next command finds the store."""
    (tmp_path / "shop.yaml").write_text(GOOD)
    document(start("apply", "shop.yaml", "--json"))
    process = ingesting(start, tmp_path, 1)
    process.send_signal(number)
    ended, out, err = done(process)
    assert (ended, out) == (code, "")
    assert err == ("pipemodels: interrupted; all changes made until then are kept\n" if code == 130 else "")
    assert [one["pipeline_id"] for one in document(start("pipelines", "list", "--json"))] == ["orders"]
    assert not list((tmp_path / ".pipemodels").glob(".pipemodels-session-*"))


def test_stores_of_two_directories_are_apart(start: Start, tmp_path: Path) -> None:
    """`--store local:DIR` and PIPEMODELS_STORE name a directory each, relative to where one is."""
    (tmp_path / "shop.yaml").write_text(GOOD)
    document(start("apply", "shop.yaml", "--store", "local:one", "--json"))
    assert document(start("pipelines", "list", "--json", PIPEMODELS_STORE="local:two")) == []
    assert len(document(start("pipelines", "list", "--json", PIPEMODELS_STORE="local:one"))) == 1


def test_a_reader_that_goes_away_is_no_error(start: Start, tmp_path: Path) -> None:
    """`| head` ends the command quietly, its data saved."""
    (tmp_path / "shop.yaml").write_text(GOOD)
    process = start("apply", "shop.yaml", "--json")
    assert process.stdout
    assert process.stderr
    process.stdout.close()
    assert process.stderr.read() == ""
    assert process.wait(PATIENCE_SECONDS) == 141
    assert len(document(start("pipelines", "list", "--json"))) == 1


def test_a_directory_that_cannot_be_a_store_is_one_line(start: Start, tmp_path: Path) -> None:
    """A file in the place of the directory: exit code 1, no traceback."""
    (tmp_path / "file").write_text("")
    code, out, err = done(start("runs", "list", "--store", "local:file"))
    assert (code, out, err.count("\n")) == (1, "", 1)
    assert "cannot keep a store" in err


def test_the_demo_is_one_document_with_json(capsys: pytest.CaptureFixture[str]) -> None:
    """It tells what was applied, ingested and recorded, and what there is to see; its store is gone afterwards."""
    assert main(["demo", "--json"]) == 0
    printed = capsys.readouterr()
    assert printed.err == ""
    shown = json.loads(printed.out)
    assert len(shown["apply"]["created"]) >= 6
    assert (shown["apply"]["refused"], shown["ingest"]["refused"]) == ([], [])
    assert [run["status"] for run in shown["recorded"]] == ["success", "failed"]
    assert all(run["stages"] for run in shown["recorded"])
    assert shown["active_pipelines"]
    assert shown["statistics"]["runs"] > 1
    assert len(shown["recent_runs"]) == shown["ingest"]["runs"] + 2
    assert (shown["kept"], len(shown["next"])) == (False, 3)
    assert all(shown["store"] not in command for command in shown["next"])
    assert not Path(shown["store"].removeprefix("local:")).exists()


def test_the_demo_has_a_store_of_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    """It never writes into the store that somebody works with."""
    assert main(["demo", "--store", "aws"]) == 2
    assert "--keep DIR" in capsys.readouterr().err


@pytest.mark.parametrize("width", [80, 120])
def test_the_demo_fits_its_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, width: int
) -> None:
    """In colour and in the terminal's width, to the next commands."""
    for name, value in {"FORCE_COLOR": "1", "TERM": "xterm-256color", "COLUMNS": str(width)}.items():
        monkeypatch.setenv(name, value)
    assert main(["demo", "--keep", str(tmp_path / "kept")]) == 0
    lines = [Text.from_ansi(line).plain for line in capsys.readouterr().out.splitlines()]
    assert max(cell_len(line) for line in lines[:-5]) <= width
    assert lines[-1].endswith("runs timeline --store local:" + str(tmp_path / "kept"))


def test_the_demo_works_without_a_terminal_and_its_store_can_be_kept(start: Start, tmp_path: Path) -> None:
    """It says which store it used, ends with the timeline and what to try next; a kept store answers."""
    code, out, err = done(start("demo", "--keep", "kept", "--tz", "Europe/Berlin"))
    assert (code, err) == (0, "")
    for said in (
        "embedded, in kept",
        "active pipelines",
        "recent runs, times in Europe/Berlin",
        "failed",
        "try next",
    ):
        assert said in out
    assert "\x1b" not in out
    last = out.rstrip().splitlines()[-1].split()
    assert last[1:] == ["runs", "timeline", "--store", "local:kept"]
    assert len(document(start("runs", "list", "--since", "7d", "--json", "--store", "local:kept"))) > 2
    refused = done(start("demo", "--keep", "kept"))
    assert refused[0] == 2
    assert "'kept' already exists" in refused[2]


def test_statuses_complete_in_a_shell(start: Start) -> None:
    """The shell that asks gets the statuses, and the commands of a group."""
    words = {
        "_PIPEMODELS_COMPLETE": "complete_bash",
        "COMP_WORDS": "pipemodels runs list --status ",
        "COMP_CWORD": "4",
    }
    assert done(start(**words))[1].split() == ["pending", "running", "success", "failed", "cancelled", "skipped"]
    words |= {"COMP_WORDS": "pipemodels runs ", "COMP_CWORD": "2"}
    assert done(start(**words))[1].split() == ["list", "show", "stats", "timeline", "reap"]
