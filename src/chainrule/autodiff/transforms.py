"""Functions to functions: gradients, products with Jacobians, and control over what is followed."""

import functools
import inspect
import operator
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from chainrule import pytree
from chainrule.autodiff.namespace import space_of
from chainrule.autodiff.tape import OBJECT_STYLE, Node, check_settings, leaf, new_level, walk
from chainrule.autodiff.traced import Traced, plain_value
from chainrule.gates.types import Array
from chainrule.validation import check_function, check_kind

_NUMBERS = (int, complex)


def grad(f: Callable[..., Any], argnums: int | Sequence[int] = 0) -> Callable[..., Any]:
    """Return the function that gives the gradient of f, an array of shape (), in its arguments.

    f(*args, **kwargs) may take arrays and nested lists, tuples and dicts of arrays; the gradient comes in
    the shape of the argument `argnums` (a tuple of gradients for several), with the shapes, dtypes and
    devices of its arrays. It is 0 where f returns a number of Python's own. Raises TypeError for an
    argument that is not of a real floating dtype, and for a result that is not a scalar.
    """
    both = value_and_grad(f, argnums)

    @functools.wraps(f)
    def gradient(*args: Any, **kwargs: Any) -> Any:
        return both(*args, **kwargs)[1]

    return gradient


def value_and_grad(f: Callable[..., Any], argnums: int | Sequence[int] = 0) -> Callable[..., Any]:
    """Return the function that gives (f(...), gradient) with one run of f; arguments and errors as for `grad`."""
    check_function("grad", f)
    name = getattr(f, "__name__", "f")

    @functools.wraps(f)
    def both(*args: Any, **kwargs: Any) -> Any:
        followed = _Followed(f, args, argnums, "grad")
        out = f(*followed.args, **kwargs)
        shape = getattr(out, "shape", () if type(out) in (int, float) else None)
        if shape != ():
            got = f"shape {shape}" if shape is not None else type(out).__name__
            raise TypeError(
                f"grad: expected {name} to return one number, an array of shape (); got {got}. "
                "Take xp.sum or xp.mean of it, or use chainrule.vjp or chainrule.jacobian"
            )
        mine = type(out) is Traced and out.level == followed.level
        return followed.value(out), followed.gradients([out], [_ones(out) if mine else None])

    return both


def vjp(f: Callable[..., Any], *primals: Any) -> tuple[Any, Callable[[Any], Any]]:
    """Return f(*primals) and its pullback: g, shaped as the result, to one gradient per primal.

    The result and g may be nested like the arguments. Errors as for `grad`; a g of another shape is a
    ValueError.
    """
    check_function("vjp", f)
    followed = _Followed(f, primals, tuple(range(len(primals))), "vjp")
    out = f(*followed.args)
    for y in pytree.flat(out):
        if not hasattr(y, "dtype") and not isinstance(y, int | float | complex):
            name = getattr(f, "__name__", "f")
            raise TypeError(f"vjp: expected {name} to return arrays or numbers; got {type(y).__name__}")
    # A copy, for the pullback may still need what the caller may change.
    value = pytree.mapped(_copied, followed.value(out))

    def pullback(g: Any) -> Any:
        outs, given = pytree.flat(out), pytree.along(g, out, "vjp: g")
        return followed.gradients(outs, [_seed(y, dy) for y, dy in zip(outs, given, strict=True)])

    return value, pullback


def jvp(f: Callable[..., Any], primals: Sequence[Any], tangents: Sequence[Any]) -> tuple[Any, Any]:
    """Return f(*primals) and the rate at which it changes as the primals move along the tangents.

    The pullback is linear in g; forward mode is its transpose. Tangents are shaped as the primals.
    """
    check_function("jvp", f)
    for name, given in (("primals", primals), ("tangents", tangents)):
        if not isinstance(given, tuple | list):
            raise TypeError(
                f"jvp: expected {name} as a tuple, one for each argument of f; got {type(given).__name__}; "
                f"write (x,) for one"
            )
    if len(primals) != len(tangents):
        raise ValueError(f"jvp: expected as many tangents as primals, {len(primals)}; got {len(tangents)}")
    moving = pytree.flat(primals)
    moves = pytree.along(list(tangents), list(primals), "jvp: tangents")
    for x, t in zip(moving, moves, strict=True):
        if np.shape(plain_value(x)) != np.shape(plain_value(t)):
            raise ValueError(
                f"jvp: expected a tangent of shape {np.shape(plain_value(x))}; got {np.shape(plain_value(t))}"
            )
    # As constants of the namespace, the primals keep the pullbacks there too: they can then be followed in g.
    constants = pytree.mapped(_wrapped, tuple(primals))
    out, pullback = vjp(f, *constants)
    outs = [_wrapped(y) for y in pytree.flat(out)]
    # What is no real floating number does not move, and nothing is asked of it.
    still = {i: y.space.zeros_like(y) for i, y in enumerate(outs) if not y.space.is_floating(y.dtype)}

    def whole(values: Iterable[Any]) -> Any:
        others = iter(values)
        return pytree.rebuilt(out, iter([still[i] if i in still else next(others) for i in range(len(outs))]))

    seeds = [y.space.ones_like(y) for i, y in enumerate(outs) if i not in still]
    _, push = vjp(lambda *gs: pytree.flat(pullback(whole(gs))), *seeds)
    rate = whole(push([_wrapped(t) for t in moves]))
    return _returned(out, moving), _returned(rate, moving)


def jacobian(f: Callable[..., Any], argnums: int = 0) -> Callable[..., Any]:
    """Return the function that gives all derivatives of f: shape f(x).shape + x.shape, x the argument `argnums`."""
    check_function("jacobian", f)

    @functools.wraps(f)
    def matrix(*args: Any, **kwargs: Any) -> Any:
        i = _number(argnums, len(args), "jacobian")
        x = args[i]
        out, pullback = vjp(lambda v: f(*args[:i], v, *args[i + 1 :], **kwargs), x)
        if not hasattr(out, "shape"):
            raise TypeError(
                f"jacobian: expected {getattr(f, '__name__', 'f')} to return one array; got {type(out).__name__}. "
                "Take the Jacobian of each of its results"
            )
        space = space_of(out)
        basis = space.eye(out.size, dtype=out.dtype, device=out.device)
        rows = [pullback(space.reshape(basis[i, ...], out.shape))[0] for i in range(out.size)]
        if not rows:
            return space_of(x).base.zeros((*out.shape, *np.shape(x)), dtype=x.dtype, device=x.device)
        return _returned(space.reshape(space.stack(rows), (*out.shape, *rows[0].shape)), [x])

    return matrix


def hessian(f: Callable[..., Any], argnums: int = 0) -> Callable[..., Any]:
    """Return the function that gives all second derivatives of a scalar f: shape x.shape + x.shape."""
    return jacobian(grad(f, argnums), argnums)


def hvp(f: Callable[..., Any], x: Array, v: Array) -> Array:
    """Return the Hessian of a scalar f at x times v, shaped as x, without the Hessian (Pearlmutter, 1994)."""
    _, pullback = vjp(grad(f), x)
    return pullback(v)[0]


def stop_gradient(x: Any) -> Any:
    """Return x, or each array in a nested x, as a constant: no gradient flows through it."""
    return pytree.mapped(lambda a: a.constant() if type(a) is Traced else a, x)


def gate(rule: Callable[..., Any]) -> Callable[..., Any]:
    """Make rule(xp, *arrays, **static) -> (output, pullbacks) callable on plain and traced arrays.

    `xp` is the namespace of the arrays and all that the rule may use; there is one pullback per array,
    each linear in its g, with g on the left of operators. The gradient of a broadcast operand may keep the
    shape of the result.
    """
    check_function("gate", rule)

    @functools.wraps(rule)
    def function(*arrays: Any, **static: Any) -> Any:
        check_settings(rule, static)
        space = first_space(arrays)
        if not any(type(a) is Traced for a in arrays):
            return rule(space.base, *arrays, **static)[0]
        return space.run(checked, arrays, static)

    @functools.wraps(rule)
    def checked(xp: Any, *arrays: Any, **static: Any) -> Any:
        result = rule(xp, *arrays, **static)
        if not (isinstance(result, tuple) and len(result) == 2 and len(result[1]) == len(arrays)):
            raise TypeError(
                f"gate {rule.__name__}: expected (output, {len(arrays)} pullbacks), one per array; got {result!r}"
            )
        return result

    function.__signature__ = _without_xp(rule)  # type: ignore[attr-defined]
    return function


def variable(array: Array) -> Traced:
    """Return an array to compute with and then ask for .value and .grad, after `backward`."""
    try:
        return _leaf(array, OBJECT_STYLE)
    except TypeError as error:
        raise TypeError(f"variable: argument 'array': {error}") from None


def backward(out: Traced) -> None:
    """Carry the gradient of `out`, an array of shape (), to everything that it was computed from.

    Every variable and every intermediate result then has its .grad, which replaces one from an earlier call.
    """
    if type(out) is not Traced or out.level != OBJECT_STYLE:
        raise TypeError(
            "backward: expected a result computed from chainrule.variable; got one that is not followed"
        )
    if out.shape != ():
        raise TypeError(
            f"backward: expected one number, an array of shape (); got shape {out.shape}. "
            "Take xp.sum or xp.mean of it"
        )
    seen: set[int] = set()
    for node, g in walk(out.space, out.node, _ones(out), keep=True).items():
        node.grad = _own(g, out.space.base, seen)


class _Followed:
    """The arguments of one running transform, traced, and the way back to their gradients."""

    def __init__(
        self, f: Callable[..., Any], args: tuple[Any, ...], argnums: int | Sequence[int], who: str
    ) -> None:
        self.level = new_level()
        self.single = not isinstance(argnums, tuple | list)
        asked = (argnums,) if isinstance(argnums, int) or self.single else tuple(argnums)
        numbers = [_number(i, len(args), who) for i in asked]
        if len(set(numbers)) < len(numbers):
            raise TypeError(f"{who}: expected different arguments in argnums; got {argnums}")
        self.trees = [args[i] for i in numbers]
        self.given, self.leaves = [], []
        traced = list(args)
        for i in numbers:
            arrays = pytree.flat(args[i])
            try:
                mine = [_leaf(x, self.level) for x in arrays]
            except TypeError as error:
                raise TypeError(f"{who}: {_blamed(f, i % len(args), args[i])}: {error}") from None
            self.given += arrays
            self.leaves += mine
            traced[i] = pytree.rebuilt(args[i], iter(mine))
        self.args = traced

    def value(self, out: Any) -> Any:
        """Return a result with this level taken off."""
        return _returned(pytree.mapped(lambda y: y.value if self._is_mine(y) else y, out), self.given)

    def gradients(self, outs: Sequence[Any], seeds: Sequence[Any]) -> Any:
        """Return the gradient at every argument, from results and a gradient for each."""
        totals: dict[Node, Array] = {}
        for out, seed in zip(outs, seeds, strict=True):
            if self._is_mine(out):
                found = walk(out.space, out.node, seed)
                if not totals:
                    totals = found
                    continue
                for x in self.leaves:
                    if x.node in found:
                        g = found[x.node]
                        totals[x.node] = g + totals[x.node] if x.node in totals else g
        # What is returned is the caller's, to update in place: nothing of it may share memory.
        seen = set(map(id, seeds))
        results = []
        for x, given in zip(self.leaves, self.given, strict=True):
            g = totals.get(x.node)
            if g is None:
                g = x.space.base.zeros(x.shape, dtype=x.dtype, device=x.device)
            if type(g) is Traced and type(given) is not Traced:
                g = _plain_if_constant(g)
            results.append(g if type(g) is Traced else _own(g, x.space.base, seen))
        values = iter(results)
        rebuilt = tuple(pytree.rebuilt(tree, values) for tree in self.trees)
        return rebuilt[0] if self.single else rebuilt

    def _is_mine(self, y: Any) -> bool:
        return type(y) is Traced and y.level == self.level


def _own(g: Array, xp: Any, seen: set[int]) -> Array:
    """Return g, or a copy where its memory may be another's; `seen` has the ids of those handed out before."""
    if isinstance(g, np.generic):
        g = np.asarray(g)
    if id(g) in seen or getattr(g, "base", None) is not None:
        g = xp.asarray(g, copy=True)
    seen.add(id(g))
    return g


def _number(argnum: Any, count: int, who: str) -> int:
    """Return an argument's number, counted from 0, also where it was counted from the end."""
    try:
        i = operator.index(argnum)
    except TypeError:
        raise TypeError(f"{who}: expected a whole number as argnums; got {argnum!r}") from None
    if not -count <= i < count:
        raise TypeError(f"{who}: expected an argument number {i}; got {count} positional arguments")
    return i % count


def _copied(y: Any) -> Any:
    if type(y) is Traced or not hasattr(y, "dtype"):
        return y
    return space_of(y).base.asarray(y, copy=True)


def _ones(out: Traced) -> Array:
    value = out.value
    space = out.space if type(value) is Traced else out.space.base
    return space.asarray(1.0, dtype=value.dtype, device=value.device)


def _seed(out: Any, g: Any) -> Array:
    if type(out) is not Traced:
        return g
    if getattr(g, "shape", ()) != out.shape:
        raise ValueError(
            f"vjp: expected a gradient of the result's shape {out.shape}; got {getattr(g, 'shape', ())}"
        )
    space = out.space
    if not hasattr(g, "dtype"):
        if not isinstance(g, int | float):
            raise TypeError(
                f"vjp: expected an array or a number as the gradient of a result; got {type(g).__name__}"
            )
        g = space.base.asarray(g, dtype=out.dtype, device=out.device)
    check_kind(type(g))
    if type(out.value) is Traced and type(g) is not Traced:
        g = space.asarray(g, device=out.device)
    if g.dtype == out.dtype:
        return g
    if not space.base.isdtype(g.dtype, ("bool", "integral", "real floating")):
        raise TypeError(f"vjp: expected a gradient of real numbers; got {g.dtype}")
    return (space if type(g) is Traced else space.base).astype(g, out.dtype)


def _wrapped(x: Any) -> Any:
    if type(x) is Traced:
        return x
    x = np.asarray(x) if isinstance(x, int | float) else x
    return Traced(x, space_of(x))


def _returned(result: Any, given: Sequence[Any]) -> Any:
    """Return constants as plain arrays, unless traced ones were handed in."""
    for x in given:
        if type(x) is Traced:
            return result
    return pytree.mapped(lambda y: _whole(_plain_if_constant(y) if type(y) is Traced else y), result)


def _plain_if_constant(x: Traced) -> Any:
    return x if x.level else plain_value(x)


def _whole(y: Any) -> Any:
    """Return NumPy's scalars as arrays of shape ()."""
    return np.asarray(y) if isinstance(y, np.generic) else y


def _leaf(x: Any, level: int) -> Traced:
    if type(x) is float:
        x = np.asarray(x)
    space = None if isinstance(x, _NUMBERS) else space_of(x)
    if space is None or not space.is_floating(x.dtype):
        kind = type(x).__name__ if space is None else str(x.dtype)
        raise TypeError(
            f"expected an array of a real floating dtype, which has gradients; got {kind}. "
            "Write 3.0 for 3, or convert it with xp.astype(x, xp.float64)"
        )
    return leaf(x, space, level)


def _blamed(f: Callable[..., Any], i: int, tree: Any) -> str:
    """Return the name of the leaf that cannot be followed."""
    try:
        names = list(inspect.signature(f).parameters)
    except (TypeError, ValueError):
        names = []
    for name, x in pytree.leaves(tree, f"argument {names[i]!r}" if i < len(names) else f"argument {i}"):
        try:
            _leaf(x, 0)
        except TypeError:
            return name
    raise AssertionError("unreachable: some leaf could not be followed")


def first_space(arrays: Sequence[Any]) -> Any:
    """Return the differentiable namespace of the first traced array, else of the first array."""
    for x in arrays:
        if type(x) is Traced:
            return x.space
    return space_of(next((x for x in arrays if hasattr(x, "dtype")), arrays[0] if arrays else None))


def _without_xp(rule: Callable[..., Any]) -> inspect.Signature:
    signature = inspect.signature(rule)
    return signature.replace(parameters=list(signature.parameters.values())[1:])
