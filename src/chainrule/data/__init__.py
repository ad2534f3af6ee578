"""Data sets: one reader a format, scaling and splits."""
