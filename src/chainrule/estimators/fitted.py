"""The estimator that a trained model is."""

from typing import Any

import numpy as np

from chainrule.estimators.logistic_regression import LogisticRegression
from chainrule.estimators.mlp import MLPClassifier
from chainrule.models.objective import outputs_for
from chainrule.training.model_file import Model


def fitted_classifier(model: Model) -> LogisticRegression | MLPClassifier:
    """Return the model as a fitted classifier of raw features, a LogisticRegression where it has no hidden layer.

    The scaling goes into the first layer: ((X - shift) / scale) W + b is X (W / scale) + b - (shift / scale) W. Labels
    are sorted, as scikit-learn has them; the outputs are put in their order. Parameters are float64.
    """
    net = model.net
    if net.activation == "maxout" and net.pieces != 2 and len(net.sizes) > 2:
        raise ValueError(
            f"to_estimator: expected maxout of 2 pieces, the only one that MLPClassifier has, got {net.pieces}; "
            "predict by the model itself"
        )
    params = [(W.astype(np.float64), b.astype(np.float64)) for W, b in model.params]
    shift, scale = model.scaling.shift, model.scaling.scale
    W, b = params[0]
    rows = np.broadcast_to(1 / scale, W.shape[:1])[:, None]
    params[0] = W * rows, b - (shift / scale * np.ones(len(W))) @ W
    labels = np.array(model.classes)
    if all(
        str(name) == name.strip() and name.lstrip("-").isdecimal() and str(int(name)) == name
        for name in model.classes
    ):
        labels = np.array([int(name) for name in model.classes])
    order = np.argsort(labels)
    k = outputs_for(len(labels))
    W, b = params[-1]
    if k == 1:
        # One output is the log odds of the second class; two of softmax have it as their difference.
        W, b = (W, b) if W.shape[1] == 1 else (W[:, 1:] - W[:, :1], b[1:] - b[:1])
        params[-1] = (W, b) if order[0] == 0 else (-W, -b)
    else:
        params[-1] = W[:, order], b[order]
    made: Any = _logistic(params) if len(params) == 1 else _network(model, params, k)
    made.classes_ = labels[order]
    made.n_features_in_ = net.sizes[0]
    if model.features:
        made.feature_names_in_ = np.array(model.features, dtype=object)
    fitted: LogisticRegression | MLPClassifier = made
    return fitted


def _logistic(params: list[tuple[np.ndarray, np.ndarray]]) -> LogisticRegression:
    made = LogisticRegression()
    made.coef_, made.intercept_ = params[0][0].T.copy(), params[0][1]
    made.n_iter_, made.loss_curve_ = np.zeros(1, np.int32), []
    return made


def _network(model: Model, params: list[tuple[np.ndarray, np.ndarray]], outputs: int) -> MLPClassifier:
    net = model.net
    made = MLPClassifier(tuple(net.sizes[1:-1]), net.activation)
    made.n_features_in_ = net.sizes[0]
    made._shape(outputs, "softmax" if outputs > 1 else "sigmoid", "cross_entropy", anew=True)
    made.coefs_, made.intercepts_ = [W for W, _ in params], [b for _, b in params]
    # As before a first epoch, so that partial_fit goes on from here.
    made.n_iter_, made.loss_curve_, made._seed = 0, [], 0
    made._state = (made._kind_of_state(), None)
    made.validation_scores_ = made.best_validation_score_ = None
    return made
