"""Forward and backward propagation, written once for NumPy and CuPy."""

__version__ = "0.1.0"
