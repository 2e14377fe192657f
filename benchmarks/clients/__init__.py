"""The clients to compare, a file for each; `benchmarks.clients.NAME` has the class `Bench`.

Each client runs in a separate process, and only that process imports it.
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
    """The work of a client; results are kept until the whole page is read."""

    title: ClassVar[str]
    fidelity: ClassVar[Fidelity] = Fidelity()
    rewrites: ClassVar[frozenset[str]] = frozenset()
    """Attributes that the client sets itself when it writes an item."""

    @classmethod
    def decodes(cls) -> str:
        """Say which values the client decodes."""
        return str(cls.fidelity)

    @abstractmethod
    def __init__(self, endpoint: str) -> None:
        """Set up the connection to the endpoint."""

    @abstractmethod
    def page(self, pipeline_id: str) -> list[Any]:
        """Return all runs of a pipeline, as whole items, by a query of the table."""

    @abstractmethod
    def listing(self, pipeline_id: str) -> list[Any]:
        """Return the summaries of all runs of a pipeline, from the index."""

    @abstractmethod
    def get(self, pipeline_id: str, run_id: str) -> Any:
        """Return one whole run by its key, read strongly consistent."""

    def prepare(self, values: dict[str, Any]) -> Any:
        """Return the values of a run as users of this client have them before they make an object; not timed."""
        return values

    @abstractmethod
    def write(self, prepared: list[Any]) -> None:
        """Make an object of each run, encode the objects, and write them in batches."""

    def prepare_nested(self, values: dict[str, Any]) -> Any:
        """Do as `prepare` for a run of the other shape; keys that users pass by position are separate."""
        return self.prepare(values)

    def write_nested(self, prepared: list[Any]) -> None:
        """Write runs of the other shape."""
        self.write(prepared)

    @abstractmethod
    def plain(self, item: Any) -> dict[str, Any]:
        """Return all decoded values as plain values; not timed."""

    def close(self) -> None:  # noqa: B027  # most have nothing to do
        """Close connections."""


def by_position(values: dict[str, Any]) -> tuple[tuple[Any, Any], dict[str, Any]]:
    """Return the keys of a run, in order, and its other values."""
    rest = {name: value for name, value in values.items() if name not in ("pipeline_id", "run_id")}
    return (values["pipeline_id"], values["run_id"]), rest


def client(name: str) -> type[Client]:
    """Import a client.

    Raises:
        ImportError: the client is not installed; `make bench` installs all clients into a separate environment.
    """
    bench: type[Client] = import_module(f"benchmarks.clients.{name}").Bench
    return bench
