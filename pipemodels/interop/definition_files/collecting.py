"""The former place of what collects the entries of definition files."""

from pipemodels.interop.definitions.collecting import Collection, Wanted, collect

__all__ = ["Collection", "Wanted", "collect"]
