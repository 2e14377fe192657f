"""The metadata store of data pipelines, on Amazon DynamoDB."""

__version__ = "0.1.0"
