"""Gates beyond the standard: activations, and costs computed from what goes into them."""

from typing import Any

from chainrule.gates.types import Array, Pullbacks


def sigmoid(xp: Any, z: Array) -> tuple[Array, Pullbacks]:
    """s(z) = 1 / (1 + e^-z), element by element, for z of any size."""
    y = _sigmoid(xp, z)[0]
    return y, (lambda g: g * (y * (1 - y)),)


def sigmoid_cross_entropy(xp: Any, z: Array, y: Array) -> tuple[Array, Pullbacks]:
    """-(y log s(z) + (1 - y) log(1 - s(z))), element by element, from the logits z.

    Source: Bishop, Pattern Recognition and Machine Learning, section 4.3.2 (2006), equations 4.90 and 4.91.
    """
    s, e, positive = _sigmoid(xp, z)
    # log s(z) would take log(0) from z = -104 on in float32; in this form nothing overflows or vanishes.
    losses = xp.where(positive, 1 - y, -y) * z + xp.log1p(e)
    return losses, (lambda g: g * (s - y), lambda g: -g * z)


def _sigmoid(xp: Any, z: Array) -> tuple[Array, Array, Array]:
    """Return s(z), e^-|z| and z >= 0, with no exponential of a positive number."""
    positive = z >= 0
    # -|z| by a choice of branch and not by abs: at z = 0 every derivative of the branch is that of s.
    e = xp.exp(xp.where(positive, -z, z))
    return xp.where(positive, 1, e) / (1 + e), e, positive
