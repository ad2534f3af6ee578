"""scipy.optimize with gradients: roots and fixed points, by the implicit function theorem.

A root x of f(x, a) = 0 moves by dx = -(df/dx)^-1 df/da da. So the gradient needs no step of the solver, and is that of
the root itself as far as the solver found it.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from chainrule import pytree
from chainrule.autodiff.namespace import space_of
from chainrule.autodiff.traced import level_of, unwrapped
from chainrule.autodiff.transforms import stop_gradient, vjp
from chainrule.backend.scipy_functions import scipy_function
from chainrule.batching.jacobians import jacobian
from chainrule.gates.helpers import highest, is_transformed, somewhere, top_of
from chainrule.gates.types import Array, Result
from chainrule.scipy.arguments import as_constants, namespace_of, prepared, shared_pullbacks
from chainrule.validation import check_function

__all__ = ["Root", "fixed_point", "root"]

Function = Callable[..., Any]
Solver = Callable[[Function, Array], Array]


@dataclass(frozen=True)
class Root:
    """A root: `x`, and `fun`, the value of the function there."""

    x: Array
    fun: Array
    success: bool = True


def root(
    fun: Function,
    x0: Array,
    args: Any = (),
    method: str = "hybr",
    tol: float | None = None,
    options: dict[str, Any] | None = None,
) -> Root:
    """Return the root of fun(x, *args) near x0, as its `x`, of the shape of x0; a number x0 is a vector of length 1.

    fun gives an array of the shape of x. `args`, a tuple or the one argument, may be nested; gradients flow to its
    arrays, to any order, and none to x0. The root of NumPy's arrays is found by SciPy's `method`, which is given the
    Jacobian of fun where it takes one; another by Newton's method. Raises RuntimeError where none is found,
    LinAlgError for the gradient at a root where the Jacobian is singular, and TypeError where fun uses a traced array
    that is not among its arguments.
    """
    check_function("root", fun)
    _, x0 = prepared(x0)
    x0 = x0 if x0.ndim else x0[None]
    args = args if isinstance(args, tuple) else (args,)
    f = _residual(fun, x0)

    def by_scipy(f: Function, start: Array) -> Array:
        solve = scipy_function(np, "optimize", "root")

        def of_row(x: Array) -> Array:
            return np.reshape(f(np.reshape(x, start.shape)), (-1,))

        slopes = {"jac": jacobian(of_row)} if method in ("hybr", "lm") else {}
        found = solve(of_row, start.ravel(), method=method, tol=tol, options=options, **slopes)  # type: ignore[misc]
        if not found.success:
            raise RuntimeError(f"root: SciPy's {method!r} found none: {found.message}")
        return np.reshape(np.asarray(found.x), start.shape)

    x = _solution("root", f, unwrapped(stop_gradient(x0)), args, by_scipy)
    return Root(x, f(x, *args))


def fixed_point(
    func: Function,
    x0: Array,
    args: tuple[Any, ...] = (),
    xtol: float = 1e-08,
    maxiter: int = 500,
    method: str = "del2",
) -> Array:
    """Return x with func(x, *args) = x, near x0: an array of the shape of x0. Gradients and errors as for `root`.

    That of NumPy's arrays is found by SciPy, another by Newton's method.
    """
    check_function("fixed_point", func)
    _, x0 = prepared(x0)
    step = _residual(func, x0)

    def by_scipy(f: Function, start: Array) -> Array:
        solve = scipy_function(np, "optimize", "fixed_point")
        found = solve(lambda x: f(x) + x, start, xtol=xtol, maxiter=maxiter, method=method)  # type: ignore[misc]
        return np.asarray(found)

    return _solution(
        "fixed_point",
        lambda x, *args: step(x, *args) - x,
        unwrapped(stop_gradient(x0)),
        tuple(args),
        by_scipy,
    )


def _residual(fun: Function, x0: Array) -> Function:
    """Return fun with an array as its result; ValueError for one of another shape than x, TypeError for complex x."""

    if not namespace_of([x0]).isdtype(x0.dtype, "real floating"):
        raise TypeError(
            f"expected real numbers as x0; got {x0.dtype}. Write real and imaginary parts in a vector"
        )

    def f(x: Array, *args: Any) -> Array:
        y = fun(x, *args)
        if isinstance(y, list | tuple):
            xp, *parts = prepared(*y)
            y = xp.stack(parts)
        elif not hasattr(y, "dtype"):
            _, y, _ = prepared(y, x)
        if y.shape == () and x0.shape == (1,):
            y = y[None]
        if y.shape != x0.shape:
            raise ValueError(
                f"expected a function with a result of the shape of x, {x0.shape}; got {y.shape}"
            )
        return y

    return f


def _solution(name: str, f: Function, x0: Array, args: tuple[Any, ...], by_scipy: Solver) -> Array:
    """Return the root as one gate of the arrays in args."""
    leaves = pytree.flat(args)
    places = [i for i, x in enumerate(leaves) if hasattr(x, "dtype")]
    top = highest([x0, *leaves])
    if not level_of(top):
        return _value(name, f, x0, args, by_scipy)
    moving = [k for k, i in enumerate(places) if level_of(leaves[i]) == top.level]

    def args_with(values: dict[int, Any]) -> Any:
        return pytree.rebuilt(args, iter([values.get(i, x) for i, x in enumerate(leaves)]))

    def gate(xp: Any, *operands: Any) -> Result:
        below = dict(zip(places, operands, strict=True))
        own = args_with(below)
        x = _solution(name, f, x0, own, by_scipy)
        if level_of(f(x, *own)) >= top.level:
            raise _captured(name)
        x_constant, own, below = as_constants((x, own, below), top.space)

        def of_moving(*values: Any) -> Array:
            return f(
                x_constant, *args_with(below | dict(zip((places[k] for k in moving), values, strict=True)))
            )

        def gradients(g: Array) -> dict[int, Array]:
            du = _solved(name, lambda x: f(x, *own), x, g)
            return dict(zip(moving, vjp(of_moving, *(operands[k] for k in moving))[1](du), strict=True))

        return x, shared_pullbacks(gradients, len(operands))

    gate.__name__ = name
    return top.space._record(gate, [leaves[i] for i in places], {})


def _solved(name: str, f: Function, x: Array, g: Array) -> Array:
    """Return -J^-T g, J the Jacobian of f at x; LinAlgError where J is singular there."""
    n = math.prod(x.shape)
    J = jacobian(f)(x)
    xp = namespace_of([J, g])
    J = xp.reshape(J, (n, n))
    _check_regular(name, f, stop_gradient(x), stop_gradient(J))
    du = xp.linalg.solve(xp.matrix_transpose(J), xp.reshape(g, (n, 1)))
    return -xp.reshape(du, x.shape)


def _check_regular(name: str, f: Function, x: Array, J: Array) -> None:
    """Raise LinAlgError where a Jacobian is singular, or changes much within the error of the root.

    At a double root the Jacobian is 0, and near it, where a solver stops, it is not; but there Newton's next step is as
    long as the error, and the Jacobian another at its end.
    """
    n, y = math.prod(x.shape), stop_gradient(f(x))
    top = top_of([x, J, y])
    x, J, y = (x, J, y) if top is None else as_constants((x, J, y), top.space)
    xp = namespace_of([J])
    finite = xp.isfinite(J)
    s = xp.linalg.svdvals(xp.where(finite, J, 0))
    rounding = 16 * max(1, n) * float(xp.finfo(x.dtype).eps)
    regular = xp.logical_and(s[..., -1] > rounding * s[..., 0], xp.all(finite, axis=(-2, -1)))
    if not somewhere(xp, xp.logical_not(regular)):
        step = xp.linalg.solve(J, xp.reshape(y, (n, 1)))
        step = xp.abs(xp.reshape(step, x.shape)) + rounding * xp.abs(x)
        moved = xp.reshape(stop_gradient(jacobian(f)(x + step)), (n, n))
        change = xp.linalg.matrix_norm(moved - J)
        regular = change <= 0.01 * xp.linalg.matrix_norm(J)
        if not somewhere(xp, xp.logical_not(regular)):
            return
    raise np.linalg.LinAlgError(
        f"{name}: the Jacobian of the function is not finite, or singular at the root, which then has no gradient"
    )


def _value(name: str, f: Function, x0: Array, args: tuple[Any, ...], by_scipy: Solver) -> Array:
    """Return the root, of arrays of which none is traced."""
    arrays = [x0, *(x for x in pytree.flat(args) if hasattr(x, "dtype"))]
    if all(issubclass(type(x), np.ndarray | np.generic) for x in arrays):
        if is_transformed(f(x0, *args)):
            raise _captured(name)
        return by_scipy(lambda x: f(x, *args), x0)
    return _by_newton(name, f, x0, args)


def _captured(name: str) -> TypeError:
    return TypeError(
        f"{name}: the function uses a traced array that is not among its arguments; pass it in by args"
    )


def _by_newton(name: str, f: Function, x: Array, args: tuple[Any, ...]) -> Array:
    """Return the root by Newton's method: until the next step would be as short as rounding makes it."""
    top = top_of(pytree.flat(args))
    x, args = (x, args) if top is None else as_constants((x, args), top.space)
    n = math.prod(x.shape)
    eps = float(space_of(x)._base.finfo(x.dtype).eps)
    for _ in range(100):
        y = f(x, *args)
        J = jacobian(lambda x: f(x, *args))(x)
        xp = namespace_of([J, y])
        step = xp.linalg.solve(xp.reshape(J, (n, n)), xp.reshape(y, (n, 1)))
        step = xp.reshape(step, y.shape)
        x = x - step
        xp = namespace_of([x])
        if not somewhere(xp, abs(step) > eps**0.75 * (1 + abs(x))):
            return x
    raise RuntimeError(f"{name}: Newton's method found none in 100 steps. Start it closer, with another x0")
