"""What the package costs, beside its peers; `docs/benchmarks.md` says how to run and read it."""
