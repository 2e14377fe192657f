"""The pytest plugin of `tools/pynamodb_suite.py`."""
