"""The command line with unreadable or incomplete stored items: it shows all others."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pipemodels import commands, parse_instant, using
from tests.helpers.command_line import CommandLine, cli, config_of, moto_aws, prefix
from tests.unit.test_unreadable import put

__all__ = ["cli", "moto_aws", "prefix"]

START = parse_instant("2026-01-01T00:00:00Z")
ODD = {
    "pipeline_id": {"S": "orders"},
    "run_id": {"S": "odd"},
    "status": {"S": "running"},
    "status_shard": {"S": "running#0"},
    "trigger_type": {"S": "m"},
    "start_time": {"S": "2026-01-01T00:00:01.000000Z"},
}
NAMED = (
    "cannot be read: table '{}pipeline_run_logs', pipeline_id 'orders', run_id 'odd': "
    "attempt: '1.5' is stored, but is not a whole number"
)
COUNTED = "1 item could not be read: repair or delete what is named above"


@pytest.fixture
def store(prefix: str) -> str:
    """Return the prefix of tables with a valid pipeline and a valid run."""
    with using(config_of(prefix)):
        fields: dict[str, Any] = {"pipeline_name": "n", "source_type": "s", "destination_type": "d"}
        commands.create_pipeline(pipeline_id="orders", **fields)
        commands.start_run(pipeline_id="orders", run_id="good", lease_seconds=1, start_time=START, now=START)
    return prefix


def spoil(prefix: str, item: dict[str, Any], table: str = "pipeline_run_logs") -> None:
    """Store an item without using the package."""
    put(config_of(prefix), item, table)


LISTINGS = [
    ["runs", "list"],
    ["runs", "list", "--full"],
    ["runs", "list", "--json"],
    ["runs", "list", "--limit", "50"],
    ["runs", "list", "--status", "running"],
    ["runs", "list", "--pipeline", "orders"],
    ["runs", "stats", "orders"],
    ["runs", "stats", "orders", "--json"],
    ["runs", "timeline", "orders"],
    ["runs", "timeline", "--json"],
    ["pipelines", "show", "orders"],
]


def test_all_else_is_shown_and_the_item_named(cli: CommandLine, store: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Standard error names and counts the item, standard output shows the others, and the exit code is 1."""
    for module in ("runs", "formatting"):  # or a run grows older meanwhile
        monkeypatch.setattr(f"pipemodels.cli.{module}.utc_now", lambda: START)
    before = [cli(*words, "--prefix", store) for words in LISTINGS]
    assert [(answer.code, answer.err) for answer in before] == [(0, "")] * len(LISTINGS)
    spoil(store, ODD | {"attempt": {"N": "1.5"}})
    for words, good in zip(LISTINGS, before, strict=True):
        answer = cli(*words, "--prefix", store)
        assert (answer.code, answer.err.splitlines()) == (1, [NAMED.format(store), COUNTED]), words
        assert answer.out.replace('"unreadable": 1', '"unreadable": 0') == good.out


def test_to_show_it_is_an_error(cli: CommandLine, store: str) -> None:
    """Showing an unreadable item is an error that names the field and the value."""
    spoil(store, ODD | {"attempt": {"N": "1.5"}})
    answer = cli("runs", "show", "odd", "--prefix", store)
    line = NAMED.format(store).removeprefix("cannot be read: ")
    assert (answer.code, answer.out, answer.err) == (1, "", f"pipemodels: {line}; mend the item or delete it\n")


def test_a_pipeline_with_such_runs_alone_exists(cli: CommandLine, store: str) -> None:
    """A pipeline whose runs are all unreadable is not called unknown."""
    spoil(store, ODD | {"pipeline_id": {"S": "gone"}, "attempt": {"N": "1.5"}})
    for words in (["runs", "list", "-p", "gone"], ["runs", "stats", "gone"], ["runs", "timeline", "gone"]):
        answer = cli(*words, "--prefix", store)
        assert (answer.code, answer.err.splitlines()[1:]) == (1, [COUNTED])


def test_pipelines_and_tables_are_listed_too(cli: CommandLine, store: str) -> None:
    """The unreadable item is named, and a misspelt id still gets its suggestion."""
    spoil(store, {"pipeline_id": {"S": "odd"}, "is_active": {"S": "yes"}}, "pipeline_config")
    line = (
        f"cannot be read: table '{store}pipeline_config', pipeline_id 'odd': "
        "is_active: {'S': 'yes'} is not stored as type BOOL"
    )
    answer = cli("pipelines", "list", "--json", "--prefix", store)
    assert ([one["pipeline_id"] for one in answer.json], answer.code) == (["orders"], 1)
    assert answer.err.splitlines() == [line, COUNTED]
    missing = cli("pipelines", "show", "order", "--prefix", store)
    assert (missing.code, missing.err.splitlines()) == (
        1, [line, "pipemodels: there is no pipeline 'order'; did you mean 'orders'?", COUNTED],
    )  # fmt: skip


AGAINST_RULES: list[dict[str, Any]] = [
    {"environment": {"S": ""}},
    {"attempt": {"N": "0"}},
    {"owner": {"S": " ann "}},
    {"total_records_processed": {"N": "-1"}},
    {"status": {"NULL": True}},
    {"end_time": {"S": "2025-01-01T00:00:00.000000Z"}, "duration_seconds": {"N": "-3E+120"}},
    {"tags": {"M": {"x": {"B": b"\x00"}}}, "input_tables": {"L": [{"N": "1"}]}},
    {"stages": {"L": [{"M": {}}, {"M": {"start_time": ODD["start_time"]}}]}},
    {"stages": {"L": [{"M": {"stage_name": {"S": ""}, "records_processed": {"N": "-1"}}}]}},
    {"data_quality_results": {"L": [{"M": {}}]}},
]


@pytest.mark.parametrize("terminal", [False, True], ids=["pipe", "terminal"])
def test_what_can_be_read_is_shown_although_it_breaks_rules(
    cli: CommandLine, store: str, monkeypatch: pytest.MonkeyPatch, terminal: bool
) -> None:
    """A readable item that breaks rules or lacks attributes is listed, drawn and shown as it is stored."""
    names = [f"odd-{number}" for number in range(len(AGAINST_RULES))]
    for name, stored in zip(names, AGAINST_RULES, strict=True):
        spoil(store, ODD | {"run_id": {"S": name}} | stored)
    for variable, value in {"FORCE_COLOR": "1", "TERM": "xterm-256color"}.items() if terminal else ():
        monkeypatch.setenv(variable, value)
    for words in LISTINGS:
        answer = cli(*words, "--prefix", store)
        assert (answer.code, answer.err) == (0, ""), words
    listed = cli("runs", "list", "--json", "--prefix", store).json
    assert sorted(one["run_id"] for one in listed) == ["good", *names]
    for name, stored in zip(names, AGAINST_RULES, strict=True):
        answer = cli("runs", "show", name, "--prefix", store)
        assert (answer.code, answer.err, name in answer.out) == (0, "", True)
        shown = cli("runs", "show", name, "--json", "--prefix", store).json
        assert {field for field, tagged in stored.items() if "NULL" not in tagged} <= set(shown)


def test_a_pipeline_that_lacks_attributes_is_shown(cli: CommandLine, store: str) -> None:
    """A pipeline that lacks attributes is shown with its tables."""
    spoil(store, {"pipeline_id": {"S": "bare"}}, "pipeline_config")
    table = {"table_id": {"S": "t"}, "pipeline_id": {"S": "bare"}, "table_type": {"S": "source"}}
    spoil(store, table, "table_config")
    listed = cli("pipelines", "list", "--prefix", store)
    assert (listed.code, listed.err, listed.lines[1].split()) == (0, "", ["bare", "no", "?", "→", "?", "-"])
    shown = cli("pipelines", "show", "bare", "--prefix", store)
    assert (shown.code, shown.err, shown.lines[-1].split()) == (0, "", ["t", "source"])


LEASE = {"lease_expires_at": {"S": "2026-01-01T00:00:02.000000Z"}}


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("rule", {"total_records_processed": {"N": "1"}, "total_records_failed": {"N": "2"}}),
        ("unreadable", {"attempt": {"N": "1.5"}}),
    ],
)
def test_what_keeps_a_run_from_being_reaped_is_no_wrong_usage(
    name: str, values: dict[str, Any], cli: CommandLine, store: str
) -> None:
    """Standard error names the run, all others are reaped and shown, and the exit code is 1."""
    spoil(store, ODD | LEASE | values)
    table = f"{store}pipeline_run_logs"
    lines = {
        # of an item with no start_epoch, so that DynamoDB cannot compute its duration
        "rule": (
            f"{table}: run 'orders' / 'odd': total_records_failed: 2 exceeds total_records_processed (1); "
            "the run is not reaped\n"
        ),
        "unreadable": (
            f"cannot be read: table '{table}', pipeline_id 'orders', run_id 'odd': "
            "attempt: '1.5' is stored, but is not a whole number\n"
            "1 item could not be read: repair or delete what is named above\n"
        ),
    }
    answer = cli("runs", "reap", "--prefix", store, "--json")
    assert (answer.code, answer.err) == (1, lines[name])
    assert [(run["run_id"], run["status"]) for run in answer.json] == [("good", "failed")]
    answer = cli("runs", "reap", "--prefix", store)
    assert (answer.code, answer.out, answer.err) == (1, "Nothing was reaped.\n", lines[name])


def test_an_item_is_named_once_however_often_it_is_met(
    cli: CommandLine, store: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A long-running command names an item once; other warnings are printed and do not change the exit code."""
    import logging

    from pipemodels.cli.warnings import shown_warnings
    from pipemodels.queries import running_runs

    spoil(store, ODD | {"attempt": {"N": "1.5"}, "run_id": {"S": "odd"}})
    lines: list[str] = []
    monkeypatch.setattr("pipemodels.cli.warnings.note", lines.append)
    with using(config_of(store)), shown_warnings() as warnings:
        for _ in range(3):
            assert [one.run_id for one in running_runs()] == ["good"]
        logging.getLogger("pipemodels.runs").warning("lost %s", "\x1b[31m")
    assert (lines, len(warnings.unreadable)) == ([NAMED.format(store), "lost \x1b[31m"], 1)
    logging.getLogger("pipemodels.runs").warning("after the block")
    assert len(lines) == 2


def test_apply_refuses_the_entry_of_such_an_item_alone(cli: CommandLine, store: str, tmp_path: Path) -> None:
    """An entry whose stored item is unreadable is refused, and the others are applied."""
    spoil(
        store, {"pipeline_id": {"S": "odd"}, "is_active": {"S": "yes"}, "revision": {"N": "1.5"}}, "pipeline_config"
    )
    file = tmp_path / "definitions.json"
    fields = {"pipeline_name": "n", "source_type": "s", "destination_type": "d"}
    file.write_text(json.dumps({"pipelines": [{"pipeline_id": name, **fields} for name in ("new", "odd", "orders")]}))
    answer = cli("apply", str(file), "--prefix", store)
    assert (answer.code, answer.lines) == (1, ["+ new", "1 created, 0 updated, 1 unchanged, 1 refused"])
    assert answer.err.splitlines() == [
        f"{file}: pipelines[1] odd (line 1): stored revision: '1.5' is stored, but is not a whole number; repair the "
        "stored item or delete it; stored is_active: {'S': 'yes'} is not stored as type BOOL; repair the "
        "stored item or delete it",
        "1 entry refused: correct and apply again",
    ]


def test_ingest_refuses_the_events_of_such_a_run_alone(cli: CommandLine, store: str, tmp_path: Path) -> None:
    """Events of an unreadable run are refused; other events are recorded, even if their pipeline is unreadable."""
    spoil(store, {"pipeline_id": {"S": "ns/j"}, "is_active": {"S": "yes"}}, "pipeline_config")
    spoil(store, ODD | {"pipeline_id": {"S": "ns/j"}, "attempt": {"N": "1.5"}})
    file = tmp_path / "events.ndjson"
    event = {"eventType": "COMPLETE", "eventTime": "2026-01-01T00:00:05Z", "job": {"namespace": "ns", "name": "j"}}
    file.write_text("".join(json.dumps({**event, "run": {"runId": name}}) + "\n" for name in ("odd", "new")))
    answer = cli("ingest", str(file), "--prefix", store)
    assert (answer.code, answer.lines) == (1, ["1 event of 1 run of 1 pipeline, 1 refused"])
    assert answer.err.splitlines() == [
        f"{file}:1: table '{store}pipeline_run_logs', pipeline_id 'ns/j', run_id 'odd': attempt: '1.5' is stored, "
        "but is not a whole number; mend the item or delete it",
        "1 event refused: correct and ingest again",
    ]
