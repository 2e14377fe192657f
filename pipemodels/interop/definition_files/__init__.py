"""The former name of `pipemodels.interop.definitions`, so that imports of it still work."""
