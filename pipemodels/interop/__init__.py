"""Import pipeline and table definitions (YAML, JSON) and OpenLineage run events."""

from pipemodels.interop.definitions import ApplyReport, FieldChange, Refusal, apply_definitions
from pipemodels.interop.openlineage import IngestReport, LineRefusal, ingest_events

__all__ = [
    "ApplyReport",
    "FieldChange",
    "IngestReport",
    "LineRefusal",
    "Refusal",
    "apply_definitions",
    "ingest_events",
]
