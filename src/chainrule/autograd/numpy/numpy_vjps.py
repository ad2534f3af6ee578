"""What rules of broadcasting functions are made of."""

from collections.abc import Callable
from typing import Any

import chainrule.numpy as _ours
from chainrule.gates.helpers import innermost as _innermost

Metadata = tuple[tuple[int, ...], int, Any, bool]


def metadata(A: Any) -> Metadata:
    """Return the shape, the number of axes and the dtype of an array, and whether it is complex."""
    dtype = _ours.result_type(_innermost(A))
    return tuple(_ours.shape(A)), _ours.ndim(A), dtype, dtype.kind == "c"


def unbroadcast(x: Any, target_meta: Metadata, broadcast_idx: int = 0) -> Any:
    """Return a gradient summed over the axes along which its target was broadcast; its real part for a real target.

    New axes stand from place `broadcast_idx` on.
    """
    shape, ndim, _, is_complex = target_meta
    while _ours.ndim(x) > ndim:
        x = _ours.sum(x, axis=broadcast_idx)
    for axis, n in enumerate(shape):
        if n == 1:
            x = _ours.sum(x, axis=axis, keepdims=True)
    return _ours.real(x) if not is_complex and _ours.iscomplexobj(x) else x


def unbroadcast_f(target: Any, f: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Return g -> unbroadcast(f(g)), for the gradient of a target."""
    meta = metadata(target)
    return lambda g: unbroadcast(f(g), meta)
