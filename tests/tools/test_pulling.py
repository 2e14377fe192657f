"""An image that the engine lacks is pulled, and given up where nothing moves; against an engine of a few lines."""

import threading
import time
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from _localstack import engine
from _localstack.errors import ToolError
from docker.errors import ImageNotFound

LAYERS = [{"id": "a", "status": "Pull complete", "progressDetail": {}}, {"status": "Status: Downloaded"}]


class Registry:
    """As much of Docker's client as a pull asks."""

    def __init__(self, *events: Any, has: bool = False, brings: bool = True) -> None:
        self._events, self._has, self._brings = events, has, brings
        self.asked: list[tuple[str, str]] = []
        self.images = SimpleNamespace(get=self._get)
        self.api = SimpleNamespace(pull=self._pull)

    def _get(self, name: str) -> Any:
        if not self._has:
            raise ImageNotFound(name)
        return SimpleNamespace(id="sha256:1")

    def _pull(self, repository: str, tag: str, **_: Any) -> Iterator[Any]:
        self.asked.append((repository, tag))
        for event in self._events:
            if isinstance(event, threading.Event):
                event.wait()
            else:
                yield event
        self._has = self._brings


def ensure(registry: Registry, image: str = "localhost:5000/a/b:1", patience: float = 9) -> None:
    """Ask for an image."""
    client: Any = registry
    engine.ensure_image(client, image, patience)


def test_an_image_that_is_there_is_not_pulled() -> None:
    """Only one that is not; without a tag it is the latest."""
    there, absent, untagged = Registry(has=True), Registry(*LAYERS), Registry(*LAYERS)
    for registry, image in ((there, "a:1"), (absent, "localhost:5000/a/b:1"), (untagged, "localhost:5000/a/b")):
        ensure(registry, image)
    assert there.asked == []
    assert absent.asked == [("localhost:5000/a/b", "1")]
    assert untagged.asked == [("localhost:5000/a/b", "latest")]


def test_what_the_registry_refuses_is_told_with_a_way_out() -> None:
    """It comes as an event among others; and a pull that brings nothing is none."""
    with pytest.raises(ToolError, match="localhost:5000/a/b:1 cannot be pulled: denied") as caught:
        ensure(Registry(*LAYERS, {"error": "denied"}))
    assert "LOCALSTACK_IMAGE=NAME:TAG" in caught.value.way_out
    with pytest.raises(ToolError, match="it is missing after the pull"):
        ensure(Registry(*LAYERS, brings=False))


def test_a_pull_without_progress_is_given_up() -> None:
    """After the time that is given, which begins anew with each event."""
    stalled, began = threading.Event(), time.monotonic()
    with pytest.raises(ToolError, match=r"no progress for 0\.5 seconds"):
        ensure(Registry(*LAYERS, stalled), patience=0.5)
    assert time.monotonic() - began < 5
    stalled.set()
