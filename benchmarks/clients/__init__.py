"""The clients that are compared, a file each; `benchmarks.clients.NAME` has the one class `Bench`.

Each runs in a process of its own, and only that process imports it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from importlib import import_module
from typing import Any, ClassVar

from benchmarks.values import Fidelity

NAMES = (
    "pipemodels",
    "pipemodels_base",
    "pynamodb",
    "pydynox",
    "boto3_pydantic",
    "boto3_resource",
    "aiodynamo",
    "floor",
)
INDEX = "PipelineRunsIndex"
TABLE = "bench_pipeline_run_logs"
REGION, CREDENTIAL = "us-east-1", "test"


class Client(ABC):
    """What a client is asked to do; what it returns is kept until the whole page is there."""

    title: ClassVar[str]
    fidelity: ClassVar[Fidelity] = Fidelity()
    rewrites: ClassVar[frozenset[str]] = frozenset()
    """Attributes that it sets itself when it writes an item, whatever it was given."""

    @classmethod
    def decodes(cls) -> str:
        """Say how far, in a few words."""
        return str(cls.fidelity)

    @abstractmethod
    def __init__(self, endpoint: str) -> None:
        """Connect to the endpoint; nothing need be sent yet."""

    @abstractmethod
    def page(self, pipeline_id: str) -> list[Any]:
        """Return all runs of a pipeline, whole, by a query of the table."""

    @abstractmethod
    def listing(self, pipeline_id: str) -> list[Any]:
        """Return what the index holds of all runs of a pipeline."""

    @abstractmethod
    def get(self, pipeline_id: str, run_id: str) -> Any:
        """Return one run, whole, by its key, read strongly consistent."""

    def prepare(self, values: dict[str, Any]) -> Any:
        """Return the values of a run as this client's users hold them before they make an object; not timed."""
        return values

    @abstractmethod
    def write(self, prepared: list[Any]) -> None:
        """Make an object of each, encode them, and write them in batches."""

    def prepare_nested(self, values: dict[str, Any]) -> Any:
        """Return the same of a run of the other shape; where its users give keys by position, they are apart."""
        return self.prepare(values)

    def write_nested(self, prepared: list[Any]) -> None:
        """Write those."""
        self.write(prepared)

    @abstractmethod
    def plain(self, item: Any) -> dict[str, Any]:
        """Return what was decoded, all of it, as plain values; not timed."""

    def close(self) -> None:  # noqa: B027  # most have nothing to do
        """Let go of what is open."""


def by_position(values: dict[str, Any]) -> tuple[tuple[Any, Any], dict[str, Any]]:
    """Return the keys of a run, in order, and its other values."""
    rest = {name: value for name, value in values.items() if name not in ("pipeline_id", "run_id")}
    return (values["pipeline_id"], values["run_id"]), rest


def client(name: str) -> type[Client]:
    """Import a client.

    Raises:
        ImportError: it is not installed; `make bench` installs all into an environment of their own.
    """
    bench: type[Client] = import_module(f"benchmarks.clients.{name}").Bench
    return bench
