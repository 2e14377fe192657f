"""JSON and YAML, read piece by piece in bounded memory."""
