"""Losses, one a sample, computed from the logits: no overflow, and no logarithm of 0."""

from typing import Any

from chainrule.gates.activations import exponentials, minus_share, sigmoid_parts
from chainrule.gates.helpers import nothing, total, unbroadcast
from chainrule.gates.standard import rule
from chainrule.gates.types import Array, Pullback


@rule("beyond", flow="elementwise", real=True)
def sigmoid_cross_entropy(xp: Any, z: Array, y: Array, /) -> tuple[Array, tuple[Pullback, Pullback]]:
    """-(y log s(z) + (1 - y) log(1 - s(z))), element by element, from the logits z.

    Source: Bishop, Pattern Recognition and Machine Learning, section 4.3.2 (2006), equations 4.90 and 4.91.
    """
    tail, e, positive = sigmoid_parts(xp, z)
    # In float32 s(z) is 0 for z below -104, and its logarithm infinite; nothing overflows or vanishes in this form.
    losses = (positive - y) * z + xp.log1p(e)
    # s(z) - y, of which no digit would be left where s(z) is near a y of 1.
    return losses, (lambda g: g * ((positive - y) + (1 - 2 * positive) * tail), lambda g: -g * z)


@rule("beyond", real=True)
def softmax_cross_entropy(xp: Any, z: Array, y: Array, /) -> tuple[Array, tuple[Pullback, Pullback]]:
    """-sum(y log softmax(z)) over the last axis, from the logits z (..., k) and the shares y (..., k).

    Source: Bishop, Pattern Recognition and Machine Learning, section 4.3.4 (2006), equations 4.108 and 4.109.
    """
    _same_last("softmax_cross_entropy", z, y)
    e, others, top, peak = exponentials(xp, z, -1)
    log_p = z - peak - xp.log1p(others)
    share = total(xp, y, -1, keepdims=True)
    each = y * xp.astype(log_p, e.dtype, copy=False)
    losses = xp.astype(-total(xp, each, -1), each.dtype, copy=False)
    return losses, (
        lambda g: _of_rows(xp, -g[..., None] * minus_share(xp, y, share, e, others, top), z),
        lambda g: _of_rows(xp, -g[..., None] * log_p, y),
    )


@rule("beyond", flow="elementwise", real=True)
def hinge(xp: Any, z: Array, t: Array, /) -> tuple[Array, tuple[Pullback, Pullback]]:
    """max(0, 1 - t z), element by element, for targets t of -1 and 1; the slope at the margin is 0.

    Source: Cortes and Vapnik, Support-vector networks, Machine Learning 20 (1995), section 3.
    """
    margin = 1 - t * z
    met = margin <= 0
    return xp.where(met, 0, margin), (
        lambda g: xp.where(margin > 0, g * -t, nothing(xp, margin, g)),
        lambda g: xp.where(margin > 0, g * -z, nothing(xp, margin, g)),
    )


@rule("beyond", real=True)
def multiclass_hinge(xp: Any, z: Array, y: Array, /) -> tuple[Array, tuple[Pullback, Pullback]]:
    """The sum over wrong classes of max(0, 1 + z_wrong - z_right), for z (..., k) and rows y with one 1.

    Source: Weston and Watkins, Support vector machines for multi-class pattern recognition, ESANN 1999.
    """
    _same_last("multiclass_hinge", z, y)
    margin = 1 + z - xp.sum(y * z, axis=-1, keepdims=True)
    met = margin <= 0
    positive = xp.where(met, 0, margin)

    def of_each(g: Array) -> Array:
        return xp.where(margin > 0, g[..., None] * (1 - y), nothing(xp, margin, g[..., None]))

    def to_z(g: Array) -> Array:
        each = of_each(g)
        return _of_rows(xp, each - total(xp, each, -1, keepdims=True) * y, z)

    def to_y(g: Array) -> Array:
        each = of_each(g)
        return _of_rows(xp, -g[..., None] * positive - total(xp, each, -1, keepdims=True) * z, y)

    return xp.sum((1 - y) * positive, axis=-1), (to_z, to_y)


def _of_rows(xp: Any, g: Array, x: Array) -> Array:
    # The losses lack the axis of classes, so that g, which has it, is of neither the result's shape nor always x's.
    return g if g.shape == x.shape else unbroadcast(xp, g, x.shape)


def _same_last(who: str, z: Array, y: Array) -> None:
    # Class numbers (m,) would pass as a row of shares where there are as many samples as classes.
    if z.ndim == 0 or y.ndim < z.ndim or z.shape[-1:] != y.shape[-1:]:
        raise ValueError(
            f"{who}: expected z and y (..., k) with one last axis of classes, got {tuple(z.shape)} and "
            f"{tuple(y.shape)}; give y as rows, one number a class"
        )
