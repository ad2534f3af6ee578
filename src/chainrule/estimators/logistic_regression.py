"""Logistic regression as an estimator."""

import warnings
from collections.abc import Callable
from numbers import Real
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.exceptions import ConvergenceWarning

from chainrule.estimators.classifier import Classifier
from chainrule.estimators.placement import (
    Data,
    Place,
    by_chunks,
    check_parameters,
    checked_data,
    checked_rows,
    checked_weight,
    computing,
    in_chunks,
    is_count,
    is_size,
)
from chainrule.models.logistic import by_tiles, learning_rate_bound
from chainrule.models.mlp import MLP
from chainrule.models.penalties import L2
from chainrule.optim import Descent, descend, gradient_descent, lbfgs, nesterov

Array = Any

_RULES: dict[str, tuple[str, Callable[[Any], bool]]] = {
    "C": ("a number above 0, or infinity for no penalty", lambda C: isinstance(C, Real) and float(C) > 0),
    "solver": (
        "'lbfgs', 'gradient-descent' or 'nesterov'",
        lambda name: name in ("lbfgs", "gradient-descent", "nesterov"),
    ),
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
    solver          "lbfgs" (SciPy's), or with all rows at each step "gradient-descent" or "nesterov" (momentum 0.9),
                    whose steps are as long as a bound of the curvature allows
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

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Learn from X (m, n) and labels y (m,), each row weighed by sample_weight (m,)."""
        check_parameters(self, _RULES)
        again = bool(self.warm_start) and hasattr(self, "coef_")
        X, y = checked_data(self, X, y, reset=not again)
        weight = checked_weight(self, sample_weight, len(y))
        numbers = self._numbered(y, kept=again)
        if self.class_weight is not None:
            weight = np.ones(len(y)) if weight is None else weight
            weight = weight * self._weight_of_classes(numbers, weight)[numbers]
        home = Place.home_of(X)
        k = len(self.classes_) if len(self.classes_) > 2 else 1
        data = Data.at(computing(self.device, home), X, numbers, weight)
        with data.threads_for([(data.X.shape[1], k)]):
            run = self._minimised(data, self._start(data, k, again))
        W, b = (
            [home.bring(x) for x in run.params] if self.fit_intercept else [home.bring(run.params[0]), None]
        )
        self.coef_ = home.xp.reshape(W, (1, -1)) if W.ndim == 1 else home.xp.matrix_transpose(W)
        zeros = home.xp.zeros(k, dtype=W.dtype, device=home.device)
        self.intercept_ = zeros if b is None else home.xp.reshape(b, (k,))
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
                stacklevel=2,
            )
        return self

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
        Z = X @ at.xp.matrix_transpose(w) + b
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

    def _start(self, data: Data, k: int, again: bool) -> list[Array]:
        """Return [w (n,), b ()] for the spelling by tiles, [W (n, k), b (k,)] for a network; without b if unwanted."""
        at, (_, n) = data.place, data.X.shape
        shapes: list[tuple[int, ...]] = [(n,), ()] if _by_tiles(data, k) else [(n, k), (k,)]
        if again:
            last = [at.xp.matrix_transpose(at.bring(self.coef_)), at.bring(self.intercept_)]
            start = [
                at.xp.reshape(at.xp.astype(x, data.X.dtype), shape)
                for x, shape in zip(last, shapes, strict=True)
            ]
        else:
            start = [at.xp.zeros(shape, dtype=data.X.dtype, device=at.device) for shape in shapes]
        return start if self.fit_intercept else start[:1]

    def _minimised(self, data: Data, start: list[Array]) -> Descent:
        strength = 1 / (float(self.C) * data.total)
        by_tiles = start[0].ndim == 1
        cost = _cost_by_tiles(data, strength) if by_tiles else _cost_by_network(data, start, strength)
        steps, tol = int(self.max_iter), float(self.tol)
        if self.solver == "lbfgs":
            return lbfgs(cost, start, steps=steps, tol=tol)
        rate = _learning_rate(data, strength, softmax=not by_tiles and start[0].shape[1] > 1)
        optimizer = gradient_descent(rate) if self.solver == "gradient-descent" else nesterov(rate)
        return descend(cost, start, steps=steps, optimizer=optimizer, tol=tol, report_every=1)


def _by_tiles(data: Data, k: int) -> bool:
    # A chunk of a Dask X goes by tiles too, by a choice that is made where it is computed.
    return k == 1 and data.weight is None and not in_chunks(data.X)


def _cost_by_tiles(data: Data, strength: float) -> Callable[[list[Array]], tuple[Array, list[Array]]]:
    penalty, xp = L2(strength), Place.of(data.X).xp

    def cost(params: list[Array]) -> tuple[Array, list[Array]]:
        w, b = params if len(params) == 2 else (params[0], 0.0)
        J, dw, db = by_tiles(data.X, data.y, w, b)
        J, [(dw, db)] = penalty.added(xp, [(w, b)], J, [(dw, db)])
        return J, [dw, db][: len(params)]

    return cost


def _cost_by_network(
    data: Data, start: list[Array], strength: float
) -> Callable[[list[Array]], tuple[Array, list[Array]]]:
    n, k = start[0].shape
    network = MLP((n, k), output="softmax" if k > 1 else "sigmoid", penalty=L2(strength))
    cost_and_gradients = data.cost_and_gradients(network)
    place = data.place
    none = place.xp.zeros(k, dtype=data.X.dtype, device=place.device)

    def cost(params: list[Array]) -> tuple[Array, list[Array]]:
        W, b = params if len(params) == 2 else (params[0], none)
        J, [(dW, db)] = cost_and_gradients([(W, b)])
        return J, [dW, db][: len(params)]

    return cost


def _learning_rate(data: Data, strength: float, *, softmax: bool) -> float:
    """Return 1 over a bound of J's curvature: that of logistic regression, twice it for softmax, and the penalty's."""
    X = data.X
    if in_chunks(X):
        bound = float(data.chunks.learning_rate_bound())
    elif data.weight is not None:
        # Rows times the root of their share: their mean square is the weighed mean of the squares.
        xp = Place.of(X).xp
        bound = learning_rate_bound(X * xp.sqrt(data.weight * (X.shape[0] / data.total))[:, None])
    else:
        bound = learning_rate_bound(X)
    return 1 / ((2 if softmax else 1) / bound + strength)
