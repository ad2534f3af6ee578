"""The estimator that a trained model is."""

from typing import Any

import numpy as np

from chainrule.estimators.logistic_regression import LogisticRegression
from chainrule.estimators.mlp import MLPClassifier, MLPRegressor
from chainrule.estimators.network import Network
from chainrule.training.model_file import Model


def fitted_estimator(model: Model) -> LogisticRegression | MLPClassifier | MLPRegressor:
    """Return the model as a fitted estimator of raw features.

    It is an MLPRegressor where the model predicts a number, else a classifier, a LogisticRegression where it has no
    hidden layer. The scaling goes into the first layer: ((X - shift) / scale) W + b is
    X (W / scale) + b - (shift / scale) W. Labels are sorted, as scikit-learn has them; the outputs are put in their
    order. Parameters are float64.
    """
    net = model.net
    if net.activation == "maxout" and net.pieces != 2 and len(net.sizes) > 2:
        raise ValueError(
            f"to_estimator: expected maxout of 2 pieces, the only one that the estimators have, got {net.pieces}; "
            "predict by the model itself"
        )
    params = [(W.astype(np.float64), b.astype(np.float64)) for W, b in model.params]
    shift, scale = model.scaling.shift, model.scaling.scale
    W, b = params[0]
    rows = np.broadcast_to(1 / scale, W.shape[:1])[:, None]
    params[0] = W * rows, b - (shift / scale * np.ones(len(W))) @ W
    made: Any
    if not model.classes:
        made = _network(MLPRegressor, model, params, "identity", "squared_error")
    else:
        labels, order = _labels(model)
        params[-1] = _ordered(*params[-1], order)
        output = "softmax" if len(labels) > 2 else "sigmoid"
        hidden = len(params) > 1
        made = (
            _network(MLPClassifier, model, params, output, "cross_entropy") if hidden else _logistic(params)
        )
        made.classes_ = labels
    made.n_features_in_ = net.sizes[0]
    if model.features:
        made.feature_names_in_ = np.array(model.features, dtype=object)
    fitted: LogisticRegression | MLPClassifier | MLPRegressor = made
    return fitted


def _labels(model: Model) -> tuple[np.ndarray, np.ndarray]:
    """Return the classes as labels, whole numbers where all are, sorted, and the place of each in the model."""
    labels = np.array(model.classes)
    if all(
        str(name) == name.strip() and name.lstrip("-").isdecimal() and str(int(name)) == name
        for name in model.classes
    ):
        labels = np.array([int(name) for name in model.classes])
    order = np.argsort(labels)
    return labels[order], order


def _ordered(W: np.ndarray, b: np.ndarray, order: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the last layer for outputs in this order, one output for two classes."""
    if len(order) > 2:
        return W[:, order], b[order]
    # One output is the log odds of the second class; two of softmax have it as their difference.
    W, b = (W, b) if len(b) == 1 else (W[:, 1:] - W[:, :1], b[1:] - b[:1])
    return (W, b) if order[0] == 0 else (-W, -b)


def _logistic(params: list[tuple[np.ndarray, np.ndarray]]) -> LogisticRegression:
    made = LogisticRegression()
    made.coef_, made.intercept_ = params[0][0].T.copy(), params[0][1]
    made.n_iter_, made.loss_curve_ = np.zeros(1, np.int32), []
    return made


def _network(
    kind: type[Network], model: Model, params: list[tuple[np.ndarray, np.ndarray]], output: str, cost: str
) -> Network:
    """Return a network as it is before a first epoch, so that partial_fit goes on from here."""
    net = model.net
    made: Any = kind(tuple(net.sizes[1:-1]), net.activation)
    made.n_features_in_ = net.sizes[0]
    made._shape(params[-1][1].size, output, cost, anew=True)
    made.coefs_, made.intercepts_ = [W for W, _ in params], [b for _, b in params]
    made.n_iter_, made.loss_curve_, made._seed = 0, [], 0
    made._state = (made._kind_of_state(), None)
    made.validation_scores_ = made.best_validation_score_ = None
    network: Network = made
    return network
