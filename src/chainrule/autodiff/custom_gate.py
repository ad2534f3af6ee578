"""gate: a rule of your own, callable like any function of arrays."""

import functools
import inspect
from collections.abc import Callable
from typing import Any

from chainrule.autodiff.namespace import first_space
from chainrule.autodiff.tape import check_settings
from chainrule.autodiff.traced import refuse_captured
from chainrule.gates import FLOWS
from chainrule.gates.helpers import is_transformed
from chainrule.gates.standard import note_flow
from chainrule.gates.types import Array, Pullback
from chainrule.numpy_names.assignment import note_unknown_views
from chainrule.numpy_names.coercion import as_operands
from chainrule.validation import check_function


def gate(rule: Callable[..., Any]) -> Callable[..., Any]:
    """Make rule(xp, *arrays, **settings) -> (output, pullbacks) callable on plain and traced arrays.

    `xp` is the namespace of the arrays and all that the rule may use. There is one pullback per array, from the
    gradient g of the output, of its shape, to the gradient of that array; None for an array that gets none. Each is
    linear in its g, with g on the left of operators. The gradient of a broadcast operand may keep the shape of the
    output. Raises TypeError for a rule that is no function, for a rule's result of another form, and for a traced
    array among the settings or in the rule's closure; ValueError for a gradient of another shape.
    """
    check_function("gate", rule)

    @functools.wraps(rule)
    def function(*arrays: Any, **settings: Any) -> Any:
        check_settings(rule, settings)
        space = first_space(arrays)
        if not any(map(is_transformed, arrays)):
            return rule(space._base, *arrays, **settings)[0]
        if any(isinstance(x, list) for x in arrays):
            arrays = tuple(
                as_operands(space, *arrays)
            )  # arrays of their own: the caller may change the lists
        out = space._record(checked, arrays, settings)
        for y in out if isinstance(out, tuple) else (out,):
            refuse_captured(f"gate {rule.__name__}", y)
        return note_unknown_views(out, arrays, f"gate {rule.__name__}")

    @functools.wraps(rule)
    def checked(xp: Any, *arrays: Any, **settings: Any) -> Any:
        result = rule(xp, *arrays, **settings)
        if not (isinstance(result, tuple) and len(result) == 2 and len(result[1]) == len(arrays)):
            raise TypeError(
                f"gate {rule.__name__}: expected (output, {len(arrays)} pullbacks), one per array; got {result!r}"
            )
        out, pullbacks = result
        shaped = [
            pullback if pullback is None or not hasattr(x, "shape") else _of_shape(rule, pullback, x, out)
            for x, pullback in zip(arrays, pullbacks, strict=True)
        ]
        return out, tuple(shaped)

    note_flow(checked, FLOWS.get(rule))
    signature = inspect.signature(rule)
    function.__signature__ = signature.replace(  # type: ignore[attr-defined]
        parameters=list(signature.parameters.values())[1:]
    )
    return function


def _of_shape(rule: Callable[..., Any], pullback: Pullback, x: Array, out: Any) -> Pullback:
    """Return the pullback to x, which raises ValueError for a gradient that x does not broadcast to."""
    shape, kept = x.shape, getattr(out, "shape", None)
    if kept is not None and not _broadcasts(shape, kept):
        kept = None

    def checked(g: Array) -> Array:
        share = pullback(g)
        got = getattr(share, "shape", None)
        if got is None or got not in (shape, kept):
            raise ValueError(
                f"gate {rule.__name__}: expected a gradient of the array's shape {shape}; "
                f"got {type(share).__name__ if got is None else got}. Write xp.broadcast_to(g, shape) or xp.sum"
            )
        return share

    return checked


def _broadcasts(shape: tuple[int, ...], to: tuple[int, ...]) -> bool:
    """Say whether an array of a shape can be broadcast to another shape."""
    behind = to[len(to) - len(shape) :] if shape else ()
    return len(shape) <= len(to) and all(n in (1, m) for n, m in zip(shape, behind, strict=True))
