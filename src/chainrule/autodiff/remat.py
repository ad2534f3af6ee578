"""checkpoint: backward at the price of a second forward, for the memory of one."""

import functools
from collections.abc import Callable
from typing import Any

from chainrule.autodiff.traced import Traced
from chainrule.autodiff.transforms import first_space, vjp
from chainrule.gates.types import Array
from chainrule.validation import check_function


def checkpoint(f: Callable[..., Any]) -> Callable[..., Any]:
    """Return f with the same values and gradients, that keeps its arguments only and runs again for backward.

    f takes arrays and returns one. What it follows must come in as an argument; a followed array that it
    takes from outside is an error.
    """
    check_function("checkpoint", f)
    name = getattr(f, "__name__", "f")

    @functools.wraps(f)
    def rerun(*args: Any) -> Any:
        def rule(xp: Any, *below: Any) -> Any:
            out = f(*below)
            if type(out) is Traced and out.level >= level:
                raise TypeError(
                    f"checkpoint: {name} uses a followed array that is not among its arguments; pass it in"
                )
            latest: list[Any] = [None, ()]

            def of_followed(*arrays: Any) -> Any:
                values = dict(zip(followed, arrays, strict=True))
                return f(*(values.get(i, x) for i, x in enumerate(below)))

            def part(k: int) -> Callable[[Array], Array]:
                def pullback(g: Array) -> Array:
                    if latest[0] is not g:
                        latest[:] = [g, vjp(of_followed, *(below[i] for i in followed))[1](g)]
                    return latest[1][k]

                return pullback

            parts = {i: part(k) for k, i in enumerate(followed)}
            return out, tuple(parts.get(i) for i in range(len(below)))

        level = max((a.level for a in args if type(a) is Traced), default=0)
        followed = [i for i, a in enumerate(args) if type(a) is Traced and a.level == level]
        rule.__name__ = name
        return f(*args) if level == 0 else first_space(args).run(rule, args, {})

    return rerun
