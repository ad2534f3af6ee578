"""Networks of dense layers: forward and backward put together by hand from the gates, with no tape.

Forward is Algorithm 6.3 and backward Algorithm 6.4 of Goodfellow, Bengio and Courville, Deep Learning (2016), section
6.5.4, for m samples at once, each a row:

    H_0 = X;  Z_l = H_{l-1} W_l + b_l;  H_l = f(Z_l);  y_hat = H_L;  J = mean of L(y_hat, y) + lambda Omega(theta)

    g = dJ/dZ_L;  for l = L..1:  db_l = sum of g over samples,  dW_l = H_{l-1}^T g,  g = (g W_l^T) f'(Z_{l-1})

with lambda dOmega added to dW_l (and db_l). The gates are those that the tape walks; a slope is written once.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple, final

import numpy as np

from chainrule.backend.device import Device, get_device
from chainrule.backend.fusion import fused_gate
from chainrule.backend.namespaces import namespace
from chainrule.gates import activations as rules
from chainrule.gates import elementwise, manipulation, statistical
from chainrule.gates import losses as loss_gates
from chainrule.gates.helpers import unbroadcast
from chainrule.models.activations import ACTIVATIONS, product
from chainrule.models.penalties import Penalty
from chainrule.validation import check_shares, real_number, whole_number

Array = Any
Params = list[tuple[Array, Array]]
Pullback = Callable[[Array], Array]
_Gate = Callable[..., Any]

_max: _Gate = statistical.max
_reshape: _Gate = manipulation.reshape
_square: _Gate = fused_gate(elementwise.square)
_hinge: _Gate = fused_gate(loss_gates.hinge)
_sigmoid_cross_entropy: _Gate = fused_gate(loss_gates.sigmoid_cross_entropy)


OUTPUTS: dict[str, _Gate] = {
    "sigmoid": ACTIVATIONS["sigmoid"],
    "softmax": rules.softmax,
    "identity": ACTIVATIONS["identity"],
}
# Which outputs a cost is made for.
COSTS = {
    "cross_entropy": ("sigmoid", "softmax"),
    "squared_error": ("sigmoid", "softmax", "identity"),
    "summed_squared_error": ("sigmoid", "softmax", "identity"),
    "hinge": ("identity",),
    "multiclass_hinge": ("identity",),
}
# Gain squared, over what of (n_in, n_out): the variance of first weights.
_VARIANCES: dict[str, Callable[[int, int], float]] = {
    "zeros": lambda n_in, n_out: 0.0,
    "lecun": lambda n_in, n_out: 1 / n_in,
    "he": lambda n_in, n_out: 2 / n_in,
    "glorot": lambda n_in, n_out: 2 / (n_in + n_out),
}
# Up to so many, NumPy is the quicker with classes in front in memory: sums over them then run along many samples.
_FEW_CLASSES = 64


class _Layer(NamedTuple):
    """What backward needs of a layer: the pullbacks of its product, and of the activation that made its input."""

    to_input: Pullback
    to_weights: Pullback
    to_logits_below: Pullback | None


@final
@dataclass(frozen=True)
class MLP:
    """A network of dense layers; its parameters are a list of (W, b), W (n_in, n_out) and b (n_out,).

    sizes           features, units of each hidden layer, outputs: (n, k) has no hidden layer
    activation      of hidden layers: sigmoid, tanh, relu, leaky_relu, elu, maxout, identity
    output          sigmoid, softmax or identity
    cost            cross_entropy (of a sigmoid or softmax output, computed from what goes into it), squared_error (half
                    of it, mean over samples), summed_squared_error (the sum over samples of the whole of it), hinge
                    (one against the rest) or multiclass_hinge (both of an identity output, mean over samples)
    penalty         L1, L2 or ElasticNet, or None
    pieces          how many affine pieces a maxout unit has; W of a hidden layer is then (n_in, n_out * pieces)
    bias_gradient   "exact"; "mean" divides the gradient of biases by m, as one published run does beside sums for W

    Targets y are (m,) of 0 and 1 for one output; class numbers (m,) or rows (m, k) for softmax and the hinges; rows
    (m, k) for several outputs else. With sample_weight (m,), the mean over samples is sum(weight * loss) / sum(weight).
    All arrays of a call are of one device and of one dtype, float32 or float64; y may hold integers or booleans. A
    target that is no class is a ValueError with NumPy's arrays; with others, where looking at y would wait for the
    device at every step, a class number that is none makes cost and gradients NaN.

    Source: Goodfellow, Bengio and Courville, Deep Learning, section 6.5.4 (2016); Rumelhart, Hinton and Williams,
    Learning representations by back-propagating errors, Nature 323 (1986).
    """

    sizes: Sequence[int]
    activation: str = "relu"
    output: str = "sigmoid"
    cost: str = "cross_entropy"
    penalty: Penalty | None = None
    pieces: int = field(default=2, kw_only=True)
    bias_gradient: str = field(default="exact", kw_only=True)

    def __post_init__(self) -> None:
        if isinstance(self.sizes, str) or not hasattr(self.sizes, "__iter__"):
            raise TypeError(f"MLP: sizes must be whole numbers such as (784, 100, 10), got {self.sizes!r}")
        sizes = tuple(whole_number("MLP", "each of sizes", n, None) for n in self.sizes)
        object.__setattr__(self, "sizes", sizes)
        if len(sizes) < 2 or min(sizes) < 1:
            raise ValueError(
                f"MLP: sizes must be features, hidden units and outputs, each from 1 up, got {sizes}"
            )
        _one_of("activation", self.activation, (*ACTIVATIONS, "maxout"))
        _one_of("output", self.output, OUTPUTS)
        _one_of("cost", self.cost, COSTS)
        _one_of("bias_gradient", self.bias_gradient, ("exact", "mean"))
        if self.output not in COSTS[self.cost]:
            fitting = " or ".join(COSTS[self.cost])
            raise ValueError(
                f"MLP: the cost {self.cost} needs output {fitting}, got {self.output!r}; choose that"
            )
        if sizes[-1] < 2 and (self.output == "softmax" or self.cost == "multiclass_hinge"):
            raise ValueError(
                f"MLP: {self.output} with {self.cost} needs 2 outputs or more, got 1; take output='sigmoid' for one"
            )
        if self.penalty is not None and not isinstance(self.penalty, Penalty):
            raise TypeError(
                f"MLP: penalty must be L1(...), L2(...), ElasticNet(...) or None, got {self.penalty!r}"
            )
        object.__setattr__(self, "pieces", whole_number("MLP", "pieces", self.pieces, 1))

    @cached_property
    def shapes(self) -> list[tuple[tuple[int, int], tuple[int]]]:
        """The shapes of (W, b) of each layer."""
        pieces = self.pieces if self.activation == "maxout" else 1
        wide = [n * pieces for n in self.sizes[1:-1]] + [self.sizes[-1]]
        return [((n_in, n_out), (n_out,)) for n_in, n_out in zip(self.sizes[:-1], wide, strict=True)]

    def init(
        self,
        seed: int = 0,
        device: Device | str | None = None,
        dtype: Any = None,
        *,
        weights: str | float | Sequence[tuple[Any, Any]] | None = None,
    ) -> Params:
        """Return first parameters on a device, by default the chosen one; biases are 0.

        weights   "glorot": normal numbers of variance 2 / (n_in + n_out) (Glorot and Bengio, AISTATS 2010); "he":
                  2 / n_in (He et al., ICCV 2015); "lecun": 1 / n_in (LeCun et al., Efficient backprop, 1998); "zeros";
                  a number, by which normal numbers are multiplied; or (W, b) of each layer, to be taken as they are.
                  By default "he" where slopes are 1 or nearly 0, "glorot" elsewhere.
        dtype     by default float64, and float32 on a GPU

        Numbers are drawn layer by layer by one NumPy generator in float64, so all devices get the same.
        """
        place = device if isinstance(device, Device) else get_device(device)
        if dtype is None:
            dtype = "float32" if place.name.startswith("cuda") else "float64"
        if dtype not in ("float32", "float64", place.xp.float32, place.xp.float64):
            raise TypeError(f"MLP.init: dtype must be float32 or float64, got {dtype}")
        if weights is None:
            weights = "he" if self.activation in ("relu", "leaky_relu", "elu", "maxout") else "glorot"
        if isinstance(weights, Sequence) and not isinstance(weights, str):
            if not all(isinstance(layer, list | tuple) and len(layer) == 2 for layer in weights):
                raise ValueError(
                    "MLP.init: weights must be (W, b) of each layer, got something else in the list"
                )
            given = [(place.asarray(W, dtype), place.asarray(b, dtype)) for W, b in weights]
            self._check_params("init", given)
            return given
        if isinstance(weights, str):
            _one_of("weights", weights, _VARIANCES)
        elif not math.isfinite(real_number("MLP.init", "weights", weights)):
            raise ValueError(f"MLP.init: weights must be a finite number, got {weights}")
        generator = np.random.default_rng(whole_number("MLP.init", "seed", seed))
        params = []
        for (n_in, n_out), shape in self.shapes:
            W = generator.standard_normal((n_in, n_out))
            scale = math.sqrt(_VARIANCES[weights](n_in, n_out)) if isinstance(weights, str) else weights
            params.append((place.asarray(W * scale, dtype), place.asarray(np.zeros(shape), dtype)))
        return params

    def forward(self, params: Params, X: Array) -> Array:
        """Return y_hat (m, k) for samples X (m, n)."""
        xp = self._checked("forward", params, X)
        Z = self._forward(xp, params, X)[1]
        return OUTPUTS[self.output](xp, Z)[0]

    def cost_of(self, params: Params, X: Array, y: Array, *, sample_weight: Array | None = None) -> Array:
        """Return the cost J () of samples X (m, n) with targets y, penalty included, by forward alone."""
        xp = self._checked("cost_of", params, X, y, sample_weight)
        rows = self._rows("cost_of", xp, X, y)
        cost, _ = self._cost(xp, self._forward(xp, params, X)[1], rows, sample_weight)
        return cost if self.penalty is None else self.penalty.added_cost(xp, params, cost)

    def cost_and_gradients(
        self, params: Params, X: Array, y: Array, *, sample_weight: Array | None = None
    ) -> tuple[Array, Params]:
        """Return the cost J () of samples X (m, n) with targets y, and its gradient, shaped as params."""
        xp = self._checked("cost_and_gradients", params, X, y, sample_weight)
        rows = self._rows("cost_and_gradients", xp, X, y)
        layers, Z = self._forward(xp, params, X)
        cost, g = self._cost(xp, Z, rows, sample_weight)
        gradients: Params = []
        for (_, b), layer in zip(reversed(params), reversed(layers), strict=True):
            dW, db = layer.to_weights(g), unbroadcast(xp, g, b.shape)
            if self.bias_gradient == "mean":
                db = db / X.shape[0]
            gradients.append((dW, db))
            # The gradient of the input costs as much as the largest layer, and nobody asked for it.
            if layer.to_logits_below is not None:
                g = layer.to_logits_below(layer.to_input(g))
        gradients.reverse()
        return (cost, gradients) if self.penalty is None else self.penalty.added(xp, params, cost, gradients)

    def input_gradient(
        self, params: Params, X: Array, y: Array, *, sample_weight: Array | None = None
    ) -> Array:
        """Return dX (m, n), the gradient of the cost with respect to the samples."""
        xp = self._checked("input_gradient", params, X, y, sample_weight)
        rows = self._rows("input_gradient", xp, X, y)
        layers, Z = self._forward(xp, params, X)
        g = self._cost(xp, Z, rows, sample_weight)[1]
        for layer in reversed(layers):
            g = layer.to_input(g)
            g = g if layer.to_logits_below is None else layer.to_logits_below(g)
        return g

    def _forward(self, xp: Any, params: Params, X: Array) -> tuple[list[_Layer], Array]:
        H, Z, to_logits_below = X, X, None
        layers: list[_Layer] = []
        for W, b in params:
            if layers:
                H, to_logits_below = self._activated(xp, Z)
            # Targets are rows, and the pieces of a maxout unit lie side by side.
            free = len(layers) + 1 < len(params) and self.activation != "maxout"
            Z, (to_H, to_W) = product(xp, H, W, any_order=free)
            layers.append(_Layer(to_H, to_W, to_logits_below))
            if xp is np:
                # Z is nobody else's yet, and a second array of its size would take its place in the cache.
                Z += b
            else:
                Z = Z + b
        return layers, Z

    def _activated(self, xp: Any, Z: Array) -> tuple[Array, Pullback]:
        if self.activation != "maxout":
            H, (to_Z,) = ACTIVATIONS[self.activation](xp, Z)
            return H, to_Z
        grouped, (ungroup,) = _reshape(xp, Z, (Z.shape[0], -1, self.pieces))
        H, (spread,) = _max(xp, grouped, axis=-1)
        return H, lambda g: ungroup(spread(g))

    def _cost(self, xp: Any, Z: Array, rows: Array, weight: Array | None) -> tuple[Array, Array]:
        """Return J without the penalty, and dJ/dZ of the last layer."""
        losses, pullback = self._losses(xp, Z, rows)
        shape = (Z.shape[0],) + (1,) * (losses.ndim - 1)
        summed = self.cost == "summed_squared_error"
        if weight is None:
            total = 1 if summed else Z.shape[0]
            cost = xp.sum(losses) / total
            share = xp.full(shape, 1 / total, dtype=Z.dtype, device=Z.device)
        else:
            share = xp.reshape(weight if summed else xp.divide(weight, xp.sum(weight)), shape)
            cost = xp.sum(losses * share)
        return cost, pullback(share)

    def _losses(self, xp: Any, Z: Array, rows: Array) -> tuple[Array, Pullback]:
        """Return the losses (m,) or (m, k) and their pullback to Z."""
        if self.cost == "cross_entropy":
            entropy = loss_gates.softmax_cross_entropy if self.output == "softmax" else _sigmoid_cross_entropy
            if xp is np and self.output == "softmax" and Z.shape[1] <= _FEW_CLASSES:
                Z, rows = np.asfortranarray(Z), np.asfortranarray(rows)
            losses, (to_Z, _) = entropy(xp, Z, rows)
            return losses, to_Z
        if self.cost == "hinge":
            # Rows of NaN, of a label that is no class, stay NaN.
            losses, (to_Z, _) = _hinge(xp, Z, xp.where(rows > 0, 1, xp.where(rows <= 0, -1, rows)))
            return losses, to_Z
        if self.cost == "multiclass_hinge":
            losses, (to_Z, _) = loss_gates.multiclass_hinge(xp, Z, rows)
            return losses, to_Z
        H, (to_Z,) = OUTPUTS[self.output](xp, Z)
        losses, (to_error,) = _square(xp, H - rows)
        half = 0.5 if self.cost == "squared_error" else 1.0
        return losses * half, lambda g: to_Z(to_error(g * half))

    def _rows(self, who: str, xp: Any, X: Array, y: Array) -> Array:
        """Return targets as rows (m, k) of X's dtype."""
        m, k = X.shape[0], self.sizes[-1]
        classes = k > 1 and (self.output == "softmax" or self.cost in ("hinge", "multiclass_hinge"))
        shapes = [(m, k)] + ([(m,)] if classes or k == 1 else [])
        if getattr(y, "shape", None) not in shapes:
            wanted = " or ".join(map(str, shapes[::-1]))
            raise ValueError(
                f"MLP.{who}: expected y {wanted} for X {tuple(X.shape)}, {k} outputs ({self.output}) and the cost "
                f"{self.cost}, got {_shape(y)}"
            )
        if not xp.isdtype(y.dtype, ("bool", "integral", "real floating")):
            raise TypeError(f"MLP.{who}: y must hold real numbers, integers or booleans, got {y.dtype}")
        y = xp.astype(y, X.dtype, copy=False)
        if y.ndim == 2 or k == 1:
            if xp is np and self.cost in ("cross_entropy", "multiclass_hinge"):
                # Where a look costs no copy to the host. Of softmax a row may count for more than one.
                check_shares(f"MLP.{who}", self.cost, y, math.inf if self.output == "softmax" else 1.0)
            return xp.reshape(y, (m, k))
        hit = y[:, None] == xp.arange(k, dtype=X.dtype, device=X.device)
        if xp is not np:
            # A look at the labels would be a copy to the host at every step: a label of no class gives a cost of NaN.
            return xp.where(xp.any(hit, axis=1, keepdims=True), xp.astype(hit, X.dtype), math.nan)
        # A label is one class at most.
        if np.count_nonzero(hit) < m:
            wrong = y[~hit.any(axis=1)][0]
            raise ValueError(
                f"MLP.{who}: y must hold class numbers from 0 to {k - 1}, got {wrong:g}; number them from 0"
            )
        return hit.astype(X.dtype)

    def _checked(
        self, who: str, params: Params, X: Array, y: Array | None = None, weight: Array | None = None
    ) -> Any:
        """Return the namespace, or raise for what no network of this shape can compute."""
        self._check_params(who, params)
        leaves = [x for layer in params for x in layer]
        # None is what y of forward, and weights, may be.
        arrays = [*leaves, X, *(x for x in (y, weight) if x is not None)]
        try:
            xp = namespace(*arrays)
        except TypeError as error:
            kinds = ", ".join(dict.fromkeys(type(x).__name__ for x in arrays))
            raise TypeError(
                f"MLP.{who}: params, X, y and sample_weight must be arrays of one library, got {kinds}; make them with "
                "get_device().asarray"
            ) from error
        if getattr(X, "ndim", None) != 2 or X.shape[0] < 1 or X.shape[1] != self.sizes[0]:
            raise ValueError(
                f"MLP.{who}: expected X (m, {self.sizes[0]}) with m >= 1, one row a sample, got {_shape(X)}"
            )
        if X.dtype not in (xp.float32, xp.float64) or any(x.dtype != X.dtype for x in leaves):
            got = ", ".join(sorted({str(x.dtype) for x in (X, *leaves)}))
            raise TypeError(
                f"MLP.{who}: X and all parameters must be float32 or all float64, got {got}; convert X, or make "
                "parameters by init(dtype=...)"
            )
        if weight is not None and (_shape(weight) != str((X.shape[0],)) or weight.dtype != X.dtype):
            raise ValueError(
                f"MLP.{who}: expected sample_weight ({X.shape[0]},) of {X.dtype}, got {_shape(weight)} of "
                f"{getattr(weight, 'dtype', 'no dtype')}"
            )
        return xp

    def _check_params(self, who: str, params: Any) -> None:
        got = [
            (tuple(layer[0].shape), tuple(layer[1].shape))
            if isinstance(layer, (list, tuple))
            and len(layer) == 2
            and all(hasattr(x, "shape") for x in layer)
            else type(layer).__name__
            for layer in (params if isinstance(params, (list, tuple)) else [params])
        ]
        if got != self.shapes:
            raise ValueError(f"MLP.{who}: expected (W, b) shaped {self.shapes}, got {got}; make them by init")


def _shape(x: Any) -> str:
    return str(tuple(x.shape)) if hasattr(x, "shape") else type(x).__name__


def _one_of(what: str, value: object, known: Any) -> None:
    if not isinstance(value, str) or value not in known:
        raise ValueError(f"MLP: {what} must be one of {', '.join(known)}, got {value!r}")
