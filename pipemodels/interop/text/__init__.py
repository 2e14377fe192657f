"""Read JSON and YAML incrementally, in bounded memory."""
