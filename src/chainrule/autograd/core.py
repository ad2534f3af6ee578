"""Reverse and forward mode of a function of one argument, in autograd's convention for complex numbers.

autograd's gradient of a real result is the conjugate of ours, dL/dRe - i dL/dIm. So its product of a cotangent with the
Jacobian is conj(our pullback of conj(g)).
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import chainrule as cr
from chainrule import pytree
from chainrule.autograd.extend import (
    def_linear,
    defjvp,
    defjvp_argnum,
    defjvp_argnums,
    defvjp,
    defvjp_argnum,
    defvjp_argnums,
    primitive_jvps,
    primitive_vjps,
)
from chainrule.autograd.extend import primitive as _primitive
from chainrule.autograd.vector_spaces import VSpace, conjugate, vspace

__all__ = [
    "VSpace",
    "def_linear",
    "defjvp",
    "defjvp_argnum",
    "defjvp_argnums",
    "defvjp",
    "defvjp_argnum",
    "defvjp_argnums",
    "make_jvp",
    "make_vjp",
    "primitive",
    "primitive_jvps",
    "primitive_vjps",
    "vspace",
]


def make_vjp(fun: Callable[[Any], Any], x: Any) -> tuple[Callable[[Any], Any], Any]:
    """Return the function from a gradient of fun(x) to that of x, and fun(x)."""
    out, pullback = cr.vjp(fun, floating(x))

    def vjp(g: Any) -> Any:
        return as_autograds(pullback(pytree.mapped(conjugate, g))[0])

    return vjp, scalars(out)


def make_jvp(fun: Callable[[Any], Any], x: Any) -> Callable[[Any], tuple[Any, Any]]:
    """Return the function from a direction of x to fun(x) and its rate in that direction."""
    return lambda v: scalars(cr.jvp(fun, (floating(x),), (floating(v),)))


def primitive(f_raw: Callable[..., Any]) -> Callable[..., Any]:
    """Return `extend.primitive` of f_raw, to which rules of older programs may be given by its attributes.

    They are defgrad(rule, argnum=0), with a rule of `defvjp`; defvjp(rule, argnum=0), with rule(g, ans, space of the
    argument, space of ans, *args, **kwargs) -> gradient; and defvjp_is_zero(argnums).
    """
    f: Any = _primitive(f_raw)
    rules: dict[int, Any] = {}

    def defgrad(rule: Any, argnum: int = 0) -> None:
        rules[argnum] = rule
        defvjp(f, *rules.values(), argnums=list(rules))

    def of_older(rule: Callable[..., Any], argnum: int = 0) -> None:
        defgrad(
            lambda ans, *args, **kwargs: (
                lambda g: rule(g, ans, vspace(args[argnum]), vspace(g), *args, **kwargs)
            ),
            argnum,
        )

    def defvjp_is_zero(argnums: Sequence[int] = (0,)) -> None:
        for argnum in argnums:
            defgrad(None, argnum)

    f.defgrad, f.defvjp, f.defvjp_is_zero = defgrad, of_older, defvjp_is_zero
    return f  # type: ignore[no-any-return]


def floating(tree: Any) -> Any:
    """Return a tree with arrays of floats in the place of those of whole numbers, which have gradients in autograd."""
    return pytree.mapped(
        lambda x: x.astype(float) if type(x) is np.ndarray and x.dtype.kind in "iu" else x, tree
    )


def scalars(tree: Any) -> Any:
    """Return NumPy's scalars in the place of its arrays of shape (): autograd's results of numbers are numbers."""
    return pytree.mapped(lambda y: y[()] if type(y) is np.ndarray and not y.ndim else y, tree)


def as_autograds(gradient: Any) -> Any:
    """Return a gradient of ours as autograd has it: conjugated, and a scalar for a number."""
    return scalars(pytree.mapped(conjugate, gradient))
