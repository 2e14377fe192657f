"""Compose's interpolation: `$VAR`, `${VAR}`, `${VAR:-default}` and similar forms; `$$` is a dollar sign.

Source of the grammar: https://docs.docker.com/reference/compose-file/interpolation/
"""

import re
from collections.abc import Mapping

from _localstack.errors import ComposeError

_NAME = re.compile(r"[_a-zA-Z][_a-zA-Z0-9]*")
_BRACED = re.compile(
    r"(?P<name>[_a-zA-Z][_a-zA-Z0-9]*)(?:(?P<colon>:?)(?P<operator>[-?+])(?P<operand>.*))?", re.DOTALL
)


def interpolate(text: str, variables: Mapping[str, str]) -> str:
    """Replace the variables in a text; an unset variable without a default is empty.

    Raises:
        ComposeError: A `$` does not begin a variable (write `$$`), or VAR of `${VAR:?message}` is not set (set it).
    """
    parts = []
    at = 0
    while (dollar := text.find("$", at)) >= 0:
        parts.append(text[at:dollar])
        value, at = _reference(text, dollar + 1, variables)
        parts.append(value)
    return "".join(parts) + text[at:]


def _reference(text: str, at: int, variables: Mapping[str, str]) -> tuple[str, int]:
    """Return the value of the variable after a dollar sign, and the position behind it."""
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
    # with the colon, an empty value counts as unset
    present = bool(value) if match["colon"] else value is not None
    operator = match["operator"]
    if operator == "+":
        return interpolate(match["operand"], variables) if present else ""
    if present or operator is None:
        return value or ""
    # the operand is only read if it is used: a `?` in the default of a set variable is not an error
    operand = interpolate(match["operand"], variables)
    if operator == "?":
        raise ComposeError(f"{match['name']} is needed: {operand or 'it is not set'}", f"export {match['name']}=…")
    return operand


def _invalid(text: str) -> ComposeError:
    return ComposeError(f"not a variable that compose would read: {text!r}", "write $$ for a dollar sign")
