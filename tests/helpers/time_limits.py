"""A time limit for every test, by pytest-timeout: a test that loops for ever fails instead of hanging the suite."""

from __future__ import annotations

import signal
from types import FrameType
from typing import Any

import pytest

LONG = 1_800.0  # seconds; for tests with the marker `long`
NIGHTLY = 4 * 3_600.0  # seconds; under Hypothesis' profile `nightly`, which draws twenty times as many examples


class TookTooLongError(BaseException):
    """The test reached its time limit.

    Not an Exception, so that neither the code under test nor Hypothesis catches it.
    """


def give_long_tests_more(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Raise the limit of `pyproject.toml` where a test is known to take longer."""
    nightly = config.getoption("hypothesis_profile", None) == "nightly"
    for item in items:
        if nightly or item.get_closest_marker("long"):
            item.add_marker(pytest.mark.timeout(NIGHTLY if nightly else LONG))


def start_timer(item: pytest.Item, seconds: float) -> None:
    """Interrupt the main thread after these seconds."""

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise TookTooLongError(f"{item.nodeid} took longer than {seconds} s")

    signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, seconds)


def stop_timer() -> None:
    """Forget the time limit of the test that has ended."""
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, signal.SIG_DFL)


class TimeLimits:
    """The hooks of pytest-timeout.

    What its own signal handler raises is a failing example to Hypothesis, which runs it again, without a limit.
    """

    @pytest.hookimpl(tryfirst=True)
    def pytest_timeout_set_timer(self, item: pytest.Item, settings: Any) -> bool:
        """Start the timer of a test."""
        start_timer(item, settings.timeout)
        return True

    @pytest.hookimpl(tryfirst=True)
    def pytest_timeout_cancel_timer(self, item: pytest.Item) -> bool:
        """Stop the timer of a test."""
        stop_timer()
        return True
