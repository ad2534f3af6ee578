"""NumPy's products and norms, as far as the standard does not have them."""

import functools
from typing import Any

from chainrule.gates.helpers import axis_number
from chainrule.gates.types import Array
from chainrule.numpy_names.coercion import as_arrays
from chainrule.numpy_names.names import numpy_name
from chainrule.numpy_names.shapes import atleast


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
