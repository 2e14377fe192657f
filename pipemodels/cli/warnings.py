"""Print what the package logs to standard error: warnings; with `-v` and `-vv`, also lower levels."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from pipemodels.cli.output import note

_logger = logging.getLogger("pipemodels")


class ShownWarnings(logging.Handler):
    """Prints log records; an unreadable item is named only once, even if it is read several times."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.unreadable: set[str] = set()

    def emit(self, record: logging.LogRecord) -> None:
        """Print a log record on one line."""
        item = getattr(record, "unreadable", None)
        if item is None:
            note(
                record.getMessage() if record.levelno >= logging.WARNING else f"{record.name}: {record.getMessage()}"
            )
        elif (line := f"cannot be read: {item}") not in self.unreadable:
            self.unreadable.add(line)
            note(line)


@contextmanager
def shown_warnings() -> Iterator[ShownWarnings]:
    """Print the warnings that the package logs during the block."""
    handler, level = ShownWarnings(), _logger.level
    _logger.addHandler(handler)
    try:
        yield handler
    finally:
        _logger.removeHandler(handler)
        _logger.setLevel(level)


def show_more(verbosity: int) -> None:
    """Print lower log levels too, until `shown_warnings()` ends.

    Args:
        verbosity: 1 for INFO, 2 or more for DEBUG; 0 changes nothing.
    """
    if verbosity:
        level = logging.INFO if verbosity == 1 else logging.DEBUG
        _logger.setLevel(level)
        for handler in _logger.handlers:
            if isinstance(handler, ShownWarnings):
                handler.setLevel(level)
