"""What spares the suite time without a test knowing: each measured by itself on the unit tests."""

from __future__ import annotations

import gc
import sys
from functools import wraps
from typing import Any


def collect_garbage_rarely() -> None:
    """Look for garbage less often: the tests' heap is large, nearly all of it lives on, and each look walks it."""
    gc.set_threshold(20_000, 20, 100)


def trace_no_moto() -> None:
    """Have coverage look away while moto answers: to be asked about each of its lines takes as long as the tests."""
    from moto.core.botocore_stubber import BotocoreStubber

    answer = BotocoreStubber.__call__

    @wraps(answer)
    def untraced(*args: Any, **settings: Any) -> Any:
        tracer = sys.gettrace()
        if tracer is None:
            return answer(*args, **settings)
        sys.settrace(None)
        try:
            return answer(*args, **settings)
        finally:
            sys.settrace(tracer)
            _called()

    BotocoreStubber.__call__ = untraced  # type: ignore[method-assign]


def _called() -> None:
    """Let coverage's tracer take its place again, which it does at a call, before anything returns."""
