"""What `tools/localstack.py` is made of."""
