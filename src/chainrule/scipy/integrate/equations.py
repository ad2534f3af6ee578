"""Ordinary differential equations, with gradients through the steps or by the adjoint method."""

import math
from collections.abc import Callable, Sequence
from typing import Any

from chainrule import pytree
from chainrule.autodiff.traced import level_of
from chainrule.autodiff.transforms import vjp
from chainrule.gates import ADJOINT
from chainrule.gates.helpers import real_product, top_of
from chainrule.gates.types import Array, Result
from chainrule.scipy.arguments import as_constants, namespace_of, prepared, shared_pullbacks
from chainrule.scipy.integrate.runge_kutta import size, solution
from chainrule.validation import check_function, whole_number


def odeint(
    func: Callable[..., Any],
    y0: Array,
    t: Array,
    args: tuple[Any, ...] = (),
    *,
    rtol: float = 1.49012e-8,
    atol: float = 1.49012e-8,
    mxstep: int = 10_000,
    tfirst: bool = False,
    steps: int | None = None,
    adjoint: bool = False,
) -> Array:
    """Return y at the times t (n,), y0 at the first, of y' = func(y, t, *args): (n, *shape of y0, or 1 for a number).

    `args` may be nested; func takes (t, y, *args) for tfirst=True. The method is that of Dormand and Prince, with an
    error below atol + rtol |y| in each step, or with a number of equal `steps` between two times. Gradients flow to y0,
    t and the arrays in args.

    They come through the steps, at any order: those of the computed values, for the memory of all steps. With
    adjoint=True they come from a second equation, solved backwards from time to time, for the memory of y alone, and
    are as good as the tolerances. Source: Chen and others, Neural ordinary differential equations, 2018, section 2.

    Raises RuntimeError where an interval takes more than mxstep steps, as in stiff equations, and for an adjoint where
    y, computed backwards, departs from what it was, as in systems that contract fast or are chaotic; ValueError for a
    rate of another shape than y; TypeError where func uses a traced array that is not among its arguments, with
    adjoint=True.
    """
    check_function("odeint", func)
    xp, y0, t = prepared(y0, t)
    if y0.ndim == 0:
        y0 = y0[None]
    if xp.isdtype(y0.dtype, "real floating") and t.dtype != y0.dtype:
        t = xp.astype(t, y0.dtype)
    if t.ndim != 1 or not t.shape[0]:
        raise ValueError(f"odeint: expected times t of shape (n,); got {t.shape}")
    settings = {
        "rtol": float(rtol),
        "atol": float(atol),
        "mxstep": whole_number("odeint", "mxstep", mxstep, 1),
        "steps": None if steps is None else whole_number("odeint", "steps", steps, 1),
    }
    rate = _rate_of(func, y0.shape, tfirst)
    leaves = pytree.flat(args)
    top = top_of([y0, t, *leaves])
    if top is not None:
        y0, t, args = as_constants((y0, t, args), top.space)
        leaves = pytree.flat(args)
    if adjoint and level_of(top):
        return _by_adjoint(rate, y0, t, args, leaves, top, settings)
    return _by_steps(rate, y0, t, args, settings)


def _rate_of(func: Callable[..., Any], shape: Any, tfirst: bool) -> Callable[..., Array]:
    """Return rate(y, t, args), an array of the shape of y."""

    def rate(y: Array, t: Array, args: Any) -> Array:
        dy = func(t, y, *args) if tfirst else func(y, t, *args)
        if isinstance(dy, list | tuple):
            xp, *parts = prepared(*dy)
            dy = xp.stack(parts)
        elif not hasattr(dy, "dtype"):
            _, dy, _ = prepared(dy, y)
        if tuple(shape) == (1,) and dy.shape == ():
            dy = dy[None]
        if dy.shape != tuple(shape):
            raise ValueError(
                f"odeint: expected func to return a rate of the shape of y, {tuple(shape)}; got {dy.shape}"
            )
        return dy

    return rate


def _by_steps(rate: Callable[..., Array], y0: Array, t: Array, args: Any, settings: dict[str, Any]) -> Array:
    times = [t[i] for i in range(t.shape[0])]
    states = solution(lambda y, at: (rate(y[0], at, args),), (y0,), times, **settings)
    ys = [y for (y,) in states]
    return namespace_of(ys).stack(ys)


def _by_adjoint(
    rate: Callable[..., Array],
    y0: Array,
    t: Array,
    args: Any,
    leaves: list[Any],
    top: Any,
    settings: dict[str, Any],
) -> Array:
    """Return the solution as one gate of y0, t and the arrays in args."""
    places = [i for i, x in enumerate(leaves) if hasattr(x, "dtype")]
    moving = [k for k, i in enumerate(places) if level_of(leaves[i]) == top.level]

    def args_with(values: Sequence[Any]) -> Any:
        given = dict(zip(places, values, strict=True))
        return pytree.rebuilt(args, iter([given.get(i, x) for i, x in enumerate(leaves)]))

    def odeint(xp: Any, y0: Array, t: Array, *parameters: Any) -> Result:
        ys = _by_steps(rate, y0, t, args_with(parameters), settings)
        if level_of(ys) >= top.level:
            raise TypeError(
                "odeint: func uses a traced array that is not among its arguments; pass it in by args"
            )

        def gradients(g: Array) -> dict[int, Array]:
            return _backwards(rate, ys, t, parameters, moving, args_with, g, settings)

        return ys, shared_pullbacks(gradients, 2 + len(parameters))

    ADJOINT.add(odeint)
    return top.space._record(odeint, [y0, t, *(leaves[i] for i in places)], {})


def _backwards(
    rate: Callable[..., Array],
    ys: Array,
    t: Array,
    parameters: Sequence[Any],
    moving: Sequence[int],
    args_with: Callable[[Sequence[Any]], Any],
    g: Array,
    settings: dict[str, Any],
) -> dict[int, Array]:
    """Return the gradients of y0, number 0, of t, number 1, and of the parameters that move, from number 2 on.

    Backwards in time a' = -a df/dy, with jumps g at the times, and the gradient of a parameter grows by a df/dp.
    """

    def augmented(state: tuple[Array, ...], at: Array) -> tuple[Array, ...]:
        y, a, *_ = state

        def f(y: Array, *some: Any) -> Array:
            given = dict(zip(moving, some, strict=True))
            now = [given.get(i, x) for i, x in enumerate(parameters)]
            at_constant, now = as_constants((at, now), y.space)
            return rate(y, at_constant, args_with(now))

        dy, back = vjp(f, y, *(parameters[i] for i in moving))
        return (dy, *(-share for share in back(a)))

    # The equation is linear in g: of the size of 1 it is solved within the tolerances.
    unit = size(g)
    unit = unit if 0 < unit < math.inf else 1.0
    g = g / unit
    n, args = t.shape[0], args_with(parameters)
    totals = [namespace_of([parameters[i]]).zeros_like(parameters[i]) for i in moving]
    a, of_times = 0 * g[n - 1], [_product(0 * g, g)] * n
    for i in range(n - 1, 0, -1):
        a = a + g[i]
        of_times[i] = _product(g[i], rate(ys[i], t[i], args))
        _, (back, a, *totals) = solution(augmented, (ys[i], a, *totals), [t[i], t[i - 1]], **settings)
        _check_way_back(back, ys[i - 1], settings)
    if n > 1:
        of_times[0] = -_product(a, rate(ys[0], t[0], args))
    found = {0: a + g[0], 1: namespace_of(of_times).stack(of_times)}
    found |= {2 + i: total for i, total in zip(moving, totals, strict=True)}
    return {i: x * unit for i, x in found.items()}


def _check_way_back(back: Array, y: Array, settings: dict[str, Any]) -> None:
    """Raise RuntimeError where y computed backwards is far from what it was: the gradients would be of another path."""
    relative, least = (
        (1e4 * settings["rtol"], 1e4 * settings["atol"]) if settings["steps"] is None else (0.01, 1e-6)
    )
    departure = size(namespace_of([back, y]).subtract(back, y))
    if departure > least + relative * size(y):
        raise RuntimeError(
            f"odeint: computed backwards, y departs by {departure:.2g} from what it was, and the adjoint method has no "
            "gradient then, as in systems that contract fast or are chaotic. Leave adjoint=True out, or give more times"
        )


def _product(g: Array, x: Array) -> Array:
    """Return the sum of all g x, of complex numbers as points of the plane."""
    xp = namespace_of([g, x])
    return xp.sum(real_product(xp, g, x))
