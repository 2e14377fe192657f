"""Arbitrary histories of all commands and queries agree with a plain model in memory, on every back end."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import settings
from hypothesis.stateful import run_state_machine_as_test

from tests.helpers.backends import Backend
from tests.property.machine import PipemodelsMachine


def histories(backend: Backend) -> settings:
    """Return the settings: 40 histories of 40 steps, 20 of 30 on a server in a container; at night 2,000 and 400."""
    profile = settings.default
    assert profile is not None, "conftest.py has loaded a profile"
    here = backend.name in {"moto", "embedded"}
    count = 40 if here and profile.max_examples <= 100 else 100
    return backend.examples(count, stateful_step_count=40 if here else 30)


@pytest.mark.usefixtures("counted_tokens")
@pytest.mark.long
@pytest.mark.no_cover  # measuring would take longer than the histories, and covers nothing new
def test_any_history_agrees_with_the_model(backend: Backend) -> None:
    """After each step the touched items, every listing and count that can see them, and the error class agree."""
    with backend.fresh_tables() as config:
        factory: Any = lambda: PipemodelsMachine(config)  # noqa: E731  # typed as a class, and a factory is taken
        run_state_machine_as_test(factory, settings=histories(backend))
