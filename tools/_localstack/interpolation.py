"""Compose's interpolation: `$VAR`, `${VAR}`, `${VAR:-default}` and their kin, `$$` for a dollar sign.

The grammar is the one of https://docs.docker.com/reference/compose-file/interpolation/.
"""

import re
from collections.abc import Mapping

from _localstack.errors import ComposeError

_NAME = re.compile(r"[_a-zA-Z][_a-zA-Z0-9]*")
_BRACED = re.compile(
    r"(?P<name>[_a-zA-Z][_a-zA-Z0-9]*)(?:(?P<colon>:?)(?P<operator>[-?+])(?P<operand>.*))?", re.DOTALL
)


def interpolate(text: str, variables: Mapping[str, str]) -> str:
    """The text with its variables replaced; one that is unset and has no default is empty.

    Raises:
        ComposeError: A `$` that begins no variable, or `${VAR:?message}` without VAR: set it, or write `$$`.
    """
    parts = []
    at = 0
    while (dollar := text.find("$", at)) >= 0:
        parts.append(text[at:dollar])
        value, at = _reference(text, dollar + 1, variables)
        parts.append(value)
    return "".join(parts) + text[at:]


def _reference(text: str, at: int, variables: Mapping[str, str]) -> tuple[str, int]:
    """The value of what follows a dollar sign, and where the text goes on."""
    if text.startswith("$", at):
        return "$", at + 1
    if text.startswith("{", at):
        end = _closing_brace(text, at + 1)
        return _braced(text[at + 1 : end], variables), end + 1
    if name := _NAME.match(text, at):
        return variables.get(name[0], ""), name.end()
    raise _invalid(text)


def _closing_brace(text: str, at: int) -> int:
    depth = 1
    for token in re.compile(r"\$\$|\$\{|\}").finditer(text, at):
        depth += {"${": 1, "}": -1}.get(token[0], 0)
        if not depth:
            return token.start()
    raise _invalid(text)


def _braced(body: str, variables: Mapping[str, str]) -> str:
    match = _BRACED.fullmatch(body)
    if not match:
        raise _invalid("${" + body + "}")
    value = variables.get(match["name"])
    # with the colon an empty value counts as none
    present = bool(value) if match["colon"] else value is not None
    operator = match["operator"]
    if operator == "+":
        return interpolate(match["operand"], variables) if present else ""
    if present or operator is None:
        return value or ""
    # the operand is read only where it is used: a `?` in the default of a set variable is no error
    operand = interpolate(match["operand"], variables)
    if operator == "?":
        raise ComposeError(f"{match['name']} is needed: {operand or 'it is not set'}", f"export {match['name']}=…")
    return operand


def _invalid(text: str) -> ComposeError:
    return ComposeError(f"not a variable that compose would read: {text!r}", "write $$ for a dollar sign")
