"""The former place of the spool of definitions."""

from pipemodels.interop.definitions.spool import Spool

__all__ = ["Spool"]
