"""Standard error for people; standard output is for what a script reads."""

import sys


def say(text: str) -> None:
    """Progress and advice, on standard error."""
    if sys.stderr is not None:  # closed by the caller; print would fall back to standard output
        print(text, file=sys.stderr, flush=True)
