"""Every test has a time limit."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest_plugins = ["pytester"]

CONFTEST = """
from tests.helpers.time_limits import TimeLimits, give_long_tests_more

def pytest_configure(config):
    config.addinivalue_line("markers", "long: takes minutes")
    config.pluginmanager.register(TimeLimits())

def pytest_collection_modifyitems(config, items):
    give_long_tests_more(config, items)
"""
TESTS = """
import time
import pytest
from hypothesis import given, strategies as st

def test_loop():
    while True:
        try:
            time.sleep(0.01)
        except Exception:
            pass

@given(st.integers())
def test_property(number):
    while number == 0:
        pass

def test_wait():
    import threading
    threading.Event().wait()

@pytest.mark.long
def test_long(request):
    assert request.node.get_closest_marker("timeout").args == (1800.0,)

def test_quick():
    pass
"""


def test_what_takes_too_long_fails(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    """A loop that catches every Exception, a property and a wait fail at the limit; the next tests still run."""
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))
    pytester.makeconftest(CONFTEST)
    pytester.makepyfile(TESTS)
    result = pytester.runpytest_subprocess("--timeout", "0.5", "-p", "no:cacheprovider", "-p", "no:xdist")
    result.assert_outcomes(passed=2, failed=3)
    result.stdout.fnmatch_lines(["*TookTooLongError: *test_loop took longer than 0.5 s"])
