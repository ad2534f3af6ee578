"""The exponential, the square root and the logarithm of matrices.

A function of a matrix and its derivative come together: f of the block matrix [[A, E], [0, A]] has f(A) on its
diagonal, and beside it the rate at which f changes as A moves along E (Higham, Functions of Matrices, 2008,
equation 3.16). So one rule serves all three, to any order; the adjoint has A^T for A and g for E.

The root and the logarithm jump across the negative real axis. An eigenvalue on it is there twice in the block matrix,
and rounding may put the two on different sides: then e^(i t) times the block matrix has both on one side.
"""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

from chainrule.backend.scipy_functions import scipy_function
from chainrule.gates.helpers import is_complex, is_transformed, output, somewhere
from chainrule.gates.types import Array, Gate, Result
from chainrule.scipy.arguments import below_the_tape, largest, prepared


class _Cut(NamedTuple):
    """What is known of a function with a cut along the negative real axis."""

    turned_back: Callable[[Any, Array, Array], Array]  # f(A) of f(e^(i t) A) and i t
    floor: float  # errors of f(A) are relative to its norm plus this number


def _gate(
    name: str, written: Callable[[Any, Array], Array], cut: _Cut | None, at_singular: bool, text: str
) -> Gate:
    """Return the gate of a function of matrices, by SciPy for one of NumPy's, else as it is written here."""

    def gate(xp: Any, A: Array, /) -> Result:
        y = output(gate, xp, A) if below_the_tape(A) else _value(xp, A, name, written)
        singular = False if name == "expm" else (xp.linalg.slogdet(A)[0] == 0)[..., None, None]
        if not at_singular:
            y = xp.where(singular, math.nan, y)

        def pullback(g: Array) -> Array:
            n, T = A.shape[-1], xp.matrix_transpose(A)
            if not n:
                return g
            # The rate is linear in E: with E of the size of 1, or of A beside a cut, it loses no digit beside A.
            size = _size(xp, g)
            beside = cut if is_complex(xp, y) else None
            if beside is not None:
                size = size / _size(xp, A)
            above, below = xp.concat([T, g / size], axis=-1), xp.concat([xp.zeros_like(T), T], axis=-1)
            block = xp.concat([above, below], axis=-2)
            if beside is not None:
                rate = _rate_beside_the_cut(xp, gate, beside, block, xp.matrix_transpose(y)) * size
                if not is_complex(xp, A):
                    rate = xp.where(_may_leave_the_axis(xp, A), math.nan, rate)
            else:
                rate = output(gate, xp, block)[..., :n, n:] * size
            return rate if singular is False else xp.where(singular, math.nan, rate)

        return y, (pullback,)

    gate.__name__, gate.__doc__ = name, text
    return gate


def _size(xp: Any, A: Array) -> Array:
    """Return the largest absolute value of each matrix, or 1 where it is 0 or not finite."""
    size = xp.max(xp.abs(A), axis=(-2, -1), keepdims=True)
    return xp.where(xp.logical_and(size > 0, xp.isfinite(size)), size, 1)


def _rate_beside_the_cut(xp: Any, gate: Gate, cut: _Cut, block: Array, y: Array) -> Array:
    """Return the upper right block of f(block), and NaN where y, f of the diagonal block, does not come out twice."""
    n = y.shape[-1]
    near = 10 * math.sqrt(float(xp.finfo(y.dtype).eps))
    scale = near * (cut.floor + xp.linalg.matrix_norm(y, keepdims=True))
    t = xp.zeros_like(scale) + _TURNS[0]
    for next_t in (_TURNS[1], None):
        turn = xp.astype(t, y.dtype) * 1j
        F = cut.turned_back(xp, output(gate, xp, block * xp.exp(turn)), turn)
        errors = (xp.linalg.matrix_norm(F[..., k : k + n, k : k + n] - y, keepdims=True) for k in (0, n))
        same = xp.logical_and(*(error <= scale for error in errors))
        if next_t is None or not somewhere(xp, xp.logical_not(same)):
            break
        t = xp.where(same, t, next_t)
    return xp.where(same, F[..., :n, n:], math.nan)


def _may_leave_the_axis(xp: Any, A: Array) -> Array:
    """Say of each real matrix whether negative eigenvalues coincide: a small change may move them off the axis."""
    near, values = 10 * math.sqrt(float(xp.finfo(A.dtype).eps)), xp.linalg.eigvals(A)
    size = xp.abs(values)
    negative = xp.abs(values + size) <= near * size
    pairs = xp.logical_and(negative[..., :, None], negative[..., None, :])
    gaps = xp.abs(values[..., :, None] - values[..., None, :])
    together = xp.logical_and(pairs, gaps <= near * size[..., None])
    count = xp.count_nonzero(together, axis=(-2, -1), keepdims=True)
    return count > xp.count_nonzero(negative, axis=-1, keepdims=True)[..., None]


# In radians, unlike each other so that a turn in a second derivative does not undo that of the first.
_TURNS = (-0.01, 0.016)


def _value(xp: Any, A: Array, name: str, written: Callable[[Any, Array], Array]) -> Array:
    if not A.size:
        return A
    own = None if is_transformed(A) else scipy_function(xp, "linalg", name)
    if own is None:
        return written(xp, A)
    if name == "expm":
        return own(A)
    if A.ndim > 2:
        # As one stack, complex where one of its matrices is.
        rows = xp.reshape(A, (-1, *A.shape[-2:]))
        return xp.reshape(xp.stack([_value(xp, a, name, written) for a in rows]), A.shape)
    if name == "logm" and A.dtype == xp.float32:
        # In float32 SciPy warns about the error of float32.
        y = own(xp.astype(A, xp.float64))
        return xp.astype(y, xp.complex64 if xp.isdtype(y.dtype, "complex floating") else xp.float32)
    try:
        return own(A)
    except ValueError:
        # The logarithm came to infinities, as that of a double eigenvalue on both sides of the cut does.
        if not xp.all(xp.isfinite(A)):
            raise
        return xp.full_like(A, math.nan)


# The coefficients of Pade's approximant [13/13] of e^x, from the constant on, and the norm up to which it has all
# digits of float64.
_PADE = (
    *(64764752532480000.0, 32382376266240000.0, 7771770303897600.0, 1187353796428800.0, 129060195264000.0),
    *(
        10559470521600.0,
        670442572800.0,
        33522128640.0,
        1323241920.0,
        40840800.0,
        960960.0,
        16380.0,
        182.0,
        1.0,
    ),
)
_REACH = 4.25


def _expm(xp: Any, A: Array) -> Array:
    """Scaling and squaring (Al-Mohy and Higham, A new scaling and squaring algorithm, 2009, with degree 13 alone)."""
    eye = _eye(xp, A)
    norm = xp.max(xp.sum(xp.abs(A), axis=-2, keepdims=True), axis=-1, keepdims=True) if A.shape[-1] else eye
    norm = xp.where(xp.isfinite(norm), norm, 0)
    halvings = xp.ceil(xp.log2(xp.where(norm > _REACH, norm / _REACH, 1)))
    A = A * xp.exp2(-halvings) if hasattr(xp, "exp2") else A / xp.pow(2 + 0 * halvings, halvings)
    A2 = xp.matmul(A, A)
    A4 = xp.matmul(A2, A2)
    A6 = xp.matmul(A4, A2)
    b = _PADE
    odd = xp.matmul(A6, b[13] * A6 + b[11] * A4 + b[9] * A2) + b[7] * A6 + b[5] * A4 + b[3] * A2
    U = xp.matmul(A, xp.add(odd, b[1] * eye))
    V = xp.matmul(A6, b[12] * A6 + b[10] * A4 + b[8] * A2) + b[6] * A6 + b[4] * A4 + b[2] * A2
    V = xp.add(V, b[0] * eye)
    y = xp.linalg.solve(V - U, V + U)
    for k in range(int(largest(xp, halvings))):
        y = xp.where(k < halvings, xp.matmul(y, y), y)
    return y


def _sqrtm(xp: Any, A: Array) -> Array:
    """The iteration of Denman and Beavers in its product form, with steps scaled by the determinant (Higham, 6.29)."""
    eye, n = _eye(xp, A), A.shape[-1]
    X = M = A
    for step in range(20):
        inverse = xp.linalg.inv(M)
        # Near the end steps of their full length are best.
        scale = xp.exp(-xp.linalg.slogdet(M)[1] / (2 * max(1, n)))[..., None, None] if step < 8 else 1.0
        square = scale * scale
        X = xp.matmul(X, xp.add(eye, inverse / square)) * (scale / 2)
        M = xp.add(eye / 2, (square * M + inverse / square) / 4)
    # Without a root of this dtype the iteration goes astray.
    error = xp.linalg.matrix_norm(xp.matmul(X, X) - A, keepdims=True)
    good = error <= math.sqrt(float(xp.finfo(A.dtype).eps)) * xp.linalg.matrix_norm(A, keepdims=True)
    return xp.where(good, X, math.nan)


# Gauss and Legendre's nodes and weights on [0, 1], which make Pade's approximant [7/7] of log(1 + x): it has all digits
# of float64 up to a norm of 0.264 (Higham, table 11.1).
_NODES = tuple(
    ((1 + t) / 2, w / 2)
    for t, w in (
        (-0.9491079123427585, 0.1294849661688697),
        (-0.7415311855993945, 0.2797053914892766),
        (-0.4058451513773972, 0.3818300505051189),
        (0.0, 0.4179591836734694),
        (0.4058451513773972, 0.3818300505051189),
        (0.7415311855993945, 0.2797053914892766),
        (0.9491079123427585, 0.1294849661688697),
    )
)


def _logm(xp: Any, A: Array) -> Array:
    """Inverse scaling and squaring: 2^k log of the root of order 2^k (Higham, 2008, section 11.5)."""
    eye = _eye(xp, A)
    roots = xp.zeros_like(_distance(xp, A, eye))
    for _ in range(60):
        far = _distance(xp, A, eye) > 0.25
        if largest(xp, xp.astype(far, roots.dtype)) == 0:
            break
        A, roots = xp.where(far, _sqrtm(xp, xp.where(far, A, eye)), A), xp.where(far, roots + 1, roots)
    X = xp.subtract(A, eye)
    total = sum(w * xp.linalg.solve(xp.add(eye, t * X), X) for t, w in _NODES)
    return total * xp.pow(2 + 0 * roots, roots)


def _distance(xp: Any, A: Array, eye: Array) -> Array:
    return xp.linalg.matrix_norm(xp.subtract(A, eye), keepdims=True)


def _eye(xp: Any, A: Array) -> Array:
    return xp.eye(A.shape[-1], dtype=A.dtype, device=A.device)


def _root_turned_back(xp: Any, F: Array, turn: Array) -> Array:
    return F * xp.exp(-turn / 2)


def _logarithm_turned_back(xp: Any, F: Array, turn: Array) -> Array:
    return xp.subtract(F, turn * _eye(xp, F))


_exponential = _gate("expm", _expm, None, True, "e^A.")
_root = _gate(
    *("sqrtm", _sqrtm, _Cut(_root_turned_back, 0.0), True),
    "The matrix whose square is A, with eigenvalues of positive real part.",
)
_logarithm = _gate(
    *("logm", _logm, _Cut(_logarithm_turned_back, 1.0), False),
    "The matrix whose exponential is A; NaN where A is singular.",
)


def expm(A: Array) -> Array:
    """Return e^A for A (n, n), or for each matrix of a stack.

    Source: Al-Mohy and Higham, A new scaling and squaring algorithm for the matrix exponential, 2009.
    """
    return output(_exponential, *_square("expm", A))


def sqrtm(A: Array) -> Array:
    """Return the matrix whose square is A (n, n), with eigenvalues of positive real part.

    Its gradient is NaN where A is singular, and where eigenvalues are too near the negative real axis, at which the
    root jumps, on both sides; a real matrix may have negative ones, each once, and a complex one may have them on the
    axis, which belongs to its upper side. Source: Higham, Functions of Matrices, 2008, chapter 6.
    """
    return output(_root, *_square("sqrtm", A))


def logm(A: Array) -> Array:
    """Return the matrix whose exponential is A (n, n), with eigenvalues between -pi i and pi i; NaN for a singular A.

    Its gradient is NaN where that of `sqrtm` is. Source: Higham, Functions of Matrices, 2008, chapter 11.
    """
    return output(_logarithm, *_square("logm", A))


def _square(name: str, A: Array) -> tuple[Any, Array]:
    xp, A = prepared(A)
    if A.ndim < 2 or A.shape[-1] != A.shape[-2]:
        raise ValueError(f"{name}: expected a square matrix; got shape {A.shape}")
    return xp, A
