"""Tests on data that lies beside the repository; collected only where that data is."""

from tests.acceptance.shared_data import SHARED

collect_ignore_glob = [] if SHARED.is_dir() else ["test_*.py"]
