"""Gradients of a program against its differences, in one random direction, as autograd's test_util checks them.

`chainrule.check_gradients` is stricter: it measures every element, finds kinks, and names what is wrong.
"""

import itertools
from collections.abc import Callable, Sequence
from typing import Any

from chainrule.autograd.core import make_jvp, make_vjp, vspace
from chainrule.autograd.wrap_util import get_name, unary_to_nary

TOL = RTOL = EPS = 1e-6


def scalar_close(a: Any, b: Any) -> bool:
    """Say whether two numbers differ by less than 1e-6, or by less than 1e-6 of their sum."""
    return bool(abs(a - b) < TOL or abs(a - b) / abs(a + b) < RTOL)


def make_numerical_jvp(f: Callable[[Any], Any], x: Any) -> Callable[[Any], Any]:
    """Return the function from a direction to the central difference of f along it."""
    space, results = vspace(x), vspace(f(x))

    def jvp(v: Any) -> Any:
        above = f(space.add(x, space.scalar_mul(v, EPS / 2)))
        below = f(space.add(x, space.scalar_mul(v, -EPS / 2)))
        return results.scalar_mul(results.add(above, results.scalar_mul(below, -1.0)), 1 / EPS)

    return jvp


def check_vjp(f: Callable[[Any], Any], x: Any) -> None:
    """Raise AssertionError where reverse mode and differences of f disagree, or the gradient is not shaped as x."""
    vjp, y = make_vjp(f, x)
    space, results = vspace(x), vspace(y)
    v, g = space.randn(), results.randn()
    found = space.covector(vjp(results.covector(g)))
    if vspace(found) != space:
        raise AssertionError(f"gradient of {get_name(f)}: expected {space!r}; got {vspace(found)!r}")
    exact, numeric = space.inner_prod(v, found), results.inner_prod(g, make_numerical_jvp(f, x)(v))
    if not scalar_close(numeric, exact):
        raise AssertionError(
            f"Derivative (VJP) check of {get_name(f)} failed with arg {x}:\nanalytic: {exact}\nnumeric:  {numeric}"
        )


def check_jvp(f: Callable[[Any], Any], x: Any) -> None:
    """Raise AssertionError where forward mode and differences of f disagree."""
    v = vspace(x).randn()
    check_equivalent(make_jvp(f, x)(v)[1], make_numerical_jvp(f, x)(v))


def check_equivalent(x: Any, y: Any) -> None:
    """Raise AssertionError where two values are not of one vector space, or not equal in a random direction."""
    space = vspace(x)
    if space != vspace(y):
        raise AssertionError(f"expected values of one vector space; got {space!r} and {vspace(y)!r}")
    v = space.randn()
    if not scalar_close(space.inner_prod(x, v), space.inner_prod(y, v)):
        raise AssertionError(f"expected equal values; got\n{x}\nand\n{y}")


@unary_to_nary
def check_grads(
    f: Callable[[Any], Any], x: Any, modes: Sequence[str] = ("fwd", "rev"), order: int = 2
) -> None:
    """Check derivatives of f at x up to an order, in the modes "fwd" and "rev"; AssertionError where one is wrong."""
    if not set(modes) <= {"fwd", "rev"}:
        raise ValueError(f"check_grads: expected modes 'fwd' and 'rev'; got {modes!r}")
    if "fwd" in modes:
        check_jvp(f, x)
        if order > 1:
            _check_next(f"jvp_{get_name(f)}", lambda x, v: make_jvp(f, x)(v)[1], x, vspace(x), modes, order)
    if "rev" in modes:
        check_vjp(f, x)
        if order > 1:
            _check_next(
                f"vjp_{get_name(f)}", lambda x, v: make_vjp(f, x)[0](v), x, vspace(f(x)), modes, order
            )


def _check_next(
    name: str, derivative: Callable[..., Any], x: Any, space: Any, modes: Sequence[str], order: int
) -> None:
    derivative.__name__ = name
    check_grads(derivative, (0, 1), modes, order=order - 1)(x, space.randn())


def combo_check(fun: Callable[..., Any], *given: Any, **settings: Any) -> Callable[..., None]:
    """Return a function that takes a list for each argument of fun, and checks its gradients for each combination."""

    def check(*args: Any, **kwargs: Any) -> None:
        by_name = [[(name, x) for x in xs] for name, xs in kwargs.items()]
        for some in itertools.product(*args):
            for named in itertools.product(*by_name):
                check_grads(fun, *given, **settings)(*some, **dict(named))

    return check
