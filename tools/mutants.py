"""Break the package on purpose and see a test fail: `python tools/mutants.py --help`; docs/testing.md says more.

Exit codes: 0 every mutant was killed; 1 one was not, or could not be tried; 2 wrong usage.
"""

import argparse
import asyncio
import importlib.util
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Coroutine, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

_T = TypeVar("_T")
ROOT = Path(__file__).resolve().parents[1]
LISTS = ROOT / "tools" / "mutants"
# the same examples each time, so that who is killed today is killed tomorrow
_PYTEST = ("-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", "--hypothesis-profile", "ci")
_LEFT_BEHIND = (".git", ".venv", ".hypothesis", ".*_cache", "__pycache__", "*.egg-info", "build", "dist")
_TESTS_FAILED = re.compile(r"\b\d+ (?:failed|errors?)\b.* in \d")  # pytest's last line
_SHOWN = 2000  # characters of what pytest said, at its end


class CannotTryError(Exception):
    """The list does not fit the code, or tests fail with nothing broken; says where."""


@dataclass(frozen=True)
class Mutant:
    """One way to break a module, and who must notice."""

    module: str
    """its path in the project"""
    old: str
    """what is replaced; it stands in the module exactly once"""
    new: str
    hurts: str
    """what a user would suffer from it"""
    tests: str
    """what pytest is given"""
    hangs_after: float | None = None
    """it loops forever: these many seconds without an end are a kill too"""

    def applied_to(self, source: str) -> str:
        """Returns the broken source.

        Raises:
            CannotTryError: the text to replace is not there exactly once, or is replaced by itself.
        """
        if (times := source.count(self.old)) != 1 or self.old == self.new:
            raise CannotTryError(f"{self.module}: {self.old!r} is there {times} times, wanted once")
        return source.replace(self.old, self.new)


@dataclass(frozen=True)
class Verdict:
    """How one run of pytest ended."""

    mutant: Mutant
    text: str
    killed: bool
    output: str


def listed(pattern: str = "") -> list[Mutant]:
    """Returns the mutants whose module, tests or harm hold the pattern, in any case."""
    entries = [entry for path in sorted(LISTS.glob("*.toml")) for entry in tomllib.loads(path.read_text())["mutant"]]
    wanted = pattern.lower()
    mutants = [Mutant(**entry) for entry in entries]
    return [one for one in mutants if wanted in f"{one.module}\n{one.tests}\n{one.hurts}".lower()]


class Tree:
    """A copy of the project in which pytest runs, with one module broken or none."""

    def __init__(self, root: Path) -> None:
        self.root = root
        shutil.copytree(ROOT, root, ignore=shutil.ignore_patterns(*_LEFT_BEHIND))
        # the environment holds the work tree's own package, which a test's own process elsewhere must not find first
        self._environment = os.environ | {"PYTHONPATH": str(root)}
        program = [sys.executable, "-c", "import pipemodels; print(pipemodels.__file__)"]
        found = subprocess.check_output(program, env=self._environment, cwd=root.parent, text=True).strip()
        if Path(found) != root / "pipemodels" / "__init__.py":
            raise CannotTryError(f"{found} is imported in place of the copy in {root}")

    @contextmanager
    def broken(self, mutant: Mutant) -> Iterator[None]:
        """Applies a mutant for the length of the block."""
        path = self.root / mutant.module
        source = path.read_text()
        try:
            self._write(path, mutant.applied_to(source))
            yield
        finally:
            self._write(path, source)

    @staticmethod
    def _write(path: Path, source: str) -> None:
        path.write_text(source)
        # Python knows a compiled file's source by its second and its length, which may be another's too
        Path(importlib.util.cache_from_source(str(path))).unlink(missing_ok=True)

    async def pytest(self, tests: str, seconds: float) -> tuple[int | None, str]:
        """Runs a selection; returns pytest's exit code, None where it did not end in time, and what it said."""
        with (self.root.parent / f"{self.root.name}.out").open("w+") as output:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                *_PYTEST,
                *shlex.split(tests),
                cwd=self.root,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
            try:
                code = await asyncio.wait_for(process.wait(), seconds)
            except TimeoutError:
                code = None
            finally:
                with suppress(ProcessLookupError):  # a broken package may leave its servers behind
                    os.killpg(process.pid, signal.SIGKILL)
                await process.wait()
            output.seek(0)
            return code, output.read()


async def judged(tree: Tree, mutant: Mutant, seconds: float) -> Verdict:
    """Runs a mutant's tests on it. Killed is what makes a test fail; an error of the run itself is no kill."""
    try:
        with tree.broken(mutant):
            code, output = await tree.pytest(mutant.tests, mutant.hangs_after or seconds)
    except (CannotTryError, OSError) as error:
        return Verdict(mutant, "not applied", False, str(error))
    if code is None:
        hangs = mutant.hangs_after is not None
        return Verdict(mutant, "killed (hangs)" if hangs else "timed out", hangs, output)
    # Python itself ends with 1 too, where pytest crashes
    if code == 1 and not _TESTS_FAILED.search(output):
        return Verdict(mutant, "crashed", False, output)
    text = {0: "SURVIVED", 1: "killed"}.get(code, f"error {code}")
    return Verdict(mutant, text, code == 1, output)


async def tried(mutants: Sequence[Mutant], trees: Sequence[Tree], seconds: float) -> list[Verdict]:
    """Runs each selection on the whole package, which must pass, and then each mutant; says how each ended."""
    free: asyncio.Queue[Tree] = asyncio.Queue()
    for tree in trees:
        free.put_nowait(tree)

    async def unbroken(tests: str) -> str | None:
        tree = await free.get()
        code, output = await tree.pytest(tests, seconds)
        free.put_nowait(tree)
        return None if code == 0 else f"{tests}: exit code {code} with nothing broken\n{output[-_SHOWN:]}"

    async def one(mutant: Mutant) -> Verdict:
        tree = await free.get()
        began = time.monotonic()
        verdict = await judged(tree, mutant, seconds)
        free.put_nowait(tree)
        took = time.monotonic() - began
        print(f"{verdict.text:14} {took:5.1f} s  {mutant.module}: {mutant.hurts}", flush=True)
        if not verdict.killed:
            print(f"  - {mutant.old!r}\n  + {mutant.new!r}\n  {mutant.tests}\n{verdict.output[-_SHOWN:]}", flush=True)
        return verdict

    selections = list(dict.fromkeys(mutant.tests for mutant in mutants))
    print(f"{len(selections)} selections on the unbroken package", flush=True)
    if failures := [failure for failure in await _all(map(unbroken, selections)) if failure]:
        raise CannotTryError("\n".join(failures))
    return await _all(map(one, mutants))


async def _all(work: Iterable[Coroutine[Any, Any, _T]]) -> list[_T]:
    async with asyncio.TaskGroup() as group:  # where Ctrl-C comes it waits for all to end what they have begun
        tasks = [group.create_task(one) for one in work]
    return [task.result() for task in tasks]


def summary(verdicts: Sequence[Verdict]) -> str:
    """Returns a table: of each module, how many mutants were killed."""
    modules = sorted({verdict.mutant.module for verdict in verdicts})
    rows = [(name, [verdict.killed for verdict in verdicts if verdict.mutant.module == name]) for name in modules]
    width = max(map(len, modules))
    lines = [f"{name:{width}}  {sum(killed)} of {len(killed)}" for name, killed in rows]
    total = sum(verdict.killed for verdict in verdicts)
    return "\n".join([*lines, f"killed {total} of {len(verdicts)} mutants in {len(modules)} modules"])


def main(argv: Sequence[str]) -> int:
    """Tries the mutants that are asked for, and returns the exit code."""
    parser = argparse.ArgumentParser(prog="mutants.py", description=__doc__, allow_abbrev=False)
    parser.add_argument("-k", dest="pattern", default="", help="those whose module, tests or harm hold this text")
    parser.add_argument("--workers", type=int, default=1, help="how many are tried at the same time (1)")
    parser.add_argument("--limit", type=float, default=300, help="seconds for one run of pytest (300)")
    options = parser.parse_args(argv)
    if options.workers < 1:
        parser.error("--workers must be at least 1")
    mutants = listed(options.pattern)
    if not mutants:
        parser.error(f"no mutant holds {options.pattern!r}")
    with tempfile.TemporaryDirectory(prefix="mutants-") as scratch:
        try:
            trees = [Tree(Path(scratch) / f"tree-{n}") for n in range(min(options.workers, len(mutants)))]
            verdicts = asyncio.run(tried(mutants, trees, options.limit))
        except CannotTryError as error:
            print(error, file=sys.stderr)
            return 1
        except KeyboardInterrupt:
            return 130
    print(summary(verdicts))
    return 0 if all(verdict.killed for verdict in verdicts) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
