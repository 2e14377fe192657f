"""What `tools/pynamodb_suite.py` runs PynamoDB's tests with."""
