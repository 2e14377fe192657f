"""stub"""

IngestReport = LineRefusal = ingest_events = None
