"""The script that runs PynamoDB's tests on both bases, tried on a small copy of sources of the same shape."""

import sys
from importlib.metadata import version
from pathlib import Path
from types import ModuleType

import pytest

TESTS = """
from pynamodb.attributes import UnicodeAttribute
from pynamodb.models import Model


class User(Model):
    class Meta:
        table_name = "users"
        host = "http://127.0.0.1:8000"

    name = UnicodeAttribute(hash_key=True)


class TestUser:
    def test_host(self):
        assert hasattr(User.Meta, "host")

    def test_base(self):
        assert User.__mro__[1] is not Model or Model.__module__ == "pynamodb.models"


def test_number():
    assert User(7).serialize() == {"name": {"S": 7}}


def test_text():
    assert User("a").serialize() == {"name": {"S": "a"}}
"""


@pytest.fixture
def suite(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Return the script as a module."""
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2] / "tools"))
    monkeypatch.delitem(sys.modules, "pynamodb_suite", raising=False)
    import pynamodb_suite  # a script beside the package

    module: ModuleType = pynamodb_suite
    return module


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """Return a small copy of sources."""
    for directory in ("tests/integration", "pynamodb"):
        (tmp_path / "checkout" / directory).mkdir(parents=True)
    (tmp_path / "checkout/tests/__init__.py").write_text("")
    (tmp_path / "checkout/tests/test_model.py").write_text(TESTS)
    (tmp_path / "checkout/tests/integration/test_live.py").write_text("def test_live(): assert False\n")
    (tmp_path / "checkout/pynamodb/__init__.py").write_text(f"__version__ = '{version('pynamodb')}'\n")
    return tmp_path / "checkout"


def test_the_same_tests_run_on_both_bases(suite: ModuleType, checkout: Path, tmp_path: Path) -> None:
    """The base is swapped for the second run alone, settings that are refused are deleted, the copy is left alone."""
    before = {path: path.read_bytes() for path in checkout.rglob("*.py")}
    for name in ("theirs", "ours"):
        (tmp_path / name).mkdir()
    theirs = suite.run_tests(checkout, tmp_path / "theirs")
    ours = suite.run_tests(checkout, tmp_path / "ours", "-p", "_pynamodb_suite.swapped")
    names = [
        "test_model::TestUser::test_base",
        "test_model::TestUser::test_host",
        "test_model::test_number",
        "test_model::test_text",
    ]
    assert sorted(theirs) == sorted(ours) == names
    assert [name for name in theirs if theirs[name]] == []
    assert [name for name in sorted(ours) if ours[name]] == [
        "test_model::TestUser::test_base",
        "test_model::test_number",
    ]
    assert "name: 7 must be text, not int" in ours["test_model::test_number"]
    assert {path: path.read_bytes() for path in checkout.rglob("*.py")} == before


def test_only_what_is_documented_may_differ(suite: ModuleType) -> None:
    """An unknown difference is wrong, and so is a documented one that is none; not what fails on both bases."""
    page = "| test | why |\n| --- | --- |\n| `test_a::test_known` | a reason |\n"
    page += "| `test_a::test_gone[False]` | another |\n"
    known = suite.documented(page)
    assert known == {"test_a::test_known": "a reason", "test_a::test_gone[False]": "another"}
    theirs = dict.fromkeys(["test_a::test_known", "test_a::test_gone[False]", "test_a::test_new"], "") | {
        "test_a::test_both": "x"
    }
    ours = theirs | {"test_a::test_known": "fails", "test_a::test_new": "fails too"}
    assert suite.differences(theirs, ours, known) == [
        "test_a::test_new fails on our base: fails too",
        "test_a::test_gone[False] does not differ, though docs/pynamodb.md says so",
    ]
    assert (
        suite.differences(theirs, theirs | {"test_a::test_known": "fails"}, {"test_a::test_known": "a reason"}) == []
    )


def test_the_page_has_the_differences(suite: ModuleType) -> None:
    """The script reads them there; the number of those that pass is the rest."""
    page = suite.PAGE.read_text()
    known = suite.documented(page)
    assert f"Of the 386 unit tests of PynamoDB 6.1.0, {386 - len(known)} pass on our base" in page


def test_wrong_usage_is_said(
    suite: ModuleType,
    checkout: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """What is missing, no such copy, and one of another version: exit code 2, before any test."""
    monkeypatch.setattr(suite, "_NEEDED", ("no_such_module",))
    assert suite.main([str(checkout)]) == 2
    assert "no_such_module" in capsys.readouterr().err
    monkeypatch.setattr(suite, "_NEEDED", ())
    assert suite.main([str(tmp_path)]) == 2
    assert "has no tests/test_model.py" in capsys.readouterr().err
    (checkout / "pynamodb/__init__.py").write_text("__version__ = '1.0'\n")
    assert suite.main([str(checkout)]) == 2
    assert "is not of the installed version" in capsys.readouterr().err


def test_an_undocumented_difference_fails(
    suite: ModuleType,
    checkout: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    """Exit code 1 names it; with it in the page, 0."""
    monkeypatch.setattr(suite, "_NEEDED", ())
    page = tmp_path / "page.md"
    page.write_text("| `test_model::TestUser::test_base` | swapped |\n")
    monkeypatch.setattr(suite, "PAGE", page)
    assert suite.main([str(checkout)]) == 1
    assert "test_model::test_number fails on our base" in capsys.readouterr().out
    page.write_text(page.read_text() + "| `test_model::test_number` | refused |\n")
    assert suite.main([str(checkout)]) == 0
    assert "PynamoDB's base: 4 of 4 pass\nour base: 2 of 4 pass\n" in capsys.readouterr().out
