"""The commands that write: tables, apply, ingest, activate and deactivate."""

from __future__ import annotations

import io
import json
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from pipemodels import commands, queries, using
from tests.helpers.command_line import NOON, CommandLine, cli, config_of, moto_aws, prefix

__all__ = ["cli", "moto_aws", "prefix"]

HOUR = timedelta(hours=1)
GOOD = """
pipelines:
  - {pipeline_id: orders, pipeline_name: Orders, source_type: s3, destination_type: iceberg, memory_gb: 1.10}
"""
MIXED = GOOD + "  - {pipeline_id: broken, pipeline_name: Broken, source_type: s3, destination_typ: iceberg}\n"
EVENT: dict[str, Any] = {
    "eventTime": "2026-03-01T12:00:00Z",
    "producer": "https://example.com/tests",
    "schemaURL": "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent",
    "run": {"runId": "0188b7a4-7f7b-7b7c-8a4c-3f7b6e0c1a55"},
    "job": {"namespace": "shop", "name": "orders"},
}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Return the path of a file for definitions or events."""
    return tmp_path / "input.yaml"


def events(*kinds: str) -> str:
    """Return the events of one run as NDJSON."""
    return "".join(json.dumps({**EVENT, "eventType": kind}) + "\n" for kind in kinds)


class Terminal(io.StringIO):
    """Standard input that is a terminal."""

    def isatty(self) -> bool:
        """Say that it is a terminal."""
        return True


def test_tables_are_created_once(cli: CommandLine) -> None:
    """`tables create` is safe to repeat, and `tables status` shows the state before and after."""
    words = ("--prefix", "fresh.", "--json")
    before = cli("tables", "status", *words)
    assert {table["state"] for table in before.json} == {"MISSING"}
    for _ in range(2):
        answer = cli("tables", "create", *words)
        assert (answer.code, answer.err) == (0, "")
        assert answer.json[0] == {"name": "fresh.pipeline_config", "state": "ACTIVE", "items": 0, "differences": []}
    assert cli("tables", "status", *words).json == answer.json
    assert cli("tables", "drop", "--yes", *words).code == 0


def test_the_status_of_missing_tables_says_how_to_create_them(cli: CommandLine) -> None:
    """`tables status` succeeds if tables are missing, and prints a hint on standard error."""
    answer = cli("tables", "status", "--prefix", "absent.")
    assert answer.code == 0
    assert "absent.table_config        MISSING" in answer.out
    assert answer.err == "To create the missing tables: pipemodels tables create\n"


def test_tables_of_others_are_refused(cli: CommandLine, moto_aws: None) -> None:
    """A table with this name and other keys is neither used nor dropped; the exit code is 1, not 2."""
    from pipemodels.connections import connection_of

    client = connection_of(config_of("")).client
    client.create_table(
        TableName="others.pipeline_config",
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    for words in (["create"], ["drop", "--yes"]):
        answer = cli("tables", *words, "--prefix", "others.")
        assert answer.code == 1
        assert "HASH id (S), expected HASH pipeline_id (S)" in answer.err
    assert "DIFFERENT" in cli("tables", "status", "--prefix", "others.").out


def test_dropping_wants_a_yes_where_nobody_can_be_asked(cli: CommandLine, prefix: str) -> None:
    """Without a terminal and without `--yes`, nothing is dropped, and the error says to add `--yes`."""
    answer = cli("tables", "drop", "--prefix", prefix, "--json")
    assert (answer.code, answer.out) == (2, "")
    assert answer.err == (
        "pipemodels: cannot ask for confirmation, because standard input is not a terminal: to drop the tables, "
        "add --yes; see: pipemodels tables drop --help\n"
    )
    assert cli("tables", "status", "--prefix", prefix, "--json").json[0]["state"] == "ACTIVE"


@pytest.mark.parametrize(
    ("typed", "code", "state"), [("other", 1, "ACTIVE"), ("", 1, "ACTIVE"), (None, 0, "MISSING")]
)
def test_dropping_asks_for_the_prefix(
    cli: CommandLine,
    prefix: str,
    monkeypatch: pytest.MonkeyPatch,
    typed: str | None,
    code: int,
    state: str,
) -> None:
    """On a terminal, the user must type the prefix to drop the tables."""
    monkeypatch.setattr(sys, "stdin", Terminal(f"{prefix if typed is None else typed}\n"))
    answer = cli("tables", "drop", "--prefix", prefix)
    assert answer.code == code
    assert f"{prefix}pipeline_config" in answer.err
    assert cli("tables", "status", "--prefix", prefix, "--json").json[0]["state"] == state


def test_dropped_tables_are_named(cli: CommandLine, prefix: str) -> None:
    """`--json` lists the dropped tables; dropping none succeeds."""
    names = [
        f"{prefix}{name}" for name in ("pipeline_config", "table_config", "pipeline_run_logs", "pipeline_run_slots")
    ]
    assert cli("tables", "drop", "--yes", "--prefix", prefix, "--json").json == {"dropped": names}
    assert cli("tables", "drop", "--yes", "--prefix", prefix, "--json").json == {"dropped": []}
    assert "There were no tables" in cli("tables", "drop", "--prefix", prefix).out


def test_definitions_are_applied_once(cli: CommandLine, prefix: str, file: Path) -> None:
    """The first `apply` creates the items and records the author, the second changes nothing."""
    file.write_text(GOOD)
    words = ("apply", str(file), "--prefix", prefix, "--json", "--by", "ada")
    first = cli(*words)
    assert (first.code, first.err) == (0, "")
    assert first.json == {"created": ["orders"], "updated": [], "unchanged": [], "refused": []}
    assert cli(*words).json == {"created": [], "updated": [], "unchanged": ["orders"], "refused": []}
    with using(config_of(prefix)):
        assert queries.get_pipeline("orders").created_by == "ada"


def test_numbers_are_shown_as_they_are_stored(cli: CommandLine, prefix: str, file: Path) -> None:
    """1.10 is stored and printed as exactly 1.1, not as a float."""
    file.write_text(GOOD)
    cli("apply", str(file), "--prefix", prefix)
    assert '"memory_gb": 1.1' in cli("pipelines", "show", "orders", "--prefix", prefix, "--json").out


def test_a_dry_run_shows_each_field_and_writes_nothing(cli: CommandLine, prefix: str, file: Path) -> None:
    """A dry run shows each field that would change, before and after."""
    file.write_text(GOOD)
    assert "(dry run: nothing was written)" in cli("apply", str(file), "--prefix", prefix, "--dry-run").out
    assert cli("pipelines", "list", "--prefix", prefix, "--json").json == []
    cli("apply", str(file), "--prefix", prefix)
    file.write_text(GOOD.replace("Orders", "All orders"))
    out = cli("apply", str(file), "--prefix", prefix, "--dry-run").out
    assert '~ orders\n    pipeline_name: "Orders" → "All orders"\n' in out
    assert cli("pipelines", "show", "orders", "--prefix", prefix, "--json").json["pipeline_name"] == "Orders"


def test_what_is_good_is_applied_and_the_rest_refused(cli: CommandLine, prefix: str, file: Path) -> None:
    """A refusal names file, entry, field, value and reason, and makes the exit code 1."""
    file.write_text(MIXED)
    answer = cli("apply", str(file), "--prefix", prefix, "--json")
    assert answer.code == 1
    assert answer.json["created"] == ["orders"]
    [refused] = answer.json["refused"]
    assert refused.keys() == {"file", "entry", "problems"}
    assert refused["file"] == str(file)
    assert "broken" in refused["entry"]
    assert {
        "field": "destination_typ",
        "value": "iceberg",
        "reason": "is not a field; did you mean destination_type?",
    } in refused["problems"]
    assert "did you mean destination_type?" in answer.err
    assert "1 entry refused" in answer.err


def test_a_file_that_is_not_there_is_refused(cli: CommandLine, prefix: str) -> None:
    """A missing file is listed like any other refusal."""
    answer = cli("apply", "no-such-file.yaml", "--prefix", prefix, "--json")
    assert answer.code == 1
    assert [one["file"] for one in answer.json["refused"]] == ["no-such-file.yaml"]


def test_pipelines_are_listed_by_id_whatever_the_index_says(cli: CommandLine, prefix: str) -> None:
    """Without `--limit` the order is by id, although the index sorts by last change."""
    with using(config_of(prefix)):
        for hour, name in enumerate(("b", "a", "d", "c")):
            commands.create_pipeline(
                pipeline_id=name, pipeline_name="n", source_type="s", destination_type="d", now=NOON + hour * HOUR
            )
        assert [one.pipeline_id for one in queries.active_pipelines()] == ["c", "d", "a", "b"]
    listed = cli("pipelines", "list", "--active", "--prefix", prefix, "--json").json
    assert [one["pipeline_id"] for one in listed] == ["a", "b", "c", "d"]


def test_who_switched_a_pipeline_is_noted(cli: CommandLine, prefix: str) -> None:
    """`--by` sets the recorded author of an activation and a deactivation."""
    with using(config_of(prefix)):
        commands.create_pipeline(pipeline_id="p", pipeline_name="n", source_type="s", destination_type="d")
        for word, name, active in (("deactivate", "ann", False), ("activate", "bob", True)):
            assert cli("pipelines", word, "p", "--by", name, "--prefix", prefix).code == 0
            stored = queries.get_pipeline("p")
            assert (stored.updated_by, stored.is_active) == (name, active)


def test_a_message_cannot_command_the_terminal(cli: CommandLine, prefix: str) -> None:
    """Control characters in a file's name or content are printed as visible escapes."""
    answer = cli("apply", "\x1b[2Jno-such-file.yaml", "--prefix", prefix)
    assert answer.code == 1
    assert "\\x1b[2Jno-such-file.yaml" in answer.err
    assert "\x1b" not in answer.err


def test_events_become_runs(cli: CommandLine, prefix: str, tmp_path: Path) -> None:
    """`ingest` counts events, runs and pipelines; a repeat is counted and changes nothing."""
    path = tmp_path / "events.ndjson"
    path.write_text(events("START", "COMPLETE"))
    words = ("ingest", str(path), "--by", "ann", "--prefix", prefix, "--json")
    for _ in range(2):
        answer = cli(*words)
        assert (answer.code, answer.err) == (0, "")
        assert answer.json == {"events": 2, "runs": 1, "pipelines": 1, "refused": []}
    [run] = cli("runs", "list", "--prefix", prefix, "--json").json
    assert (run["pipeline_id"], run["status"]) == ("shop/orders", "success")
    shown = cli("runs", "show", run["run_id"], "--prefix", prefix, "--json").json
    assert (shown["created_by"], shown["revision"]) == ("ann", 1)


def test_events_are_read_from_standard_input(cli: CommandLine, prefix: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """`-` reads events from standard input."""
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(events("START").encode())))
    assert cli("ingest", "-", "--prefix", prefix).out == "1 event of 1 run of 1 pipeline\n"


def test_times_without_an_offset_are_taken_in_a_zone_that_is_named(
    cli: CommandLine, prefix: str, tmp_path: Path
) -> None:
    """`--assume-timezone` sets the zone; without it such times are refused; an unknown zone is wrong usage."""
    path = tmp_path / "events.ndjson"
    path.write_text(events("START").replace('Z"', '"'))
    answer = cli("ingest", str(path), "--prefix", prefix)
    assert answer.code == 1
    reason = "has no UTC offset: write Z or an offset such as +02:00, or name its zone with --assume-timezone"
    assert reason in answer.err
    answer = cli("ingest", str(path), "--assume-timezone", "Mars", "--prefix", prefix)
    assert answer.code == 2
    assert "--assume-timezone: 'Mars' is not a time zone: write a name such as Europe/Paris" in answer.err
    answer = cli("ingest", str(path), "--assume-timezone", "Europe/Paris", "--prefix", prefix)
    assert (answer.code, answer.out, answer.err) == (0, "1 event of 1 run of 1 pipeline\n", "")


@pytest.mark.parametrize("command", ["apply", "ingest"])
@pytest.mark.parametrize("paths", [("",), (" ",), ("a.json", "")])
def test_an_empty_argument_is_refused_by_name(
    cli: CommandLine,
    prefix: str,
    command: str,
    paths: tuple[str, ...],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """An empty path does not mean the working directory: nothing is done, and the exit code is 2."""
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "a.json"
    entry = {"pipeline_id": "never", "pipeline_name": "N", "source_type": "a", "destination_type": "b"}
    path.write_text(json.dumps({"pipelines": [entry]}) if command == "apply" else events("START"))
    answer = cli(command, *paths, "--prefix", prefix)
    assert (answer.code, answer.out) == (2, "")
    assert f"paths[{len(paths) - 1}]: {paths[-1]!r} is empty: name a file, a glob or a directory" in answer.err
    assert cli("pipelines", "list", "--prefix", prefix, "--json").json == []


def test_a_bad_event_is_refused_by_line_and_the_rest_taken(cli: CommandLine, prefix: str, tmp_path: Path) -> None:
    """The refusal names file, line and reason, and makes the exit code 1."""
    path = tmp_path / "events.ndjson"
    path.write_text(events("START") + '{"eventType": "COMPLETE"}\n')
    answer = cli("ingest", str(path), "--prefix", prefix, "--json")
    assert (answer.code, answer.json["events"]) == (1, 1)
    [refused] = answer.json["refused"]
    assert refused.keys() == {"file", "line", "reason"}
    assert (refused["file"], refused["line"]) == (str(path), 2)
    assert f"{path}:2: {refused['reason']}" in answer.err


@pytest.mark.parametrize("words", [("apply", "x.yaml"), ("ingest", "x.ndjson"), ("pipelines", "activate", "x")])
def test_who_changes_things_must_be_a_name(cli: CommandLine, prefix: str, words: tuple[str, ...]) -> None:
    """An empty `--by` is refused before anything is read or written."""
    answer = cli(*words, "--by", "", "--prefix", prefix)
    assert (answer.code, answer.out) == (2, "")
    assert "--by" in answer.err


def test_pipelines_are_switched_together_or_not_at_all(cli: CommandLine, prefix: str, file: Path) -> None:
    """If one id is unknown, no pipeline is changed."""
    file.write_text(GOOD + GOOD.replace("pipelines:\n", "").replace("orders", "customers"))
    cli("apply", str(file), "--prefix", prefix)
    active = ("pipelines", "list", "--active", "--prefix", prefix, "--json")
    assert cli("pipelines", "deactivate", "orders", "customers", "nope", "--prefix", prefix).code == 1
    assert len(cli(*active).json) == 2
    answer = cli("pipelines", "deactivate", "orders", "customers", "--prefix", prefix, "--json")
    assert answer.json == {"deactivated": ["orders", "customers"]}
    assert cli(*active).json == []
    assert cli("pipelines", "activate", "orders", "--prefix", prefix).out == "activated orders\n"
    assert [one["pipeline_id"] for one in cli(*active).json] == ["orders"]
