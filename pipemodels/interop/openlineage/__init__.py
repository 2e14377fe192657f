"""Read OpenLineage run events and record their runs."""

from pipemodels.interop.openlineage.ingesting import IngestReport, LineRefusal, ingest_events

__all__ = ["IngestReport", "LineRefusal", "ingest_events"]
