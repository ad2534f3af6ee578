"""The same mathematics, written for speed or for reading: loops, tiles and compiled kernels."""
