"""Warnings of the package: one line each on standard error, among them the stored items that cannot be read."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from pipemodels.cli.output import note


class ShownWarnings(logging.Handler):
    """Prints warnings; an item that cannot be read is named once, however often it is met."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.unreadable: set[str] = set()

    def emit(self, record: logging.LogRecord) -> None:
        """Print a warning."""
        item = getattr(record, "unreadable", None)
        if item is None:
            note(record.getMessage())
        elif (line := f"cannot be read: {item}") not in self.unreadable:
            self.unreadable.add(line)
            note(line)


@contextmanager
def shown_warnings() -> Iterator[ShownWarnings]:
    """Print the package's warnings that are logged in the block."""
    handler, logger = ShownWarnings(), logging.getLogger("pipemodels")
    logger.addHandler(handler)
    try:
        yield handler
    finally:
        logger.removeHandler(handler)
