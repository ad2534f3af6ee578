"""Fixed points, and their gradients by the implicit function theorem."""

from collections.abc import Callable
from typing import Any

from chainrule.autograd.core import make_vjp
from chainrule.autograd.extend import defvjp, primitive, vspace


@primitive
def fixed_point(
    f: Callable[[Any], Callable[[Any], Any]],
    a: Any,
    x0: Any,
    distance: Callable[[Any, Any], Any],
    tol: float,
) -> Any:
    """Return the x to which f(a) converges from x0, once two of its steps are no farther apart than tol."""
    step = f(a)
    before, x = x0, step(x0)
    while distance(x, before) > tol:
        before, x = x, step(x)
    return x


def _vjp(ans: Any, f: Any, a: Any, x0: Any, distance: Any, tol: Any) -> Callable[[Any], Any]:
    """The gradient w of the steps solves w = g + (df/dx)^T w; that of a is then (df/da)^T w (Christianson, 1994)."""
    to_a, _ = make_vjp(lambda a: f(a)(ans), a)

    def back(g: Any) -> Any:
        def step_of(given: Any) -> Callable[[Any], Any]:
            a, x, g = given
            through, _ = make_vjp(f(a), x)
            return lambda w: vspace(x).add(through(w), g)

        return to_a(fixed_point(step_of, (a, ans, g), vspace(x0).zeros(), distance, tol))

    return back


defvjp(fixed_point, None, _vjp, None)
