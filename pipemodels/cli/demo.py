"""`pipemodels demo`."""
