"""The `.env` file in the directory of the compose file."""

import re
from collections.abc import Mapping
from pathlib import Path

from _localstack.errors import ComposeError
from _localstack.interpolation import interpolate

_LINE = re.compile(r"(?:export\s+)?(?P<name>[_a-zA-Z][_a-zA-Z0-9.]*)\s*=\s*(?P<value>.*)")
_VALUE = re.compile(
    r"""'(?P<literal>[^']*)'\s*(?:\#.*)?|"(?P<quoted>(?:\\.|[^"\\])*)"\s*(?:\#.*)?|(?P<plain>[^'"].*|)"""
)
_ESCAPES = {r"\n": "\n", r"\r": "\r", r"\t": "\t", r"\"": '"', r"\\": "\\"}


def variables(environment: Mapping[str, str], path: Path) -> dict[str, str]:
    """Return the variables for interpolation: those of the environment, then those of the `.env` file, if it exists.

    Raises:
        ComposeError: A line of the file is not `NAME=value`.
    """
    found: dict[str, str] = {}
    text = path.read_text(encoding="utf-8") if path.is_file() else ""
    for number, line in enumerate(text.splitlines(), start=1):
        if stripped := _without_comment(line):
            try:
                name, value = _parse(stripped, {**found, **environment})
            except ComposeError as error:
                raise ComposeError(f"{path.name}, line {number}: {error.args[0]}", error.way_out) from error
            found[name] = value
    return {**found, **environment}


def _without_comment(line: str) -> str:
    stripped = line.strip()
    return "" if stripped.startswith("#") else stripped


def _parse(line: str, known: Mapping[str, str]) -> tuple[str, str]:
    match = _LINE.fullmatch(line)
    value = match and _VALUE.fullmatch(match["value"])
    if not match or not value:
        # the value is not shown: it may be a token
        raise ComposeError("not of the form NAME=value", "correct the line, or put a # before it")
    if value["literal"] is not None:
        return match["name"], value["literal"]
    if value["quoted"] is not None:
        unescaped = re.sub(r"\\.", lambda found: _ESCAPES.get(found[0], found[0]), value["quoted"])
        return match["name"], interpolate(unescaped, known)
    return match["name"], interpolate(re.sub(r"(^|\s+)#.*", "", value["plain"]).strip(), known)
