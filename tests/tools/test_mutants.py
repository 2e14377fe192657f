"""The list of mutants fits the code, and the tool tells a kill from what is none."""

import asyncio
from dataclasses import replace
from typing import Any

import mutants
import pytest
from mutants import CannotTryError, Mutant, Tree, Verdict

from .running import ROOT

MUTANT = Mutant(
    module="pipemodels/checks.py",
    old="MAX_DIGITS = 38",
    new="MAX_DIGITS = 37",
    hurts="a number is refused",
    tests="tests/unit/test_it.py",
)


def test_every_mutant_still_fits_its_module() -> None:
    """What it replaces is there exactly once: who changes the code changes the list."""
    for mutant in mutants.listed():
        broken = mutant.applied_to((ROOT / mutant.module).read_text())
        compile(broken, mutant.module, "exec")


def test_every_selection_is_there() -> None:
    """Files and tests that are named exist."""
    for mutant in mutants.listed():
        for name in (word for word in mutant.tests.split() if word.startswith("tests/")):
            path, _, test = name.partition("::")
            text = (ROOT / path).read_text() if (ROOT / path).is_file() else ""
            assert (ROOT / path).exists(), name
            assert not test or f"def {test}(" in text, name


@pytest.mark.parametrize("change", [{"old": "no such text"}, {"old": "MAX_ID"}, {"new": MUTANT.old}])
def test_what_cannot_be_applied_is_refused(change: dict[str, Any]) -> None:
    """A text that is not there once, or is replaced by itself, names the module."""
    source = (ROOT / MUTANT.module).read_text()
    assert MUTANT.applied_to(source) == source.replace("MAX_DIGITS = 38", "MAX_DIGITS = 37")
    with pytest.raises(CannotTryError, match=r"pipemodels/checks\.py: .* wanted once"):
        replace(MUTANT, **change).applied_to(source)


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Tree:
    """A copy of the project, with one file of tests."""
    tree = Tree(tmp_path_factory.mktemp("mutants") / "tree")
    program = "from pipemodels import checks\ndef test_it(): assert checks.MAX_DIGITS == 38"
    (tree.root / "tests" / "unit" / "test_it.py").write_text(program)
    return tree


@pytest.mark.parametrize(
    ("change", "text", "killed"),
    [
        ({}, "killed", True),
        ({"old": "MAX_ID_BYTES = 1024", "new": "MAX_ID_BYTES = 1023"}, "SURVIVED", False),
        ({"new": "MAX_DIGITS ="}, "error 4", False),
        ({"tests": "tests/unit/test_it.py -k nothing"}, "error 5", False),
        ({"old": "no such text"}, "not applied", False),
        ({"new": "while True: pass", "hangs_after": 3}, "killed (hangs)", True),
    ],
)
def test_a_kill_is_a_failed_test(tree: Tree, change: dict[str, Any], text: str, killed: bool) -> None:
    """An error of the run itself is none, and the module is whole again afterwards."""
    module = tree.root / MUTANT.module
    before = module.read_text()
    mutant = replace(MUTANT, **change)
    verdict = asyncio.run(mutants.judged(tree, mutant, 600))
    assert (verdict.mutant, verdict.text, verdict.killed) == (mutant, text, killed), verdict.output
    assert module.read_text() == before == (ROOT / MUTANT.module).read_text()


def test_tests_that_fail_anyway_judge_nobody(tree: Tree) -> None:
    """A selection must pass on the whole package before a mutant is tried with it."""
    missing = replace(MUTANT, tests="tests/unit/test_it.py -k nothing")
    with pytest.raises(CannotTryError, match="exit code 5 with nothing broken"):
        asyncio.run(mutants.tried([missing], [tree], 600))


def test_the_summary_counts_by_module() -> None:
    """Of each module, how many were killed of how many."""
    verdicts = [Verdict(MUTANT, "killed", True, ""), Verdict(MUTANT, "SURVIVED", False, "")]
    assert mutants.summary(verdicts) == ("pipemodels/checks.py  1 of 2\nkilled 1 of 2 mutants in 1 modules")


def test_a_wrong_usage_ends_with_2(capsys: pytest.CaptureFixture[str]) -> None:
    """A pattern that no mutant holds tries nothing, and must not look like a success."""
    with pytest.raises(SystemExit) as caught:
        mutants.main(["-k", "no mutant holds this"])
    assert caught.value.code == 2
    assert "no mutant holds" in capsys.readouterr().err
