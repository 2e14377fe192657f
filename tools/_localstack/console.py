"""Messages for people go to standard error; standard output is for scripts."""

import sys


def say(text: str) -> None:
    """Print progress or advice on standard error."""
    if sys.stderr is not None:  # closed by the caller; print would fall back to standard output
        print(text, file=sys.stderr, flush=True)
