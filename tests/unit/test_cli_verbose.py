"""`-v` and `-vv`: the log that the command line prints."""

from __future__ import annotations

import logging

import pytest

from tests.helpers.command_line import CommandLine, cli, moto_aws, shop

__all__ = ["cli", "moto_aws", "shop"]


def test_nothing_is_said_unless_it_is_asked_for(cli: CommandLine, shop: str) -> None:
    """Without `-v` standard error is empty, even after a verbose command in the same process."""
    assert cli("-vv", "pipelines", "list", "--prefix", shop).err != ""
    assert cli("pipelines", "list", "--prefix", shop).err == ""
    assert logging.getLogger("pipemodels").level == logging.NOTSET


@pytest.mark.parametrize(
    "line", [["-v", "pipelines", "list"], ["pipelines", "-v", "list"], ["pipelines", "list", "-v"]]
)
def test_the_store_that_is_chosen_is_named(cli: CommandLine, shop: str, line: list[str]) -> None:
    """`-v` says which store is used, wherever it stands, and does not change standard output."""
    quiet = cli("pipelines", "list", "--prefix", shop, "--json")
    answer = cli(*line, "--prefix", shop, "--json")
    assert (answer.code, answer.out) == (quiet.code, quiet.out)
    assert answer.err.splitlines() == ["pipemodels.cli: the store is aws"]


def test_each_step_is_said_when_it_is_asked_for_twice(cli: CommandLine, shop: str) -> None:
    """`-vv` adds the DEBUG log, which contains no secret."""
    said = cli("-vv", "tables", "status", "--prefix", shop).err
    assert "pipemodels.cli: the store is aws" in said
    assert "testing" not in said
