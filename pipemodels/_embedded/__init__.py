"""What `pipemodels.local.embedded_store()` is made of: the directory, the server process, the signals."""
