"""Decoders and encoders of PynamoDB's own attributes."""
