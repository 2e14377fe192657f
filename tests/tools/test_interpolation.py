"""Interpolation, against the examples and rules of compose's own reference."""

from pathlib import Path

import pytest
from _localstack import dotenv
from _localstack.errors import ComposeError
from _localstack.interpolation import interpolate

VARIABLES = {"SET": "value", "EMPTY": "", "OTHER": "other"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain", "plain"),
        ("$SET", "value"),
        ("${SET}", "value"),
        ("$SET/$OTHER", "value/other"),
        ("${UNSET}", ""),
        ("a$UNSET", "a"),
        ("${SET:-default}", "value"),
        ("${SET-default}", "value"),
        ("${UNSET:-default}", "default"),
        ("${UNSET-default}", "default"),
        ("${EMPTY:-default}", "default"),
        ("${EMPTY-default}", ""),
        ("${UNSET:-}", ""),
        ("${UNSET:-a:b-c?d+e}", "a:b-c?d+e"),
        ("${UNSET:-${OTHER}}", "other"),
        ("${UNSET:-${NEITHER:-deep}}!", "deep!"),
        ("${UNSET:-$OTHER}", "other"),
        ("${UNSET:-two\nlines}", "two\nlines"),
        ("${SET:?needed}", "value"),
        ("${EMPTY?needed}", ""),
        ("${SET:+then}", "then"),
        ("${EMPTY:+then}", ""),
        ("${EMPTY+then}", "then"),
        ("${UNSET+then}", ""),
        ("$$SET", "$SET"),
        ("$${SET}", "${SET}"),
        ("$$$SET", "$value"),
        ("${UNSET:-$$}", "$"),
        ("${SET:-${UNSET:?never read}}", "value"),
        ("$SET_", ""),
    ],
)
def test_a_text_becomes_what_compose_makes_of_it(text: str, expected: str) -> None:
    """Each form of compose's reference gives what the reference says."""
    assert interpolate(text, VARIABLES) == expected


@pytest.mark.parametrize(("text", "reason"), [("${UNSET:?set it}", "set it"), ("${EMPTY:?set $OTHER}", "set other")])
def test_a_needed_variable_that_is_missing_is_named_with_its_message(text: str, reason: str) -> None:
    """`${VAR:?message}` without VAR is an error with the name, the message and how to set it."""
    with pytest.raises(ComposeError) as caught:
        interpolate(text, VARIABLES)
    assert caught.value.args[0].endswith(f" is needed: {reason}")
    assert caught.value.way_out.startswith("export ")


@pytest.mark.parametrize(
    "text", ["$", "a $ b", "$1", "${}", "${SET", "${SET:-${OTHER}", "${1A}", "${A/b/c}", "${A:=b}"]
)
def test_a_dollar_sign_that_begins_no_variable_is_refused(text: str) -> None:
    """What compose does not read is an error that says how to write a dollar sign."""
    with pytest.raises(ComposeError, match="not a variable") as caught:
        interpolate(text, VARIABLES)
    assert caught.value.way_out == "write $$ for a dollar sign"


def test_the_environment_wins_over_the_dotenv_file(tmp_path: Path) -> None:
    """`.env` fills in what the environment lacks; each kind of quoting is read as compose reads it."""
    path = tmp_path / ".env"
    path.write_text(
        "# a comment\n\nexport SET=file\nPLAIN = a b # comment\nLITERAL='$SET # kept'\n"
        'QUOTED="$SET\\n\\"x\\"" # comment\nCHAIN=${PLAIN}-${NONE:-d}\nEMPTY=\n'
    )
    assert dotenv.variables({"SET": "environment"}, path) == {
        "SET": "environment",
        "PLAIN": "a b",
        "LITERAL": "$SET # kept",
        "QUOTED": 'environment\n"x"',
        "CHAIN": "a b-d",
        "EMPTY": "",
    }


def test_a_bad_dotenv_line_is_named_without_its_value(tmp_path: Path) -> None:
    """The error gives the line's number, and not what may be a secret."""
    path = tmp_path / ".env"
    path.write_text("A=1\nLOCALSTACK_AUTH_TOKEN: secret\n")
    with pytest.raises(ComposeError) as caught:
        dotenv.variables({}, path)
    assert str(caught.value).startswith("error: .env, line 2: not of the form NAME=value")
    assert "secret" not in str(caught.value)
