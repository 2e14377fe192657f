"""Projections of indexes: a summary of an item, never the whole."""

from __future__ import annotations

from pynamodb.indexes import IncludeProjection


def summary(*names: str) -> IncludeProjection:
    """Return the projection of a summary: the named attributes and the revision, never the whole item."""
    return IncludeProjection([*names, "revision"])
