"""Tables of NumPy's names: those that the standard spells otherwise, and those that only NumPy has."""

from collections.abc import Callable
from typing import Any, TypeVar

# A function of NumPy's that the standard has under another name.
STANDARD_NAMES = {
    "absolute": "abs",
    "amax": "max",
    "amin": "min",
    "arccos": "acos",
    "arccosh": "acosh",
    "arcsin": "asin",
    "arcsinh": "asinh",
    "arctan": "atan",
    "arctan2": "atan2",
    "arctanh": "atanh",
    "around": "round",
    "conjugate": "conj",
    "fabs": "abs",
    "fix": "trunc",
    "invert": "bitwise_invert",
    "left_shift": "bitwise_left_shift",
    "mod": "remainder",
    "power": "pow",
    "right_shift": "bitwise_right_shift",
    "rint": "round",
    "true_divide": "divide",
}
# An argument of NumPy's that the standard has under another name.
STANDARD_ARGUMENTS = {"a_max": "max", "a_min": "min", "ddof": "correction", "newshape": "shape"}
# Methods of an array that do what NumPy's functions of their names do.
METHODS = (
    *(
        "argpartition",
        "argsort",
        "choose",
        "clip",
        "conj",
        "conjugate",
        "copy",
        "cumprod",
        "cumsum",
    ),
    *(
        "diagonal",
        "dot",
        "nonzero",
        "ravel",
        "repeat",
        "round",
        "searchsorted",
        "squeeze",
        "swapaxes",
        "take",
    ),
    "trace",
)
# The functions whose results may be views of an argument; those of all others are copies.
VIEWS = frozenset(
    (
        *(
            "array_split",
            "astype",
            "atleast_1d",
            "atleast_2d",
            "atleast_3d",
            "broadcast_arrays",
            "broadcast_to",
        ),
        *(
            "diag",
            "diagonal",
            "dsplit",
            "einsum",
            "expand_dims",
            "flip",
            "fliplr",
            "flipud",
            "hsplit",
            "imag",
        ),
        *("matrix_transpose", "moveaxis", "permute_dims", "ravel", "real", "reshape", "rollaxis", "rot90"),
        *(
            "sliding_window_view",
            "split",
            "squeeze",
            "swapaxes",
            "transpose",
            "trim_zeros",
            "unstack",
            "vsplit",
        ),
    )
)
# Of those that give copies, the ones whose results of shape () are arrays; those of all others are numbers.
OF_NO_AXES = frozenset(
    (
        *("apply_along_axis", "array", "asanyarray", "asarray", "block", "copy", "cov", "empty_like", "full"),
        *(
            "full_like",
            "i0",
            "ones_like",
            "piecewise",
            "real_if_close",
            "resize",
            "roll",
            "select",
            "tensordot",
            "tile",
            "where",
            "zeros_like",
        ),
    )
)
# What to write instead of those that change the array in place, or give its memory.
INSTEAD = {
    "byteswap": "x.astype(dtype)",
    "partition": "numpy.sort(x)",
    "put": "xp.where(mask, value, x)",
    "resize": "numpy.reshape(x, shape)",
    "sort": "numpy.sort(x)",
    "view": "x.astype(dtype), and np.asarray(m) for a matrix m beside it",
}
# For the error where NumPy's C code makes an array of what it does not ask: of a list of traced arrays, in A.dot(x).
FROM_LISTS = (
    "To make one array of several, as of an argument that is a list, write `import chainrule.numpy as np`, or "
    "xp.stack; for A.dot(x) write A @ x"
)

# NumPy's functions that change their first argument in place.
IN_PLACE = ("copyto", "fill_diagonal", "place", "put", "put_along_axis", "putmask")

# The functions that `numpy_name` entered. The key of numpy.kron is "kron", that of numpy.linalg.norm "linalg.norm".
FUNCTIONS: dict[str, Callable[..., Any]] = {}
UFUNCS: dict[str, Callable[..., Any]] = {}
# The methods of universal functions but `at`, each f(xp, the name of the function, what runs it, *arrays, **settings).
UFUNC_METHODS: dict[str, Callable[..., Any]] = {}
# Those of scipy.special, which chainrule.special enters.
SPECIAL: dict[str, Callable[..., Any]] = {}

_F = TypeVar("_F", bound=Callable[..., Any])


def numpy_name(*names: str, ufunc: bool = False) -> Callable[[_F], _F]:
    """Return a decorator that enters a function in FUNCTIONS, or in UFUNCS, under NumPy's names for it.

    The function takes the namespace `xp`, then NumPy's arguments under NumPy's names. Without `names` it is entered
    under its own.
    """

    def enter(f: _F) -> _F:
        table = UFUNCS if ufunc else FUNCTIONS
        table.update(dict.fromkeys(names or (f.__name__,), f))
        return f

    return enter
