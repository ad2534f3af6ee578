"""jacobian and hessian: all rows, or all columns, in one pass, as a batch."""

import functools
import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from chainrule import pytree
from chainrule.autodiff.namespace import call_followed, plain_namespace, space_of
from chainrule.autodiff.tape import new_level, nodes_behind
from chainrule.autodiff.traced import Traced, level_of
from chainrule.autodiff.transforms import (
    argument_number,
    as_given,
    check_result,
    grad,
    gradients_at,
    jvp,
    name_of,
    nested_as,
    ones_for,
    owned,
    traced_arguments,
)
from chainrule.backend import memory
from chainrule.backend.gpus import on_their_gpu
from chainrule.batching.array import Batched, NoSingleValueError, without_constants
from chainrule.batching.namespace import batched
from chainrule.gates.helpers import below_constants, is_complex, somewhere
from chainrule.gates.types import Array
from chainrule.validation import check_function, whole_number

# A pass takes as many rows at once as keep the gradients of all its steps below this many bytes.
_PASS = 256 << 20


def jacobian(
    f: Callable[..., Any], argnums: int = 0, *, mode: str = "reverse", chunk: int | None = None
) -> Callable[..., Any]:
    """Return the function that gives all derivatives of f in the argument `argnums`, here x.

    They are an array of shape f(x).shape + x.shape; where f(x) or x is nested, they are nested as f(x), and in the
    place of each of its arrays as x. The mode "reverse" carries the rows back from the results, in time that grows
    with f(x).size; "forward" the columns on from x, in time that grows with x.size. `chunk` rows or columns share one
    pass; None takes as many as keep the arrays of a pass near 256 MiB. A rule of a user that asks for single numbers
    gets the rows one by one. Of complex results they are dy/dx; those of a real y in a complex x are gradients,
    dy/dRe + i dy/dIm. Raises TypeError where f returns what is no array, and where a complex y depends on the conjugate
    of x as well as on x; MemoryError, before anything is computed, for derivatives of more bytes than the host has
    free.
    """
    check_function("jacobian", f)
    if mode not in ("reverse", "forward"):
        raise ValueError(f"jacobian: expected mode 'reverse' or 'forward'; got {mode!r}")
    step = None if chunk is None else whole_number("jacobian", "chunk", chunk, 1)

    @on_their_gpu
    @functools.wraps(f)
    def matrix(*args: Any, **kwargs: Any) -> Any:
        i = argument_number("jacobian", argnums, len(args))
        # The batch is below what is traced: its elements are rows of one gradient.
        rows_level, level = new_level(), new_level()
        traced, given, found = traced_arguments("jacobian", f, args, [i], level)
        leaves = [x for x in found if x is not None]
        out = call_followed(f, traced, kwargs)
        results = _arrays_of(f, out)
        for y in results:
            check_result("jacobian", f, y, level)
        _check_size(results, leaves)
        if mode == "reverse":
            rows = [_of_result(y, leaves, level, rows_level, step) for y in results]
        else:

            def of_leaves(*values: Any) -> Any:
                new = [x if y is None else y for x, y in zip(given, _beside_none(found, values), strict=True)]
                moved = f(*args[:i], pytree.rebuilt(args[i], iter(new)), *args[i + 1 :], **kwargs)
                return _arrays_of(f, moved)

            moving = [x for x, leaf in zip(given, found, strict=True) if leaf is not None]
            rows = _of_arguments(of_leaves, moving, results, rows_level, step)
        blocks = (nested_as([args[i]], _beside_none(found, its))[0] for its in rows)
        return as_given(pytree.rebuilt(out, iter(_beside_none(pytree.flat(out), blocks))), given)

    return matrix


def _arrays_of(f: Callable[..., Any], out: Any) -> list[Any]:
    """Return the arrays of a result, which may have None beside them, as the gradient of settings is."""
    found = [y for y in pytree.flat(out) if y is not None or out is None]
    for y in found:
        if not hasattr(y, "shape"):
            raise TypeError(f"jacobian: expected {name_of(f)} to return arrays; got {type(y).__name__}")
    return found


def _beside_none(places: Sequence[Any], values: Iterable[Any]) -> list[Any]:
    """Return the next value for each place, and None where there is None."""
    values = iter(values)
    return [None if place is None else next(values) for place in places]


def hessian(f: Callable[..., Any], argnums: int = 0, *, chunk: int | None = None) -> Callable[..., Any]:
    """Return the function that gives all second derivatives of a scalar f: shape x.shape + x.shape.

    Where x is nested, they are nested as x, and in the place of each of its arrays as x again. It is the Jacobian of
    the gradient, whose `chunk` it takes.
    """
    return jacobian(grad(f, argnums), argnums, chunk=chunk)


def _check_size(results: Sequence[Array], leaves: Sequence[Traced]) -> None:
    """Raise MemoryError for derivatives that the memory of the host cannot hold."""
    elements = sum(math.prod(y.shape) for y in results) * sum(math.prod(x.shape) for x in leaves)
    needed = elements * _bytes(leaves[0]) if leaves else 0
    # What fits into one pass needs no look at the system's files. The slices of more are there once more as they are
    # joined.
    if needed > _PASS and 2 * needed > (free := memory.free_bytes()) and plain_namespace(leaves[0]) is np:
        raise MemoryError(
            f"jacobian: {elements} derivatives need {needed / 2**30:.3g} GiB, twice as they are joined, and "
            f"{free / 2**30:.3g} GiB are free. "
            "Use chainrule.vjp or chainrule.jvp for their products with vectors"
        )


def _bytes(x: Traced) -> int:
    return plain_namespace(x).finfo(x.dtype).bits // 8  # type: ignore[no-any-return]


# --- Reverse: a row is the gradient of one element of a result ---


def _of_result(
    y: Array, leaves: Sequence[Traced], level: int, rows_level: int, step: int | None
) -> list[Array]:
    """Return all derivatives of an array of the result, an array for each leaf."""
    shapes = [(*y.shape, *x.shape) for x in leaves]
    if level_of(y) != level or not y.size:
        return [
            _zeros(y if hasattr(y, "dtype") and is_complex(plain_namespace(y), y) else x, shape)
            for x, shape in zip(leaves, shapes, strict=True)
        ]
    # Each element is picked by its index: so the others are masked, and do not turn a slope that is infinite for them
    # into NaN.
    space = y.space
    elements = y if y.ndim == 1 else space.reshape(y, (-1,))

    def rows(places: Any) -> list[Array]:
        element = elements[places]

        def pulled(factor: complex) -> list[Array]:
            found = gradients_at(leaves, [(element, ones_for(element) * factor)])
            return [space.zeros_like(x.value) if g is None else g for x, g in zip(leaves, found, strict=True)]

        if not is_complex(space._base, y):
            return pulled(1)
        pairs = zip(leaves, pulled(1), pulled(1j), strict=True)
        return [
            space.conj(_of_both_parts(space, a, b))
            if is_complex(x.space._base, x)
            else _complex(space, y, a, b)
            for x, a, b in pairs
        ]

    if step is None:
        a_row = sum(math.prod(node.shape or ()) for node in nodes_behind(y.node)) * _bytes(y)
        step = max(1, _PASS // max(a_row, 1))
    stacked = _in_batches(rows, y, math.prod(y.shape), rows_level, step)
    return [space.reshape(block, shape) for block, shape in zip(stacked, shapes, strict=True)]


def _zeros(x: Traced, shape: tuple[int, ...]) -> Array:
    return plain_namespace(x).zeros(shape, dtype=x.dtype, device=x.device)


# --- Forward: a column is the rate of the results along one element of an argument ---


def _of_arguments(
    f: Callable[..., Any], given: Sequence[Any], results: Sequence[Array], level: int, step: int | None
) -> list[list[Array]]:
    """Return all derivatives of the results of a function of arrays, a list for each result."""
    by_argument = []
    for k, x in enumerate(given):
        x = x if hasattr(x, "shape") else np.asarray(x)[()]
        of_x = functools.partial(_of_one, f, given, k)
        by_argument.append(_of_argument(of_x, x, results, level, step))
    return (
        [list(blocks) for blocks in zip(*by_argument, strict=True)] if by_argument else [[] for _ in results]
    )


def _of_one(f: Callable[..., Any], given: Sequence[Any], k: int, x: Any) -> Any:
    return f(*given[:k], x, *given[k + 1 :])


def _of_argument(
    f: Callable[[Any], Any], x: Array, results: Sequence[Array], level: int, step: int | None
) -> list[Array]:
    """Return all derivatives of the results in one array, x."""
    space, n = space_of(x), math.prod(x.shape)
    shapes = [(*y.shape, *x.shape) for y in results]
    if not n:
        return [space._base.zeros(shape, dtype=x.dtype, device=x.device) for shape in shapes]

    def columns(places: Any) -> list[Array]:
        here = space.equal(space.arange(n, device=x.device), places)
        direction = space.reshape(space.astype(here, x.dtype), x.shape)
        rates = pytree.flat(jvp(f, (x,), (direction,))[1])
        if not is_complex(space._base, x):
            return rates
        turned = pytree.flat(jvp(f, (x,), (direction * 1j,))[1])
        return [
            _of_both_parts(space, a, b) if is_complex(space._base, a) else _complex(space, x, a, b)
            for a, b in zip(rates, turned, strict=True)
        ]

    size = n + sum(math.prod(y.shape) for y in results)
    stacked = _in_batches(columns, x, n, level, step or max(1, _PASS // (256 * size)))
    return [
        space.reshape(space.moveaxis(block, 0, -1), shape)
        for block, shape in zip(stacked, shapes, strict=True)
    ]


# --- Complex numbers: a slope along the real axis and one along the imaginary axis ---


def _complex(space: Any, like: Array, real: Array, imag: Array) -> Array:
    """Return complex numbers in the dtype of an array from their parts."""
    return space.astype(real, like.dtype) + space.astype(imag, like.dtype) * 1j


def _of_both_parts(space: Any, a: Array, b: Array) -> Array:
    """Return the derivative d from the slopes a = d + k along 1 and b = i (d - k) along i.

    k is the derivative in the conjugate. Raises TypeError where it is not 0, as it is for a holomorphic function.
    """
    d, k = (a - b * 1j) / 2, (a + b * 1j) / 2
    if 0 not in a.shape:
        # Slopes that are infinite or NaN say nothing, and hide nothing of the others.
        size = space.abs(a) + space.abs(b)
        known = space.isfinite(size)
        much = 1000 * float(space.finfo(a.dtype).eps) * space.max(space.where(known, size, 0))
        if somewhere(space, space.logical_and(known, space.abs(k) > much)):
            raise TypeError(
                "jacobian: a complex result depends on the conjugate of a complex argument as well, so that no one "
                "complex number is its derivative. Use chainrule.vjp or chainrule.jvp, or give real and imaginary "
                "parts as arguments of their own"
            )
    return d


# --- Both: slices of a batch of basis vectors ---


def _in_batches(f: Callable[[Any], list[Array]], like: Array, n: int, level: int, step: int) -> list[Array]:
    """Return what f gives for the places 0 to n - 1, stacked; `step` places share one call of it."""
    space = space_of(like)
    parts = [_of_batch(f, range(k, min(k + step, n)), level, space, like.device) for k in range(0, n, step)]
    return [part[0] if len(part) == 1 else space.concat(list(part)) for part in zip(*parts, strict=True)]


def _of_batch(
    f: Callable[[Any], list[Array]], places: range, level: int, space: Any, device: Any
) -> list[Array]:
    xp = space._base
    ruler = xp.arange(places.start, places.stop, device=device)
    try:
        found = list(map(without_constants, f(Batched(ruler, batched(xp), level))))
    except NoSingleValueError:
        # A rule of a user asks for the numbers of one row.
        return [space.stack(list(column)) for column in zip(*map(f, places), strict=True)]
    stacked = [
        g.value
        if type(g) is Batched and g.level == level
        else below_constants(space.broadcast_to(g, (len(places), *g.shape)))
        for g in found
    ]
    # Views become arrays of the caller's own.
    return [owned(y, np, set()) if type(y) is np.ndarray else y for y in stacked]
