"""What comes from outside: definitions in YAML or JSON, run events of OpenLineage."""

from pipemodels.interop.definitions.applying import ApplyReport, FieldChange, Refusal, apply_definitions
from pipemodels.interop.openlineage.ingesting import IngestReport, LineRefusal, ingest_events

__all__ = [
    "ApplyReport",
    "FieldChange",
    "IngestReport",
    "LineRefusal",
    "Refusal",
    "apply_definitions",
    "ingest_events",
]
