"""Import paths that have moved still work."""

from __future__ import annotations

from importlib import import_module

import pytest


@pytest.mark.parametrize(
    ("former", "now", "names"),
    [
        ("pipemodels.config", "pipemodels.connections", ["ConfiguredConnection", "connection_of"]),
        ("pipemodels.interop.run_events.events", "pipemodels.interop.openlineage.events", ["is_event", "read_event"]),
        ("pipemodels.interop.run_events.events", "pipemodels.interop.openlineage.times", ["event_time"]),
        (
            "pipemodels.interop.definition_files.collecting",
            "pipemodels.interop.definitions.collecting",
            ["Collection", "Wanted", "collect"],
        ),
        ("pipemodels.interop.definition_files.spool", "pipemodels.interop.definitions.spool", ["Spool"]),
        ("pipemodels.interop.definitions", "pipemodels.interop.definitions.applying", ["apply_definitions"]),
        ("pipemodels.interop.openlineage", "pipemodels.interop.openlineage.ingesting", ["ingest_events"]),
        ("pipemodels.models.base", "pipemodels.models.meta", ["ConfiguredTable"]),
    ],
)
def test_a_former_path_gives_the_same_object(former: str, now: str, names: list[str]) -> None:
    """What was imported from there is what is imported from its new place."""
    for name in names:
        assert getattr(import_module(former), name) is getattr(import_module(now), name)


def test_another_name_is_not_there() -> None:
    """Only what has moved is looked up elsewhere."""
    with pytest.raises(AttributeError, match=r"^module 'pipemodels.config' has no attribute 'nothing'"):
        _ = import_module("pipemodels.config").nothing
