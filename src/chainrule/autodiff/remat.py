"""checkpoint: recompute intermediate results in backward (rematerialisation) instead of keeping them."""

import functools
from collections.abc import Callable
from typing import Any

from chainrule.autodiff.namespace import first_space
from chainrule.autodiff.traced import level_of
from chainrule.autodiff.transforms import vjp
from chainrule.gates.types import Array
from chainrule.validation import check_function


def checkpoint(f: Callable[..., Any]) -> Callable[..., Any]:
    """Return f with the same values and gradients, which keeps its arguments only and runs f again in backward.

    f takes arrays and returns one array. Backward then costs a second forward, and keeps the memory of one call of f
    at a time. Raises TypeError where f uses a traced array that is not among its arguments.
    """
    check_function("checkpoint", f)
    name = getattr(f, "__name__", "f")

    @functools.wraps(f)
    def rerun(*args: Any) -> Any:
        def rule(xp: Any, *operands: Any) -> Any:
            out = f(*operands)
            if level_of(out) >= level:
                raise TypeError(
                    f"checkpoint: {name} uses a traced array that is not among its arguments; pass it in"
                )
            latest: list[Any] = [None, ()]  # the last g, and the gradients for it, which all pullbacks share

            def of_traced(*arrays: Any) -> Any:
                values = dict(zip(traced, arrays, strict=True))
                return f(*(values.get(i, x) for i, x in enumerate(operands)))

            def pullback_to(k: int) -> Callable[[Array], Array]:
                def pullback(g: Array) -> Array:
                    if latest[0] is not g:
                        latest[:] = [g, vjp(of_traced, *(operands[i] for i in traced))[1](g)]
                    return latest[1][k]

                return pullback

            pullbacks = {i: pullback_to(k) for k, i in enumerate(traced)}
            return out, tuple(pullbacks.get(i) for i in range(len(operands)))

        level = max(map(level_of, args), default=0)
        traced = [i for i, a in enumerate(args) if level_of(a) == level]
        rule.__name__ = name
        return f(*args) if level == 0 else first_space(args)._record(rule, args, {})

    return rerun
