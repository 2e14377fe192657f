"""The schema in which the items of the current reply are wanted: set by whoever asks, read by the parser."""

from __future__ import annotations

from contextvars import ContextVar
from typing import Any

wanted: ContextVar[Any] = ContextVar("pipemodels_wanted_schema", default=None)
"""A `transport.schemas.Stored`; None for plain items."""
