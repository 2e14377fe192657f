"""Shortcuts for parts of a call besides request and reply bodies."""
