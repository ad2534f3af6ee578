"""A network's operations in the spellings in which CuPy starts the fewest kernels.

On a GPU a small step takes as long as its kernels take to start, some microseconds each, whatever they compute.
tests/models/test_launches.py counts the kernels of each step.
"""

import math
from collections.abc import Callable
from functools import cache, cached_property, wraps
from typing import Any, NamedTuple

from chainrule import pytree
from chainrule.backend.fusion import fused, fused_gate, joined, parts, whole
from chainrule.gates import FLOWS, activations, losses
from chainrule.gates.types import Array, Gate, Pullback
from chainrule.models.kernels.ops import Dense, Ops
from chainrule.models.types import Params
from chainrule.numpy_names.sparse import is_sparse

# Up to how many classes one thread goes through a row: beyond, a row takes it longer than the gate's kernels to start.
_FEW_CLASSES = 256
# Up to how many numbers one block of threads adds: CuPy's own sum starts another kernel to divide, and two for more.
_FEW_LOSSES = 4096

# CUDA's compiler at run time has no name for NaN, so it is handed one.
_ONE_HOT = "const double c = y[i / k]; rows = c >= 0 && c < k && c == floor(c) ? T(c == i % k) : none"
# The gate softmax_cross_entropy of Z = product + bias, and the slope of each loss, a row a thread.
_SOFTMAX_CROSS_ENTROPY = """
    const ptrdiff_t row = i * k;
    T peak = product[row] + bias[0];
    for (int j = 1; j < k; j++) {
        const T z = product[row + j] + bias[j];
        if (z > peak || isnan(z)) peak = z;
    }
    if (!isfinite(peak)) peak = 0;
    double count = 0, rest = 0, total = 0;
    for (int j = 0; j < k; j++) {
        const T e = exp(product[row + j] + bias[j] - peak);
        if (e == 1) count += 1; else rest += e;
        slopes[row + j] = e;
        total += rows[row + j];
    }
    const T others = (count - 1) + rest, share = total, log_total = log1p(others);
    double sum = 0;
    for (int j = 0; j < k; j++) {
        const T y = rows[row + j], e = slopes[row + j];
        sum += y * ((product[row + j] + bias[j] - peak) - log_total);
        slopes[row + j] = e == 1 ? (share - y) - share * (others / (1 + others)) : share * (e / (1 + others)) - y;
    }
    losses[i] = -sum;
"""


class Biased(NamedTuple):
    """Z = product + bias; the kernel of the gate that takes Z adds them."""

    product: Array
    bias: Array


class CupyOps(Ops):
    """The operations of one pass of a network on CuPy's arrays.

    The gradients are the parts of one vector, so that an update of all of them is one kernel.
    """

    def __init__(self, xp: Any) -> None:
        super().__init__(xp)
        self._params: list[Array] = []

    def dense(self, H: Array, W: Array, b: Array, *, any_order: bool = False) -> tuple[Array, Dense]:
        """Return Z = H W + b and its pullbacks; those of W and b write into the vector of all gradients."""
        if is_sparse(H):
            return self.sparse_dense(H, W, b)
        xp, place = self.xp, len(self._params)
        self._params += [W, b]
        return self.add_bias(H @ W, b), Dense(
            lambda g: g @ W.T,
            lambda g: xp.matmul(H.T, g, out=self._gradients[place]),
            lambda g: g.sum(axis=0, out=self._gradients[place + 1]),
        )

    @cached_property
    def _gradients(self) -> list[Array]:
        # Asked for by the first pullback, when forward has been through all layers.
        first = self._params[0]
        size = sum(p.size for p in self._params)
        return parts(self.xp.empty(size, dtype=first.dtype, device=first.device), self._params)

    def penalised(self, penalty: Any, params: Params, J: Array, gradients: Params) -> tuple[Array, Params]:
        """Return the cost () and the gradients with the penalty and its gradient added to them, in place."""
        xp = self.xp
        vector = whole(xp, pytree.flat(gradients))
        if vector is None:
            return super().penalised(penalty, params, J, gradients)
        size = vector.size if penalty.biases else sum(W.size for W, _ in params)
        weights = joined(xp, pytree.flat(params))[:size]
        return J + xp.sum(_add_penalty(xp, vector[:size], weights, *penalty.shares)), gradients

    def add_bias(self, product: Array, b: Array) -> Any:
        """Return Z = product + b (m, n_out), as the two arrays."""
        return Biased(product, b)

    def gate(self, gate: Gate) -> Callable[..., Any]:
        """Return the gate in its quickest spelling: an elementwise one is a kernel, with the sum of a Z within it."""
        if gate is losses.softmax_cross_entropy:
            return _softmax_cross_entropy
        return _of_any_z(gate)

    def mean(self, losses: Array) -> Array:
        """Return the mean over samples () of losses (m,) or (m, k), where a sample has the sum of its k losses."""
        if losses.size > _FEW_LOSSES:
            return super().mean(losses)
        return _sum_of_shares(self.xp, losses, 1 / losses.shape[0])

    def full(self, shape: tuple[int, ...], value: float, like: Array) -> Any:
        """Return the value itself: the pullbacks of `gate` take a number for an array that is filled with it."""
        return value

    def one_hot(self, y: Array, k: int, dtype: Any, who: str) -> Array:
        """Return class numbers y (m,) as rows (m, k); the row of a number that is no class is NaN."""
        rows = self.xp.empty((y.shape[0], k), dtype=dtype, device=y.device)
        return _kernel(self.xp, "one_hot", "raw Y y, int64 k, T none", "T rows", _ONE_HOT)(
            y, k, math.nan, rows
        )

    def losses_and_slopes(self, gate: Gate, Z: Array, rows: Array) -> tuple[Array, Array]:
        """Return the losses (m,) of Z (m, k), and the slope (m, k) of each with respect to its row."""
        if gate is losses.softmax_cross_entropy and Z.product.shape[1] <= _FEW_CLASSES:
            return _softmax_losses_and_slopes(self.xp, Z, rows)
        return super().losses_and_slopes(gate, Z, rows)


def is_fused(gate: Gate) -> bool:
    """Return whether a gate is one kernel, and so is each of its pullbacks."""
    return FLOWS.get(gate) == "elementwise" or gate is activations.relu


@cache
def _of_any_z(gate: Gate) -> Callable[..., Any]:
    alone = fused_gate(gate) if is_fused(gate) else gate
    biased = fused_gate(_after_bias(gate)) if is_fused(gate) else None

    @wraps(gate)
    def run(xp: Any, Z: Any, *others: Array, **settings: Any) -> Any:
        if not isinstance(Z, Biased):
            return alone(xp, Z, *others, **settings)
        if biased is None:
            y, pullbacks = alone(xp, Z.product + Z.bias, *others, **settings)
            return y, tuple(_of_a_number(xp, y, pullback) for pullback in pullbacks)
        y, pullbacks = biased(xp, *Z, *others, **settings)
        return y, (pullbacks[0], *pullbacks[2:])

    return run


def _after_bias(gate: Gate) -> Gate:
    """Return the gate of product + bias; the second pullback, to the bias, lacks the sum over samples."""

    @wraps(gate)
    def run(xp: Any, product: Array, bias: Array, *others: Array) -> Any:
        y, (to_Z, *pullbacks) = gate(xp, product + bias, *others)
        return y, (to_Z, to_Z, *pullbacks)

    return run


def _of_a_number(xp: Any, y: Array, pullback: Any) -> Pullback:
    return lambda g: pullback(xp.full_like(y, g) if isinstance(g, float) else g)


@fused
def _add_penalty(xp: Any, g: Array, W: Array, one: float | None, two: float | None) -> Array:
    """Add one sign(W) + two W to g, and return one |W| + two W^2 / 2."""
    terms = None
    if one is not None:
        # The sign; array-api-compat's own cannot be fused.
        g += xp.where(W > 0, 1, xp.where(W < 0, -1, W)) * one
        terms = xp.abs(W) * one
    if two is not None:
        g += W * two
        squares = xp.square(W) * two / 2
        terms = squares if terms is None else terms + squares
    return terms


@fused
def _sum_of_shares(xp: Any, losses: Array, share: float) -> Array:
    return xp.sum(losses * share)


def _softmax_cross_entropy(xp: Any, Z: Biased, rows: Array) -> tuple[Array, tuple[Pullback, Pullback]]:
    if Z.product.shape[1] > _FEW_CLASSES:
        each, (to_Z, to_rows) = _of_any_z(losses.softmax_cross_entropy)(xp, Z, rows)
        return each, (to_Z, to_rows)
    each, slopes = _softmax_losses_and_slopes(xp, Z, rows)
    gate: Any = losses.softmax_cross_entropy
    return each, (
        lambda g: slopes * (g if isinstance(g, float) else g[:, None]),
        lambda g: gate(xp, Z.product + Z.bias, rows)[1][1](g),
    )


def _softmax_losses_and_slopes(xp: Any, Z: Biased, rows: Array) -> tuple[Array, Array]:
    m, k = Z.product.shape
    slopes = xp.empty_like(Z.product)
    each = xp.empty(m, dtype=slopes.dtype, device=slopes.device)
    kernel = _kernel(
        xp,
        "softmax_cross_entropy",
        "raw T product, raw T bias, raw T rows, int64 k",
        "raw T losses, raw T slopes",
        _SOFTMAX_CROSS_ENTROPY,
    )
    kernel(*Z, rows, k, each, slopes, size=m)
    return each, slopes


@cache
def _kernel(xp: Any, name: str, given: str, made: str, code: str) -> Any:
    return xp.ElementwiseKernel(given, made, code, name)
