"""The commands that read: which items they select, print and refuse."""

from __future__ import annotations

import io
import json
import re
import sys
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from types import ModuleType
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from rich.cells import cell_len
from rich.text import Text

from pipemodels import commands, using
from pipemodels.cli import main
from pipemodels.cli.options import Moment
from tests.helpers.command_line import Answer, CommandLine, cli, config_of, moto_aws, prefix, shop

__all__ = ["cli", "moto_aws", "prefix", "shop"]


def test_pipelines_are_listed_by_id_as_aligned_lines(cli: CommandLine, shop: str) -> None:
    """In a pipe each pipeline is one line below the column names, with no ANSI and nothing cut."""
    answer = cli("pipelines", "list", "--prefix", shop)
    assert (answer.code, answer.err) == (0, "")
    assert answer.lines == [
        "PIPELINE   ACTIVE  ENV   FROM → TO           SCHEDULE  VERSION  CHANGED",
        "customers  yes     prod  postgres → iceberg            1.0.0    2026-03-01T12:00:00+00:00",
        "old        no      dev   postgres → iceberg            1.0.0    2026-03-01T12:00:00+00:00",
        "orders     yes     prod  postgres → iceberg            1.0.0    2026-03-01T12:00:00+00:00",
    ]


def test_times_are_shown_in_the_zone_that_is_asked_for(cli: CommandLine, shop: str) -> None:
    """`--tz` changes the shown times, but not `--json`, which prints them as stored."""
    assert "2026-03-01T21:00:00+09:00" in cli("pipelines", "list", "--prefix", shop, "--tz", "Asia/Tokyo").out
    listed = cli("pipelines", "list", "--prefix", shop, "--tz", "Asia/Tokyo", "--json").json
    assert {one["updated_at"] for one in listed} == {"2026-03-01T12:00:00.000000Z"}


def test_json_of_a_listing_has_the_stored_fields_of_the_summary(cli: CommandLine, shop: str) -> None:
    """A listed pipeline holds what its index holds, under the stored names; `--full` adds the rest."""
    first = cli("pipelines", "list", "--prefix", shop, "--json").json[0]
    assert first == {
        "pipeline_id": "customers",
        "pipeline_name": "Customers",
        "source_type": "postgres",
        "destination_type": "iceberg",
        "is_active": True,
        "environment": "prod",
        "version": "1.0.0",
        "revision": 1,
        "created_at": "2026-03-01T12:00:00.000000Z",
        "updated_at": "2026-03-01T12:00:00.000000Z",
    }
    whole = first | {"config": {"rate": 3}, "schedule_timezone": "UTC"}
    assert cli("pipelines", "list", "--full", "--prefix", shop, "--json").json[0] == whole


@pytest.mark.parametrize(
    ("options", "ids"),
    [
        (["--active"], ["customers", "orders"]),
        (["--inactive"], ["old"]),
        (["--environment", "dev"], ["old"]),
        (["-e", "prod", "--inactive"], []),
    ],
)
def test_pipelines_are_selected(cli: CommandLine, shop: str, options: list[str], ids: list[str]) -> None:
    """`--active` and `--environment` select pipelines; all objects have the same fields."""
    listed = cli("pipelines", "list", *options, "--prefix", shop, "--json").json
    assert [one["pipeline_id"] for one in listed] == ids


@pytest.mark.parametrize("place", [0, 1, 2])
def test_common_options_stand_anywhere(cli: CommandLine, shop: str, place: int) -> None:
    """`--prefix` and `--json` mean the same before the group, before the subcommand and after it."""
    words = ["runs", "list"]
    words[place:place] = ["--prefix", shop, "--json"]
    assert len(cli(*words).json) == 7


def test_the_option_further_right_wins(cli: CommandLine, shop: str) -> None:
    """If an option is given twice, the one further right counts."""
    assert len(cli("--prefix", "nothing-here.", "runs", "--prefix", shop, "list", "--json").json) == 7


def test_a_page_says_on_standard_error_how_to_go_on(cli: CommandLine, shop: str) -> None:
    """With `--limit` the array stays an array; the pages together are the listing."""
    words = ["runs", "list", "--prefix", shop, "--json"]
    everything = cli(*words).json
    pages: list[Any] = []
    more: list[str] = []
    while True:
        answer = cli(*words, "--limit", "3", *more)
        pages += answer.json
        if not answer.err:
            break
        start, _, cursor = answer.err.strip().partition("--cursor ")
        assert start == "next page: "
        more = ["--cursor", cursor]
    assert pages == everything
    assert [one["run_id"] for one in pages[:2]] == ["run-5", "run-4"]


def test_a_page_of_inactive_pipelines_is_full(cli: CommandLine, shop: str) -> None:
    """Items that are left out do not count towards the limit."""
    listed = cli("pipelines", "list", "--inactive", "--limit", "1", "--prefix", shop, "--json").json
    assert [one["pipeline_id"] for one in listed] == ["old"]


@pytest.mark.parametrize(
    ("options", "ids"),
    [
        (["--status", "failed"], ["run-5", "run-2"]),
        (["--pipeline", "orders", "--status", "failed"], ["run-5", "run-2"]),
        (["-p", "customers"], ["still-running"]),
        (["--since", "2026-03-01T15:00:00Z", "--until", "2026-03-01T17:00:00Z"], ["run-4", "run-3"]),
        (["--since", "2026-03-02"], []),
        (["--since", "1h"], []),
        (["--tz", "Asia/Tokyo", "--since", "2026-03-02"], ["run-5", "run-4", "run-3"]),
    ],
)
def test_runs_are_selected(cli: CommandLine, shop: str, options: list[str], ids: list[str]) -> None:
    """Runs are selected by pipeline, status and start; a date begins in the zone of `--tz`."""
    assert [one["run_id"] for one in cli("runs", "list", *options, "--prefix", shop, "--json").json] == ids


def test_a_listed_run_shows_its_first_line_of_error(cli: CommandLine, shop: str) -> None:
    """A run is one line in a pipe, whatever its message holds."""
    answer = cli("runs", "list", "--status", "failed", "--limit", "1", "--prefix", shop)
    names = ["PIPELINE", "RUN", "STATUS", "STARTED", "TOOK", "RECORDS", "OWNER", "LEASE UNTIL", "ERROR"]
    assert re.split(r"  +", answer.lines[0]) == names
    assert answer.lines[1].split()[:6] == ["orders", "run-5", "failed", "2026-03-01T17:00:00+00:00", "10m", "00s"]
    assert answer.lines[1].endswith("  disk is full")
    assert len(answer.lines) == 2


def test_a_shown_run_is_whole_and_exact(cli: CommandLine, shop: str) -> None:
    """`show` prints one object with all stored fields, its numbers not rounded through float."""
    answer = cli("runs", "show", "run-0", "--prefix", shop, "--json")
    run = json.loads(answer.out, parse_float=Decimal)
    assert run["duration_seconds"] == Decimal("600.000001")
    assert [stage["stage_name"] for stage in run["stages"]] == ["extract", "load"]
    assert not {"status_shard", "start_epoch"} & run.keys()


def test_a_shown_run_draws_its_stages(cli: CommandLine, shop: str) -> None:
    """`show` prints the fields, the stages as bars and as a table, and the error."""
    out = cli("runs", "show", "run-2", "--pipeline", "orders", "--prefix", shop).out
    assert "=extract=" in out
    assert "|loadxxx" in out
    assert "disk is full\nat /data" in out


def test_a_shown_pipeline_has_its_latest_runs(cli: CommandLine, shop: str) -> None:
    """`show` gives people the configuration and the five latest runs; with `--json` the item alone."""
    out = cli("pipelines", "show", "orders", "--prefix", shop).out
    assert 'config             {"rate": 3}' in out
    assert "run-1" in out
    assert "run-0" not in out
    assert cli("pipelines", "show", "orders", "--prefix", shop, "--json").json["config"] == {"rate": 3}


def test_statistics_are_one_object(cli: CommandLine, shop: str) -> None:
    """The object has counts, rate, exact durations and days."""
    answer = cli("runs", "stats", "orders", "--since", "2026-03-01T13:00:00Z", "--prefix", shop, "--json")
    assert json.loads(answer.out, parse_float=Decimal) == {
        "pipeline_id": "orders",
        "since": "2026-03-01T13:00:00.000000Z",
        "runs": 5,
        "by_status": {"success": 3, "failed": 2},
        "success_rate": Decimal("0.6"),
        "mean_seconds": Decimal("600.000001"),
        "p50_seconds": Decimal("600.000001"),
        "p95_seconds": Decimal("600.000001"),
        "by_day": {"2026-03-01": 5},
        "timezone": "UTC",
        "unreadable": 0,
    }


def test_statistics_show_bars(cli: CommandLine, shop: str) -> None:
    """Without `--json` the same numbers are text, and the days are bars."""
    out = cli("runs", "stats", "orders", "--prefix", shop).out
    assert "runs       4 success, 2 failed" in out
    assert "succeeded  66.7%" in out
    assert f"Sun 2026-03-01  6  {'#' * 40}" in out


def test_the_timeline_draws_runs_by_pipeline(cli: CommandLine, shop: str) -> None:
    """In a pipe a timeline is letters: = success, x failed, > running and open to now."""
    out = cli("runs", "timeline", "orders", "--prefix", shop).out
    assert "6 runs  2026-03-01 12:00 → 17:10  UTC" in out
    assert "6 runs  2 failed" in out
    assert "= success   x failed" in out
    assert "still" not in out
    listed = cli("runs", "timeline", "--prefix", shop, "--json").json
    assert len(listed) == 7
    assert listed[0]["stages"]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["runs", "list", "--pipeline", "order"], "there is no pipeline 'order'; did you mean 'orders'?"),
        (["runs", "stats", "nothing"], "there is no pipeline 'nothing'; to see all: pipemodels pipelines list"),
        (["runs", "timeline", "order"], "there is no pipeline 'order'; did you mean 'orders'?"),
        (["pipelines", "show", "order"], "there is no pipeline 'order'; did you mean 'orders'?"),
        (["pipelines", "activate", "old", "order"], "there is no pipeline 'order'; did you mean 'orders'?"),
        (["runs", "show", "nope"], "there is no run 'nope'; to see all: pipemodels runs list"),
    ],
)
def test_what_does_not_exist_is_named(cli: CommandLine, shop: str, words: list[str], says: str) -> None:
    """One line says what is missing and what to do next; the exit code is 1."""
    answer = cli(*words, "--prefix", shop, "--json")
    assert (answer.code, answer.out, answer.err) == (1, "", f"pipemodels: {says}\n")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["runs", "list", "--status", "done"], "'done' is not one of 'pending', 'running'"),
        (
            ["runs", "list", "--since", "yesterday"],
            "'yesterday' is not a valid time: write 24h, 7d, a date, or an instant",
        ),
        (["runs", "list", "--since", "2026-03-01T12:00:00"], "is not a valid time: write 24h, 7d"),
        (["runs", "list", "--until", "99999999h"], "is not a valid time: write 24h, 7d"),
        (["runs", "list", "--tz", "Mars/Olympus"], "--tz: 'Mars/Olympus' is not an IANA time zone name"),
        (["runs", "list", "--cursor", "altered"], "--cursor: 'altered' is not a cursor of this query"),
        (["runs", "list", "--limit", "0"], "--limit"),
        (["runs", "stats", ""], "pipeline_id: '' must not be empty"),
        (["runs", "list", "--bogus"], "No such option"),
        (["runs", "lsit"], "No such command 'lsit'"),
        (["pipelines", "show"], "Missing argument 'PIPELINE'"),
    ],
)
def test_wrong_usage_is_one_line_and_exit_2(cli: CommandLine, shop: str, words: list[str], says: str) -> None:
    """The error names the option, the value and the way out, on standard error only."""
    answer = cli("--prefix", shop, *words)
    assert (answer.code, answer.out) == (2, "")
    assert says in answer.err
    assert answer.err.count("\n") == 1
    assert answer.err.startswith("pipemodels: ")


def test_a_cursor_of_another_listing_is_refused(cli: CommandLine, shop: str) -> None:
    """A cursor belongs to its query: a listing of one status refuses the cursor of all runs."""
    cursor = cli("runs", "list", "--limit", "2", "--prefix", shop).err.split()[-1]
    answer = cli("runs", "list", "--status", "failed", "--cursor", cursor, "--prefix", shop)
    assert answer.code == 2
    assert "is not a cursor of this query" in answer.err


def test_an_empty_store_says_how_to_fill_it(cli: CommandLine, prefix: str) -> None:
    """An empty listing succeeds: exit code 0, an empty array, and without `--json` a hint."""
    assert cli("pipelines", "list", "--prefix", prefix, "--json").json == []
    assert "pipemodels apply FILE" in cli("pipelines", "list", "--prefix", prefix).out
    assert "recorded_run()" in cli("runs", "list", "--prefix", prefix).out
    assert cli("runs", "timeline", "--prefix", prefix).code == 0


def test_missing_tables_name_the_command_that_creates_them(cli: CommandLine) -> None:
    """Only the embedded store creates tables unasked."""
    answer = cli("runs", "list", "--prefix", "never-made.")
    assert answer.code == 1
    assert "'never-made.pipeline_run_logs' does not exist; create it with: pipemodels tables create" in answer.err


def test_the_version_is_that_of_the_package(cli: CommandLine) -> None:
    """`--version` needs no store."""
    from pipemodels import __version__

    assert cli("--version").out == f"pipemodels {__version__}\n"


@pytest.mark.parametrize("words", [[], ["runs"], ["pipelines"], ["tables"]])
def test_no_command_shows_help(cli: CommandLine, words: list[str]) -> None:
    """A group alone prints its help and is wrong usage."""
    answer = cli(*words)
    assert answer.code == 2
    assert "Usage: pipemodels" in answer.out + answer.err


@pytest.mark.parametrize("width", [80, 120, 200])
@pytest.mark.parametrize(
    "words",
    [
        ("pipelines", "list"),
        ("pipelines", "show", "orders"),
        ("runs", "list"),
        ("runs", "show", "run-2"),
        ("runs", "stats", "orders"),
        ("runs", "timeline"),
        ("tables", "status"),
    ],
)
def test_on_a_terminal_everything_fits(
    cli: CommandLine, shop: str, monkeypatch: pytest.MonkeyPatch, width: int, words: tuple[str, ...]
) -> None:
    """No line is longer than the terminal, there are colours, and ids are whole."""
    for name, value in {"FORCE_COLOR": "1", "TERM": "xterm-256color", "COLUMNS": str(width)}.items():
        monkeypatch.setenv(name, value)
    answer = cli(*words, "--prefix", shop, "--tz", "Europe/Berlin")
    assert (answer.code, answer.err) == (0, "")
    assert "\x1b[" in answer.out
    lines = [Text.from_ansi(line).plain for line in answer.lines]
    assert max(map(cell_len, lines)) <= width
    assert any((words[2:] or ("customers",))[0] in line or "pipeline_config" in line for line in lines)


def test_a_terminal_gets_the_newest_runs_and_how_to_go_on(
    cli: CommandLine, shop: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A terminal shows the newest runs only; a pipe and `--json` get all."""
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setattr("pipemodels.cli.runs._ON_A_TERMINAL", 2)
    shown = cli("runs", "list", "--prefix", shop)
    assert "2 runs" in shown.out
    assert shown.err.startswith("next page: --cursor ")
    assert len(cli("runs", "list", "--prefix", shop, "--json").json) == 7


@pytest.mark.parametrize("width", [80, 120])
def test_errors_are_shown_below_their_runs_on_a_terminal(
    cli: CommandLine, shop: str, monkeypatch: pytest.MonkeyPatch, width: int
) -> None:
    """So does a narrow one, which shows the run's id below its pipeline."""
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", str(width))
    lines = [Text.from_ansi(line).plain.split() for line in cli("runs", "list", "--prefix", shop).lines]
    assert ["disk", "is", "full"] in lines
    assert (["run-5"] in lines) == (width == 80)


@pytest.mark.parametrize("terminal", [False, True], ids=["pipe", "terminal"])
def test_names_cannot_command_the_terminal(
    cli: CommandLine, prefix: str, monkeypatch: pytest.MonkeyPatch, terminal: bool
) -> None:
    """No stored text and no argument reaches either stream with its control characters, in any format."""
    turned = "a\u202e[red]b"  # an id may hold it
    worse = f"{turned}\x9b5m\x1b[5m\u2028"  # to blink: no style of ours
    with using(config_of(prefix)):
        fields: dict[str, Any] = {"pipeline_name": worse, "source_type": worse, "destination_type": worse}
        commands.create_pipeline(pipeline_id=turned, **fields, config={worse: [worse]}, tags={worse: worse})
        key: dict[str, Any] = {"pipeline_id": turned, "run_id": turned}
        commands.start_run(**key, owner=turned, lease_seconds=600)
        commands.start_stage(**key, stage_name=turned)
        commands.finish_stage(**key, stage_name=turned, status="failed", error_message=worse)
        commands.start_run(pipeline_id=turned, run_id="failed")
        commands.fail_run(pipeline_id=turned, run_id="failed", error_message=worse, error_stack_trace=worse)
    for variable, value in {"FORCE_COLOR": "1", "COLUMNS": "150"}.items() if terminal else ():
        monkeypatch.setenv(variable, value)
    for words in (
        ["runs", "list"],
        ["runs", "list", "--limit", "1"],
        ["runs", "show", turned],
        ["runs", "show", "failed", "-p", turned],
        ["runs", "show", worse],
        ["runs", "show", "no", "-p", worse],
        ["runs", "stats", turned],
        ["runs", "timeline"],
        ["pipelines", "list"],
        ["pipelines", "list", "-e", worse],
        ["pipelines", "show", turned],
        ["pipelines", "show", turned[:-1]],
        ["pipelines", "activate", turned],
        ["pipelines", "deactivate", worse],
        ["runs", "list", "--tz", worse],
        ["runs", "list", "--since", worse],
        ["runs", "list", "--cursor", worse],
        ["runs", worse],
        ["apply", worse],
        ["ingest", worse],
    ):
        for more in ([], ["--json"]):
            answer = cli(*words, *more, "--prefix", prefix)
            said = answer.out + answer.err
            assert not re.search("\x1b\\[5m|[\x7f-\x9f\u2028-\u202e]", said), (words, more)
            assert terminal or "\x1b" not in said
            assert "Traceback" not in said


def test_ctrl_c_is_130(cli: CommandLine, shop: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The exit code is the shell's, with one line and no traceback."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("pipemodels.cli.runs.read", interrupt)
    answer = cli("runs", "list", "--prefix", shop)
    assert answer == Answer(130, "", "pipemodels: interrupted; all changes made until then are kept\n")


def test_what_the_terminal_cannot_encode_is_shown_by_its_number(
    cli: CommandLine, shop: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Output in an encoding such as ASCII is complete, with escapes for the other characters."""
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, encoding="ascii"))
    assert main(["pipelines", "list", "--prefix", shop]) == 0
    assert b"postgres \\u2192 iceberg" in written.getvalue()


def test_ctrl_c_while_it_loads_is_130(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C during the imports ends with 130."""

    class Interrupted(ModuleType):
        def __getattr__(self, name: str) -> object:
            if name == "run":
                raise KeyboardInterrupt
            raise AttributeError(name)

    monkeypatch.setitem(sys.modules, "pipemodels.cli.running", Interrupted("running"))
    try:
        code = main(["runs", "list"])
    except KeyboardInterrupt:  # which would end pytest, and no test would have failed
        pytest.fail("Ctrl-C came through")
    assert code == 130


def test_a_missing_module_of_another_name_is_no_missing_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only a missing extra is reported as a missing extra; other import errors are raised."""
    monkeypatch.setitem(sys.modules, "pipemodels.cli.running", None)
    with pytest.raises(ModuleNotFoundError, match=r"pipemodels\.cli\.running"):
        main(["runs", "list"])


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90s", 90), ("5m", 300), ("5 min", 300), ("24h", 86_400), ("7d", 604_800), ("2w", 1_209_600)],
)
def test_an_age_counts_back_from_now(text: str, seconds: int) -> None:
    """An age is given in seconds, minutes, hours, days or weeks."""
    age = timedelta(seconds=seconds)
    before = datetime.now(UTC)
    at = Moment.parse(text).at(ZoneInfo("UTC"))
    assert before - age <= at <= datetime.now(UTC) - age


def test_without_its_extra_the_command_says_what_to_install(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Typer and Rich come with `pipemodels[cli]`."""
    for name in [name for name in sys.modules if name.startswith("pipemodels.cli.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "rich.console", None)
    monkeypatch.setitem(sys.modules, "typer", None)
    assert main(["runs", "list"]) == 1
    assert capsys.readouterr().err == 'pipemodels: typer is not installed; try: pip install "pipemodels[cli]"\n'
