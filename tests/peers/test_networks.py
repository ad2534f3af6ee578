"""JAX and PyTorch beside our networks: the same cost of the same parameters by their own layers and losses.

Each is skipped by name without it.
"""

from typing import Any

import numpy as np
import pytest

import chainrule as cr
from tests.helpers.networks import (
    EVERY_ACTIVATION,
    EVERY_COST,
    PENALTIES,
    PIECES,
    agree,
    network,
    parameters,
    samples,
)

CPU = cr.get_device("cpu")


def problem(activation: str, output: str, cost: str, penalty: str) -> Any:
    net = network(activation, output, cost, penalty, (3, 4, 4, 3))
    params = parameters(net, CPU, "float64")
    X, y, numbers, weight = samples(net, CPU, "float64", m=7)
    J, gradients = net.cost_and_gradients(params, X, y, sample_weight=weight)
    dX = net.input_gradient(params, X, y, sample_weight=weight)
    return net, params, X, y, numbers, weight, (J, gradients, dX)


def penalised(penalty: Any, params: Any) -> Any:
    """For sums and absolute values spelt as methods, as both peers have them."""
    if penalty is None:
        return 0.0
    ratio = {"L1": 1.0, "L2": 0.0}.get(type(penalty).__name__, getattr(penalty, "l1_ratio", None))
    moved = [x for W, b in params for x in ((W, b) if penalty.biases else (W,))]
    return penalty.strength * sum(ratio * abs(x).sum() + (1 - ratio) / 2 * (x**2).sum() for x in moved)


@EVERY_ACTIVATION
@EVERY_COST
def test_jax(activation: str, output: str, cost: str):
    jax = pytest.importorskip("jax", reason="jax is in the extra `peers`")
    jax.config.update("jax_enable_x64", True)
    nn, jnp = jax.nn, jax.numpy
    kinds = {
        "maxout": lambda Z: Z.reshape(len(Z), -1, PIECES).max(axis=2),
        "identity": lambda Z: Z,
        **{name: getattr(nn, name) for name in ("sigmoid", "tanh", "relu", "leaky_relu", "elu", "softmax")},
    }

    def losses(Z: Any, y: Any) -> Any:
        if cost == "cross_entropy" and output == "softmax":
            return -(y * nn.log_softmax(Z)).sum(axis=1)
        if cost == "cross_entropy":
            return -(y * nn.log_sigmoid(Z) + (1 - y) * nn.log_sigmoid(-Z)).sum(axis=1)
        if cost == "hinge":
            return nn.relu(1 - jnp.where(y == 1, Z, -Z)).sum(axis=1)
        if cost == "multiclass_hinge":
            right = Z[jnp.arange(len(Z)), y.argmax(axis=1)]
            return jnp.where(y == 1, 0, nn.relu(1 + Z - right[:, None])).sum(axis=1)
        return ((kinds[output](Z) - y) ** 2).sum(axis=1) / (2 if cost == "squared_error" else 1)

    for penalty in PENALTIES:
        net, params, X, y, _, weight, ours = problem(activation, output, cost, penalty)

        def total(params: Any, X: Any, y: Any = y, weight: Any = weight, net: Any = net) -> Any:
            Z = X
            for layer, (W, b) in enumerate(params):
                Z = (kinds[activation](Z) if layer else Z) @ W + b
            L = losses(Z, jnp.asarray(y))
            J = (L * weight).sum() if cost == "summed_squared_error" else jnp.average(L, weights=weight)
            return J + penalised(net.penalty, params)

        J, (gradients, dX) = jax.value_and_grad(total, (0, 1))(
            [tuple(map(jnp.asarray, layer)) for layer in params], jnp.asarray(X)
        )
        agree(CPU, ours, (J, [tuple(layer) for layer in gradients], dX), 1e-12, penalty)


@EVERY_ACTIVATION
@EVERY_COST
def test_pytorch(activation: str, output: str, cost: str):
    torch = pytest.importorskip("torch", reason="torch is no dependency of ours")
    F = torch.nn.functional
    kinds = {
        "maxout": lambda Z: Z.reshape(len(Z), -1, PIECES).amax(2),
        "identity": lambda Z: Z,
        "softmax": lambda Z: Z.softmax(1),
        **{name: getattr(F, name) for name in ("sigmoid", "tanh", "relu", "leaky_relu", "elu")},
    }

    def losses(Z: Any, y: Any, numbers: Any) -> Any:
        if cost == "cross_entropy" and output == "softmax":
            return F.cross_entropy(Z, numbers, reduction="none")
        if cost == "cross_entropy":
            return F.binary_cross_entropy_with_logits(Z, y, reduction="none").sum(1)
        if cost == "hinge":
            # The loss of one side at a time: with the target -1 it is max(0, margin - input).
            return F.hinge_embedding_loss(Z * (2 * y - 1), -torch.ones_like(y), reduction="none").sum(1)
        if cost == "multiclass_hinge":
            return F.multi_margin_loss(Z, numbers, reduction="none") * Z.shape[1]
        return F.mse_loss(kinds[output](Z), y, reduction="none").sum(1) / (
            2 if cost == "squared_error" else 1
        )

    def leaf(x: Any) -> Any:
        return torch.tensor(np.array(x), requires_grad=True)

    for penalty in PENALTIES:
        net, params, X, y, numbers, weight, ours = problem(activation, output, cost, penalty)
        theirs, inputs = [tuple(map(leaf, layer)) for layer in params], leaf(X)
        Z = inputs
        for layer, (W, b) in enumerate(theirs):
            Z = (kinds[activation](Z) if layer else Z) @ W + b
        w = torch.tensor(np.array(weight))
        L = losses(Z, torch.tensor(np.array(y)), torch.tensor(np.array(numbers))) * w
        J = L.sum() / (1 if cost == "summed_squared_error" else w.sum()) + penalised(net.penalty, theirs)
        J.backward()
        gradients = [(W.grad, b.grad) for W, b in theirs]
        agree(CPU, ours, (J.detach(), gradients, inputs.grad), 1e-12, penalty)
