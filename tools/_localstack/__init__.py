"""The modules of `tools/localstack.py`."""
