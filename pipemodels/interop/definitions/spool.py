"""Buffer entries in a temporary file, so that all files are checked before anything is written."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from tempfile import SpooledTemporaryFile
from types import TracebackType
from typing import Generic, Self, TypeVar

_T = TypeVar("_T")
_IN_MEMORY = 1 << 20


class Spool(Generic[_T]):
    """An ordered buffer of values: in memory while it is small, then in a temporary file.

    No other process can read or write the file.
    """

    def __init__(self) -> None:
        self._file = SpooledTemporaryFile(max_size=_IN_MEMORY)  # noqa: SIM115  # closed by __exit__
        self._count = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def __len__(self) -> int:
        return self._count

    def add(self, value: _T) -> None:
        """Append a value."""
        pickle.dump(value, self._file, pickle.HIGHEST_PROTOCOL)
        self._count += 1

    def __iter__(self) -> Iterator[_T]:
        """Yield the values in order; do not add values during the iteration."""
        self._file.seek(0)
        for _ in range(self._count):
            yield pickle.load(self._file)  # noqa: S301  # this object wrote it, to a file without a name
