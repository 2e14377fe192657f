"""Run PynamoDB's own unit tests on its base and on ours: `python tools/pynamodb_suite.py CHECKOUT`.

CHECKOUT is a copy of PynamoDB's sources, of the installed version. The script does not change it, and downloads
nothing. Its tests need pytest, pytest-mock, freezegun and blinker. docs/pynamodb.md lists each test that may fail on
our base, and why.

Exit codes: 0 the tests that differ are those in docs/pynamodb.md; 1 they are not; 2 wrong usage.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ElementTree
from collections.abc import Sequence
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "pynamodb.md"
_NEEDED = ("pytest", "pytest_mock", "freezegun", "blinker")
_ROW = re.compile(r"^\| `(test_\S+)` \| (.+) \|$", re.MULTILINE)
_SHOWN = 300  # characters of why a test failed


def documented(page: str) -> dict[str, str]:
    """Return the tests that may differ, and the reason of each, from the page's table."""
    return dict(_ROW.findall(page))


def differences(theirs: dict[str, str], ours: dict[str, str], known: dict[str, str]) -> list[str]:
    """Return a message for each test that differs and is not documented, or is documented and does not differ."""
    differ = {test for test, failure in ours.items() if failure and not theirs[test]}
    wrong = [f"{test} fails on our base: {ours[test]}" for test in sorted(differ - known.keys())]
    return wrong + [
        f"{test} does not differ, though docs/pynamodb.md says so" for test in sorted(known.keys() - differ)
    ]


def outcomes(report: Path) -> dict[str, str]:
    """Return the failure message of each test by its name; empty if it passed or was skipped."""
    found = {}
    for case in ElementTree.parse(report).iter("testcase"):
        module, _, name = str(case.get("classname")).removeprefix("tests.").partition(".")
        failure = case.find("failure") if case.find("error") is None else case.find("error")
        reason = "" if failure is None else str(failure.get("message") or "?").replace("\n", " ")[:_SHOWN]
        found["::".join(part for part in (module, name.replace(".", "::"), str(case.get("name"))) if part)] = reason
    return found


def run_tests(checkout: Path, directory: Path, *more: str) -> dict[str, str]:
    """Run a copy of the unit tests and return their outcomes."""
    shutil.copytree(
        checkout / "tests", directory / "tests", ignore=shutil.ignore_patterns("integration", "__pycache__")
    )
    (directory / "pytest.ini").write_text("[pytest]\nmarkers = ddblocal\n")
    credentials = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": "us-east-1"}
    paths = os.pathsep.join([str(ROOT), str(ROOT / "tools")])
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "--junitxml=report.xml",
        *more,
        "tests",
    ]
    done = subprocess.run(
        command,
        cwd=directory,
        env=os.environ | credentials | {"PYTHONPATH": paths},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode not in (0, 1) or not (directory / "report.xml").exists():
        raise SystemExit(f"pytest could not run the tests:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    return outcomes(directory / "report.xml")


def wrong_usage(checkout: Path) -> str | None:
    """Return why the tests cannot be run, or None."""
    if missing := [name for name in _NEEDED if find_spec(name) is None]:
        return f"not installed, but needed by PynamoDB's tests: {', '.join(missing)}"
    if not (checkout / "tests" / "test_model.py").is_file():
        return f"{checkout} is not a copy of PynamoDB's sources: it has no tests/test_model.py"
    installed = version("pynamodb")
    if f"__version__ = '{installed}'" not in (checkout / "pynamodb" / "__init__.py").read_text():
        return f"{checkout} is not of the installed version, {installed}"
    return None


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the tests on both bases and print the differences."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkout", type=Path, help="a copy of PynamoDB's sources")
    checkout: Path = parser.parse_args(arguments).checkout
    if reason := wrong_usage(checkout):
        print(reason, file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory() as theirs_in, tempfile.TemporaryDirectory() as ours_in:
        theirs = run_tests(checkout, Path(theirs_in))
        ours = run_tests(checkout, Path(ours_in), "-p", "_pynamodb_suite.swapped")
    if theirs.keys() != ours.keys():
        print(f"tests that were found on one base only: {sorted(theirs.keys() ^ ours.keys())}")
        return 1
    for name, outcome in (("PynamoDB's base", theirs), ("our base", ours)):
        print(f"{name}: {sum(not failure for failure in outcome.values())} of {len(outcome)} pass")
    wrong = differences(theirs, ours, documented(PAGE.read_text()))
    print("\n".join(wrong) or f"every test that differs is listed in {PAGE.name}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
