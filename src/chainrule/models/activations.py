"""What a layer of a network takes of the gates, in the spellings in which NumPy is the quickest."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from chainrule.backend.fusion import fused_gate
from chainrule.gates import activations as rules
from chainrule.gates import elementwise, linear_algebra

Array = Any

_WIDE = 1 << 18  # numbers in a Z, from which on its transpose is quicker to make


def product(xp: Any, H: Array, W: Array, *, any_order: bool) -> Any:
    """The gate matmul; on NumPy a wide Z is (W^T H^T)^T where `any_order` lets it lie in memory as is quickest.

    Threads of a BLAS get whole rows of a result with more rows than columns, and else wait for each other's operands.
    A gradient lies as what it belongs to, for passes over two arrays that lie differently take many times as long.
    """
    if xp is not np:
        return linear_algebra.matmul(xp, H, W)
    wide = any_order and len(H) < W.shape[1] and len(H) * W.shape[1] >= _WIDE
    Z = (W.T @ H.T).T if wide else H @ W
    return Z, (
        lambda g: (W @ g.T).T if H.flags.fnc else g @ W.T,
        lambda g: (g.T @ H).T if W.flags.fnc else H.T @ g,
    )


def _identity(xp: Any, Z: Array, /) -> Any:
    return Z, (lambda g: g,)


def _through_relu(xp: Any, H: Array, g: Array) -> Array:
    # A product with the slopes takes a third of the time of a choice; where g is infinite, the network has diverged.
    slopes = xp.astype(H > 0, H.dtype)
    slopes *= g
    return slopes


@fused_gate
def _fused_relu(xp: Any, Z: Array, /) -> Any:
    H = rules.relu(xp, Z)[0]
    return H, (partial(_through_relu, xp, H),)


def _relu(xp: Any, Z: Array, /) -> Any:
    if xp is not np:
        return _fused_relu(xp, Z)
    # Beside an array NumPy's maximum takes half of the time that it takes beside a number.
    H = np.maximum(Z, np.zeros(Z.shape[-1:], Z.dtype))
    return H, (partial(_through_relu, np, H),)


ACTIVATIONS: dict[str, Callable[..., Any]] = {
    "sigmoid": fused_gate(rules.sigmoid),
    "tanh": fused_gate(elementwise.tanh),
    "relu": _relu,
    "leaky_relu": fused_gate(rules.leaky_relu),
    "elu": fused_gate(rules.elu),
    "identity": _identity,
}
