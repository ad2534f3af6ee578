"""Benchmarks: `python bench/run.py` runs them all, `python bench/report.py` writes and compares their reports."""
