"""For tests of your own jobs: a pytest plugin (`testing.plugin`) and Hypothesis strategies (`testing.strategies`).

Both need `pip install "pipemodels[test]"`; nothing else of the package imports them.
"""
