"""The graph of a network's cost, gate by gate, in the notation of the books: X, W1, b1, Z1, H1, ..., y_hat, J."""

from typing import Any

import numpy as np

from chainrule.autodiff.namespace import plain_namespace
from chainrule.backend.namespaces import to_numpy
from chainrule.explain.graph import Graph
from chainrule.explain.recorder import Recorder
from chainrule.models.mlp import MLP


def graph(net: MLP, params: Any, X: Any, y: Any) -> Graph:
    """Return the graph of the cost of samples X (m, n) with targets y, penalty included; errors as MLP.cost_of."""
    if net.bias_gradient != "exact":
        raise ValueError(
            'explain: the graph has exact gradients, and this network "mean" ones of biases; make it without '
            "bias_gradient"
        )
    net.cost_of(params, X, y)
    space = Recorder(plain_namespace(X))
    space.dtype = X.dtype
    H = space.entered(X, "X")
    rows = space.array(_rows(net, to_numpy(y), X.shape[0]), X)
    rows = space.entered(rows, "y", followed=False)
    followed, Z = [], H
    for number, (W, b) in enumerate(params, start=1):
        space.begin(f"layer {number}")
        W, b = space.entered(W, f"W{number}"), space.entered(b, f"b{number}")
        followed.append((W, b))
        Z = space.add(space.matmul(H, W), b)
        space.name(Z, f"Z{number}")
        if number < len(params):
            H = _activated(space, net, Z)
            if H is not Z:
                space.name(H, f"H{number}")
    y_hat = Z if net.output == "identity" else getattr(space, net.output)(Z)
    space.name(y_hat, "y_hat")
    space.begin("")
    J = _cost(space, net, Z, y_hat, rows)
    if net.penalty is not None:
        space.name(J, "mean_loss")
        J = net.penalty.added_cost(space, followed, J)
    space.name(J, "J")
    sizes = "-".join(map(str, net.sizes))
    return space.graph(J, f"MLP {sizes}, {net.activation}, {net.output}, {net.cost}", "J", shown=(y_hat,))


def _activated(space: Any, net: MLP, Z: Any) -> Any:
    if net.activation == "identity":
        return Z
    if net.activation == "maxout":
        return space.maxout(Z, pieces=net.pieces)
    return getattr(space, net.activation)(Z)


def _cost(space: Any, net: MLP, Z: Any, y_hat: Any, rows: Any) -> Any:
    """Return J without the penalty. Cross entropy is computed from Z, which never takes the logarithm of a 0."""
    m = Z.shape[0]
    if net.cost == "cross_entropy":
        losses = getattr(space, f"{net.output}_cross_entropy")(Z, rows)
    elif net.cost in ("hinge", "multiclass_hinge"):
        losses = getattr(space, net.cost)(Z, rows)
    else:
        losses = space.square(y_hat - rows)
        losses = 0.5 * losses if net.cost == "squared_error" else losses
    space.name(losses, "L")
    if net.cost == "summed_squared_error":
        return space.sum(losses)
    return space.mean(losses) if losses.size == m else space.sum(losses) / m


def _rows(net: MLP, y: Any, m: int) -> Any:
    """Return targets as rows (m, k), for the hinge of sides as -1 and 1."""
    k = net.sizes[-1]
    rows = np.reshape(y, (m, k)) if y.ndim == 2 or k == 1 else y[:, None] == np.arange(k)
    return np.where(rows > 0, 1.0, -1.0) if net.cost == "hinge" else rows.astype(float)
