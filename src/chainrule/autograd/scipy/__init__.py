"""SciPy's functions with gradients, for programs of autograd."""

from chainrule.autograd.scipy import integrate, linalg, signal, special, stats

__all__ = ["integrate", "linalg", "signal", "special", "stats"]
