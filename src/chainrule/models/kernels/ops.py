"""What a network computes with, in any namespace: dense layers, and the gates of its activations and losses."""

from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

from chainrule.backend.fusion import fused_gate
from chainrule.gates import FLOWS, activations, linear_algebra
from chainrule.gates.types import Array, Gate, Pullback


class Dense(NamedTuple):
    """The pullbacks of Z = H W + b, each from g = dJ/dZ (m, n_out)."""

    to_input: Pullback  # g W^T (m, n_in)
    to_weights: Pullback  # H^T g (n_in, n_out)
    to_biases: Pullback  # the sum of g over samples (n_out,)


class Ops:
    """The operations of a network, written against the namespace `xp`."""

    def __init__(self, xp: Any) -> None:
        self.xp = xp

    def dense(self, H: Array, W: Array, b: Array, *, any_order: bool = False) -> tuple[Array, Dense]:
        """Return Z = H W + b (m, n_out) and its pullbacks; `any_order` allows a Z in Fortran order."""
        Z, (to_input, to_weights) = _matmul(self.xp, H, W)
        return Z + b, Dense(to_input, to_weights, lambda g: self.xp.sum(g, axis=0))

    def gate(self, gate: Gate) -> Callable[..., Any]:
        """Return the gate in its quickest spelling: on CuPy, an elementwise one is a single kernel."""
        return _fused(gate) if FLOWS.get(gate) == "elementwise" or gate is activations.relu else gate

    def mean(self, losses: Array) -> Array:
        """Return the mean over samples () of losses (m,) or (m, k), where a sample has the sum of its k losses."""
        m = losses.shape[0]
        return self.xp.mean(losses) if losses.size == m else self.xp.sum(losses) / m


# matmul has a pullback for both arrays, which the type of a gate leaves open.
_matmul: Any = linear_algebra.matmul
_fused = cache(fused_gate)
