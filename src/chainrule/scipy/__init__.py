"""SciPy's neighbours with gradients: `linalg`, `stats`, `integrate`, `optimize`, `sparse` and `special`.

SciPy's own functions do not ask their arguments, and refuse traced arrays. These have SciPy's names and arguments, take
plain, traced and batched arrays of any library, and import SciPy where the values of NumPy's arrays need it.
"""

from chainrule.scipy import integrate, linalg, optimize, sparse, special, stats

__all__ = ["integrate", "linalg", "optimize", "sparse", "special", "stats"]
