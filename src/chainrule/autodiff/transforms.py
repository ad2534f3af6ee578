"""Functions to functions: gradients, products with Jacobians, and control over what is traced."""

import functools
import inspect
import operator
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from chainrule import pytree
from chainrule.autodiff.namespace import call_followed, plain_namespace, space_of
from chainrule.autodiff.tape import ComplexType, Node, backward_pass, leaf, new_level
from chainrule.autodiff.traced import Traced, level_of, plain_value
from chainrule.backend.gpus import on_their_gpu
from chainrule.gates.helpers import device_of, is_complex, is_transformed
from chainrule.gates.types import Array
from chainrule.validation import check_array_class, check_function

Argnums = int | Sequence[int]


def grad(f: Callable[..., Any], argnums: Argnums = 0, has_aux: bool = False) -> Callable[..., Any]:
    """Return the function that gives the gradient of f, an array of shape (), in its arguments.

    f(*args, **kwargs) may take arrays and nested lists, tuples, dicts and dataclasses of arrays; the gradient is nested
    as the argument `argnums` (a tuple of gradients for several), with the shapes, dtypes and devices of its arrays. It
    is 0 where f returns a number of Python's own. That of a complex z is dL/dRe(z) + i dL/dIm(z). None, whole numbers
    and strings beside arrays in a nested argument are settings, and get None. With `has_aux` f returns (result, more),
    and the function gives (gradient, more). Raises TypeError for an argument that is not of a floating dtype, and for a
    result that is not a scalar, or complex.
    """
    both = value_and_grad(f, argnums, has_aux)

    @functools.wraps(f)
    def gradient(*args: Any, **kwargs: Any) -> Any:
        value, its = both(*args, **kwargs)
        return (its, value[1]) if has_aux else its

    return gradient


def value_and_grad(f: Callable[..., Any], argnums: Argnums = 0, has_aux: bool = False) -> Callable[..., Any]:
    """Return the function that gives (f(...), gradient) with one run of f; arguments and errors as for `grad`.

    With `has_aux` f returns (result, more), and so f(...) is, its arrays without levels.
    """
    check_function("grad", f)
    several = isinstance(argnums, tuple | list)
    asked: Any = argnums if several else (argnums,)

    @on_their_gpu
    @functools.wraps(f)
    def both(*args: Any, **kwargs: Any) -> Any:
        numbers = _argument_numbers("grad", asked, len(args))
        level = new_level()
        traced, given, leaves = traced_arguments("grad", f, args, numbers, level)
        whole = out = call_followed(f, traced, kwargs)
        if has_aux:
            out = _first_of_two(f, whole)
        check_result("grad", f, out, level)
        shape = getattr(out, "shape", () if type(out) in (int, float) else None)
        if shape != ():
            got = f"shape {shape}" if shape is not None else type(out).__name__
            raise TypeError(
                f"grad: expected {name_of(f)} to return one number, an array of shape (); got {got}. "
                "Take xp.sum or xp.mean of it, or use chainrule.vjp or chainrule.jacobian"
            )
        followed = level_of(out) == level
        if not followed or type(out.node.dtype) is ComplexType:
            refuse_complex_result("grad", f, out)
        seeds = [(out, ones_for(out))] if followed else []
        gradients = _owned_gradients("grad", gradients_at(leaves, seeds), leaves, given, seeds)
        nested = nested_as([args[i] for i in numbers], gradients)
        return _without_level(whole, level, given), nested if several else nested[0]

    return both


def _first_of_two(f: Callable[..., Any], out: Any) -> Any:
    if not (isinstance(out, tuple) and len(out) == 2):
        raise TypeError(
            f"grad: expected {name_of(f)} to return (result, more) for has_aux=True; got {type(out).__name__}"
        )
    return out[0]


def elementwise_grad(f: Callable[..., Any], argnums: Argnums = 0) -> Callable[..., Any]:
    """Return the function that gives the derivative of each element of f in the same element of an argument.

    f computes each element of its result from those elements of its arguments alone: of a function that mixes
    elements, the sum of each column of the Jacobian is returned. Several `argnums` give a tuple. Raises TypeError for
    arguments as `grad` does, and for a result that is not real; ValueError for one that is not shaped as the argument.
    """
    check_function("elementwise_grad", f)
    several = isinstance(argnums, tuple | list)
    asked: Any = argnums if several else (argnums,)

    @functools.wraps(f)
    def derivative(*args: Any, **kwargs: Any) -> Any:
        numbers = _argument_numbers("elementwise_grad", asked, len(args))
        for i in numbers:
            try:
                traced_leaf(args[i], 0)
            except TypeError as error:
                raise TypeError(f"elementwise_grad: {_argument_name(f, i)}: {error}") from None

        def of_chosen(*chosen: Any) -> Any:
            given = dict(zip(numbers, chosen, strict=True))
            out = f(*[given.get(i, x) for i, x in enumerate(args)], **kwargs)
            for x in chosen:
                _check_elementwise(f, x, out)
            return out

        out, pullback = vjp(of_chosen, *[args[i] for i in numbers])
        found = pullback(space_of(out).ones_like(out) if hasattr(out, "dtype") else 1.0)
        return found if several else found[0]

    return derivative


def _check_elementwise(f: Callable[..., Any], x: Traced, out: Any) -> None:
    shape = getattr(out, "shape", ())
    if shape != x.shape:
        raise ValueError(
            f"elementwise_grad: expected {name_of(f)} to return the argument's shape {x.shape}; got {shape}. "
            "Use chainrule.grad or chainrule.jacobian for a function that mixes elements"
        )
    refuse_complex_result("elementwise_grad", f, out)


@on_their_gpu
def vjp(f: Callable[..., Any], *primals: Any) -> tuple[Any, Callable[[Any], Any]]:
    """Return f(*primals) and its pullback: g, shaped as the result, to one gradient per primal.

    The result and g may be nested like the arguments. Errors as for `grad`; a g of another shape is a ValueError.
    """
    check_function("vjp", f)
    level = new_level()
    traced, given, leaves = traced_arguments("vjp", f, primals, range(len(primals)), level)
    out = call_followed(f, traced, {})
    outs = pytree.flat(out)
    for y in outs:
        if not hasattr(y, "dtype") and not isinstance(y, int | float | complex):
            raise TypeError(f"vjp: expected {name_of(f)} to return arrays or numbers; got {type(y).__name__}")
        check_result("vjp", f, y, level)

    @on_their_gpu
    def pullback(g: Any) -> Any:
        seeds = [(y, _seed(y, dy)) for y, dy in zip(outs, pytree.along(g, out, "vjp: g"), strict=True)]
        found = gradients_at(leaves, [(y, dy) for y, dy in seeds if level_of(y) == level])
        return nested_as(primals, _owned_gradients("vjp", found, leaves, given, seeds))

    # A copy, because the caller may change the value and the pullback may need it.
    return pytree.mapped(_copied, _without_level(out, level, given)), pullback


@on_their_gpu
def jvp(f: Callable[..., Any], primals: Sequence[Any], tangents: Sequence[Any]) -> tuple[Any, Any]:
    """Return f(*primals) and the rate at which it changes as the primals move along the tangents.

    Tangents are shaped as the primals, with None for settings, and the rate as the result. Forward mode is the
    transpose of the pullback, which is linear in g. Raises TypeError for primals or tangents that are not in a tuple,
    ValueError for a tangent of another shape.
    """
    check_function("jvp", f)
    for name, items in (("primals", primals), ("tangents", tangents)):
        if not isinstance(items, tuple | list):
            raise TypeError(
                f"jvp: expected {name} as a tuple, one for each argument of f; got {type(items).__name__}; "
                f"write (x,) for one"
            )
    if len(primals) != len(tangents):
        raise ValueError(f"jvp: expected as many tangents as primals, {len(primals)}; got {len(tangents)}")
    moving = pytree.flat(primals)
    moves = pytree.along(list(tangents), list(primals), "jvp: tangents")
    for x, t in zip(moving, moves, strict=True):
        if t is None:
            if not isinstance(x, _SETTINGS):
                raise TypeError("jvp: expected a tangent for each array; got None, which settings have")
        elif np.shape(plain_value(x)) != np.shape(plain_value(t)):
            raise ValueError(
                f"jvp: expected a tangent of shape {np.shape(plain_value(x))}; got {np.shape(plain_value(t))}"
            )
    # As constants of the namespace, the primals keep the pullbacks there too: these can then be traced in g.
    values = [x if t is None else _wrapped(x) for x, t in zip(moving, moves, strict=True)]
    constants = pytree.rebuilt(tuple(primals), iter(values))
    out, pullback = vjp(f, *constants)
    outs = [_wrapped(y) for y in pytree.flat(out)]
    # A result that is not of a floating dtype does not move, and its pullback is not asked.
    still = {i: y.space.zeros_like(y) for i, y in enumerate(outs) if not y.space._is_floating(y.dtype)}

    def whole(values: Iterable[Any]) -> Any:
        others = iter(values)
        return pytree.rebuilt(out, iter([still[i] if i in still else next(others) for i in range(len(outs))]))

    seeds = [y.space.ones_like(y) for i, y in enumerate(outs) if i not in still]
    _, push = vjp(lambda *gs: [g for g in pytree.flat(pullback(whole(gs))) if g is not None], *seeds)
    rate = whole(push([_wrapped(t) for t in moves if t is not None]))
    # Copies: a rate may be the tangent itself or another rate, and a value a primal.
    return pytree.mapped(_copied, (as_given(out, moving), as_given(rate, moving)))  # type: ignore[no-any-return]


def hvp(f: Callable[..., Any], x: Array, v: Array) -> Array:
    """Return the Hessian of a scalar f at x times v, shaped as x, without the Hessian (Pearlmutter, 1994)."""
    _, pullback = vjp(grad(f), x)
    return pullback(v)[0]


def stop_gradient(x: Any) -> Any:
    """Return x, or each array in a nested x, as a constant: no gradient flows through it.

    The constant of a traced array is a copy, which may be changed in place.
    """
    return pytree.mapped(lambda a: a.space.stop_gradient(a) if is_transformed(a) else a, x)


def name_of(f: Callable[..., Any]) -> str:
    """Return the name of a function, for messages."""
    return getattr(f, "__name__", "f")


# --- Which arguments: argnums ---


def _argument_numbers(who: str, argnums: Sequence[int], count: int) -> list[int]:
    """Return the numbers of the arguments to differentiate in, counted from 0."""
    numbers = [argument_number(who, i, count) for i in argnums]
    if len(set(numbers)) < len(numbers):
        raise TypeError(f"{who}: expected different arguments in argnums; got {argnums}")
    return numbers


def argument_number(who: str, argnum: Any, count: int) -> int:
    """Return an argument's number, counted from 0, also where it was counted from the end."""
    try:
        i = operator.index(argnum)
    except TypeError:
        raise TypeError(f"{who}: expected a whole number as argnums; got {argnum!r}") from None
    if not -count <= i < count:
        raise TypeError(f"{who}: expected an argument number {i}; got {count} positional arguments")
    return i % count


# --- Their leaves: arrays in nested lists, tuples, dicts and dataclasses ---

_SETTINGS = (type(None), int, str, np.integer, np.bool_)


def traced_arguments(
    who: str, f: Callable[..., Any], args: Sequence[Any], numbers: Iterable[int], level: int
) -> tuple[list[Any], list[Any], list[Traced | None]]:
    """Return the arguments with the leaves of some traced at a level, these leaves as given, and as traced.

    A setting in a nested argument, which has no gradient, is None among the last.
    """
    traced, given = list(args), []
    leaves: list[Traced | None] = []
    for i in numbers:
        arrays = pytree.flat(args[i])
        try:
            mine: list[Any] = [traced_leaf(x, level) for x in arrays]
            new = mine
        except TypeError:
            mine = _beside_settings(who, _argument_name(f, i), args[i], level)
            new = [x if its is None else its for x, its in zip(arrays, mine, strict=True)]
        given += arrays
        leaves += mine
        traced[i] = pytree.rebuilt(args[i], iter(new))
    return traced, given, leaves


def _beside_settings(who: str, name: str, tree: Any, level: int) -> list[Traced | None]:
    """Return the leaves traced, and None for settings; TypeError for other leaves and where all are settings."""
    arrays = not all(isinstance(x, _SETTINGS) for x in pytree.flat(tree))
    mine: list[Traced | None] = []
    for where, x in pytree.leaves(tree, name):
        try:
            mine.append(None if arrays and isinstance(x, _SETTINGS) else traced_leaf(x, level))
        except TypeError as error:
            raise TypeError(f"{who}: {where}: {error}") from None
    return mine


def traced_leaf(x: Any, level: int) -> Traced:
    """Return an array as traced at a level; TypeError for what has no gradient."""
    if not (plain := type(x) is np.ndarray):
        if type(x) in (float, complex):
            x = np.asarray(x)[()]
        elif hasattr(x, "as_array"):  # a number that a program takes
            x = x.as_array()[()]
    space = None if not plain and isinstance(x, int) and not is_transformed(x) else space_of(x)
    noted = None if space is None else space._tape_dtype(x.dtype)
    if space is None or noted is None:
        kind = type(x).__name__ if space is None else str(x.dtype)
        raise TypeError(
            f"expected an array of a floating dtype, which has gradients; got {kind}. "
            "Write 3.0 for 3, or convert it with xp.astype(x, xp.float64)"
        )
    if not plain and is_transformed(x):
        x = space._wrap(x._as_it_is())
    return leaf(x, space, level, noted)


def _argument_name(f: Callable[..., Any], i: int) -> str:
    """Return how messages call argument i, such as argument 'params'."""
    try:
        names = list(inspect.signature(f).parameters)
    except (TypeError, ValueError):
        names = []
    return f"argument {names[i]!r}" if i < len(names) else f"argument {i}"


def nested_as(trees: Sequence[Any], values: Iterable[Any]) -> tuple[Any, ...]:
    """Return trees like these with the next value in the place of each leaf."""
    values = iter(values)
    return tuple(pytree.rebuilt(tree, values) for tree in trees)


# --- From results back to the leaves ---


def gradients_at(leaves: Sequence[Traced | None], seeds: Iterable[tuple[Traced, Array]]) -> list[Any]:
    """Return the gradient at each leaf from pairs of a result and its gradient; None where none arrives."""
    roots: dict[Any, list[tuple[Node, Array]]] = {}
    for out, seed in seeds:
        roots.setdefault(out.space, []).append((out.node, seed))
    total: dict[Node, Array] = {}
    for space, its in roots.items():
        total |= backward_pass(space, its)
    return [None if x is None else total.get(getattr(x, "origin", x.node)) for x in leaves]


def check_result(who: str, f: Callable[..., Any], out: Any, level: int) -> None:
    """Raise TypeError for a result to which the gradient cannot be followed: of another class, or of a higher level."""
    if type(out) is Traced or is_transformed(out):
        if out.level > level:
            raise TypeError(
                f"{who}: {name_of(f)} returned an array that another transform follows, which ended before; "
                "return it from the function that was given to that transform"
            )
    elif getattr(out, "shape", None) == () or hasattr(out, "dtype"):
        dtype = getattr(out, "dtype", None)
        try:
            known = space_of(out)._base.isdtype(dtype, ("bool", "numeric"))
        except (TypeError, AttributeError):
            known = False
        if not known:
            kind = type(out).__name__ + ("" if dtype is None else f" of dtype {dtype}")
            raise TypeError(
                f"{who}: expected {name_of(f)} to return a number or an array of numbers; got {kind}, in which "
                "gradients cannot be followed. Return the array that it holds"
            )


def refuse_complex_result(who: str, f: Callable[..., Any] | None, out: Any) -> None:
    """Raise TypeError for a complex number, which has no gradient: no direction makes it larger."""
    dtype = getattr(out, "dtype", None)
    if dtype is not None and space_of(out)._base.isdtype(dtype, "complex floating"):
        raise TypeError(
            f"{who}: expected {'a' if f is None else f'{name_of(f)} to return a'} real number; got {dtype}. Take its "
            "real part or its absolute value, or use chainrule.vjp, chainrule.jvp or chainrule.jacobian"
        )


def refuse_level(who: str, g: Array, level: int) -> None:
    """Raise TypeError for a gradient that is itself followed at the level of its own backward pass."""
    while type(g) is Traced:
        if g.level == level:
            raise TypeError(
                f"{who}: a pullback uses a traced array that is not among the arguments of its rule; pass it in"
            )
        g = g.value


def ones_for(out: Traced) -> Array:
    """Return the gradient of a scalar result with respect to itself."""
    value = out.value
    of_numpy = issubclass(type(value), np.ndarray | np.generic)
    xp = out.space._base if of_numpy or not is_transformed(value) else value.space
    return xp.asarray(1.0, dtype=value.dtype, device=getattr(value, "device", None))


def _seed(out: Any, g: Any) -> Array:
    """Return the gradient of a result that the caller gave, checked, as an array of its namespace and dtype."""
    if type(out) is not Traced:
        return g
    if getattr(g, "shape", ()) != out.shape:
        raise ValueError(
            f"vjp: expected a gradient of the result's shape {out.shape}; got {getattr(g, 'shape', ())}"
        )
    space = out.space
    if not hasattr(g, "dtype"):
        if not isinstance(g, int | float | (complex if is_complex(space._base, out) else int)):
            raise TypeError(
                f"vjp: expected an array or a number as the gradient of a result; got {type(g).__name__}"
            )
        g = space._base.asarray(g, dtype=out.dtype, device=device_of(out))
    check_array_class(type(g))
    if is_transformed(out.value) and not is_transformed(g):
        g = out.value.space.asarray(g, device=device_of(out))
    if g.dtype == out.dtype:
        return _copied(g)  # the caller may change it, and pull it back again
    if is_complex(space._base, g) and not is_complex(space._base, out):
        raise TypeError(f"vjp: expected a gradient of real numbers; got {g.dtype}")
    return (g.space if is_transformed(g) else space._base).astype(g, out.dtype)


# --- Whose memory: what the caller gets is the caller's own, to change in place ---


def _owned_gradients(
    who: str,
    found: Sequence[Any],
    leaves: Sequence[Traced | None],
    given: Sequence[Any],
    seeds: Iterable[tuple[Any, Array]],
) -> list[Any]:
    """Return the gradients found at the leaves, zeros for None, none sharing memory with another or a seed.

    None for a setting, which is no leaf.
    """
    taken = {id(seed) for _, seed in seeds}
    results: list[Any] = []
    for g, x, array in zip(found, leaves, given, strict=True):
        if x is None:
            results.append(None)
            continue
        if g is None:
            g = x.space._base.zeros(x.shape, dtype=x.dtype, device=device_of(x))
        if type(g) is Traced:
            refuse_level(who, g, x.level)
        if type(g) is Traced and type(array) is not Traced:
            g = _plain_if_constant(g)
        results.append(g if type(g) is Traced else owned(g, x.space._base, taken))
    return results


def owned(g: Array, xp: Any, taken: set[int]) -> Array:
    """Return g, or a copy where its memory may be another's; `taken` has the ids of those handed out before."""
    if type(g) is not np.ndarray:
        if issubclass(type(g), np.generic):
            g = np.asarray(g)
        elif is_transformed(g):
            return g
        elif _is_view(g):
            taken.add(id(g))
    if id(g) in taken or getattr(g, "base", None) is not None:
        g = xp.asarray(g, copy=True)
    taken.add(id(g))
    return g


def _is_view(x: Any) -> bool:
    """Say whether the memory of a PyTorch or a strict array is another's."""
    return getattr(x, "_base", None) is not None or getattr(getattr(x, "_array", x), "base", None) is not None


def _copied(y: Any) -> Any:
    return y if is_transformed(y) or not hasattr(y, "dtype") else plain_namespace(y).asarray(y, copy=True)


def _without_level(out: Any, level: int, given: Sequence[Any]) -> Any:
    """Return a result of a transform without its level, as arrays of the kind that was given."""
    return as_given(pytree.mapped(lambda y: y.value if level_of(y) == level else y, out), given)


def as_given(result: Any, given: Sequence[Any]) -> Any:
    """Return constants of the namespace as plain arrays, unless arrays of the namespace were given."""
    for x in given:
        if type(x) is Traced:
            return result
    return pytree.mapped(lambda y: _array(_plain_if_constant(y) if type(y) is Traced else y), result)


def _plain_if_constant(x: Traced) -> Any:
    return x if x.level else plain_value(x)


def _array(y: Any) -> Any:
    """Return NumPy's scalars as arrays of shape ()."""
    return np.asarray(y) if issubclass(type(y), np.generic) else y


def _wrapped(x: Any) -> Any:
    """Return a number or an array as a constant of its differentiable namespace."""
    if type(x) is Traced:
        return x
    # A number stays one, as in reverse mode, for code that asks isinstance(x, float).
    x = x if hasattr(x, "dtype") else np.asarray(x)[()]
    return Traced(x, space_of(x))
