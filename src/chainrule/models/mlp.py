"""Networks of dense layers: forward and backward put together by hand from the gates, with no tape.

Forward is Algorithm 6.3 and backward Algorithm 6.4 of Goodfellow, Bengio and Courville, Deep Learning (2016), section
6.5.4, for m samples at once, each a row:

    H_0 = X;  Z_l = H_{l-1} W_l + b_l;  H_l = f(Z_l);  y_hat = H_L;  J = mean of L(y_hat, y) + lambda Omega(theta)

    g = dJ/dZ_L;  for l = L..1:  db_l = sum of g over samples,  dW_l = H_{l-1}^T g,  g = (g W_l^T) f'(Z_{l-1})

with lambda dOmega added to dW_l (and db_l). The gates are those that the tape walks; a slope is written once.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, final

from chainrule.backend.device import Device, get_device
from chainrule.backend.gpus import on_their_gpu
from chainrule.gates.types import Array, Pullback
from chainrule.models import kernels
from chainrule.models.activations import ACTIVATIONS, OUTPUTS
from chainrule.models.initializers import draw
from chainrule.models.kernels.ops import Dense, Ops
from chainrule.models.losses import COSTS
from chainrule.models.penalties import Penalty
from chainrule.models.targets import target_rows
from chainrule.models.types import Params
from chainrule.models.validation import check_name, check_network, check_params
from chainrule.validation import whole_number

# For each layer l, the pullbacks of Z_l = H_{l-1} W_l + b_l, and that of H_{l-1} = f(Z_{l-1}): None where l = 1.
Layers = list[tuple[Dense, Pullback | None]]


@final
@dataclass(frozen=True)
class MLP:
    """A network of dense layers; its parameters are a list of (W, b), W (n_in, n_out) and b (n_out,).

    sizes           features, units of each hidden layer, outputs: (n, k) has no hidden layer
    activation      of the hidden layers: the name of a row of `models.activations.ACTIVATIONS`, such as relu or tanh
    output          the name of a row of `models.activations.OUTPUTS`: sigmoid, softmax, identity or exp
    cost            the name of a row of `models.losses.COSTS`: cross_entropy (for the outputs sigmoid and softmax,
                    computed from Z), squared_error (half of it, mean over samples), summed_squared_error (the whole of
                    it, sum over samples), poisson (y_hat - y log(y_hat) for counts y, for the output exp, mean over
                    samples), hinge (one class against the rest) or multiclass_hinge (the hinges are for the output
                    identity, mean over samples)
    penalty         L1, L2 or ElasticNet, or None
    pieces          how many affine pieces a maxout unit has; W of a hidden layer is then (n_in, n_out * pieces)
    bias_gradient   "exact", or "mean": the gradient of the biases is divided by m, as in one published run whose
                    gradients of the weights are sums over samples

    Targets y are, for one output, (m,) of 0 and 1; for softmax and the hinges, class numbers (m,) or rows (m, k); for
    several other outputs, rows (m, k); numbers from 0 up for poisson. With sample_weight (m,), the mean over samples is
    sum(weight * loss) / sum(weight). All arrays of a call are on one device and of one dtype, float32 or float64; y may
    hold integers or booleans, and X may be a sparse matrix of SciPy's or CuPy's.

    Raises ValueError for names that no table has, for costs that are not made for the output, and for arrays of another
    shape; TypeError for arrays of several libraries or dtypes. A target that is no class is a ValueError where arrays
    are NumPy's. With other arrays a look at y would wait for the device at every step: a number that is no class makes
    cost and gradients NaN there.

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
        check_name("MLP", "activation", self.activation, ACTIVATIONS)
        check_name("MLP", "output", self.output, OUTPUTS)
        check_name("MLP", "cost", self.cost, COSTS)
        check_name("MLP", "bias_gradient", self.bias_gradient, ("exact", "mean"))
        cost = COSTS[self.cost]
        if self.output not in cost.losses:
            fitting = " or ".join(cost.losses)
            raise ValueError(
                f"MLP: the cost {self.cost} needs output {fitting}, got {self.output!r}; choose that"
            )
        if sizes[-1] < max(cost.min_outputs, 2 if OUTPUTS[self.output].classes else 1):
            raise ValueError(
                f"MLP: {self.output} with {self.cost} needs 2 outputs or more, got 1; take output='sigmoid' for one"
            )
        if self.penalty is not None and not isinstance(self.penalty, Penalty):
            raise TypeError(
                f"MLP: penalty must be L1(...), L2(...), ElasticNet(...) or None, got {self.penalty!r}"
            )
        object.__setattr__(self, "pieces", whole_number("MLP", "pieces", self.pieces, 1))
        pieces = self.pieces if ACTIVATIONS[self.activation].pieces else 1
        wide = [n * pieces for n in sizes[1:-1]] + [sizes[-1]]
        shapes = [((n_in, n_out), (n_out,)) for n_in, n_out in zip(sizes[:-1], wide, strict=True)]
        object.__setattr__(self, "_shapes", shapes)

    @property
    def shapes(self) -> list[tuple[tuple[int, int], tuple[int]]]:
        """The shapes of (W, b) of each layer."""
        found: list[tuple[tuple[int, int], tuple[int]]] = vars(self)["_shapes"]
        return found

    def init(
        self,
        seed: int = 0,
        device: Device | str | None = None,
        dtype: Any = None,
        *,
        weights: str | float | Sequence[tuple[Any, Any]] | None = None,
    ) -> Params:
        """Return first parameters on a device, by default the chosen one; biases are 0.

        weights   the name of a row of `models.initializers.INITIALIZERS`, which sets the variance of normal numbers;
                  a number, the standard deviation of normal numbers; or (W, b) of each layer, taken as they are. By
                  default the row that suits the activation.
        dtype     float32 or float64; by default float64, and float32 on a GPU

        Numbers are drawn layer by layer by one NumPy generator in float64, so all devices get the same.
        """
        place = device if isinstance(device, Device) else get_device(device)
        if dtype is None:
            dtype = "float32" if place.name.startswith("cuda") else "float64"
        if dtype not in ("float32", "float64", place.xp.float32, place.xp.float64):
            raise TypeError(f"MLP.init: dtype must be float32 or float64, got {dtype}")
        if weights is None:
            weights = ACTIVATIONS[self.activation].initializer
        if isinstance(weights, str) or not isinstance(weights, Sequence):
            layers: Sequence[Any] = draw(self.shapes, weights, seed)
        else:
            layers = weights
        if not all(isinstance(layer, list | tuple) and len(layer) == 2 for layer in layers):
            raise ValueError("MLP.init: weights must be (W, b) of each layer, got something else in the list")
        params = [(place.asarray(W, dtype), place.asarray(b, dtype)) for W, b in layers]
        check_params("MLP.init", self.shapes, params)
        return params

    @on_their_gpu
    def forward(self, params: Params, X: Array) -> Array:
        """Return y_hat (m, k) for samples X (m, n)."""
        ops = self._checked("forward", params, X)
        _, Z = self.forward_pass(ops, params, X)
        return self.y_hat(ops, Z)

    @on_their_gpu
    def cost_of(self, params: Params, X: Array, y: Array, *, sample_weight: Array | None = None) -> Array:
        """Return the cost J () of samples X (m, n) with targets y, penalty included, by forward alone."""
        ops = self._checked("cost_of", params, X, y, sample_weight)
        rows = self.rows("cost_of", ops.xp, X, y)
        _, Z = self.forward_pass(ops, params, X)
        losses, _ = self.losses(ops, Z, rows)
        J, _ = self.mean(ops, losses, sample_weight)
        return J if self.penalty is None else self.penalty.added_cost(ops.xp, params, J)

    @on_their_gpu
    def cost_and_gradients(
        self, params: Params, X: Array, y: Array, *, sample_weight: Array | None = None
    ) -> tuple[Array, Params]:
        """Return the cost J () of samples X (m, n) with targets y, and its gradient, shaped as params."""
        ops = self._checked("cost_and_gradients", params, X, y, sample_weight)
        layers, J, g = self._cost("cost_and_gradients", ops, params, X, y, sample_weight)
        gradients = [(dense.to_weights(g), dense.to_biases(g)) for dense, g in self._backward(layers, g)]
        gradients.reverse()
        return self.completed(ops, params, J, gradients, X.shape[0])

    @on_their_gpu
    def input_gradient(
        self, params: Params, X: Array, y: Array, *, sample_weight: Array | None = None
    ) -> Array:
        """Return dX (m, n), the gradient of the cost with respect to the samples."""
        ops = self._checked("input_gradient", params, X, y, sample_weight)
        layers, _, g = self._cost("input_gradient", ops, params, X, y, sample_weight)
        first, g = deque(self._backward(layers, g), maxlen=1).pop()
        return first.to_input(g)

    def forward_pass(self, ops: Ops, params: Params, X: Array) -> tuple[Layers, Array]:
        """Return the pullbacks of each layer, and the last Z (m, k), from which the cost is computed."""
        activation = ACTIVATIONS[self.activation]
        activate = ops.gate(activation.gate)
        settings = {"pieces": self.pieces} if activation.pieces else {}
        H, to_Z = X, None
        layers: Layers = []
        for W, b in params[:-1]:
            Z, dense = ops.dense(H, W, b, any_order=not activation.pieces)
            layers.append((dense, to_Z))
            H, (to_Z,) = activate(ops.xp, Z, **settings)
        Z, dense = ops.dense(H, *params[-1])
        layers.append((dense, to_Z))
        return layers, Z

    def y_hat(self, ops: Ops, Z: Array) -> Array:
        """Return y_hat (m, k) from the last Z."""
        return ops.gate(OUTPUTS[self.output].gate)(ops.xp, Z)[0]

    def losses(self, ops: Ops, Z: Array, rows: Array) -> tuple[Array, Pullback]:
        """Return the losses (m,) or (m, k) of the last Z (m, k), and their pullback to it."""
        return COSTS[self.cost].losses[self.output](ops, Z, rows)

    def mean(self, ops: Ops, losses: Array, weight: Array | None) -> tuple[Array, Array]:
        """Return J () without the penalty, the mean of the losses over samples, and dJ/dlosses, a number a sample."""
        xp, m, summed = ops.xp, losses.shape[0], not COSTS[self.cost].mean
        shape = (m,) + (1,) * (losses.ndim - 1)
        if weight is not None:
            share = xp.reshape(weight if summed else xp.divide(weight, xp.sum(weight)), shape)
            return xp.sum(losses * share), share
        share = ops.full(shape, 1.0 if summed else 1 / m, losses)
        return xp.sum(losses) if summed else ops.mean(losses), share

    def completed(
        self, ops: Ops, params: Params, J: Array, gradients: Params, m: int
    ) -> tuple[Array, Params]:
        """Return the exact J and gradients of m samples as the settings want them: `bias_gradient`, and the penalty."""
        if self.bias_gradient == "mean":
            gradients = [(dW, db / m) for dW, db in gradients]
        return (J, gradients) if self.penalty is None else ops.penalised(self.penalty, params, J, gradients)

    def rows(self, who: str, xp: Any, X: Array, y: Array) -> Array:
        """Return targets y of samples X as rows (m, k); an error names MLP and the method `who`."""
        return target_rows(f"MLP.{who}", xp, X, y, self.sizes[-1], self.output, self.cost)

    def _cost(
        self, who: str, ops: Ops, params: Params, X: Array, y: Array, weight: Array | None
    ) -> tuple[Layers, Array, Array]:
        """Return the pullbacks of each layer, J without the penalty, and dJ/dZ of the last Z."""
        rows = self.rows(who, ops.xp, X, y)
        layers, Z = self.forward_pass(ops, params, X)
        losses, to_Z = self.losses(ops, Z, rows)
        J, share = self.mean(ops, losses, weight)
        return layers, J, to_Z(share)

    @staticmethod
    def _backward(layers: Layers, g: Array) -> Iterator[tuple[Dense, Array]]:
        """Yield the pullbacks of Z = H W + b, and g = dJ/dZ, for each layer from the last to the first."""
        for dense, to_Z in reversed(layers):
            yield dense, g
            # The gradient of the input costs as much as the largest layer, and nobody asked for it.
            if to_Z is not None:
                g = to_Z(dense.to_input(g))

    def _checked(
        self, who: str, params: Params, X: Array, y: Array | None = None, weight: Array | None = None
    ) -> Ops:
        """Return the operations for these arrays, or raise where the network cannot compute with them."""
        return kernels.ops_for(check_network(f"MLP.{who}", self.shapes, params, X, y, weight))
