"""What models ask of the arrays that they are given."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from chainrule.backend.namespaces import namespace
from chainrule.gates.helpers import is_transformed
from chainrule.gates.types import Array
from chainrule.models.types import Params
from chainrule.numpy_names.sparse import is_sparse
from chainrule.validation import check_targets


def shape_of(x: Any) -> str:
    """Return the shape of an array as a text, or the name of what has none."""
    return str(tuple(x.shape)) if hasattr(x, "shape") else type(x).__name__


def apart(who: str, names: str, arrays: Iterable[Any]) -> TypeError:
    """Return the error for arguments that are not arrays of one library."""
    kinds = ", ".join(type(x).__name__ for x in arrays)
    return TypeError(
        f"{who}: {names} must be arrays of one library, got {kinds}; make them with get_device().asarray"
    )


def check_name(who: str, what: str, value: object, table: Iterable[str]) -> None:
    """Raise ValueError for a value that is no name of a table."""
    known = list(table)
    if not isinstance(value, str) or value not in known:
        raise ValueError(f"{who}: {what} must be one of {', '.join(known)}, got {value!r}")


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
    """Return the namespace of a network's arrays, or raise where it cannot compute with them.

    y is None in `forward`, and weight where none is given.
    """
    check_params(who, shapes, params)
    leaves = [x for layer in params for x in layer]
    # A sparse matrix is of no namespace; its numbers are.
    numbers = X.data if is_sparse(X) else X
    arrays = [*leaves, numbers, *(x for x in (y, weight) if x is not None)]
    try:
        xp = namespace(*arrays)
    except TypeError as error:
        one_of_each = {type(x): x for x in arrays}.values()
        raise apart(who, "params, X, y and sample_weight", one_of_each) from error
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


def check_ndim(who: str, expected: str, x: Any, ndim: int) -> None:
    """Raise ValueError for an argument that is no array with `ndim` axes, or has an axis of size 0."""
    if getattr(x, "ndim", None) != ndim or 0 in x.shape:
        raise ValueError(
            f"{who}: expected an array {expected}, no size 0, got {shape_of(x)}; make one with get_device().asarray"
        )


def check_weights(
    who: str, X: Array, w: Array, b: Array, *, classes: bool = False, others: tuple[Array, ...] = ()
) -> tuple[Any, Array]:
    """Return the namespace of X (m, n), w (n,) and `others`, and b () as an array, or raise where they do not fit.

    With `classes`, w may be (n, k) and b (k,), for k >= 2.
    """
    arrays = (X, *others, w, *((b,) if is_transformed(b) else ()))
    try:
        if not all(hasattr(x, "dtype") for x in arrays):
            raise TypeError("expected arrays")
        xp = namespace(*arrays)
    except TypeError as error:
        raise apart(who, "X, y and w", arrays) from error
    # In 16 bits a sum over samples overflows where its mean does not.
    if X.dtype not in (xp.float32, xp.float64) or w.dtype != X.dtype:
        raise TypeError(
            f"{who}: X and w must both be float32 or both float64, got {X.dtype} and {w.dtype}; convert them first, "
            "pixels for instance to floats divided by 255"
        )
    fits = w.ndim == 1 or (classes and w.ndim == 2 and w.shape[1] > 1)
    if X.ndim != 2 or 0 in X.shape or w.shape[:1] != X.shape[1:] or not fits:
        raise ValueError(
            f"{who}: expected X (m, n) with m, n >= 1 and w (n,), got X {tuple(X.shape)} and w {tuple(w.shape)}; "
            "w (n, k), for k >= 2 classes, is for by_matmul and by_tiles"
        )
    b = xp.asarray(b, dtype=X.dtype, device=X.device)
    if b.shape != w.shape[1:]:
        wanted = f"{tuple(w.shape[1:])}, a number for each class" if w.ndim == 2 else "one number"
        raise ValueError(f"{who}: b must be {wanted}, got shape {tuple(b.shape)}")
    return xp, b


def check_step(
    who: str, X: Array, y: Array, w: Array, b: Array, *, classes: bool = False, one: bool = False
) -> tuple[Any, Array, Array]:
    """Return the namespace, y (m,) in X's dtype and b as an array, or raise for what no spelling can compute.

    With `one`, y is () and belongs to the only row of X.
    """
    xp, b = check_weights(who, X, w, b, classes=classes, others=(y,))
    shape = () if one else X.shape[:1]
    if y.shape != shape:
        raise ValueError(f"{who}: expected y {tuple(shape)}, one target a row of X, got {tuple(y.shape)}")
    if y.dtype != X.dtype:
        if not xp.isdtype(y.dtype, ("bool", "integral", "real floating")):
            raise TypeError(f"{who}: y must hold real numbers, integers or booleans, got {y.dtype}")
        y = xp.astype(y, X.dtype, copy=False)
    if w.ndim == 1 and issubclass(type(y), (np.ndarray, np.generic)):
        # With other arrays a look at y would wait for the device.
        check_targets(who, "cross_entropy", y)
    return xp, y, b
