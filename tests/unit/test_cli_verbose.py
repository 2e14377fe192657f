"""`-v` and `-vv`: what the command line says that it does."""

from __future__ import annotations

import logging

import pytest

from tests.helpers.command_line import CommandLine, cli, moto_aws, shop

__all__ = ["cli", "moto_aws", "shop"]


def test_nothing_is_said_unless_it_is_asked_for(cli: CommandLine, shop: str) -> None:
    """Without the option standard error is empty; a verbose command before leaves nothing behind."""
    assert cli("-vv", "pipelines", "list", "--prefix", shop).err != ""
    assert cli("pipelines", "list", "--prefix", shop).err == ""
    assert logging.getLogger("pipemodels").level == logging.NOTSET


@pytest.mark.parametrize(
    "line", [["-v", "pipelines", "list"], ["pipelines", "-v", "list"], ["pipelines", "list", "-v"]]
)
def test_the_store_that_is_chosen_is_named(cli: CommandLine, shop: str, line: list[str]) -> None:
    """One -v, wherever it stands, says which store is used; standard output stays as it is."""
    quiet = cli("pipelines", "list", "--prefix", shop, "--json")
    answer = cli(*line, "--prefix", shop, "--json")
    assert (answer.code, answer.out) == (quiet.code, quiet.out)
    assert answer.err.splitlines() == ["pipemodels.cli: the store is aws"]


def test_each_step_is_said_when_it_is_asked_for_twice(cli: CommandLine, shop: str) -> None:
    """-vv adds what is logged at DEBUG, and never a secret."""
    said = cli("-vv", "tables", "status", "--prefix", shop).err
    assert "pipemodels.cli: the store is aws" in said
    assert "testing" not in said
