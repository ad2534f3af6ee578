"""Elementwise operations as one kernel where CuPy computes; everywhere else they run as they are written.

A chain of k operations on a GPU is k launches, and k times the arrays through memory; as one kernel it is one of each.
"""

from collections.abc import Callable
from functools import partial, wraps
from typing import Any

import numpy as np
from array_api_compat import is_cupy_namespace


def fused(f: Callable[..., Any]) -> Callable[..., Any]:
    """Return f, a function of (xp, *arrays and numbers) made of elementwise operations alone: one kernel on CuPy.

    The arrays are of one dtype and their shapes broadcast. f combines each number with an array, never two numbers:
    what CuPy computes from those is float64. A number is an argument where it changes from call to call, since one
    that f holds is compiled in; None is allowed too.
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


def fused_gate(gate: Callable[..., Any]) -> Callable[..., Any]:
    """Return an elementwise gate of which on CuPy the output is one kernel, and so is each pullback.

    A pullback there keeps the gate's arguments and computes the rest again, which takes less time than to read it.
    """

    @fused
    def output(xp: Any, *arrays: Any) -> Any:
        return gate(xp, *arrays)[0]

    @fused
    def pullback_0(xp: Any, g: Any, *arrays: Any) -> Any:
        return gate(xp, *arrays)[1][0](g)

    @fused
    def pullback_1(xp: Any, g: Any, *arrays: Any) -> Any:
        return gate(xp, *arrays)[1][1](g)

    @wraps(gate)
    def run(xp: Any, *arrays: Any) -> Any:
        if xp is np or not is_cupy_namespace(xp):
            return gate(xp, *arrays)
        pullbacks = (pullback_0, pullback_1)[: len(arrays)]
        return output(xp, *arrays), tuple(_of(pullback, xp, arrays) for pullback in pullbacks)

    return run


def _of(pullback: Callable[..., Any], xp: Any, arrays: tuple[Any, ...]) -> Callable[[Any], Any]:
    return lambda g: pullback(xp, g, *arrays)
