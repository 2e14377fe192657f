"""`pipemodels runs reap`, once and with `--every`."""

from __future__ import annotations

from typing import Any

import pytest

from pipemodels import ThrottledError, commands, create_tables, parse_instant, using
from tests.helpers.command_line import CommandLine, cli, config_of, moto_aws, prefix

__all__ = ["cli", "moto_aws", "prefix"]


def start(prefix: str, run_id: str) -> None:
    """Start a run whose lease expired long ago."""
    with using(config_of(prefix)):
        create_tables()
        begun = parse_instant("2026-01-01T00:00:00Z")
        commands.start_run(pipeline_id="reaped", run_id=run_id, owner="ann", now=begun)


def test_what_has_expired_is_reaped(cli: CommandLine, prefix: str) -> None:
    """The reaped runs are printed on standard output; a second reaping finds none."""
    start(prefix, "late")
    words = ["runs", "reap", "--prefix", prefix, "--by", "ci"]
    answer = cli(*words, "--json")
    (run,) = [one for one in answer.json if one["pipeline_id"] == "reaped"]
    assert (answer.code, run["status"], run["updated_by"]) == (0, "failed", "ci")
    expected = "lease expired at 2026-01-01 00:05:00+00:00; no heartbeat ever; owner ann"
    assert run["error_message"] == expected
    assert cli(*words).out == "No lease has expired.\n"


def test_a_reaper_goes_on_until_it_is_interrupted(
    cli: CommandLine, prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If DynamoDB is busy, the next round tries again; Ctrl-C ends with 0 and lists the reaped runs."""
    rounds: list[Any] = [ThrottledError("busy"), None, KeyboardInterrupt()]
    reap = commands.reap_expired_runs

    def next_round(**settings: Any) -> Any:
        if (outcome := rounds.pop(0)) is not None:
            raise outcome
        return reap(**settings)

    monkeypatch.setattr(commands, "reap_expired_runs", next_round)
    waited: list[int] = []
    monkeypatch.setattr("pipemodels.cli.reaping.time.sleep", waited.append)
    start(prefix, "later")
    answer = cli("runs", "reap", "--every", "5m", "--prefix", prefix, "--json")
    assert (answer.code, [one["run_id"] for one in answer.json], waited) == (0, ["later"], [300, 300])
    busy, reaped = answer.err.splitlines()
    assert busy == "busy; trying again in 300 s"
    assert reaped.startswith("reaped run 'reaped' / 'later': lease expired at 2026-01-01")


@pytest.mark.parametrize("span", ["0s", "5", "soon", "-1s"])
def test_a_span_that_is_none(cli: CommandLine, span: str) -> None:
    """`--every` refuses an interval that is malformed or zero."""
    answer = cli("runs", "reap", "--every", span)
    assert answer.code == 2
    assert f"'{span}' is not a valid interval: write e.g. 30s or 5m" in answer.err
