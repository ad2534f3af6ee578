"""The objective of a run: targets, the cost of all rows by the quickest way, a safe learning rate, probabilities."""

from typing import Any

import numpy as np

from chainrule.backend.gpus import on_their_gpu
from chainrule.backend.namespaces import namespace
from chainrule.gates.types import Array
from chainrule.models import logistic
from chainrule.models.mlp import MLP
from chainrule.models.targets import one_hot
from chainrule.models.types import Params
from chainrule.numpy_names.sparse import is_sparse


def outputs_for(classes: int) -> int:
    """Return how many outputs a network has that tells so many classes apart: one sigmoid for two, else one a class."""
    return 1 if classes == 2 else classes


def targets(y: np.ndarray, outputs: int, dtype: Any) -> np.ndarray:
    """Return class numbers y (m,) as targets, on the host: 0 and 1 (m,) for one output, else rows (m, k) with one 1."""
    if outputs == 1:
        return y.astype(dtype)
    # A mini-batch takes rows, so that a row lies in one piece.
    return np.ascontiguousarray(one_hot(np, y, outputs, dtype))


def goes_by_tiles(net: MLP) -> bool:
    """Return whether steps on all rows pass over X once, as `logistic.by_tiles` does: those of logistic regression."""
    kind = net.output, net.cost, net.bias_gradient
    return len(net.shapes) == 1 and kind == ("sigmoid", "cross_entropy", "exact")


@on_their_gpu
def on_all_rows(
    net: MLP, X: Array, y: Array, params: Params, *, weight: Array | None = None
) -> tuple[Array, Params]:
    """Return the cost () of all rows X (m, n) with targets y and weights (m,) or None, and its gradients.

    Logistic regression without weights goes by tiles, everything else through the network; the numbers are the same.
    """
    if weight is not None or is_sparse(X) or not goes_by_tiles(net):
        return net.cost_and_gradients(params, X, y, sample_weight=weight)
    ((W, b),) = params
    xp = namespace(X)
    cost, dw, db = logistic.by_tiles(X, y, W[:, 0], b[0])
    gradients = [(xp.reshape(dw, W.shape), xp.reshape(db, b.shape))]
    return net.penalty.added(xp, params, cost, gradients) if net.penalty else (cost, gradients)


@on_their_gpu
def learning_rate_bound(X: Array, weight: Array | None = None) -> float:
    """Return `logistic.learning_rate_bound` of X (m, n), each row weighed by weight (m,) of mean 1, or None."""
    if weight is not None:
        # The mean square of rows times the roots of their weights is the weighed mean of their squares.
        roots = namespace(weight).sqrt(weight)[:, None]
        X = X.multiply(roots) if is_sparse(X) else X * roots
    if is_sparse(X):
        # The row that holds all numbers of X has the sum of their squares; that of the mean row is m times smaller.
        return logistic.learning_rate_bound((X.data / X.shape[0] ** 0.5)[None, :]) if X.nnz else 4.0
    return logistic.learning_rate_bound(X)


def safe_learning_rate(net: MLP, bound: float) -> float:
    """Return a rate at which the cost of a network without hidden layers falls at every step of gradient descent.

    `bound` is `learning_rate_bound` of the rows, 1 over a bound on the curvature of the logistic cost. Softmax curves
    twice as much as a sigmoid, the squared error four times, and a penalty of squares adds its strength.
    """
    curvature = {"softmax": 2, "identity": 4}.get(net.output, 1) / bound
    return 1 / (curvature + (net.penalty.strength if net.penalty else 0))


def class_probabilities(y_hat: np.ndarray) -> np.ndarray:
    """Return the probability of each class (m, k) from a network's outputs (m, 1) or (m, k) on the host."""
    return y_hat if y_hat.shape[1] > 1 else np.concatenate([1 - y_hat, y_hat], axis=1)
