"""What a network computes with, in any namespace: dense layers, and the gates of its activations and losses."""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

from chainrule.gates import linear_algebra
from chainrule.gates.types import Array, Gate, Pullback
from chainrule.models.types import Params
from chainrule.numpy_names.sparse import is_sparse


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
        if is_sparse(H):
            return self.sparse_dense(H, W, b)
        Z, (to_input, to_weights) = _matmul(self.xp, H, W)
        return self.add_bias(Z, b), Dense(to_input, to_weights, lambda g: self.xp.sum(g, axis=0))

    def sparse_dense(self, X: Any, W: Array, b: Array) -> tuple[Array, Dense]:
        """Return Z = X W + b (m, n_out) and its pullbacks, for a sparse X, which has no gradient."""
        return self.add_bias(X @ W, b), Dense(
            _no_gradient, lambda g: X.T @ g, lambda g: self.xp.sum(g, axis=0)
        )

    def add_bias(self, product: Array, b: Array) -> Any:
        """Return Z = product + b (m, n_out), as the gates of `gate` take it."""
        return product + b

    def gate(self, gate: Gate) -> Callable[..., Any]:
        """Return the gate in its quickest spelling."""
        return gate

    def mean(self, losses: Array) -> Array:
        """Return the mean over samples () of losses (m,) or (m, k), where a sample has the sum of its k losses."""
        m = losses.shape[0]
        return self.xp.mean(losses) if losses.size == m else self.xp.sum(losses) / m

    def penalised(self, penalty: Any, params: Params, J: Array, gradients: Params) -> tuple[Array, Params]:
        """Return the cost () and the gradients, shaped as params, with the penalty and its gradient added to them."""
        added: tuple[Array, Params] = penalty.added(self.xp, params, J, gradients)
        return added

    def full(self, shape: tuple[int, ...], value: float, like: Array) -> Any:
        """Return an array filled with a value, of the dtype and device of `like`."""
        return self.xp.full(shape, value, dtype=like.dtype, device=like.device)

    def one_hot(self, y: Array, k: int, dtype: Any, who: str) -> Array:
        """Return class numbers y (m,) as rows (m, k) of a dtype: 1 at the class and 0 elsewhere.

        The row of a number that is no class is NaN, because a look at y would wait for the device.
        """
        xp, y = self.xp, self.xp.astype(y, dtype, copy=False)
        hit = y[:, None] == xp.arange(k, dtype=dtype, device=y.device)
        return xp.where(xp.any(hit, axis=1, keepdims=True), xp.astype(hit, dtype), math.nan)

    def losses_and_slopes(self, gate: Gate, Z: Array, rows: Array) -> tuple[Array, Array]:
        """Return the losses (m,) that a gate makes of Z (m, k) and rows, and the slope (m, k) of each in its row."""
        losses, (to_Z, _) = self.gate(gate)(self.xp, Z, rows)
        return losses, to_Z(self.xp.ones_like(losses))


def _no_gradient(g: Array) -> Array:
    raise TypeError("MLP.input_gradient: expected a dense X, got a sparse one; call X.toarray() first")


# matmul has a pullback for both arrays, which the type of a gate leaves open.
_matmul: Any = linear_algebra.matmul
