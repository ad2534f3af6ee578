"""primitive and its rules: functions that are not followed, with derivatives of their own."""

import functools
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

import chainrule.numpy as ours
from chainrule import pytree
from chainrule.autodiff.namespace import first_space
from chainrule.autodiff.traced import Traced, refuse_captured
from chainrule.autograd.vector_spaces import VSpace, conjugate, vspace
from chainrule.autograd.wrap_util import get_name, subval
from chainrule.batching.array import Batched
from chainrule.gates import ADJOINT
from chainrule.gates.helpers import below_constants, highest, innermost, is_transformed
from chainrule.gates.types import Array

__all__ = [
    "Box",
    "VSpace",
    "def_linear",
    "defjvp",
    "defjvp_argnum",
    "defjvp_argnums",
    "defvjp",
    "defvjp_argnum",
    "defvjp_argnums",
    "notrace_primitive",
    "primitive",
    "register_notrace",
    "vspace",
]

Box = Traced
Rule = Callable[..., Any]

# By primitive: f(argnums, ans, args, kwargs) -> (g -> gradients), and f(argnums, gs, ans, args, kwargs) -> rate.
primitive_vjps: dict[Any, Rule] = {}
primitive_jvps: dict[Any, Rule] = {}


# --- Rules ---


def defvjp_argnums(fun: Any, vjpmaker: Rule) -> None:
    """Give fun the rule vjpmaker(argnums, ans, args, kwargs) -> (g -> a gradient for each of the arguments argnums)."""
    primitive_vjps[fun] = vjpmaker


def defvjp_argnum(fun: Any, vjpmaker: Rule) -> None:
    """Give fun the rule vjpmaker(argnum, ans, args, kwargs) -> (g -> the gradient of the argument argnum)."""

    def of_all(argnums: Sequence[int], *given: Any) -> Rule:
        vjps = [vjpmaker(argnum, *given) for argnum in argnums]
        return lambda g: [vjp(g) for vjp in vjps]

    primitive_vjps[fun] = of_all


def defvjp(fun: Any, *vjpmakers: Rule | None, argnums: Iterable[int] | None = None) -> None:
    """Give fun a rule an argument, vjpmaker(ans, *args, **kwargs) -> (g -> gradient); None for gradients of 0.

    The rules are those of the arguments `argnums`, of the first ones unless given.
    """
    makers = _by_argnum(vjpmakers, argnums)

    def of_one(argnum: int, ans: Any, args: Any, kwargs: Any) -> Rule:
        if argnum not in makers:
            raise NotImplementedError(f"VJP of {get_name(fun)} wrt argnum {argnum} not defined")
        maker = makers[argnum]
        return maker(ans, *args, **kwargs) if maker else lambda g: vspace(args[argnum]).zeros()

    defvjp_argnum(fun, of_one)


def defjvp_argnums(fun: Any, jvpmaker: Rule) -> None:
    """Give fun the rule jvpmaker(argnums, gs, ans, args, kwargs) -> the rate of ans along gs of those arguments."""
    primitive_jvps[fun] = jvpmaker


def defjvp_argnum(fun: Any, jvpmaker: Rule) -> None:
    """Give fun the rule jvpmaker(argnum, g, ans, args, kwargs) -> the rate of ans as one argument moves along g."""

    def of_all(argnums: Sequence[int], gs: Sequence[Any], ans: Any, args: Any, kwargs: Any) -> Any:
        space = vspace(ans)
        rates = [jvpmaker(argnum, g, ans, args, kwargs) for argnum, g in zip(argnums, gs, strict=True)]
        total = rates[0]
        for rate in rates[1:]:
            total = space.add(total, rate)
        return total

    primitive_jvps[fun] = of_all


def defjvp(fun: Any, *jvpfuns: Any, argnums: Iterable[int] | None = None) -> None:
    """Give fun a rule an argument, jvpfun(g, ans, *args, **kwargs) -> rate; None for 0, "same" where fun is linear."""
    rules = _by_argnum(jvpfuns, argnums)

    def of_one(argnum: int, g: Any, ans: Any, args: Any, kwargs: Any) -> Any:
        if argnum not in rules:
            raise NotImplementedError(f"JVP of {get_name(fun)} wrt argnum {argnum} not defined")
        rule = rules[argnum]
        if rule is None:
            return vspace(ans).zeros()
        return fun(*subval(args, argnum, g), **kwargs) if rule == "same" else rule(g, ans, *args, **kwargs)

    defjvp_argnum(fun, of_one)


def def_linear(fun: Any) -> None:
    """Say that fun is linear in each of its arguments: its rate is fun of the direction."""
    defjvp_argnum(fun, lambda argnum, g, ans, args, kwargs: fun(*subval(args, argnum, g), **kwargs))


def _by_argnum(rules: Sequence[Any], argnums: Iterable[int] | None) -> dict[int, Any]:
    for rule in rules:
        if not (rule is None or rule == "same" or callable(rule)):
            raise TypeError(f"expected a function or None as a rule; got {rule!r}")
    return dict(zip(range(len(rules)) if argnums is None else argnums, rules, strict=False))


# --- Primitives ---


def primitive(f_raw: Callable[..., Any]) -> Callable[..., Any]:
    """Return f_raw as a function that is not followed: it gets plain values, and its rules give the gradients.

    Arguments may be anything, with arrays alone or nested in lists, tuples and dicts; so may results. `defvjp` gives
    the rule of reverse mode; forward mode is its transpose, or by the rule that `defjvp` gives, which serves also where
    the other calls code that cannot be followed. Raises NotImplementedError where a rule is needed and there is none,
    ValueError for a gradient of another shape than its argument, and TypeError for followed arguments by name.
    """

    def f_wrapped(*args: Any, **kwargs: Any) -> Any:
        if any(map(is_transformed, pytree.flat(kwargs))):
            raise TypeError(
                f"{get_name(f_raw)}: a rule is for arguments by place, and a traced array came by name"
            )
        followed = [x for x in pytree.flat(args) if is_transformed(x)]
        if not followed:
            return f_raw(*args, **kwargs)
        top = highest(followed)
        if type(top) is Batched:
            return _by_rows(top, lambda *its: f_wrapped(*its, **kwargs), args)
        if top is None:
            return _wrapped(first_space(followed), f_raw(*pytree.mapped(innermost, args), **kwargs))
        return _recorded(f_wrapped, args, kwargs)

    f_wrapped.__name__, f_wrapped.__doc__ = get_name(f_raw), f_raw.__doc__
    f_wrapped.fun = f_raw  # type: ignore[attr-defined]
    return f_wrapped


def notrace_primitive(f_raw: Callable[..., Any]) -> Callable[..., Any]:
    """Return f_raw as a function of plain values, whose result is a constant."""

    def f_wrapped(*args: Any, **kwargs: Any) -> Any:
        return f_raw(*pytree.mapped(innermost, args), **kwargs)

    f_wrapped.__name__, f_wrapped.__doc__ = get_name(f_raw), f_raw.__doc__
    return f_wrapped


def register_notrace(trace_type: Any, primitive_fun: Any) -> None:
    """Say that the result of a primitive is a constant."""
    defvjp_argnum(primitive_fun, lambda argnum, ans, args, kwargs: lambda g: vspace(args[argnum]).zeros())
    defjvp_argnum(primitive_fun, lambda argnum, g, ans, args, kwargs: vspace(ans).zeros())


def _recorded(f: Rule, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Return what a primitive gives for arguments of which some are traced, recorded as one gate."""
    leaves = pytree.flat(args)
    owners = [argnum for argnum, arg in enumerate(args) for _ in pytree.flat(arg)]
    # Plain arrays are among the operands, so that a change in place before backward is seen.
    places = [
        i for i, x in enumerate(leaves) if is_transformed(x) or (type(x) is np.ndarray and x.dtype != object)
    ]
    traced = [i for i in places if is_transformed(leaves[i])]
    kept: list[Any] = [None]

    def rule(xp: Any, *operands: Any) -> Any:
        given = dict(zip(places, operands, strict=True))
        nested = pytree.rebuilt(args, iter([given.get(i, x) for i, x in enumerate(leaves)]))
        changed = set(map(owners.__getitem__, traced))
        new = tuple(
            its if i in changed else arg for i, (arg, its) in enumerate(zip(args, nested, strict=True))
        )
        ans = kept[0] = f(*new, **kwargs)
        items = [x if hasattr(x, "dtype") else np.asarray(x) for x in pytree.flat(ans)]
        if not any(map(_is_inexact, items)):
            return np.zeros(()), (None,) * len(places)
        call = _Call(f, sorted(changed), ans, new, kwargs)
        backs = [
            call.pullback_to(owners[i], i - owners.index(owners[i])) if i in traced else None for i in places
        ]
        return (tuple(items) if pytree.is_nested(ans) else items[0]), tuple(backs)

    rule.__name__ = get_name(f)
    ADJOINT.add(rule)
    out = first_space(leaves)._record(rule, [leaves[i] for i in places], {})
    if not issubclass(type(out), tuple):
        refuse_captured(get_name(f), out)
        return out if is_transformed(out) and out.level else kept[0]
    for y in out:
        refuse_captured(get_name(f), y)
    # Whole numbers among the results, such as places, are constants.
    items = [y if _is_inexact(x) else x for x, y in zip(pytree.flat(kept[0]), out, strict=True)]
    return pytree.rebuilt(kept[0], iter(items))


class _Call:
    """A call of a primitive at one level, to differentiate: its arguments and its result below that level."""

    def __init__(self, f: Rule, argnums: Sequence[int], ans: Any, args: Any, kwargs: dict[str, Any]) -> None:
        self.f, self.argnums, self.kwargs = f, argnums, kwargs
        self.ans, self.args = pytree.mapped(below_constants, ans), tuple(pytree.mapped(below_constants, args))
        inner = highest(pytree.flat((self.ans, self.args)))
        self.level = 0 if inner is None else inner.level
        self.vjp: Rule | None = None
        self.latest: tuple[Any, list[list[Any]]] = (None, [])

    def pullback_to(self, argnum: int, place: int) -> Rule:
        """Return the pullback to one array of an argument."""
        k = self.argnums.index(argnum)

        def pullback(g: Any) -> Array:
            # Each is handed out once: g may be another one at the next call, in the same memory.
            if self.latest[0] is not g or self.latest[1][k][place] is None:
                self.latest = (g, self._computed(list(g) if isinstance(g, tuple) else [g]))
            shares = self.latest[1][k]
            share, shares[place] = shares[place], None
            return share

        return pullback

    def _computed(self, gs: list[Any]) -> list[list[Any]]:
        top = highest(gs)
        if type(top) is not Traced or self.f not in primitive_jvps or top.level <= self.level:
            return self._pulled(gs)
        # A jvp asks for the derivative of these gradients in g, above all else: that is the rule of forward mode.
        sizes = [len(pytree.flat(self.args[argnum])) for argnum in self.argnums]

        def linear(xp: Any, *below: Any) -> Any:
            if self.f in primitive_vjps:
                shares = [x for its in self._pulled(list(below)) for x in its]
            else:  # a jvp does not use them
                given = [x for argnum in self.argnums for x in pytree.flat(self.args[argnum])]
                shares = [np.full(np.shape(x), np.nan) for x in given]
            return tuple(shares), tuple(functools.partial(self._pushed, i) for i in range(len(below)))

        linear.__name__ = get_name(self.f)
        ADJOINT.add(linear)
        shares = iter(first_space(gs)._record(linear, gs, {}))
        return [[next(shares) for _ in range(n)] for n in sizes]

    def _pulled(self, gs: list[Any]) -> list[list[Any]]:
        """Return the gradients by the rule of reverse mode, which is in autograd's convention: conjugates of ours."""
        if self.f not in primitive_vjps:
            raise NotImplementedError(
                f"VJP of {get_name(self.f)} wrt argnums {tuple(self.argnums)} not defined"
            )
        ys = [conjugate(below_constants(g)) for g in gs]
        top = highest((*ys, *pytree.flat((self.ans, self.args))))
        if type(top) is Batched:
            found = _by_rows(top, self._pulled_at, (self.ans, self.args, ys))
        else:
            if self.vjp is None:
                self.vjp = primitive_vjps[self.f](self.argnums, self.ans, self.args, self.kwargs)
            found = list(self.vjp(pytree.rebuilt(self.ans, iter(ys))))
        return [
            list(map(conjugate, self._checked(share, self.args[argnum], f"argument {argnum}")))
            for share, argnum in zip(found, self.argnums, strict=True)
        ]

    def _pulled_at(self, ans: Any, args: Any, gs: list[Any]) -> list[Any]:
        return list(
            primitive_vjps[self.f](self.argnums, ans, args, self.kwargs)(pytree.rebuilt(ans, iter(gs)))
        )

    def _pushed(self, i: int, tangents: tuple[Any, ...]) -> Array:
        """Return the rate of one array of the result."""
        moves = map(below_constants, tangents)
        gs = [pytree.rebuilt(self.args[argnum], moves) for argnum in self.argnums]
        top = highest(pytree.flat((self.ans, self.args, gs)))
        given = (gs, self.ans, self.args)
        rate = _by_rows(top, self._pushed_at, given) if type(top) is Batched else self._pushed_at(*given)
        return self._checked(rate, self.ans, "the result")[i]

    def _pushed_at(self, gs: list[Any], ans: Any, args: Any) -> Any:
        return primitive_jvps[self.f](self.argnums, gs, ans, args, self.kwargs)

    def _checked(self, derivative: Any, of: Any, name: str) -> list[Any]:
        """Return the arrays of a derivative that a rule gave; ValueError for another shape."""
        found = [x if hasattr(x, "dtype") else np.asarray(x) for x in pytree.along(derivative, of, name)]
        for d, x in zip(found, pytree.flat(of), strict=True):
            if _is_inexact(x) and tuple(d.shape) != np.shape(x):
                raise ValueError(
                    f"{get_name(self.f)}: expected from its rule for {name} the shape {np.shape(x)}; "
                    f"got {tuple(d.shape)}"
                )
        return found


def _by_rows(top: Batched, f: Rule, trees: tuple[Any, ...]) -> Any:
    """Return what f gives for each element of the batch of `top`, as a batch: a primitive sees no batches."""

    def row(i: int, x: Any) -> Any:
        x = below_constants(x)
        return x.value[i, ...] if type(x) is Batched and x.level == top.level else x

    n = top.value.shape[0]
    if not n:
        raise ValueError("primitive: expected a batch of one element or more; got none")
    rows = [f(*pytree.mapped(functools.partial(row, i), trees)) for i in range(n)]
    columns = zip(*map(pytree.flat, rows), strict=True)
    return pytree.rebuilt(
        rows[0], iter([Batched(ours.stack(list(its)), top.space, top.level) for its in columns])
    )


def _is_inexact(x: Any) -> bool:
    """Say whether an array or a number of a result has gradients."""
    return x.dtype.kind in "fc" if hasattr(x, "dtype") else isinstance(x, float | complex)


def _wrapped(space: Any, result: Any) -> Any:
    """Return the arrays of a result as constants."""
    return pytree.mapped(
        lambda y: space._wrap(y) if issubclass(type(y), np.ndarray | np.generic) else y, result
    )
