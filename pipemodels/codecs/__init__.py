"""Items to and from the JSON of DynamoDB, by code that is compiled for each model."""
