"""The lock of the tool's starts: one call at a time, and nobody waits for ever."""

import os
import tempfile
from pathlib import Path

import pytest
from _localstack.errors import ToolError
from _localstack.lock import one_at_a_time


@pytest.fixture(autouse=True)
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return where the locks of a test are."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def test_who_waits_too_long_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    """While another call holds it; said once, however often it is asked for."""
    with (
        one_at_a_time("project", 0),
        pytest.raises(ToolError, match=r"starting LocalStack for 0\.3 seconds"),
        one_at_a_time("project", 0.3),
    ):
        pass
    assert capsys.readouterr().err == "another call is starting LocalStack: waiting\n"


def test_each_project_has_its_own() -> None:
    """One is no hindrance to another."""
    with one_at_a_time("project", 0), one_at_a_time("other", 0):
        pass


def test_it_is_free_after_the_call() -> None:
    """Also after one that failed."""
    with pytest.raises(ZeroDivisionError), one_at_a_time("project", 0):
        _ = 1 / 0
    with one_at_a_time("project", 0):
        pass


def test_another_user_s_symbolic_link_is_not_followed(directory: Path) -> None:
    """The directory of temporary files is everybody's: nothing is made where the link points."""
    (directory / f"project-{os.getuid()}.lock").symlink_to(directory / "target")
    with pytest.raises(ToolError, match="the lock file cannot be opened"), one_at_a_time("project", 0):
        pass
    assert not (directory / "target").exists()
