"""explain: from an expression, a function or a network to its graph."""

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np

from chainrule import trees
from chainrule.device import asked_for
from chainrule.explain import expression
from chainrule.explain.graph import Graph
from chainrule.explain.recording import Recorder
from chainrule.namespace import space_of
from chainrule.traced import Traced


def explain(f_or_expression: str | Callable[..., Any], /, **values: Any) -> Graph:
    """Return the graph of a computation, with the value and the gradient of the output at every node."""
    if isinstance(f_or_expression, str):
        tree = expression.parse(f_or_expression, tuple(values))
        space, inputs = _entered(values)
        out = tree.run(space, inputs)
        return space.graph(_summed(space, out), f_or_expression, "f")
    f = f_or_expression
    inspect.signature(f).bind(**values)
    space, inputs = _entered(values)
    name = getattr(f, "__name__", type(f).__name__)
    return space.graph(_summed(space, f(**inputs)), name, name if name.isidentifier() else "f")


def _entered(values: dict[str, Any]) -> tuple[Recorder, dict[str, Any]]:
    """Return a recorder, and the values as arrays that are noted by it."""
    arrays = [x for value in values.values() for x in trees.flat(value) if hasattr(x, "dtype")]
    place = asked_for()
    base = space_of(arrays[0]).base if arrays else place.xp if place else np
    space = Recorder(base)

    def entered(x: Any, name: str) -> Any:
        if isinstance(x, (int, float)):
            x = base.asarray(float(x)) if place is None else place.asarray(float(x))
        if not hasattr(x, "dtype"):
            return x
        x = base.asarray(x, copy=True)
        return (space.followed if space.is_floating(x.dtype) else space.unfollowed)(x, name)

    inputs = {}
    for name, value in values.items():
        if isinstance(value, list | tuple) and all(isinstance(x, (int, float)) for x in trees.flat(value)):
            value = np.asarray(value, dtype=float) if place is None else place.asarray(value, "float64")
        leaves = iter([entered(x, label) for label, x in trees.leaves(value, name)])
        inputs[name] = trees.rebuilt(value, leaves)
    return space, inputs


def _summed(space: Recorder, out: Any) -> Any:
    return space.sum(out) if type(out) is Traced and out.shape != () else out
