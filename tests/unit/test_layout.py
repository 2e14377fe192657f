"""The rooms of the package: which may import which, and how large a file may be."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "pipemodels"
LONGEST = 350  # lines of a file

# bottom up: a module imports its own room and those above it in this list, never those below it
ROOMS = (
    "errors", "schedules", "checks", "instants", "documents", "records", "endpoints", "config", "attributes",
    "transport", "codecs", "translation", "connections", "models", "storage", "lifecycle", "schema", "queries",
    "commands", "interop", "_embedded", "local", "testing", "cli",
)  # fmt: skip

# rooms that stand side by side
STRANGERS = {("queries", "commands"), ("commands", "queries")}


def _name(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


MODULES = {_name(path): path for path in sorted(PACKAGE.rglob("*.py"))}


def _imported(tree: ast.AST) -> Iterator[str]:
    """Yield what is imported anywhere below a node, inside functions too, but not for type checkers alone."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            for alias in node.names:
                full = f"{node.module}.{alias.name}"
                yield full if full in MODULES else str(node.module)
        else:
            yield from _imported(node)


GRAPH = {
    name: {one for one in _imported(ast.parse(path.read_text())) if one in MODULES and one != name}
    for name, path in MODULES.items()
}


def _room(module: str) -> str:
    return module.split(".")[1] if "." in module else ""


@pytest.mark.parametrize("name", sorted(set(MODULES) - {"pipemodels"}))
def test_imports_run_one_way(name: str) -> None:
    """A module imports from its own room and from rooms below it; commands and queries do not know each other."""
    allowed = ROOMS[: ROOMS.index(_room(name)) + 1]
    rooms = {_room(one) for one in GRAPH[name]} - {""}
    assert rooms <= set(allowed)
    assert not {(_room(name), one) for one in rooms} & STRANGERS


def test_no_import_cycle() -> None:
    """No module imports itself by way of others, inside functions either."""
    graph = {name: {one for one in found if one != "pipemodels"} for name, found in GRAPH.items()}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(" -> ".join(error.args[1]))


@pytest.mark.parametrize("name", sorted(MODULES))
def test_private_modules_stay_in_their_package(name: str) -> None:
    """A module or package with a leading underscore is imported from inside its parent package only."""
    for imported in GRAPH[name]:
        parts = imported.split(".")
        for position, part in enumerate(parts):
            if part.startswith("_") and not part.startswith("__"):
                parent = ".".join(parts[:position])
                assert name == parent or name.startswith(f"{parent}."), imported


@pytest.mark.parametrize("name", sorted(MODULES))
def test_files_are_short(name: str) -> None:
    """No file of the package is longer than a reader keeps in mind."""
    assert len(MODULES[name].read_text().splitlines()) <= LONGEST


def test_every_room_is_known() -> None:
    """Each module and package directly below `pipemodels` has a place in the order of rooms."""
    assert {_room(name) for name in MODULES} - {""} == set(ROOMS)


def _reached(arrows: Mapping[str, set[str]], room: str) -> set[str]:
    found = set(arrows.get(room, ()))
    return found.union(*(_reached(arrows, below) for below in found))


def _drawn() -> dict[str, set[str]]:
    """Return the rooms to which each room has an arrow in the picture of `docs/design.md`."""
    design = (ROOT / "docs" / "design.md").read_text(encoding="utf-8")
    (picture,) = re.findall(r"```mermaid\nflowchart TD\n(.*?)```", design, re.DOTALL)
    arrows: dict[str, set[str]] = {}
    for line in picture.splitlines():
        above, below = (side.strip().split(" & ") for side in line.split(" --> "))
        for room in above:
            arrows.setdefault(room, set()).update(below)
    return arrows


def test_the_picture_of_the_rooms_is_true() -> None:
    """Each arrow in `docs/design.md` is an import, and every import follows arrows."""
    imports: dict[str, set[str]] = {}
    for name, found in GRAPH.items():
        imports.setdefault(_room(name), set()).update({_room(imported) for imported in found} - {"", _room(name)})
    drawn = _drawn()
    assert {room: below - imports[room] for room, below in drawn.items() if below - imports[room]} == {}
    assert {room: _reached(drawn, room) for room in ROOMS} == {room: _reached(imports, room) for room in ROOMS}


def test_every_room_is_described() -> None:
    """The table of rooms in `docs/design.md` has each module and package directly below `pipemodels`."""
    design = (ROOT / "docs" / "design.md").read_text(encoding="utf-8")
    firsts = re.findall(r"^\| (`[^|]*`) \|", design.partition("## Rooms")[2].partition("\n## ")[0], re.MULTILINE)
    assert sorted(re.findall(r"`(\w+)(?:\.py|/)`", " ".join(firsts))) == sorted(ROOMS)
