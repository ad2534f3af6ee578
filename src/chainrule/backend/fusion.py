"""Chains of elementwise operations as one kernel on CuPy; on every other library they run as written.

On a GPU a chain of k operations launches k kernels and moves its arrays through memory k times; fused, once.
"""

from collections.abc import Callable
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

    @fused
    def pullback_0(xp: Any, g: Array, *arrays: Array) -> Any:
        return gate(xp, *arrays)[1][0](g)

    @fused
    def pullback_1(xp: Any, g: Array, *arrays: Array) -> Any:
        return gate(xp, *arrays)[1][1](g)

    @wraps(gate)
    def run(xp: Any, *arrays: Array) -> Any:
        if xp is np or not is_cupy_namespace(xp):
            return gate(xp, *arrays)
        pullbacks = (pullback_0, pullback_1)[: len(arrays)]
        return output(xp, *arrays), tuple(_bound(pullback, xp, arrays) for pullback in pullbacks)

    return run


def _bound(pullback: Callable[..., Any], xp: Any, arrays: tuple[Array, ...]) -> Pullback:
    return lambda g: pullback(xp, g, *arrays)
