"""Shortcuts of one call, which the gate may leave off."""
