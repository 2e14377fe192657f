"""The items of a benchmark on their way between its processes; only the one that draws them needs `pipemodels`."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

Item = dict[str, dict[str, Any]]


@dataclass(frozen=True)
class Corpus:
    """All items of a benchmark, in DynamoDB's form."""

    easy: list[Item]
    hard: list[Item]
    listed: list[Item]
    """What the index that lists a pipeline's runs holds of the easy ones."""
    nested: list[Item]
    """Items of another shape: documents in documents, and lists of them."""

    def save(self, path: Path) -> None:
        """Write the items to a file."""
        path.write_text(json.dumps(asdict(self)))

    @classmethod
    def load(cls, path: Path) -> Corpus:
        """Read what `save` has written."""
        return cls(**json.loads(path.read_text()))
