"""Targets y as rows (m, k), one number an output."""

import math
from typing import Any

import numpy as np

from chainrule.gates.types import Array
from chainrule.models.activations import OUTPUTS
from chainrule.models.kernels import ops_for
from chainrule.models.losses import COSTS
from chainrule.models.validation import shape_of
from chainrule.validation import check_targets


def one_hot(xp: Any, y: Array, k: int, dtype: Any = None, *, who: str = "one_hot") -> Array:
    """Return class numbers y (m,), each from 0 to k - 1, as rows (m, k): 1 at the class and 0 elsewhere.

    dtype   of the rows, a floating one; by default y's own
    who     the function that an error names

    With NumPy's arrays a number that is no class is a ValueError. With other arrays, where a look at y would wait for
    the device, the row of such a number is NaN.
    """
    return ops_for(xp).one_hot(y, k, y.dtype if dtype is None else dtype, who)


def target_rows(who: str, xp: Any, X: Array, y: Array, k: int, output: str, cost: str) -> Array:
    """Return targets y, (m,) or (m, k), as the rows (m, k) that the losses of a cost take, in X's dtype.

    Raises ValueError for a y of another shape, and with NumPy's arrays for a target that the cost does not take;
    TypeError for targets that are no real numbers.
    """
    m, row, choice = X.shape[0], COSTS[cost], OUTPUTS[output].classes
    shapes = [(m, k)] + ([(m,)] if k == 1 or row.classes or choice else [])
    if getattr(y, "shape", None) not in shapes:
        wanted = " or ".join(map(str, shapes[::-1]))
        raise ValueError(
            f"{who}: expected y {wanted} for X {tuple(X.shape)}, {k} outputs ({output}) and the cost {cost}, got "
            f"{shape_of(y)}"
        )
    if not xp.isdtype(y.dtype, ("bool", "integral", "real floating")):
        raise TypeError(f"{who}: y must hold real numbers, integers or booleans, got {y.dtype}")
    if y.ndim == 1 and k > 1:
        return row.targets(xp, one_hot(xp, y, k, X.dtype, who=who))
    y = xp.astype(y, X.dtype, copy=False)
    if row.most is not None and issubclass(type(y), np.ndarray):
        # With other arrays a look would wait for the device. A row of softmax may count for more than one sample.
        check_targets(who, cost, y, math.inf if choice else row.most)
    return row.targets(xp, xp.reshape(y, (m, k)))
