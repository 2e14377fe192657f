"""What happens inside a client between a request and its reply: deadlines, connections, attempts."""
