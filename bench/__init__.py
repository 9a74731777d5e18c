"""Benchmarks. Each is run alone on a machine, and writes its section of docs/benchmarks.md."""
