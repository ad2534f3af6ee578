"""NumPy's names for arrays of any library.

NumPy calls its functions through dispatch protocols: `np.kron(a, b)` on traced arrays runs `kron` of `functions`.
"""

from chainrule.numpy_names import functions

# Importing the functions enters them in the tables of `names`.
__all__ = ["functions"]
