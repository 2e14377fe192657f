"""Tools for testing your jobs: a pytest plugin (`testing.plugin`), Hypothesis strategies (`testing.strategies`).

Both need `pip install "pipemodels[test]"`; no other module of the package imports them.
"""
