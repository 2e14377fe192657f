"""What counts as a reply."""
