"""The function explain: from an expression, a function or a network to its graph."""

import inspect
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from chainrule import pytree
from chainrule.autodiff.namespace import plain_namespace
from chainrule.autodiff.traced import Traced, is_traced
from chainrule.autodiff.transforms import value_and_grad
from chainrule.backend.device import asked_for
from chainrule.backend.namespaces import namespace
from chainrule.explain import code, expression
from chainrule.explain.graph import Graph
from chainrule.explain.recorder import Recorder
from chainrule.validation import check_array_class

if TYPE_CHECKING:
    from chainrule.models.mlp import MLP

_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


def explain(f_or_expression: "str | Callable[..., Any] | MLP", /, *unnamed: Any, **values: Any) -> Graph:
    """Return the graph of a computation, with the value and the gradient of the output at every node.

    f_or_expression   one of: text such as "3*(a+b*c)", or "u = b*c; v = a+u; J = 3*v", which names nodes, and which
                      is parsed and never executed; a function of arrays, written as for `grad`; a network, MLP
    values            by the names in the expression or of the function's parameters: numbers, lists of numbers, arrays,
                      and nested lists, tuples and dicts of arrays. For a network params, X (m, n) and y, the output
                      being its cost J, or without y the sum of its y_hat

    Numbers and lists become floats. Integer and boolean arrays are inputs without gradient. A result that is not a
    single number is summed, in a node "sum". The computation runs on the device of the arrays; the values and gradients
    of the graph are arrays of NumPy.

    Raises ValueError for a text that is not such an expression and for values that do not fit it; TypeError for values
    that are not numbers or do not fit the function, and for a result that is not one array.
    """
    if unnamed:
        raise TypeError(
            f"explain: expected values by their names, as in explain({_example(f_or_expression)}); got {len(unnamed)} "
            "without a name"
        )
    if isinstance(f_or_expression, str):
        return _of_expression(f_or_expression, values)
    # Not above: most programs that import this function have no network.
    from chainrule.explain import network
    from chainrule.models.mlp import MLP

    if isinstance(f_or_expression, MLP):
        _check_network_values(values)
        net, given = f_or_expression, [values[name] for name in ("params", "X", "y") if name in values]
        f = net.cost_and_gradients if "y" in values else value_and_grad(partial(_sum_of_y_hat, net), (0, 1))
        return replace(network.graph(net, **values), program=lambda: code.source_of(f, given))
    if not callable(f_or_expression):
        raise TypeError(
            f"explain: expected an expression, a function of arrays or an MLP, got {type(f_or_expression).__name__}"
        )
    return _of_function(f_or_expression, values)


def _of_expression(text: str, values: dict[str, Any]) -> Graph:
    tree = expression.parse(text, tuple(values))
    space, inputs = _inputs(values)
    for name, x in inputs.items():
        if not isinstance(x, Traced):
            raise TypeError(
                f"explain: expected {name} to be a number, a list of numbers or an array, "
                f"got {type(values[name]).__name__}"
            )
    # Infinities and NaN are shown at the nodes where they arise.
    with np.errstate(all="ignore"):
        graph = _graph(space, tree.run(space, inputs), text.strip(), "f")

    def f(space: Recorder, *arrays: Any) -> Any:
        return tree.run(space, dict(zip(values, arrays, strict=True)))

    return code.with_program(graph, f, "f", inputs, space.dtype)


def _of_function(f: Callable[..., Any], values: dict[str, Any]) -> Graph:
    name = getattr(f, "__name__", type(f).__name__)
    positional = _positional(f, name, values)
    space, inputs = _inputs(values)
    with np.errstate(all="ignore"):
        result = f(
            *(inputs[key] for key in positional), **{k: x for k, x in inputs.items() if k not in positional}
        )
        called = name if name.isidentifier() else "f"
        graph = _graph(space, result, name, called)

    def g(space: Recorder, *arrays: Any) -> Any:
        given = dict(zip(values, arrays, strict=True))
        first = [given.pop(key) for key in positional]
        return f(*first, **given)

    return code.with_program(graph, g, called, inputs, space.dtype)


def _positional(f: Callable[..., Any], name: str, values: dict[str, Any]) -> list[str]:
    """Return the names of the values to pass by position; TypeError where the values do not fit the parameters."""
    try:
        signature = inspect.signature(f)
    except (TypeError, ValueError):  # some functions written in C have no signature
        return list(values)
    positional = []
    for parameter in signature.parameters.values():
        if parameter.name not in values or parameter.kind not in _POSITIONAL:
            break
        positional.append(parameter.name)
    try:
        signature.bind(*positional, **{key: x for key, x in values.items() if key not in positional})
    except TypeError as error:
        plain = [p.replace(annotation=p.empty) for p in signature.parameters.values()]
        written = signature.replace(parameters=plain, return_annotation=signature.empty)
        raise TypeError(f"explain: {name}{written} was given {_listed(values)}: {error}") from None
    return positional


def _graph(space: Recorder, out: Any, title: str, name: str) -> Graph:
    """Return the graph of a result, named `name`; a result that is not a single number is summed."""
    if not hasattr(out, "shape") and not isinstance(out, int | float):
        raise TypeError(
            f"explain: expected {title} to return one array, got {type(out).__name__}; "
            "explain each of its results"
        )
    if getattr(out, "shape", ()) != ():
        space.name(out, name, again=False)
        out, name = space.sum(out), "sum"
    return space.graph(out, title, name)


def _inputs(values: dict[str, Any]) -> tuple[Recorder, dict[str, Any]]:
    """Return a recorder, and the values with their numbers and arrays as inputs of it."""
    given = [x for value in values.values() for x in pytree.flat(value) if hasattr(x, "dtype")]
    for x in given:
        if is_traced(x):
            raise TypeError("explain: expected plain arrays, got a traced one; call explain outside of grad")
    device = asked_for()
    like = given[0] if given else np.zeros(()) if device is None else device.asarray(0.0)
    space = Recorder(plain_namespace(like))
    floats = [x.dtype for x in given if type(x) is type(like) and space._is_floating(x.dtype)]
    space.dtype = floats[0] if floats else space.float64

    def as_input(x: Any, name: str) -> Any:
        if hasattr(x, "dtype"):
            return space.entered(_numeric(name, x), name)
        check_array_class(type(x))
        return space.entered(space.array(_float(name, x), like), name) if isinstance(x, int | float) else x

    inputs = {}
    for name, value in values.items():
        if isinstance(value, list | tuple) and _are_numbers(value):
            value = space.array(_rectangular(name, value), like)
        leaves = iter([as_input(x, label) for label, x in pytree.leaves(value, name)])
        inputs[name] = (
            pytree.rebuilt(value, leaves) if isinstance(value, list | tuple | dict) else next(leaves)
        )
    return space, inputs


def _are_numbers(value: Any) -> bool:
    """Tell whether nested lists hold nothing but Python's numbers, and no list is empty."""
    if isinstance(value, list | tuple):
        return bool(value) and all(map(_are_numbers, value))
    return isinstance(value, int | float) and not hasattr(value, "dtype")


def _rectangular(name: str, value: Any) -> Any:
    try:
        return np.asarray(value, dtype=float)
    except ValueError:
        raise ValueError(f"explain: {name} has rows of different lengths; give equal ones") from None
    except OverflowError:
        raise _too_large(name) from None


def _numeric(name: str, x: Any) -> Any:
    if isinstance(x, np.ndarray | np.generic) and x.dtype.kind not in "biuf":
        raise TypeError(f"explain: expected {name} to be an array of real numbers, got dtype {x.dtype}")
    return x


def _float(name: str, value: float) -> float:
    try:
        return float(value)
    except OverflowError:
        raise _too_large(name) from None


def _too_large(name: str) -> ValueError:
    return ValueError(f"explain: {name} is larger than a float can be; give a smaller number")


def _check_network_values(values: dict[str, Any]) -> None:
    if {*values, "y"} != {"params", "X", "y"}:
        raise TypeError(f"explain: a network takes params, X and, for its cost, y, got {_listed(values)}")


def _sum_of_y_hat(net: "MLP", params: Any, X: Any) -> Any:
    y_hat = net.forward(params, X)
    return namespace(y_hat).sum(y_hat)


def _example(f: Any) -> str:
    """Return how values would be written for f, with the names of its parameters where it has a signature."""
    if isinstance(f, str):
        return f'"{f}", a=2.0'
    from chainrule.models.mlp import MLP

    if isinstance(f, MLP):
        return "net, params=params, X=X, y=y"
    try:
        names = list(inspect.signature(f).parameters)
    except (TypeError, ValueError):
        names = []
    return "f, " + ", ".join(f"{name}=..." for name in names or ["x"])


def _listed(values: dict[str, Any]) -> str:
    return ", ".join(values) or "no values"
