"""NumPy's products and norms, as far as the standard does not have them."""

import functools
import math
from typing import Any

import numpy as np

from chainrule.gates.helpers import axis_number, conjugate, innermost, somewhere
from chainrule.gates.types import Array
from chainrule.numpy_names.coercion import as_array, as_arrays
from chainrule.numpy_names.functions.shapes import atleast
from chainrule.numpy_names.names import numpy_name


@numpy_name()
def dot(xp: Any, a: Any, b: Any) -> Array:
    """Return sums of products over the last axis of a and the last but one of b."""
    a, b = as_arrays(xp, (a, b))
    if not (a.ndim and b.ndim):
        return xp.multiply(a, b)
    if a.ndim == 1 or b.ndim < 3:
        return xp.matmul(a, b)
    return xp.tensordot(a, b, axes=((a.ndim - 1,), (b.ndim - 2,)))


@numpy_name()
def inner(xp: Any, a: Any, b: Any) -> Array:
    """Return sums of products over the last axis of both."""
    a, b = as_arrays(xp, (a, b))
    return xp.tensordot(a, b, axes=((a.ndim - 1,), (b.ndim - 1,))) if a.ndim and b.ndim else xp.multiply(a, b)


@numpy_name()
def outer(xp: Any, a: Any, b: Any) -> Array:
    """Return the products of every element of a with every element of b."""
    a, b = as_arrays(xp, (a, b))
    return xp.multiply(xp.reshape(a, (-1, 1)), xp.reshape(b, (1, -1)))


@numpy_name()
def kron(xp: Any, a: Any, b: Any) -> Array:
    """Return the products of every element of a with the whole of b, in blocks."""
    a, b = as_arrays(xp, (a, b))
    a, b = atleast(xp, a, b.ndim) if a.ndim else a, atleast(xp, b, a.ndim) if b.ndim else b
    if not (a.ndim and b.ndim):
        return xp.multiply(a, b)
    blocks = xp.expand_dims(a, axis=tuple(range(1, 2 * a.ndim, 2)))
    products = blocks * xp.expand_dims(b, axis=tuple(range(0, 2 * b.ndim, 2)))
    return xp.reshape(products, tuple(m * n for m, n in zip(a.shape, b.shape, strict=True)))


@numpy_name()
def cross(
    xp: Any, a: Any, b: Any, axisa: int = -1, axisb: int = -1, axisc: int = -1, axis: Any = None
) -> Array:
    """Return the cross products of vectors of three components, which lie along one axis of each array."""
    if axis is not None:
        axisa = axisb = axisc = axis
    a, b = as_arrays(xp, (a, b))
    last = [xp.moveaxis(x, axis_number("numpy.cross", i, x.ndim), -1) for x, i in ((a, axisa), (b, axisb))]
    return xp.moveaxis(xp.linalg.cross(*last), -1, axisc)


@numpy_name()
def tensordot(xp: Any, a: Any, b: Any, axes: Any = 2) -> Array:
    """Return sums of products over pairs of axes: the last `axes` of a with the first of b, or those of two tuples."""
    if isinstance(axes, tuple):
        axes = tuple((part,) if isinstance(part, int) else part for part in axes)
    a, b = as_arrays(xp, (a, b))
    return xp.tensordot(a, b, axes=axes)


@numpy_name(ufunc=True)
def matvec(xp: Any, x1: Any, x2: Any) -> Array:
    """Return the products of matrices with vectors."""
    matrix, vectors = as_arrays(xp, (x1, x2))
    _check_matrix_and_vectors("matvec", matrix, vectors)
    return xp.matmul(matrix, vectors[..., None])[..., 0]


@numpy_name(ufunc=True)
def vecmat(xp: Any, x1: Any, x2: Any) -> Array:
    """Return the products of vectors, conjugated where they are complex, with matrices."""
    vectors, matrix = as_arrays(xp, (x1, x2))
    _check_matrix_and_vectors("vecmat", matrix, vectors)
    if xp.isdtype(vectors.dtype, "complex floating"):
        vectors = xp.conj(vectors)
    return xp.matmul(vectors[..., None, :], matrix)[..., 0, :]


def _check_matrix_and_vectors(name: str, matrix: Array, vectors: Array) -> None:
    if matrix.ndim < 2 or vectors.ndim < 1:
        raise ValueError(
            f"numpy.{name}: expected a matrix and a vector, or stacks of them; got shape {matrix.shape} as the matrix "
            f"and {vectors.shape} as the vector. Write numpy.multiply or numpy.vecdot for others"
        )


@numpy_name("linalg.multi_dot")
def multi_dot(xp: Any, arrays: Any) -> Array:
    """Return the matrix product of all arrays: matrices, of which the first and the last may be vectors."""
    parts = as_arrays(xp, arrays)
    ndims = [x.ndim for x in parts]
    if len(parts) < 2 or {*ndims[1:-1]} - {2} or {ndims[0], ndims[-1]} - {1, 2}:
        raise ValueError(
            "numpy.linalg.multi_dot: expected two matrices or more, of which the first and the last may be vectors; "
            f"got shapes {', '.join(str(x.shape) for x in parts)}"
        )
    return functools.reduce(xp.matmul, parts)


@numpy_name("linalg.norm")
def norm(xp: Any, x: Array, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Array:
    """Return norms of vectors along one axis, or of matrices along two."""
    if ord is None:
        return xp.linalg.vector_norm(x, axis=axis, keepdims=keepdims)
    if axis is None:
        axis = tuple(range(x.ndim))
    axes = axis if isinstance(axis, tuple) else (axis,)
    if len(axes) == 1:
        return xp.linalg.vector_norm(x, ord=ord, axis=axes[0], keepdims=keepdims)
    if len(axes) != 2:
        raise ValueError(f"numpy.linalg.norm: expected one axis or two with ord={ord!r}; got {axes}")
    y = xp.linalg.matrix_norm(xp.moveaxis(x, axes, (-2, -1)), ord="fro" if ord == "f" else ord)
    return xp.expand_dims(y, axis=tuple(sorted(a % x.ndim for a in axes))) if keepdims else y


@numpy_name("linalg.svd")
def svd(xp: Any, a: Array, full_matrices: bool = True, compute_uv: bool = True) -> Any:
    """Return U, S, Vh of the singular value decomposition, or S alone where compute_uv is false."""
    return xp.linalg.svd(a, full_matrices=full_matrices) if compute_uv else xp.linalg.svdvals(a)


@numpy_name("linalg.qr")
def qr(xp: Any, a: Any, mode: str = "reduced") -> Any:
    """Return Q and R of the QR decomposition, or R alone in the mode "r"."""
    if mode == "r":
        return xp.linalg.qr(as_array(xp, a), mode="reduced")[1]
    return xp.linalg.qr(as_array(xp, a), mode=mode)


@numpy_name("linalg.eigh")
def eigh(xp: Any, a: Any, UPLO: str = "L") -> Any:
    """Return eigenvalues and eigenvectors of symmetric matrices, of which the lower or the upper half is read."""
    if UPLO.upper() == "U" and issubclass(type(innermost(a)), np.ndarray):
        # The phases of the vectors depend on the half that LAPACK reads.
        return xp.linalg.eigh(as_array(xp, a), UPLO="U")
    return xp.linalg.eigh(_lower(xp, "eigh", a, UPLO))


@numpy_name("linalg.eigvalsh")
def eigvalsh(xp: Any, a: Any, UPLO: str = "L") -> Array:
    """Return eigenvalues of symmetric matrices, of which the lower or the upper half is read."""
    return xp.linalg.eigvalsh(_lower(xp, "eigvalsh", a, UPLO))


def _lower(xp: Any, name: str, a: Any, half: str) -> Array:
    """Return matrices whose lower half is the one that is asked for."""
    if half.upper() not in ("L", "U"):
        raise ValueError(f"numpy.linalg.{name}: expected UPLO= 'L' or 'U'; got {half!r}")
    a = as_array(xp, a)
    return a if half.upper() == "L" else xp.matrix_transpose(conjugate(xp, a))


@numpy_name("linalg.pinv")
def pinv(xp: Any, a: Any, rcond: Any = None, hermitian: bool = False, *, rtol: Any = None) -> Array:
    """Return pseudo-inverses; singular values below rcond, or rtol, times the largest count as 0."""
    a, rtol = as_array(xp, a), rcond if rtol is None else rtol
    return xp.linalg.pinv(a) if rtol is None else xp.linalg.pinv(a, rtol=rtol)


@numpy_name("linalg.lstsq")
def lstsq(xp: Any, a: Any, b: Any, rcond: Any = None) -> tuple[Array, Array, Array, Array]:
    """Return the shortest x of the least |b - a x|, the squares of that length, the rank of a and its singular values.

    The squares are left out, as in NumPy, where a has not more rows than columns or not the full rank.
    """
    a, b = as_arrays(xp, (a, b))
    m, n = a.shape
    eps = float(xp.finfo(xp.result_type(a, b)).eps)
    rcond = eps * max(m, n) if rcond is None else eps if rcond == -1 else rcond
    s = xp.linalg.svdvals(a)
    rank = xp.count_nonzero(s > rcond * s[:1])
    x = xp.matmul(xp.linalg.pinv(a, rtol=rcond), b)
    squares = xp.zeros((0,), dtype=s.dtype, device=s.device)
    if m > n and not somewhere(xp, rank < n):
        r = b - xp.matmul(a, x)
        squares = xp.sum(xp.real(r * conjugate(xp, r)), axis=0, keepdims=b.ndim == 1)
    return x, squares, xp.astype(rank, xp.int32), s


@numpy_name("linalg.cond")
def cond(xp: Any, x: Any, p: Any = None) -> Array:
    """Return condition numbers of matrices in a norm of order p, the spectral one unless it is given."""
    x = as_array(xp, x)
    if p in (None, 2, -2):
        s = xp.linalg.svdvals(x)
        return s[..., -1] / s[..., 0] if p == -2 else s[..., 0] / s[..., -1]
    return xp.linalg.matrix_norm(x, ord=p) * xp.linalg.matrix_norm(xp.linalg.inv(x), ord=p)


@numpy_name("linalg.tensorsolve")
def tensorsolve(xp: Any, a: Any, b: Any, axes: Any = None) -> Array:
    """Return x of a x = b, summed over all axes of x, the last of a, or those of a that `axes` puts last."""
    a, b = as_arrays(xp, (a, b))
    if axes is not None:
        a = xp.permute_dims(a, (*(i for i in range(a.ndim) if i not in axes), *axes))
    shape = a.shape[b.ndim :]
    n = math.prod(shape)
    return xp.reshape(xp.linalg.solve(xp.reshape(a, (-1, n)), xp.reshape(b, (-1,))), shape)


@numpy_name("linalg.tensorinv")
def tensorinv(xp: Any, a: Any, ind: int = 2) -> Array:
    """Return the inverse of a as a map from its last axes to its first `ind`."""
    a = as_array(xp, a)
    n = math.prod(a.shape[ind:])
    return xp.reshape(xp.linalg.inv(xp.reshape(a, (n, -1))), (*a.shape[ind:], *a.shape[:ind]))


@numpy_name()
def vdot(xp: Any, a: Any, b: Any) -> Array:
    """Return the sum of products of all elements, those of a conjugated."""
    a, b = (xp.reshape(x, (-1,)) for x in as_arrays(xp, (a, b)))
    return xp.matmul(conjugate(xp, a), b)
