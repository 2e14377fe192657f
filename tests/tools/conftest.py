"""`--engine`: the tests that need a Docker engine are collected when they are asked for, and only then."""

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))  # where the tool's own script finds its modules


def pytest_addoption(parser: pytest.Parser) -> None:
    """Heard by pytest where this directory is named on the command line: `pytest tests/tools --engine`."""
    parser.addoption("--engine", action="store_true", help="run the tests that need a Docker engine too")


def pytest_configure(config: pytest.Config) -> None:
    """An engine that was asked for and does not answer is an error, not a skip."""
    if not _asked_for(config):
        return
    from _localstack import engine
    from _localstack.errors import ToolError

    try:
        engine.connect().close()
    except ToolError as error:
        raise pytest.UsageError(f"--engine was given, but {error}") from error


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leaves the engine's tests out unless they were asked for."""
    return True if collection_path.name.endswith("_engine.py") and not _asked_for(config) else None


def _asked_for(config: pytest.Config) -> bool:
    # without the default a run of all of tests/, which does not know the option, would fail
    return bool(config.getoption("engine", default=False))
