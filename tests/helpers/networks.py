"""What networks are checked against: costs as plain functions, in the textbooks' formulas, and data for them."""

import itertools
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule import pytree
from chainrule.models.activations import OUTPUTS
from tests.helpers.arrays import read_only

ACTIVATIONS = ("sigmoid", "tanh", "relu", "leaky_relu", "elu", "maxout", "identity")
# (output, cost): every pair that a network takes.
COSTS = (
    ("sigmoid", "cross_entropy"),
    ("softmax", "cross_entropy"),
    *itertools.product(OUTPUTS, ("squared_error", "summed_squared_error")),
    ("exp", "poisson"),
    ("identity", "hinge"),
    ("identity", "multiclass_hinge"),
)
PENALTIES: dict[str, Any] = {"none": None} | {
    f"{name}{'-biases' * biases}": make(biases)
    for biases in (False, True)
    for name, make in (
        ("L1", lambda biases: cr.L1(0.3, biases=biases)),
        ("L2", lambda biases: cr.L2(0.7, biases=biases)),
        ("ElasticNet", lambda biases: cr.ElasticNet(0.4, 0.3, biases=biases)),
    )
}
PIECES = 3
EVERY_COST = pytest.mark.parametrize(("output", "cost"), COSTS, ids=["-".join(pair) for pair in COSTS])
EVERY_ACTIVATION = pytest.mark.parametrize("activation", ACTIVATIONS)


def plain_cost(net: cr.MLP, xp: Any, params: Any, X: Any, y: Any, weight: Any = None) -> Any:
    """The cost of rows y (m, k) by explicit formulas, safe for numbers of moderate size alone."""
    H = X
    for number, (W, b) in enumerate(params, start=1):
        Z = xp.matmul(H, W) + b
        last = number == len(params)
        H = _output(xp, net.output, Z) if last else _activation(xp, net.activation, Z)
    losses = _losses(xp, net, H, y)
    total = X.shape[0]
    if weight is not None:
        losses, total = losses * weight, xp.sum(weight)
    cost = xp.sum(losses) if net.cost == "summed_squared_error" else xp.sum(losses) / total
    return cost + _penalty(xp, net.penalty, params)


def _activation(xp: Any, name: str, Z: Any) -> Any:
    if name == "sigmoid":
        return 1 / (1 + xp.exp(-Z))
    if name == "tanh":
        return (xp.exp(Z) - xp.exp(-Z)) / (xp.exp(Z) + xp.exp(-Z))
    if name == "relu":
        return xp.maximum(Z, Z * 0)
    if name == "leaky_relu":
        return xp.maximum(Z, Z * 0.01)
    if name == "elu":
        return xp.maximum(Z, Z * 0) + xp.minimum(xp.exp(Z) - 1, Z * 0)
    if name == "maxout":
        H = Z[:, ::PIECES]
        for piece in range(1, PIECES):
            H = xp.maximum(H, Z[:, piece::PIECES])
        return H
    return Z


def _output(xp: Any, name: str, Z: Any) -> Any:
    if name == "sigmoid":
        return 1 / (1 + xp.exp(-Z))
    if name == "softmax":
        return xp.exp(Z) / xp.sum(xp.exp(Z), axis=1, keepdims=True)
    return xp.exp(Z) if name == "exp" else Z


def _losses(xp: Any, net: cr.MLP, H: Any, y: Any) -> Any:
    """The loss of each sample (m,)."""
    if net.cost == "cross_entropy" and net.output == "sigmoid":
        return -xp.sum(xp.log(H) * y + xp.log(1 - H) * (1 - y), axis=1)
    if net.cost == "cross_entropy":
        return -xp.log(xp.sum(H * y, axis=1))
    if net.cost == "poisson":
        return xp.sum(H - xp.log(H) * y, axis=1)
    if net.cost == "hinge":
        margin = 1 - H * (2 * y - 1)
        return xp.sum(xp.maximum(margin, margin * 0), axis=1)
    if net.cost == "multiclass_hinge":
        margin = H - xp.sum(H * y, axis=1, keepdims=True) + 1
        # The right class itself counts 1, which is no loss.
        return xp.sum(xp.maximum(margin, margin * 0), axis=1) - 1
    squares = xp.sum((H - y) ** 2, axis=1)
    return squares / 2 if net.cost == "squared_error" else squares


def _penalty(xp: Any, penalty: Any, params: Any) -> Any:
    if penalty is None:
        return 0.0
    ratio = {"L1": 1.0, "L2": 0.0}.get(type(penalty).__name__, getattr(penalty, "l1_ratio", None))
    total = 0.0
    for layer in params:
        for x in layer if penalty.biases else layer[:1]:
            size = xp.maximum(x, -x)
            total = xp.sum(size) * ratio + xp.sum(x * x) * ((1 - ratio) / 2) + total
    return total * penalty.strength


def network(activation: str, output: str, cost: str, penalty: str = "none", sizes: Any = (3, 4, 3)) -> cr.MLP:
    return cr.MLP(sizes, activation, output, cost, PENALTIES[penalty], pieces=PIECES)


def parameters(net: cr.MLP, device: cr.Device, dtype: str, seed: int = 7) -> Any:
    """Weights and biases of order 1 that nobody may write into, none of them near 0, where L1 has its kink."""
    random = np.random.default_rng(seed)

    def draw(shape: tuple[int, ...]) -> Any:
        x = random.uniform(0.05, 0.9, shape) * random.choice([-1.0, 1.0], shape)
        return read_only(device.asarray(x, dtype))

    return [(draw(W), draw(b)) for W, b in net.shapes]


def samples(
    net: cr.MLP, device: cr.Device, dtype: str, m: int = 5, seed: int = 11
) -> tuple[Any, Any, Any, Any]:
    """X (m, n), rows y (m, k) with one 1 each, the same as class numbers (m,), and weights (m,)."""
    random = np.random.default_rng(seed)
    n, k = net.sizes[0], net.sizes[-1]
    X, weight = random.standard_normal((m, n)), random.uniform(0.5, 2, m)
    classes = random.permutation(np.arange(m) % max(k, 2))
    rows = np.eye(k)[classes] if k > 1 else classes[:, None]
    numbers = read_only(device.asarray(classes.astype(np.int64)))
    X, rows, weight = (read_only(device.asarray(x, dtype)) for x in (X, rows, weight))
    return X, rows, numbers, weight


def agree(device, got, wanted, tolerance, what=""):
    """Compare nestings of arrays; what is near 0 beside the largest number is a difference of large ones."""
    got, wanted = (
        np.concatenate([device.to_numpy(x).ravel() for x in pytree.flat(tree)]) for tree in (got, wanted)
    )
    np.testing.assert_allclose(got, wanted, tolerance, tolerance * np.abs(wanted).max(), err_msg=what)


def slopes_agree(f, device, x, gradients, what="", seed=3):
    """Compare <gradients, d> with the central difference of f along a random direction d, in float64."""
    random = np.random.default_rng(seed)
    leaves, h = pytree.flat(x), 1e-6
    direction = [random.standard_normal(p.shape) for p in leaves]

    def at(h):
        moved = (p + device.asarray(d * h) for p, d in zip(leaves, direction, strict=True))
        return float(f(pytree.rebuilt(x, moved)))

    numeric = (at(h) - at(-h)) / (2 * h)
    flat = [device.to_numpy(g) for g in pytree.flat(gradients)]
    analytic = sum(float(np.sum(d * g)) for d, g in zip(direction, flat, strict=True))
    assert numeric == pytest.approx(analytic, rel=1e-7, abs=1e-7), what
