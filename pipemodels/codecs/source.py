"""Generated source: it is compiled, and tracebacks, debuggers and profilers show it."""

from __future__ import annotations

import linecache
from typing import Any


def compile_lines(lines: list[str], names: dict[str, Any]) -> None:
    """Compile functions into `names`; the file name is made of `__name__` there and the first function."""
    source = "\n".join(lines) + "\n"
    function = lines[0].removeprefix("def ").partition("(")[0]
    wanted = file = f"<pipemodels {names.get('__name__')}.{function}>"
    entry: Any = (
        len(source),
        None,
        source.splitlines(keepends=True),
        file,
    )  # without a time, it is kept
    number = 1
    while linecache.cache.setdefault(file, entry) != entry:  # taken by another class of the same name
        number += 1
        file = f"{wanted[:-1]} {number}>"
        entry = (*entry[:3], file)
    exec(compile(source, file, "exec"), names)  # noqa: S102  # the only input is quoted attribute names
