"""Apply the pipeline and table definitions in YAML and JSON files to the store."""

from pipemodels.interop.definitions.applying import ApplyReport, FieldChange, Refusal, apply_definitions

__all__ = ["ApplyReport", "FieldChange", "Refusal", "apply_definitions"]
