"""Chains of elementwise operations as one kernel on CuPy; on every other library they run as written.

On a GPU a chain of k operations launches k kernels and moves its arrays through memory k times; fused, once. A chain
on each of k arrays launches k kernels; on a vector that has them as its parts, one.
"""

from collections.abc import Callable, Sequence
from functools import partial, wraps
from typing import Any

import numpy as np
from array_api_compat import is_cupy_namespace

from chainrule.gates.types import Array, Gate, Pullback


def fused(f: Callable[..., Any]) -> Callable[..., Any]:
    """Return f(xp, *arrays, *numbers), made of elementwise operations alone, as a function that is one kernel on CuPy.

    The arrays have one dtype, and shapes that broadcast. f combines each number with an array, never two numbers,
    because CuPy makes float64 of two. A number that changes from call to call must be an argument: one that f holds is
    compiled into the kernel. An argument may also be None.
    """
    kernels: dict[Any, Callable[..., Any]] = {}

    @wraps(f)
    def run(xp: Any, *arguments: Any) -> Any:
        if xp is np or not is_cupy_namespace(xp):
            return f(xp, *arguments)
        if xp not in kernels:
            kernels[xp] = xp.fuse(kernel_name=f.__name__)(partial(f, xp))
        return kernels[xp](*arguments)

    return run


def fused_gate(gate: Callable[..., Any]) -> Gate:
    """Return an elementwise gate of one or two arrays whose output, and each pullback, is one kernel on CuPy.

    A pullback there keeps the gate's arguments alone and computes the output anew: on a GPU memory is slower than
    arithmetic.
    """

    @fused
    def output(xp: Any, *arrays: Array) -> Any:
        return gate(xp, *arrays)[0]

    pullbacks: list[Callable[..., Any]] = []

    @wraps(gate)
    def run(xp: Any, *arrays: Array) -> Any:
        if xp is np or not is_cupy_namespace(xp):
            return gate(xp, *arrays)
        while len(pullbacks) < len(arrays):
            pullbacks.append(_fused_pullback(gate, len(pullbacks)))
        return output(xp, *arrays), tuple(_bound(pullbacks[i], xp, arrays) for i in range(len(arrays)))

    return run


def with_fused_pullback(gate: Callable[..., Any], base: Any) -> Gate:
    """Return an elementwise gate of one array, run as written, whose pullback is one kernel where `base` is CuPy's.

    The kernel computes anew what the gate kept. A traced gradient goes through the gate's own pullback.
    """
    if base is np or not is_cupy_namespace(base):
        return gate
    pullback = _fused_pullback(gate, 0)

    @wraps(gate)
    def run(xp: Any, x: Array, /) -> Any:
        if not isinstance(x, base.ndarray):
            return gate(xp, x)
        return gate(xp, x)[0], (
            lambda g: pullback(base, g, x) if isinstance(g, base.ndarray) else gate(xp, x)[1][0](g),
        )

    return run


def _fused_pullback(gate: Callable[..., Any], number: int) -> Callable[..., Any]:
    def pullback(xp: Any, g: Array, *arrays: Array) -> Any:
        return gate(xp, *arrays)[1][number](g)

    pullback.__name__ = f"pullback_{number}"
    return fused(pullback)


def _bound(pullback: Callable[..., Any], xp: Any, arrays: tuple[Array, ...]) -> Pullback:
    return lambda g: pullback(xp, g, *arrays)


def whole(xp: Any, arrays: Sequence[Array]) -> Array | None:
    """Return the vector of CuPy that has the arrays as `parts`, and nothing else, or None."""
    if xp is np or not arrays or not is_cupy_namespace(xp) or arrays[0].base is None:
        return None
    vector = arrays[0].base
    at = first = vector.data.ptr
    for i in _order(arrays):
        x = arrays[i]
        if x.base is not vector or x.data.ptr != at or x.dtype != vector.dtype or not x.flags.c_contiguous:
            return None
        at += x.nbytes
    return vector if vector.ndim == 1 and vector.flags.c_contiguous and at - first == vector.nbytes else None


def joined(xp: Any, arrays: Sequence[Array]) -> Array:
    """Return the vector of CuPy that has the arrays as `parts`; a copy of them where there is none yet."""
    vector = whole(xp, arrays)
    return xp.concat([arrays[i].reshape(-1) for i in _order(arrays)]) if vector is None else vector


def parts(vector: Array, like: Sequence[Array]) -> list[Array]:
    """Return a vector of CuPy in parts, shaped as the arrays of `like`: matrices come first in it, then vectors."""
    made: list[Array] = [None] * len(like)
    at = 0
    for i in _order(like):
        shape, end = like[i].shape, at + like[i].size
        made[i] = vector[at:end] if len(shape) == 1 else vector[at:end].reshape(shape)
        at = end
    return made


def of_each(rule: Callable[..., Any], xp: Any, columns: Sequence[Sequence[Array]], numbers: Any) -> list[Any]:
    """Return, as columns, what rule(xp, *arrays, *numbers) makes of one array of each column after the other.

    `rule` is elementwise, and arrays of a row have one shape and dtype. Where the arrays of the second column are the
    parts of one vector of CuPy the rule is one kernel, and its results are the parts of one vector each.
    """
    if whole(xp, columns[1]) is None:
        return list(zip(*(rule(xp, *row, *numbers) for row in zip(*columns, strict=True)), strict=True))
    vectors = (joined(xp, column) for column in columns)
    return [parts(vector, columns[1]) for vector in rule(xp, *vectors, *numbers)]


def _order(arrays: Sequence[Array]) -> list[int]:
    return sorted(range(len(arrays)), key=lambda i: -arrays[i].ndim)
