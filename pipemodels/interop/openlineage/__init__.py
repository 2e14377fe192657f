"""OpenLineage events: read, joined into what is known of a run, and written."""

from pipemodels.interop.openlineage.ingesting import ingest_events

__all__ = ["ingest_events"]
