"""The former name of `pipemodels.interop.openlineage`, so that imports of it still work."""
