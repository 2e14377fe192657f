"""Write results into `docs/benchmarks.md`: each command replaces its section between two marks."""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Iterable, Sequence
from importlib import metadata
from pathlib import Path

DOCS = Path(__file__).resolve().parents[1] / "docs"
PAGE, PICTURE = DOCS / "benchmarks.md", DOCS / "benchmarks.svg"
_SHOWN = ("pipemodels", "pynamodb", "botocore", "pydynox", "pydantic", "aiodynamo", "aiohttp", "orjson")


def table(head: Sequence[str], rows: Iterable[Sequence[str]], *, texts: int = 1) -> str:
    """Return a Markdown table whose first columns are texts and the others numbers."""
    lines = [head, ["---"] * texts + ["---:"] * (len(head) - texts), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def circumstances() -> str:
    """Return the versions, the machine and its current load."""
    versions = ", ".join(f"{name} {_version(name)}" for name in _SHOWN)
    machine = f"{platform.machine()}, {os.cpu_count()} processors under a load of {os.getloadavg()[0]:.0f}"
    return f"Python {platform.python_version()}, {machine}; {versions}"


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "absent"


def write(section: str, text: str) -> None:
    """Replace the text of a section of the page."""
    PAGE.write_text(replaced(PAGE.read_text(), section, text))


def replaced(page: str, section: str, text: str) -> str:
    """Return the page with the text between the marks of the section replaced.

    Raises:
        ValueError: the page has no such marks.
    """
    marks = re.compile(rf"(<!-- {section} -->\n).*?(\n<!-- /{section} -->)", re.DOTALL)
    page, count = marks.subn(lambda found: found[1] + text + found[2], page)
    if count != 1:
        raise ValueError(f"the page has {count} sections {section!r}, and not one")
    return page
