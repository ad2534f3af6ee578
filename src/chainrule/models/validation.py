"""What models ask of the arrays that they are given."""

from collections.abc import Sequence
from typing import Any

from chainrule.backend.namespaces import namespace
from chainrule.gates.types import Array
from chainrule.models.types import Params


def shape_of(x: Any) -> str:
    """Return the shape of an array as a text, or the name of what has none."""
    return str(tuple(x.shape)) if hasattr(x, "shape") else type(x).__name__


def common_namespace(who: str, names: str, arrays: Sequence[Array]) -> Any:
    """Return the namespace of arrays, which an error calls by `names`, or raise TypeError where they share none."""
    try:
        if not all(hasattr(x, "dtype") for x in arrays):
            raise TypeError("expected arrays")
        return namespace(*arrays)
    except TypeError as error:
        kinds = ", ".join(dict.fromkeys(type(x).__name__ for x in arrays))
        raise TypeError(
            f"{who}: {names} must be arrays of one library, got {kinds}; make them with get_device().asarray"
        ) from error


def check_params(who: str, shapes: Sequence[Any], params: Any) -> None:
    """Raise ValueError for parameters that are not (W, b) of these shapes, one pair a layer."""
    got = [
        (tuple(layer[0].shape), tuple(layer[1].shape))
        if isinstance(layer, (list, tuple)) and len(layer) == 2 and all(hasattr(x, "shape") for x in layer)
        else type(layer).__name__
        for layer in (params if isinstance(params, (list, tuple)) else [params])
    ]
    if got != shapes:
        raise ValueError(f"{who}: expected (W, b) shaped {shapes}, got {got}; make them by init")


def check_network(
    who: str, shapes: Sequence[Any], params: Params, X: Array, y: Array | None, weight: Array | None
) -> Any:
    """Return the namespace of a network's arrays, or raise for those that it cannot compute with.

    y of `forward` is None, and so are weights that are not given.
    """
    check_params(who, shapes, params)
    leaves = [x for layer in params for x in layer]
    arrays = [*leaves, X, *(x for x in (y, weight) if x is not None)]
    xp = common_namespace(who, "params, X, y and sample_weight", arrays)
    n = shapes[0][0][0]
    if getattr(X, "ndim", None) != 2 or X.shape[0] < 1 or X.shape[1] != n:
        raise ValueError(f"{who}: expected X (m, {n}) with m >= 1, one row a sample, got {shape_of(X)}")
    if X.dtype not in (xp.float32, xp.float64) or any(x.dtype != X.dtype for x in leaves):
        got = ", ".join(sorted({str(x.dtype) for x in (X, *leaves)}))
        raise TypeError(
            f"{who}: X and all parameters must be float32 or all float64, got {got}; convert X, or make "
            "parameters by init(dtype=...)"
        )
    if weight is not None and (shape_of(weight) != str((X.shape[0],)) or weight.dtype != X.dtype):
        raise ValueError(
            f"{who}: expected sample_weight ({X.shape[0]},) of {X.dtype}, got {shape_of(weight)} of "
            f"{getattr(weight, 'dtype', 'no dtype')}"
        )
    return xp
