"""Benchmarks: `python bench/run.py` runs them all, `python -m bench.report` writes and compares their reports."""
