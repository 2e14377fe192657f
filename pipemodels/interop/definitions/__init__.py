"""Definitions in files: read one entry at a time, compared with what is stored, and applied."""

from pipemodels.interop.definitions.applying import apply_definitions

__all__ = ["apply_definitions"]
