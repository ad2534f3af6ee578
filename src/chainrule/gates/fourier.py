"""Discrete Fourier transforms. They are linear, so the pullback of each is a transform itself.

The adjoint of a transform is its inverse without the 1 / n, and with the 1 / n if the transform itself has it; that is
the inverse with the other norm. Numbers beyond the length n have no part, and zeros that fill it up get no gradient.
"""

import operator
from typing import Any

from chainrule.gates.helpers import device_of
from chainrule.gates.standard import composed, rule
from chainrule.gates.types import Array, Axes, Result

# Which norm the adjoint has; NumPy's None is its "backward".
_OTHER = {"backward": "forward", None: "forward", "forward": "backward", "ortho": "ortho"}


@rule("fft", adjoint=True)
def fft(xp: Any, x: Array, /, *, n: int | None = None, axis: int = -1, norm: Any = "backward") -> Result:
    """y_k = sum of x_j e^(-2 pi i j k / n): the inverse transform of g, as long as x."""
    y, shape, other = xp.fft.fft(x, n=n, axis=axis, norm=norm), x.shape, _OTHER[norm]
    return y, (lambda g: _cut(xp, xp.fft.ifft(g, axis=axis, norm=other), shape),)


@rule("fft", adjoint=True)
def ifft(xp: Any, x: Array, /, *, n: int | None = None, axis: int = -1, norm: Any = "backward") -> Result:
    """y_j = sum of x_k e^(2 pi i j k / n) / n: the transform of g / n, as long as x."""
    y, shape, other = xp.fft.ifft(x, n=n, axis=axis, norm=norm), x.shape, _OTHER[norm]
    return y, (lambda g: _cut(xp, xp.fft.fft(g, axis=axis, norm=other), shape),)


@rule("fft", adjoint=True)
def fftn(xp: Any, x: Array, /, *, s: Any = None, axes: Axes = None, norm: Any = "backward") -> Result:
    """As fft, along several axes."""
    axes, shape, other = _axes(x, s, axes), x.shape, _OTHER[norm]
    if _repeat(x, axes):
        return _in_turn(xp, x, [(fft, *step) for step in _steps(x, s, axes)[::-1]], norm)
    y = xp.fft.fftn(x, s=s, axes=axes, norm=norm)
    return y, (lambda g: _cut(xp, xp.fft.ifftn(g, axes=axes, norm=other), shape),)


@rule("fft", adjoint=True)
def ifftn(xp: Any, x: Array, /, *, s: Any = None, axes: Axes = None, norm: Any = "backward") -> Result:
    """As ifft, along several axes."""
    axes, shape, other = _axes(x, s, axes), x.shape, _OTHER[norm]
    if _repeat(x, axes):
        return _in_turn(xp, x, [(ifft, *step) for step in _steps(x, s, axes)[::-1]], norm)
    y = xp.fft.ifftn(x, s=s, axes=axes, norm=norm)
    return y, (lambda g: _cut(xp, xp.fft.fftn(g, axes=axes, norm=other), shape),)


@rule("fft", adjoint=True)
def rfft(xp: Any, x: Array, /, *, n: int | None = None, axis: int = -1, norm: Any = "backward") -> Result:
    """The first n // 2 + 1 numbers of fft: the inverse of g, in which the others stand for themselves alone."""
    n, shape, other = x.shape[axis] if n is None else operator.index(n), x.shape, _OTHER[norm]

    def pullback(g: Array) -> Array:
        return _cut(xp, xp.fft.irfft(_paired(xp, g, n, axis, 0.5), n=n, axis=axis, norm=other), shape)

    return xp.fft.rfft(x, n=n, axis=axis, norm=norm), (pullback,)


@rule("fft", adjoint=True)
def irfft(xp: Any, x: Array, /, *, n: int | None = None, axis: int = -1, norm: Any = "backward") -> Result:
    """n real numbers from the first n // 2 + 1 of their fft: rfft of g, twice where a number stands for two."""
    y, shape, other = xp.fft.irfft(x, n=n, axis=axis, norm=norm), x.shape, _OTHER[norm]
    n = y.shape[axis]
    return y, (lambda g: _cut(xp, _paired(xp, xp.fft.rfft(g, axis=axis, norm=other), n, axis, 2), shape),)


@rule("fft", adjoint=True)
def rfftn(xp: Any, x: Array, /, *, s: Any = None, axes: Axes = None, norm: Any = "backward") -> Result:
    """As rfft along the last of several axes, and as fft along the others."""
    axes, shape, other = _axes(x, s, axes), x.shape, _OTHER[norm]
    if _repeat(x, axes):
        *others, last = _steps(x, s, axes)
        return _in_turn(xp, x, [(rfft, *last), *((fft, *step) for step in others[::-1])], norm)
    s = _lengths(x, s, axes)

    def pullback(g: Array) -> Array:
        return _cut(
            xp, xp.fft.irfftn(_paired(xp, g, s[-1], axes[-1], 0.5), s=s, axes=axes, norm=other), shape
        )

    return xp.fft.rfftn(x, s=s, axes=axes, norm=norm), (pullback,)


@rule("fft", adjoint=True)
def irfftn(xp: Any, x: Array, /, *, s: Any = None, axes: Axes = None, norm: Any = "backward") -> Result:
    """As irfft along the last of several axes, and as ifft along the others."""
    axes, shape, other = _axes(x, s, axes), x.shape, _OTHER[norm]
    if _repeat(x, axes):
        *others, (n, axis) = _steps(x, s, axes)
        last = (irfft, None if s is None else n, axis)
        return _in_turn(xp, x, [*((ifft, *step) for step in others), last], norm)
    y = xp.fft.irfftn(x, s=s, axes=axes, norm=norm)
    n = y.shape[axes[-1]]

    def pullback(g: Array) -> Array:
        return _cut(xp, _paired(xp, xp.fft.rfftn(g, axes=axes, norm=other), n, axes[-1], 2), shape)

    return y, (pullback,)


@composed("fft")
def hfft(xp: Any, x: Array, /, *, n: int | None = None, axis: int = -1, norm: Any = "backward") -> Array:
    """Return the fft, which is real, of numbers of which the second half is the conjugate of the first, given here."""
    return xp.fft.irfft(xp.conj(x), n=n, axis=axis, norm=_OTHER[norm])


@composed("fft")
def ihfft(xp: Any, x: Array, /, *, n: int | None = None, axis: int = -1, norm: Any = "backward") -> Array:
    """Return the first half of the inverse transform of real numbers."""
    return xp.conj(xp.fft.rfft(x, n=n, axis=axis, norm=_OTHER[norm]))


@composed("fft")
def fftshift(xp: Any, x: Array, /, *, axes: Axes = None) -> Array:
    """Return x with the frequency 0 moved from the start to the middle of each axis."""
    axes = _axes(x, None, axes)
    return xp.roll(x, tuple(x.shape[a] // 2 for a in axes), axis=axes)


@composed("fft")
def ifftshift(xp: Any, x: Array, /, *, axes: Axes = None) -> Array:
    """Return x with the frequency 0 moved back from the middle to the start."""
    axes = _axes(x, None, axes)
    return xp.roll(x, tuple(-(x.shape[a] // 2) for a in axes), axis=axes)


def _axes(x: Array, s: Any, axes: Axes) -> tuple[int, ...]:
    """Return the axes of a transform: all, or as many of the last ones as there are lengths."""
    if axes is None:
        return tuple(range(x.ndim if s is None else -len(s), 0)) if s is not None else tuple(range(x.ndim))
    return (operator.index(axes),) if hasattr(axes, "__index__") else tuple(axes)


def _lengths(x: Array, s: Any, axes: tuple[int, ...]) -> tuple[int, ...]:
    # NumPy's -1 is the length that the axis has.
    s = (None,) * len(axes) if s is None else s
    return tuple(x.shape[a] if n in (None, -1) else operator.index(n) for n, a in zip(s, axes, strict=True))


def _repeat(x: Array, axes: tuple[int, ...]) -> bool:
    """Say whether an axis is among several twice: it is then transformed twice, and may get two lengths in turn."""
    return len({a % x.ndim for a in axes}) < len(axes)


def _steps(x: Array, s: Any, axes: tuple[int, ...]) -> list[tuple[int, int]]:
    return list(zip(_lengths(x, s, axes), axes, strict=True))


def _in_turn(xp: Any, x: Array, steps: list[tuple[Any, int | None, int]], norm: Any) -> Result:
    """Return transforms along one axis after the other: the pullback is that of the last first."""
    pullbacks: list[Any] = []
    for gate, n, axis in steps:
        x, (back,) = gate(xp, x, n=n, axis=axis, norm=norm)
        pullbacks.insert(0, back)

    def pullback(g: Array) -> Array:
        for back in pullbacks:
            g = back(g)
        return g

    return x, (pullback,)


def _paired(xp: Any, g: Array, n: int, axis: int, factor: float) -> Array:
    """Return numbers k = 0 ... n // 2 along an axis, times a factor where n - k is another number than k."""
    along = axis % g.ndim

    def part(start: int, stop: int | None) -> Array:
        return g[(*(slice(None),) * along, slice(start, stop), ...)]

    end = (n + 1) // 2
    return xp.concat([part(0, 1), part(1, end) * factor, part(end, None)], axis=along)


def _cut(xp: Any, g: Array, shape: tuple[int, ...]) -> Array:
    """Return g in a shape: without what is too long, and with zeros where it is too short."""
    if g.shape == shape:
        return g
    g = g[tuple(slice(min(m, n)) for m, n in zip(g.shape, shape, strict=True))]
    for axis, n in enumerate(shape):
        if g.shape[axis] < n:
            gap = (*g.shape[:axis], n - g.shape[axis], *g.shape[axis + 1 :])
            g = xp.concat([g, xp.zeros(gap, dtype=g.dtype, device=device_of(g))], axis=axis)
    return g
