"""Projections of indexes, which hold a summary of each item."""

from __future__ import annotations

from pynamodb.indexes import IncludeProjection


def summary(*names: str) -> IncludeProjection:
    """Return the projection with these attributes and the revision."""
    return IncludeProjection([*names, "revision"])
