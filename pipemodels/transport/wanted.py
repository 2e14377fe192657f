"""The schema for the items of the current reply: a query sets it, the parser reads it."""

from __future__ import annotations

from contextvars import ContextVar
from typing import Any

wanted: ContextVar[Any] = ContextVar("pipemodels_wanted_schema", default=None)
"""A subclass of `transport.schemas.Stored`; None for plain items."""
