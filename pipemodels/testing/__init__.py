"""For tests of your own jobs: a pytest plugin (`pipemodels.testing.plugin`) and Hypothesis strategies (`.strategies`).

Both need `pip install "pipemodels[test]"`; nothing else of the package imports them.
"""
