"""The implementation of `pipemodels.local.embedded_store()`: directory, server process, and signals."""
