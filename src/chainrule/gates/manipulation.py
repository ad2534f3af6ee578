"""Gates that move elements and change none: each pullback moves the gradient back."""

import math
from collections.abc import Sequence
from typing import Any

from chainrule.gates.helpers import axis_number, device_of, output, total, wider
from chainrule.gates.indexing import put
from chainrule.gates.standard import rule
from chainrule.gates.types import Array, Axes, Pullback, Result


@rule("main", flow="moves")
def astype(xp: Any, x: Array, dtype: Any, /, *, copy: bool = True, device: Any = None) -> Result:
    """Another floating dtype; the tape casts the gradient back."""
    if device is None:
        return xp.astype(x, dtype, copy=copy), (lambda g: g,)
    home = device_of(x)
    return xp.astype(x, dtype, copy=copy, device=device), (lambda g: _moved(xp, g, home),)


@rule("main", flow="moves")
def broadcast_to(xp: Any, x: Array, /, shape: tuple[int, ...]) -> Result:
    """The tape sums the gradient back to the shape of x."""
    return xp.broadcast_to(x, shape), (lambda g: g,)


@rule("main", flow="moves")
def concat(xp: Any, /, *arrays: Array, axis: int | None = 0) -> Result:
    """Arrays joined along an axis; each gets its stretch of the gradient."""
    shapes = [x.shape for x in arrays]
    ends = _ends(
        [math.prod(x.shape) if axis is None else x.shape[axis_number("concat", axis, x.ndim)] for x in arrays]
    )

    def stretch(i: int) -> Pullback:
        part = slice(ends[i], ends[i + 1])
        if axis is None:
            return lambda g: xp.reshape(g[part], shapes[i])
        at = axis % len(shapes[i])
        key = tuple(part if j == at else slice(None) for j in range(len(shapes[i])))
        return lambda g: g[key]

    return xp.concat(list(arrays), axis=axis), tuple(stretch(i) for i in range(len(arrays)))


@rule("main", flow="moves")
def expand_dims(xp: Any, x: Array, /, axis: int | tuple[int, ...] = 0) -> Result:
    """A new axis of length 1."""
    return xp.expand_dims(x, axis=axis), (_reshaped(xp, x.shape),)


@rule("main", flow="moves")
def flip(xp: Any, x: Array, /, *, axis: Axes = None) -> Result:
    """Reversed along axes."""
    return xp.flip(x, axis=axis), (lambda g: xp.flip(g, axis=axis),)


@rule("main", "linalg", flow="moves")
def matrix_transpose(xp: Any, x: Array, /) -> Result:
    """The last two axes exchanged."""
    return xp.matrix_transpose(x), (lambda g: xp.matrix_transpose(g),)


@rule("main", flow="moves")
def moveaxis(xp: Any, x: Array, source: Any, destination: Any, /) -> Result:
    """Axes moved to other places."""
    return xp.moveaxis(x, source, destination), (lambda g: xp.moveaxis(g, destination, source),)


@rule("main", flow="moves")
def permute_dims(xp: Any, x: Array, /, axes: tuple[int, ...]) -> Result:
    """Axes in another order."""
    back = tuple(sorted(range(len(axes)), key=[a % len(axes) for a in axes].__getitem__))
    return xp.permute_dims(x, axes), (lambda g: xp.permute_dims(g, back),)


@rule("main", flow="moves")
def repeat(xp: Any, x: Array, repeats: Any, /, *, axis: int | None = None) -> Result:
    """Elements repeated; each gets the sum of the gradients of its copies."""
    # NumPy lets an array of shape () be repeated along an axis that it does not have.
    along = None if axis is None or not x.shape else axis_number("repeat", axis, x.ndim)
    shape, n = x.shape, math.prod(x.shape) if along is None else x.shape[along]
    if isinstance(repeats, int):
        before, after = ((), ()) if along is None else (shape[:along], shape[along + 1 :])
        split, at = (*before, n, int(repeats), *after), len(before) + 1
        return xp.repeat(x, repeats, axis=axis), (
            lambda g: xp.reshape(total(xp, xp.reshape(g, split), at), shape),
        )
    source = xp.repeat(xp.arange(n, device=device_of(x)), repeats)

    def pullback(g: Array) -> Array:
        g = xp.astype(g, wider(xp, g.dtype)[1], copy=False)
        if along is None:
            return xp.reshape(output(put, xp, g, positions=source, size=n), shape)
        rows = xp.moveaxis(g, along, 0)
        rest = rows.shape[1:]
        width = 1
        for m in rest:
            width *= m
        offsets = xp.reshape(xp.arange(width, device=device_of(g)), (1, width))
        positions = xp.reshape(xp.reshape(source, (-1, 1)) * width + offsets, (-1,))
        back = output(put, xp, xp.reshape(rows, (-1,)), positions=positions, size=n * width)
        return xp.moveaxis(xp.reshape(back, (n, *rest)), 0, along)

    return xp.repeat(x, repeats, axis=axis), (pullback,)


@rule("main", flow="moves")
def reshape(xp: Any, x: Array, /, shape: tuple[int, ...], *, copy: bool | None = None) -> Result:
    """The same elements in another shape."""
    return xp.reshape(x, shape, copy=copy), (_reshaped(xp, x.shape),)


@rule("main", flow="moves")
def roll(xp: Any, x: Array, /, shift: Any, *, axis: Axes = None) -> Result:
    """Elements rolled along axes."""
    back = -shift if isinstance(shift, int) else tuple(-s for s in shift)
    return xp.roll(x, shift, axis=axis), (lambda g: xp.roll(g, back, axis=axis),)


@rule("main", flow="moves")
def squeeze(xp: Any, x: Array, /, axis: int | tuple[int, ...]) -> Result:
    """Axes of length 1 removed."""
    return xp.squeeze(x, axis=axis), (_reshaped(xp, x.shape),)


@rule("main", flow="moves")
def stack(xp: Any, /, *arrays: Array, axis: int = 0) -> Result:
    """Arrays along a new axis; each gets its slice of the gradient."""
    y = xp.stack(list(arrays), axis=axis)
    at = axis % y.ndim

    def layer(i: int) -> Pullback:
        key = tuple(i if j == at else slice(None) for j in range(y_ndim))
        return lambda g: g[key]

    y_ndim = y.ndim
    return y, tuple(layer(i) for i in range(len(arrays)))


@rule("main", flow="moves")
def tile(xp: Any, x: Array, repetitions: tuple[int, ...], /) -> Result:
    """Copies of x side by side; x gets the sum of their gradients."""
    ndim = max(x.ndim, len(repetitions))
    counts = (1,) * (ndim - len(repetitions)) + tuple(repetitions)
    lengths = (1,) * (ndim - x.ndim) + x.shape
    split = tuple(n for pair in zip(counts, lengths, strict=True) for n in pair)
    copies, shape = tuple(range(0, 2 * ndim, 2)), x.shape

    def pullback(g: Array) -> Array:
        return xp.reshape(total(xp, xp.reshape(g, split), copies), shape)

    return xp.tile(x, repetitions), (pullback, None)


@rule("internal", flow="moves")
def to_device(xp: Any, x: Array, device: Any, /, *, stream: Any = None) -> Result:
    """A copy on another device; the gradient is copied back."""
    home = device_of(x)
    return _moved(xp, x, device, stream=stream), (lambda g: _moved(xp, g, home),)


@rule("main", flow="selects")
def tril(xp: Any, x: Array, /, *, k: int = 0) -> Result:
    """The lower triangle; the elements above it get 0."""
    return xp.tril(x, k=k), (lambda g: xp.tril(g, k=k),)


@rule("main", flow="selects")
def triu(xp: Any, x: Array, /, *, k: int = 0) -> Result:
    """The upper triangle; the elements below it get 0."""
    return xp.triu(x, k=k), (lambda g: xp.triu(g, k=k),)


def _moved(xp: Any, x: Array, device: Any, **settings: Any) -> Array:
    # CuPy's arrays have no to_device.
    return x.to_device(device, **settings) if hasattr(x, "to_device") else xp.asarray(x, device=device)


def _reshaped(xp: Any, shape: tuple[int, ...]) -> Pullback:
    return lambda g: xp.reshape(g, shape)


def _ends(lengths: Sequence[int]) -> list[int]:
    ends = [0]
    for n in lengths:
        ends.append(ends[-1] + n)
    return ends
