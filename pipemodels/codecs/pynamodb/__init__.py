"""The same for the attributes of PynamoDB."""
