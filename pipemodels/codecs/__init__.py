"""Decoders and encoders of items, compiled for each model."""
