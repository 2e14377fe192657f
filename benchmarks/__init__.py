"""Benchmarks that compare the package with other clients; `docs/benchmarks.md` says how to run and read them."""
