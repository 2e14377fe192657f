"""The former place of the functions that read an event."""

from pipemodels.interop.openlineage.events import is_event, read_event
from pipemodels.interop.openlineage.times import event_time

__all__ = ["event_time", "is_event", "read_event"]
