"""How commands and queries speak to DynamoDB: requests that are repeated within one time limit."""
