"""vmap: batched arguments in, stacked results out."""

import functools
import inspect
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from chainrule import pytree
from chainrule.autodiff.namespace import call_followed
from chainrule.autodiff.tape import new_level
from chainrule.autodiff.transforms import owned
from chainrule.backend.gpus import on_their_gpu
from chainrule.batching.array import Batched, without_constants
from chainrule.batching.namespace import batched, namespace_of
from chainrule.gates.helpers import axis_number, is_transformed
from chainrule.gates.types import Array
from chainrule.validation import check_array_class, check_function

Axes = Any  # a number, None, or a list, tuple or dict of them


def vmap(f: Callable[..., Any], in_axes: Axes = 0, out_axes: Axes = 0) -> Callable[..., Any]:
    """Return the function that computes f for every element of a batch, in one call of f.

    `in_axes` names for each argument the axis along which the batch lies, None for an argument that is the same for
    all; one number or None stands for all arguments, and for all arrays of a nested argument. Arguments by name are
    mapped along axis 0. The results of f may be nested too; `out_axes` says where the batch's axis stands in them.
    A result that is the same for all elements is repeated, and stays one for None. Raises ValueError for arguments of
    unequal lengths along the mapped axes, for an axis that an argument does not have, and where nothing is mapped;
    TypeError inside f where Python needs one value of the batch, as in `if x > 0`.
    """
    check_function("vmap", f)

    @on_their_gpu
    @functools.wraps(f)
    def of_batch(*args: Any, **kwargs: Any) -> Any:
        axes = list(_axes_of_arguments(f, args, in_axes)) + [0] * len(kwargs)
        names = _argument_names(f, len(args), kwargs)
        trees = [*args, *kwargs.values()]
        mapped = [
            leaf
            for tree, its, name in zip(trees, axes, names, strict=True)
            for leaf in _mapped_leaves(tree, its, name)
        ]
        n = _batch_length(f, mapped)
        level = new_level()
        values = iter([x if axis is None else _entered(x, axis, level) for _, x, axis in mapped])
        rebuilt = [pytree.rebuilt(tree, values) for tree in trees]
        out = call_followed(f, rebuilt[: len(args)], dict(zip(kwargs, rebuilt[len(args) :], strict=True)))
        given = {id(x) for _, x, _ in mapped}
        first = next(x for _, x, axis in mapped if axis is not None)
        results = [
            _left(f, y, axis, n, level, first, given, name)
            for name, y, axis in _with_axes(out, out_axes, "result", "vmap: out_axes")
        ]
        return pytree.rebuilt(out, iter(results))

    return of_batch


# --- Arguments ---


def _axes_of_arguments(f: Callable[..., Any], args: Sequence[Any], in_axes: Axes) -> Sequence[Axes]:
    if not isinstance(in_axes, list | tuple):
        return [in_axes] * len(args)
    if len(in_axes) != len(args):
        raise ValueError(
            f"vmap: expected in_axes for each of the {len(args)} positional arguments of {_name(f)}; "
            f"got {len(in_axes)}, {in_axes!r}"
        )
    return in_axes


def _argument_names(f: Callable[..., Any], count: int, kwargs: dict[str, Any]) -> list[str]:
    try:
        names = list(inspect.signature(f).parameters)
    except (TypeError, ValueError):
        names = []
    known = [f"argument {names[i]!r}" if i < len(names) else f"argument {i}" for i in range(count)]
    return known + [f"argument {name!r}" for name in kwargs]


def _mapped_leaves(tree: Any, axes: Axes, name: str) -> Iterator[tuple[str, Any, int | None]]:
    """Yield each array of an argument, with its name and the axis of the batch, counted from 0."""
    for where, x, axis in _with_axes(tree, axes, name, f"vmap: in_axes of {name}"):
        if axis is None or x is None:
            yield where, x, None
            continue
        if not hasattr(x, "dtype") or not hasattr(x, "shape"):
            raise TypeError(
                f"vmap: expected {where} to be an array with the batch along axis {axis}; got {type(x).__name__}. "
                "Give None in in_axes for what is the same for the whole batch"
            )
        check_array_class(type(x))
        if not -len(x.shape) <= axis < len(x.shape):
            raise ValueError(
                f"vmap: expected the batch along axis {axis} of {where}; got shape {tuple(x.shape)}. "
                "Give None in in_axes for what is the same for the whole batch"
            )
        yield where, x, axis_number("vmap", axis, len(x.shape))


def _with_axes(tree: Any, axes: Axes, name: str, what: str) -> Iterator[tuple[str, Any, int | None]]:
    """Yield each leaf of a tree with its name and its axis, where `axes` may stop at any level of the tree."""
    if axes is None or (isinstance(axes, int | np.integer) and not isinstance(axes, bool)):
        axis = None if axes is None else int(axes)
        yield from ((where, x, axis) for where, x in pytree.leaves(tree, name))
    elif isinstance(axes, dict) and isinstance(tree, dict) and axes.keys() == tree.keys():
        for key, item in tree.items():
            yield from _with_axes(item, axes[key], f"{name}[{key!r}]", what)
    elif isinstance(axes, list | tuple) and isinstance(tree, list | tuple) and len(axes) == len(tree):
        for i, item in enumerate(tree):
            yield from _with_axes(item, axes[i], f"{name}[{i}]", what)
    else:
        raise ValueError(
            f"{what}: expected a whole number, None, or axes nested as {name}, "
            f"{_described(tree)}; got {axes!r}"
        )


def _described(tree: Any) -> str:
    if isinstance(tree, dict):
        return f"a dict with {list(tree)}"
    return (
        f"a {type(tree).__name__} of {len(tree)}" if isinstance(tree, list | tuple) else type(tree).__name__
    )


def _batch_length(f: Callable[..., Any], mapped: Sequence[tuple[str, Any, int | None]]) -> int:
    """Return the length that all arguments have along their mapped axes."""
    lengths = [(name, int(x.shape[axis])) for name, x, axis in mapped if axis is not None]
    if not lengths:
        raise ValueError(
            f"vmap: expected an argument of {_name(f)} with an axis in in_axes; got None for all"
        )
    first, n = lengths[0]
    for name, other in lengths:
        if other != n:
            raise ValueError(
                f"vmap: expected the same length along all mapped axes; got {n} for {first} and {other} for {name}"
            )
    return n


def _entered(x: Array, axis: int, level: int) -> Batched:
    """Return an array with its axis hidden."""
    space = batched(namespace_of(x))
    if axis:
        x = (x.space if is_transformed(x) else space._base).moveaxis(x, axis, 0)
    return Batched(x, space, level)


# --- Results ---


def _left(
    f: Callable[..., Any],
    y: Any,
    axis: int | None,
    n: int,
    level: int,
    first: Array,
    given: set[int],
    name: str,
) -> Any:
    """Return a result with the batch along an axis; None leaves a result that is the same for all elements."""
    if y is None and name != "result":
        return None  # such as the gradient of a setting in a nested argument
    y = without_constants(y)
    if is_transformed(y) and y.level > level:
        raise TypeError(
            f"vmap: {_name(f)} returned an array that another transform follows, which ended before; "
            "return it from the function that was given to that transform"
        )
    if not (hasattr(y, "dtype") and hasattr(y, "shape")) and not isinstance(y, int | float | complex):
        raise TypeError(f"vmap: expected {_name(f)} to return arrays or numbers; got {type(y).__name__}")
    base = namespace_of(first)
    if type(y) is not Batched or y.level != level:
        if not hasattr(y, "dtype"):
            y = base.asarray(y, device=first.device)
        if axis is None:
            # It may be an array of f's own surroundings.
            return y if is_transformed(y) else base.asarray(y, copy=True)
        xp = y.space if is_transformed(y) else base
        y = Batched(xp.broadcast_to(y, (n, *y.shape)), batched(base), level)
    if axis is None:
        raise ValueError(
            f"vmap: expected the {name} of {_name(f)} to be the same for the whole batch, as None in out_axes says; "
            "got one for each element of it"
        )
    place = axis_number("vmap: out_axes", axis, y.ndim + 1)
    value = y.value
    xp = value.space if is_transformed(value) else base
    value = xp.moveaxis(value, 0, place) if place else value
    return value if is_transformed(value) else owned(value, xp, given)


def _name(f: Callable[..., Any]) -> str:
    return getattr(f, "__name__", "f")
