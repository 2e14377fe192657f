"""How OpenLineage events are read, joined into what is known of a run, and written."""
