"""`pipemodels ingest`: run events from files."""
