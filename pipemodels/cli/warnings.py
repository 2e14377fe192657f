"""What the package logs, one line each on standard error: warnings, and with `-v` and `-vv` more."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from pipemodels.cli.output import note

_logger = logging.getLogger("pipemodels")


class ShownWarnings(logging.Handler):
    """Prints warnings; an item that cannot be read is named once, however often it is met."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.unreadable: set[str] = set()

    def emit(self, record: logging.LogRecord) -> None:
        """Print a warning."""
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
    """Print the package's warnings that are logged in the block."""
    handler, level = ShownWarnings(), _logger.level
    _logger.addHandler(handler)
    try:
        yield handler
    finally:
        _logger.removeHandler(handler)
        _logger.setLevel(level)


def show_more(verbosity: int) -> None:
    """Print, from now on, also what the package logs below a warning.

    Args:
        verbosity: 1 for what it does (INFO), 2 for each step (DEBUG); 0 changes nothing.
    """
    if verbosity:
        level = logging.INFO if verbosity == 1 else logging.DEBUG
        _logger.setLevel(level)
        for handler in _logger.handlers:
            if isinstance(handler, ShownWarnings):
                handler.setLevel(level)
