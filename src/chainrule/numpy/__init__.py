"""NumPy's names for arrays of any class: what its dispatch protocols call, written in the standard's functions."""
