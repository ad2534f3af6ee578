"""scipy.linalg with gradients, for programs of autograd: chainrule.scipy.linalg, and two more solvers."""

from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.linalg as _scipy

import chainrule.scipy.linalg as _ours
from chainrule.autograd.extend import defjvp, defvjp, primitive

__all__ = ["solve_banded", "solve_sylvester"]
__all__ += _ours.__all__


def __getattr__(name: str) -> Any:
    return getattr(_ours if hasattr(_ours, name) else _scipy, name)


# --- a X + X b = q ---

solve_sylvester = primitive(_scipy.solve_sylvester)


def _transposed(x: Any) -> Any:
    return np.swapaxes(x, 0, 1)


def _by_right_side(a: Any, b: Any, g: Any) -> Any:
    return solve_sylvester(_transposed(a), _transposed(b), g)


defvjp(
    solve_sylvester,
    lambda ans, a, b, q: lambda g: -_by_right_side(a, b, g) @ _transposed(ans),
    lambda ans, a, b, q: lambda g: -_transposed(ans) @ _by_right_side(a, b, g),
    lambda ans, a, b, q: lambda g: _by_right_side(a, b, g),
)
defjvp(
    solve_sylvester,
    lambda da, ans, a, b, q: solve_sylvester(a, b, -da @ ans),
    lambda db, ans, a, b, q: solve_sylvester(a, b, -ans @ db),
    lambda dq, ans, a, b, q: solve_sylvester(a, b, dq),
)


# --- ab x = b, where ab[u + i - j, j] is the element (i, j) of a matrix with l bands below its diagonal and u above ---

solve_banded = primitive(_scipy.solve_banded)


def _shifted(x: Any, k: int) -> Any:
    """Return x with its element j + k at place j of axis 0, and 0 where there is none."""
    places = np.arange(len(x)) + k
    inside = ((places >= 0) & (places < len(x))).reshape((-1,) + (1,) * (np.ndim(x) - 1))
    return np.where(inside, np.roll(x, -k, axis=0), 0.0)


def _solve_transposed(l_and_u: tuple[int, int], ab: Any, g: Any) -> Any:
    below, above = l_and_u
    bands = [_shifted(ab[above - k], k) for k in range(-below, above + 1)]
    return solve_banded((above, below), np.stack(bands), g)


def _vjp_of_bands(ans: Any, l_and_u: tuple[int, int], ab: Any, b: Any) -> Callable[[Any], Any]:
    below, above = l_and_u

    def vjp(g: Any) -> Any:
        w = _solve_transposed(l_and_u, ab, g)
        bands = [-_shifted(w, k) * ans for k in range(-above, below + 1)]
        return np.stack([band if np.ndim(band) == 1 else np.sum(band, axis=1) for band in bands])

    return vjp


defvjp(
    solve_banded,
    None,
    _vjp_of_bands,
    lambda ans, l_and_u, ab, b: lambda g: _solve_transposed(l_and_u, ab, g),
)
