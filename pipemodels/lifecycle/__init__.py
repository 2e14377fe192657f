"""How a run starts and ends, and how it claims and releases a slot."""
