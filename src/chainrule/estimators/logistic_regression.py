"""Logistic regression as an estimator."""

import math
import warnings
from collections.abc import Callable
from dataclasses import replace
from numbers import Integral, Real
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.exceptions import ConvergenceWarning

from chainrule.backend.gpus import on_their_gpu
from chainrule.backend.namespaces import namespace
from chainrule.estimators.classifier import Classifier
from chainrule.estimators.columns import of_columns
from chainrule.estimators.fitting import LBFGS, SOLVERS_OF_SAFE_RATE, by_all_rows, optimizer_of, shortfall
from chainrule.estimators.placement import Data, Place, brought, by_chunks, computing, on_host
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
from chainrule.optim import CostAndGradients, Descent, Report

# The one of scikit-learn's solvers whose cost is another: the penalty counts biases too.
_LIBLINEAR = "liblinear"
# The names that scikit-learn has for other ways to a minimum.
_OTHER_NAMES = ("newton-cg", "newton-cholesky", "sag", "saga", _LIBLINEAR)
_SOLVERS = (*SOLVERS_OF_SAFE_RATE, *_OTHER_NAMES)
_L1_RATIOS = {"l2": 0.0, "l1": 1.0}
_PENALTIES = ("auto", *_L1_RATIOS, "elasticnet", None)
_RULES: Rules = {
    "C": ("a number above 0, or infinity for no penalty", lambda C: isinstance(C, Real) and float(C) > 0),
    "penalty": (
        f"one of {', '.join(map(str, _PENALTIES))}",
        lambda name: isinstance(name, str | None) and name in _PENALTIES,
    ),
    "l1_ratio": (
        "a number from 0 to 1",
        lambda share: share is None or (is_size(share) and share <= 1),
    ),
    "solver": (
        f"one of {', '.join(_SOLVERS)}",
        lambda name: name in _SOLVERS,
    ),
    "max_iter": ("a whole number from 0 up", lambda n: is_count(n) or (n == 0 and isinstance(n, Integral))),
    "tol": ("a finite number from 0 up", is_size),
}


class LogisticRegression(Classifier, BaseEstimator):  # type: ignore[misc]
    """Logistic regression, and softmax regression for three classes or more.

    The cost that is minimised, over weights w and biases b, is

        J = sum(weight * cross_entropy) / M + (l1_ratio |w|_1 + (1 - l1_ratio) |w|^2 / 2) / (C M),

    M = sum(weight), m where all weights are 1: the cost of scikit-learn's LogisticRegression divided by C M.

    C               the smaller, the stronger the penalty of weights (biases have none); infinity for none
    penalty         "auto" for the one of l1_ratio; "l2" and "l1" stand for l1_ratio 0 and 1, "elasticnet" for any; or
                    None for no penalty
    l1_ratio        the share of |w|_1, which makes weights exactly 0, in the penalty; above 0 the solver is "lbfgs"
    fit_intercept   whether there are biases
    class_weight    None, "balanced", a dict or Series of label -> number, or one number a class in the order of
                    `classes_`, by which sample weights are multiplied
    solver          "lbfgs" (SciPy's L-BFGS-B, of columns of X that are centred and of one size; what is learnt is of
                    X's own), or with all rows at each step "gradient-descent", "momentum" or "nesterov" (both with a
                    momentum of 0.9), whose steps are as long as a bound on the curvature allows. "newton-cg",
                    "newton-cholesky", "sag" and "saga", which are other ways to the same minimum in scikit-learn, are
                    other names of "lbfgs" here. So is "liblinear", for two classes; the penalty then counts biases as
                    it counts weights, which is the cost of scikit-learn's "liblinear"
    max_iter        the most steps; a ConvergenceWarning says that they did not suffice
    tol             the run is done when the largest |gradient| of J is under it; where w is 0 and has a penalty of
                    |w|_1, the gradient is what exceeds that penalty's slope
    warm_start      whether `fit` starts from what the last one learnt, else from zeros
    verbose         whether to print each step
    random_state, n_jobs     taken and not looked at: nothing is random, and products have the threads of the BLAS
    device          where to compute ("cpu", "cuda", ...; see get_device); None: where CHAINRULE_DEVICE says if it is
                    set to anything but auto, else where X lives

    X may be an array of any library of the array API standard, a list or a DataFrame. float32 stays float32, other
    numbers become float64. What is learnt and predicted is returned where X lives, on whichever device it was
    computed; labels that are not numbers, and `classes_`, are NumPy's. Rows of weight k count as k rows, of weight 0
    as none. Nothing is random. The chunks of a Dask X are computed by Dask's workers, each on its own device; `device`
    is not looked at, what is learnt is NumPy's, and what is predicted Dask's.

    After `fit`: `coef_` (1, n), or (k, n) for k > 2 classes; `intercept_` (1,) or (k,); `classes_`; `n_iter_` (1,),
    steps taken; `loss_curve_`, J after each; `n_features_in_`, and `feature_names_in_` where X names its columns.
    """

    def __init__(
        self,
        C: float = 1.0,
        *,
        penalty: str | None = "auto",
        l1_ratio: float | None = 0.0,
        fit_intercept: bool = True,
        class_weight: Any = None,
        solver: str = "lbfgs",
        max_iter: int = 100,
        tol: float = 1e-4,
        warm_start: bool = False,
        verbose: bool = False,
        random_state: Any = None,
        n_jobs: int | None = None,
        device: str | None = None,
    ) -> None:
        self.C = C
        self.penalty = penalty
        self.l1_ratio = l1_ratio
        self.fit_intercept = fit_intercept
        self.class_weight = class_weight
        self.solver = solver
        self.max_iter = max_iter
        self.tol = tol
        self.warm_start = warm_start
        self.verbose = verbose
        self.random_state = random_state
        self.n_jobs = n_jobs
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
        self.n_iter_ = home.xp.asarray([run.steps], dtype=home.xp.int32, device=home.device)
        self.loss_curve_ = [report.cost for report in run.history[1:]]
        if run.stopped != "tol":
            warnings.warn(
                f"LogisticRegression: {self.solver} {shortfall(run, self.max_iter, self.tol)}",
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
        tags.input_tags.sparse = True
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
        if isinstance(self.class_weight, str) and self.class_weight == "balanced":
            sums = np.bincount(numbers, weight, minlength=k)
            # A class without rows weighs nothing, whatever the factor.
            balanced: np.ndarray = weight.sum() / (np.count_nonzero(sums) * np.where(sums > 0, sums, 1.0))
            return balanced
        known = self.classes_.tolist()
        given = _numbers_by_label(self.class_weight, known)
        # As scikit-learn has it: a name that is in no label here may be that of a class of other rows, but where a
        # class here is left out, it is a misspelling.
        named = given is not None and (set(given) <= set(known) or set(known) <= set(given))
        if given is None or not named or not all(map(is_size, given.values())):
            raise ValueError(
                f"LogisticRegression.fit: class_weight must be None, 'balanced' or a dict of finite numbers from 0 up "
                f"for some of the classes {known}, for all of them and others, or one number a class, got "
                f"{self.class_weight!r}"
            )
        weights = np.asarray([float(given.get(label, 1.0)) for label in known])
        if not (weight * weights[numbers]).any():
            raise ValueError(
                f"LogisticRegression.fit: class_weight must leave a row of a weight above 0, got {self.class_weight!r}"
            )
        return weights

    def _penalty_shares(self, total: float) -> tuple[float, float]:
        """Return the strengths of |w|_1 and of |w|^2 / 2 in J, for rows that weigh so much together."""
        given = 0.0 if self.l1_ratio is None else float(self.l1_ratio)
        if self.penalty == "elasticnet" and self.l1_ratio is None:
            raise ValueError(
                "LogisticRegression.fit: penalty='elasticnet' needs an l1_ratio from 0 to 1, got None; give 0.5, say"
            )
        ratio = _L1_RATIOS.get(str(self.penalty), given)
        # A warning alone: a grid of penalties and ratios has such pairs.
        if given not in (ratio, 0):
            _ignored(
                f"Inconsistent values: penalty={self.penalty} with l1_ratio={self.l1_ratio}, which is not looked at"
            )
        if self.penalty is None and self.C not in (1, math.inf):
            _ignored(f"Setting penalty=None will ignore the C and l1_ratio parameters, got C={self.C:g}")
        strength = 0.0 if self.penalty is None else 1 / (float(self.C) * total)
        if strength * ratio and self.solver not in (LBFGS, *_OTHER_NAMES):
            raise ValueError(
                f"LogisticRegression.fit: a penalty of |w|_1 needs solver='lbfgs', got solver={self.solver!r}; take "
                "'lbfgs', or penalty='l2'"
            )
        return strength * ratio, strength * (1 - ratio)

    def _minimised(self, data: Data, again: bool) -> Descent:
        """Return the end of the descent; its parameters are [W (n, k), b (k,)], or [W] without biases."""
        k = outputs_for(len(self.classes_))
        one, two = self._penalty_shares(data.total)
        whole = self.solver == _LIBLINEAR
        if whole and k > 1:
            raise ValueError(
                f"LogisticRegression.fit: The 'liblinear' solver does not support multiclass classification, got {k} "
                "classes; take solver='lbfgs'"
            )
        output, penalty = "softmax" if k > 1 else "sigmoid", L2(two, biases=whole)
        net = MLP((data.X.shape[1], k), output=output, penalty=penalty)
        at, dtype = data.place, data.X.dtype
        none = at.xp.zeros(k, dtype=dtype, device=at.device)
        if again:
            W, b = brought([self.coef_, self.intercept_], at, dtype)
            W = at.xp.matrix_transpose(W)
        else:
            W, b = at.xp.zeros(net.shapes[0][0], dtype=dtype, device=at.device), none
        biases = [b] if self.fit_intercept else []
        settings: dict[str, Any] = {
            "steps": int(self.max_iter),
            "tol": float(self.tol),
            "on_report": self._announce(),
        }
        with data.rows.threads_for(net) as watched:
            cost = _of_one_layer(watched(data.rows.cost_and_gradients(net)), none)
            if self.solver in SOLVERS_OF_SAFE_RATE and self.solver != LBFGS:
                rate = safe_learning_rate(net, data.rows.learning_rate_bound())
                return by_all_rows(cost, [W, *biases], optimizer_of(self.solver, rate), **settings)
            # A penalised bias stays that of X's own columns.
            centred = bool(biases) and not whole
            if not one:
                columns = of_columns(data, two, biases=centred)
                return by_all_rows(cost, [W, *biases], None, variables=columns, **settings)
            columns = of_columns(data, two, biases=centred, signs=(1, -1))
            split, free = ([W, *biases], []) if whole else ([W], biases)
            parts = [part for x in split for part in _parts_of(x)]
            least = [0.0] * len(parts) + [-math.inf] * len(free)
            of_parts = _of_parts(cost, one, len(split))
            run = by_all_rows(of_parts, [*parts, *free], None, variables=columns, least=least, **settings)
            return replace(run, params=_joined(run.params, len(split)))

    def _announce(self) -> Callable[[Report], None] | None:
        def announce(report: Report) -> None:
            print(f"LogisticRegression: step {report.step}, cost {report.cost:.6g}")

        return announce if self.verbose else None


def _ignored(what: str) -> None:
    warnings.warn(f"LogisticRegression: {what}; leave it out", UserWarning, stacklevel=6)


def _numbers_by_label(given: Any, known: list[Any]) -> dict[Any, Any] | None:
    """Return a class_weight as a dict, None for what is neither a mapping nor one number a class."""
    if hasattr(given, "keys"):
        return dict(given)
    given = on_host(given)
    one_each = isinstance(given, list | tuple | np.ndarray) and np.shape(given) == (len(known),)
    return dict(zip(known, given, strict=True)) if one_each else None


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


@on_their_gpu
def _parts_of(W: Array) -> tuple[Array, Array]:
    """Return P and N, from 0 up, whose difference is W."""
    xp = namespace(W)
    return xp.maximum(W, xp.zeros_like(W)), xp.maximum(-W, xp.zeros_like(W))


@on_their_gpu
def _joined(params: list[Array], split: int) -> list[Array]:
    """Return [P1 - N1, ..., the rest] of [P1, N1, ..., the rest], for so many pairs."""
    pairs = zip(params[: 2 * split : 2], params[1 : 2 * split : 2], strict=True)
    return [*(P - N for P, N in pairs), *params[2 * split :]]


def _of_parts(cost_and_gradients: CostAndGradients, strength: float, split: int) -> CostAndGradients:
    """Return the function of [P1, N1, ..., the rest] for that of [P1 - N1, ..., the rest].

    To the cost it adds the strength times the sum of all P and N. Each of the `split` pairs P and N is from 0 up, and
    at a minimum one of both is 0: their sum is |P - N|. So the corner of |w| becomes two bounds, and all else is smooth
    (Schmidt, Fung and Rosales, Fast optimization methods for L1 regularization, ECML 2007, section 3.2).
    """

    @on_their_gpu
    def of_parts(params: list[Array]) -> tuple[Array, list[Array]]:
        xp = namespace(params[0])
        J, gradients = cost_and_gradients(_joined(params, split))
        for part in params[: 2 * split]:
            J = J + strength * xp.sum(part)
        pairs = [slope for g in gradients[:split] for slope in (g + strength, strength - g)]
        return J, [*pairs, *gradients[split:]]

    return of_parts
