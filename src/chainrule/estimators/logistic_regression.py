"""Logistic regression as an estimator."""

import warnings
from numbers import Real
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.exceptions import ConvergenceWarning

from chainrule.backend.gpus import on_their_gpu
from chainrule.estimators.classifier import Classifier
from chainrule.estimators.fitting import LBFGS, SOLVERS_OF_SAFE_RATE, by_all_rows, optimizer_of
from chainrule.estimators.placement import Data, Place, brought, by_chunks, computing
from chainrule.estimators.validation import (
    Rules,
    check_parameters,
    checked_data,
    checked_rows,
    checked_weight,
    is_count,
    is_size,
)
from chainrule.gates.types import Array
from chainrule.models.mlp import MLP
from chainrule.models.objective import outputs_for, safe_learning_rate
from chainrule.models.penalties import L2
from chainrule.optim import CostAndGradients, Descent

_RULES: Rules = {
    "C": ("a number above 0, or infinity for no penalty", lambda C: isinstance(C, Real) and float(C) > 0),
    "solver": (f"one of {', '.join(SOLVERS_OF_SAFE_RATE)}", lambda name: name in SOLVERS_OF_SAFE_RATE),
    "max_iter": ("a whole number from 1 up", is_count),
    "tol": ("a finite number from 0 up", is_size),
}


class LogisticRegression(Classifier, BaseEstimator):  # type: ignore[misc]
    """Logistic regression, and softmax regression for three classes or more.

    The cost that is minimised, over weights w and biases b, is

        J = sum(weight * cross_entropy) / M + |w|^2 / (2 C M),    M = sum(weight), m where all weights are 1,

    the cost of scikit-learn's LogisticRegression divided by C M. Parameters:

    C               the smaller, the stronger the penalty of weights (biases have none); infinity for none
    fit_intercept   whether there are biases
    class_weight    None, "balanced", or a dict of label -> number, by which sample weights are multiplied
    solver          "lbfgs" (SciPy's), or with all rows at each step "gradient-descent", "momentum" or "nesterov" (both
                    with a momentum of 0.9), whose steps are as long as a bound on the curvature allows
    max_iter        the most steps; a ConvergenceWarning says that they did not suffice
    tol             the run is done when the largest |gradient| of J is under it
    warm_start      whether `fit` starts from what the last one learnt, else from zeros
    device          where to compute ("cpu", "cuda", ...; see get_device); None: where CHAINRULE_DEVICE says if it is
                    set to anything but auto, else where X lives

    X may be an array of any library of the array API standard, a list or a DataFrame. float32 stays float32, other
    numbers become float64. What is learnt and predicted is returned where X lives, on whichever device it was
    computed; labels that are not numbers, and `classes_`, are NumPy's. Rows of weight k count as k rows, of weight 0
    as none. Nothing is random. The chunks of a Dask X are computed by Dask's workers, each on its own device; `device`
    is not looked at, what is learnt is NumPy's, and what is predicted Dask's.

    After `fit`: `coef_` (1, n), or (k, n) for k > 2 classes; `intercept_` (1,) or (k,); `classes_`; `n_iter_`, steps
    taken; `loss_curve_`, J after each; `n_features_in_`, and `feature_names_in_` where X names its columns.
    """

    def __init__(
        self,
        C: float = 1.0,
        *,
        fit_intercept: bool = True,
        class_weight: Any = None,
        solver: str = "lbfgs",
        max_iter: int = 100,
        tol: float = 1e-4,
        warm_start: bool = False,
        device: str | None = None,
    ) -> None:
        self.C = C
        self.fit_intercept = fit_intercept
        self.class_weight = class_weight
        self.solver = solver
        self.max_iter = max_iter
        self.tol = tol
        self.warm_start = warm_start
        self.device = device

    @on_their_gpu
    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Learn from X (m, n) and labels y (m,), each row weighted by sample_weight (m,)."""
        check_parameters(self, _RULES)
        again = bool(self.warm_start) and hasattr(self, "coef_")
        X, y = checked_data(self, X, y, reset=not again)
        weight = checked_weight(self, sample_weight, len(y))
        numbers = self._numbered(y, kept=again)
        if self.class_weight is not None:
            weight = np.ones(len(y)) if weight is None else weight
            weight = weight * self._weight_of_classes(numbers, weight)[numbers]
        home = Place.home_of(X)
        data = Data.at(computing(self.device, home), X, numbers, weight)
        run = self._minimised(data, again)
        W, *b = (home.bring(x) for x in run.params)
        self.coef_ = home.xp.matrix_transpose(W)
        self.intercept_ = b[0] if b else home.xp.zeros(W.shape[1], dtype=W.dtype, device=home.device)
        self.n_iter_ = run.steps
        self.loss_curve_ = [report.cost for report in run.history[1:]]
        if run.stopped in ("steps", "stuck"):
            took = f"took max_iter={self.max_iter} steps"
            if run.stopped == "stuck":
                took = f"found no lower cost by line search after {run.steps} steps"
            warnings.warn(
                f"LogisticRegression: {self.solver} {took} and the largest |gradient| is "
                f"{run.history[-1].largest_gradient:.2g}, not under tol={self.tol:g}; scale X or raise max_iter",
                ConvergenceWarning,
                stacklevel=3,
            )
        return self

    @on_their_gpu
    @by_chunks
    def decision_function(self, X: Any) -> Array:
        """Return X w + b where X lives, (m,) for two classes (positive: the second) and (m, k) for more."""
        Z, home = self._logits(X, "decision_function")
        return home.bring(Z)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.array_api_support = True
        return tags

    def _logits(self, X: Any, method: str) -> tuple[Array, Place]:
        X = checked_rows(self, X, method, "coef_")
        home = Place.of(X)
        at = computing(self.device, home)
        X = at.bring(X)
        w, b = (at.xp.astype(at.bring(x), X.dtype, copy=False) for x in (self.coef_, self.intercept_))
        Z = _affine(X, at.xp.matrix_transpose(w), b)
        return (Z[:, 0] if Z.shape[1] == 1 else Z), home

    def _weight_of_classes(self, numbers: np.ndarray, weight: np.ndarray) -> np.ndarray:
        """Return the weight (k,) of each class."""
        k = len(self.classes_)
        if self.class_weight == "balanced":
            sums = np.bincount(numbers, weight, minlength=k)
            # A class without rows weighs nothing, whatever the factor.
            balanced: np.ndarray = weight.sum() / (np.count_nonzero(sums) * np.where(sums > 0, sums, 1.0))
            return balanced
        known = self.classes_.tolist()
        given = self.class_weight
        if not (isinstance(given, dict) and set(given) <= set(known) and all(map(is_size, given.values()))):
            raise ValueError(
                f"LogisticRegression.fit: class_weight must be None, 'balanced' or a dict of finite numbers from 0 up "
                f"for some of the classes {known}, got {given!r}"
            )
        weights = np.asarray([float(given.get(label, 1.0)) for label in known])
        if not (weight * weights[numbers]).any():
            raise ValueError(
                f"LogisticRegression.fit: class_weight must leave a row of a weight above 0, got {given!r}"
            )
        return weights

    def _minimised(self, data: Data, again: bool) -> Descent:
        """Return the end of the descent; its parameters are [W (n, k), b (k,)], or [W] without biases."""
        k = outputs_for(len(self.classes_))
        strength = 1 / (float(self.C) * data.total)
        net = MLP((data.X.shape[1], k), output="softmax" if k > 1 else "sigmoid", penalty=L2(strength))
        at, dtype = data.place, data.X.dtype
        none = at.xp.zeros(k, dtype=dtype, device=at.device)
        if again:
            W, b = brought([self.coef_, self.intercept_], at, dtype)
            W = at.xp.matrix_transpose(W)
        else:
            W, b = at.xp.zeros(net.shapes[0][0], dtype=dtype, device=at.device), none
        optimizer = None
        if self.solver != LBFGS:
            rate = safe_learning_rate(net, data.rows.learning_rate_bound())
            optimizer = optimizer_of(self.solver, rate)
        with data.rows.threads_for(net):
            return by_all_rows(
                _of_one_layer(data.rows.cost_and_gradients(net), none),
                [W, b] if self.fit_intercept else [W],
                optimizer,
                steps=int(self.max_iter),
                tol=float(self.tol),
            )


@on_their_gpu
def _affine(X: Array, W: Array, b: Array) -> Array:
    return X @ W + b


def _of_one_layer(cost_and_gradients: CostAndGradients, none: Array) -> CostAndGradients:
    """Return the function of [W, b], or of [W] with the biases `none`, for that of [(W, b)]."""

    def of_one_layer(params: list[Array]) -> tuple[Array, list[Array]]:
        W, b = params if len(params) == 2 else (params[0], none)
        J, [gradients] = cost_and_gradients([(W, b)])
        return J, [*gradients][: len(params)]

    return of_one_layer
