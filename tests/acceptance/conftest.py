"""Tests on data that lies beside the repository; collected only where that data is."""

from pathlib import Path

SHARED = Path(__file__).resolve().parents[2].parent / "shared" / "data"

collect_ignore = [] if SHARED.is_dir() else ["test_shared_rfc3339.py"]
