"""Pass the items of a benchmark between its processes; only the process that generates them needs `pipemodels`."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

Item = dict[str, dict[str, Any]]


@dataclass(frozen=True)
class Corpus:
    """All items of a benchmark, in DynamoDB's JSON."""

    easy: list[Item]
    hard: list[Item]
    listed: list[Item]
    """The easy items as the index of a pipeline's runs holds them."""
    nested: list[Item]
    """Items of another shape: nested documents and lists of documents."""

    def save(self, path: Path) -> None:
        """Write the items to a file."""
        path.write_text(json.dumps(asdict(self)))

    @classmethod
    def load(cls, path: Path) -> Corpus:
        """Read items that `save` wrote."""
        return cls(**json.loads(path.read_text()))
