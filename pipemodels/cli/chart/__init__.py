"""Charts for the terminal: an axis of time, and bars on it."""
