"""How a run starts, ends, and holds a slot."""
