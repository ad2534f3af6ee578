"""What the estimators of networks share: parameters, and fitting to rows that have been checked."""

import math
import warnings
from abc import abstractmethod
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split
from sklearn.utils import check_random_state

from chainrule.estimators.fitting import (
    LBFGS,
    SOLVERS,
    by_all_rows,
    by_epochs,
    method_of,
    optimizer_of,
    takes,
)
from chainrule.estimators.placement import Data, Place, brought, computing, dtype_of, in_chunks
from chainrule.estimators.validation import Rules, check_parameters, checked_rows, is_count, is_size
from chainrule.gates.types import Array
from chainrule.models.activations import ACTIVATIONS
from chainrule.models.mlp import MLP
from chainrule.models.penalties import L2, Penalty
from chainrule.models.types import Params
from chainrule.optim import Descent, Report

_ACTIVATIONS = (*ACTIVATIONS, "logistic")
_RULES: Rules = {
    "hidden_layer_sizes": (
        "whole numbers from 1 up, one a hidden layer",
        lambda n: is_count(n) or (isinstance(n, list | tuple | np.ndarray) and all(map(is_count, n))),
    ),
    "activation": (f"one of {', '.join(_ACTIVATIONS)}", lambda name: name in _ACTIVATIONS),
    "solver": (f"one of {', '.join(SOLVERS)}", lambda name: name in SOLVERS),
    "alpha": ("a finite number from 0 up", is_size),
    "batch_size": ("'auto' or a whole number from 1 up", lambda n: n == "auto" or is_count(n)),
    "learning_rate": (
        "'constant' or a schedule, a function of the step",
        lambda r: r == "constant" or callable(r),
    ),
    "learning_rate_init": ("a finite number above 0", lambda rate: is_size(rate) and rate > 0),
    "max_iter": ("a whole number from 1 up", is_count),
    "tol": ("a finite number from 0 up", is_size),
    "momentum": ("from 0 up and under 1", lambda beta: is_size(beta) and beta < 1),
    "validation_fraction": ("between 0 and 1", lambda share: is_size(share) and 0 < share < 1),
    "n_iter_no_change": ("a whole number from 1 up, or infinity", lambda n: is_count(n) or n == math.inf),
}


class Network(BaseEstimator):  # type: ignore[misc]
    """The base of both estimators; MLPClassifier's docstring tells what the parameters mean."""

    _network: MLP

    def __init__(
        self,
        hidden_layer_sizes: Any = (100,),
        activation: str = "relu",
        *,
        solver: str = "adam",
        alpha: float = 0.0001,
        batch_size: int | str = "auto",
        learning_rate: Any = "constant",
        learning_rate_init: float = 0.001,
        max_iter: int = 200,
        shuffle: bool = True,
        random_state: Any = None,
        tol: float = 1e-4,
        verbose: bool = False,
        warm_start: bool = False,
        momentum: float = 0.9,
        nesterovs_momentum: bool = True,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        n_iter_no_change: float = 10,
        device: str | None = None,
    ) -> None:
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.solver = solver
        self.alpha = alpha
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.learning_rate_init = learning_rate_init
        self.max_iter = max_iter
        self.shuffle = shuffle
        self.random_state = random_state
        self.tol = tol
        self.verbose = verbose
        self.warm_start = warm_start
        self.momentum = momentum
        self.nesterovs_momentum = nesterovs_momentum
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.device = device

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.array_api_support = True
        return tags

    @abstractmethod
    def _held_out_score(self, xp: Any, y_hat: Array, data: Data) -> Array:
        """Return the score () of predictions y_hat (m, k), higher for better."""

    def _starts_anew(self) -> bool:
        return not (self.warm_start and hasattr(self, "coefs_"))

    def _check_parameters(self) -> None:
        check_parameters(self, _RULES)
        if self.early_stopping and self.solver == LBFGS:
            raise ValueError(
                f"{type(self).__name__}.fit: early_stopping needs a solver that sees epochs, got solver='lbfgs'; "
                "take 'adam' or 'sgd', or early_stopping=False"
            )

    def _shape(self, outputs: int, output: str, cost: str, *, anew: bool) -> None:
        """Set the network for `n_features_in_` features; one that goes on learning must be of the same shape."""
        hidden = self.hidden_layer_sizes
        hidden = tuple(hidden) if isinstance(hidden, Iterable) else (hidden,)
        activation = "sigmoid" if self.activation == "logistic" else self.activation
        network = MLP((self.n_features_in_, *hidden, outputs), activation, output, cost)
        if not anew and network.shapes != self._network.shapes:
            raise ValueError(
                f"{type(self).__name__}: what was learnt has weights and biases shaped {self._network.shapes}, now "
                f"hidden_layer_sizes={self.hidden_layer_sizes} asks for {network.shapes}; fit anew without warm_start"
            )
        self._network = network
        self.n_layers_, self.n_outputs_, self.out_activation_ = len(network.sizes), outputs, output

    def _fit(self, data: Data, home: Place, strata: np.ndarray | None = None) -> Self:
        params, seed = self._begun(data, self._starts_anew())
        held = None
        if self.early_stopping:
            rows, held_rows = train_test_split(
                np.arange(len(data)),
                test_size=self.validation_fraction,
                random_state=seed,
                stratify=strata,
            )
            if len(held_rows) < 2:
                raise ValueError(
                    f"{type(self).__name__}.fit: early_stopping needs 2 held-out rows or more, got {len(held_rows)} of "
                    f"{len(data)}; raise validation_fraction or give more rows"
                )
            data, held = data.subset(rows), data.subset(held_rows)
        if self.solver == LBFGS:
            run = self._by_lbfgs(data, params)
            self.n_iter_ = run.steps
        else:
            run = self._by_epochs(data, params, int(self.max_iter), held=held)
            self.n_iter_ = len(run.history)
        self.loss_curve_: list[float] = []
        self._keep(run, home)
        self.validation_scores_ = None if held is None else [-_score(report) for report in run.history]
        self.best_validation_score_ = None if run.best is None or held is None else -_score(run.best)
        if run.stopped in ("steps", "stuck"):
            why = (
                f"max_iter={self.max_iter} came before the end that tol={self.tol:g} sets; raise max_iter or tol"
                if run.stopped == "steps"
                else f"after {run.steps} steps no line search found a lower cost; scale X"
            )
            warnings.warn(
                f"{type(self).__name__}: {why}",
                ConvergenceWarning,
                stacklevel=4,
            )
        return self

    def _partial_fit(self, data: Data, home: Place) -> Self:
        if self.early_stopping:
            raise ValueError(
                f"{type(self).__name__}.partial_fit: one epoch cannot stop early, got early_stopping=True; "
                "set it to False, or call fit"
            )
        anew = not hasattr(self, "coefs_")
        if anew:
            params, _ = self._begun(data, True)
            self.loss_curve_, self.n_iter_, self._state = [], 0, (self._kind_of_state(), None)
            self.validation_scores_ = self.best_validation_score_ = None
        else:
            params = self._learnt(data)
        method, state = self._state
        state = brought(state, data.place, data.X.dtype) if method == self._kind_of_state() else None
        run = self._by_epochs(data, params, 1, first=self.n_iter_, state=state)
        self._keep(run, home)
        self.n_iter_ += 1
        return self

    def _begun(self, data: Data, anew: bool) -> tuple[Params, int]:
        """Return the parameters to start from and a seed for the held-out rows; keep that of the shuffling."""
        first, self._seed, split = check_random_state(self.random_state).randint(2**31 - 1, size=3).tolist()
        if not anew:
            return self._learnt(data), split
        place = data.place
        # Drawn on the host whatever the device, so that all start alike.
        params = self._network.init(first, "cpu", dtype_of(data.X, place))
        return [(place.bring(W), place.bring(b)) for W, b in params], split

    def _learnt(self, data: Data) -> Params:
        return self._params(data.place, data.X.dtype)

    def _params(self, place: Place, dtype: Any) -> Params:
        """Return what was learnt at `place` in a dtype."""
        params: Params = brought(list(zip(self.coefs_, self.intercepts_, strict=True)), place, dtype)
        return params

    def _keep(self, run: Descent, home: Place) -> None:
        self.coefs_ = [home.bring(W) for W, _ in run.params]
        self.intercepts_ = [home.bring(b) for _, b in run.params]
        # Beside the parameters, so that a pickle of them needs no other library.
        self._state = (self._kind_of_state(), brought(run.state, home, self.coefs_[0].dtype) or None)
        # The first report of a minimizer is of the start.
        self.loss_curve_ += [report.cost for report in run.history[self.solver == LBFGS :]]
        self.loss_ = self.loss_curve_[-1] if self.loss_curve_ else run.history[-1].cost

    def _forward(self, X: Any, method: str, *, logits: bool = False) -> tuple[Array, Place]:
        """Return y_hat (m, k), or what goes into the output, where it is computed, and the place of X."""
        X = checked_rows(self, X, method, "coefs_")
        home = Place.of(X)
        at = computing(self.device, home)
        X = at.bring(X)
        network = replace(self._network, output="identity", cost="squared_error") if logits else self._network
        return network.forward(self._params(at, X.dtype), X), home

    def _by_lbfgs(self, data: Data, params: Params) -> Descent:
        cost = data.rows.cost_and_gradients(replace(self._network, penalty=self._penalty(data)))
        announce = self._announce("step")
        with data.rows.threads_for(self._network):
            return by_all_rows(
                cost,
                params,
                None,
                steps=int(self.max_iter),
                tol=float(self.tol),
                on_report=announce and (lambda report: announce(report, report.step)),
            )

    def _by_epochs(
        self,
        data: Data,
        params: Params,
        epochs: int,
        *,
        first: int = 0,
        state: Any = None,
        held: Data | None = None,
    ) -> Descent:
        """Learn for so many epochs, the first of which is number `first`."""
        # Of chunks the smallest batch is one of them.
        usual = 1 if in_chunks(data.X) else 200
        size = min(usual if self.batch_size == "auto" else int(self.batch_size), len(data))
        rate = float(self.learning_rate_init) if self.learning_rate == "constant" else self.learning_rate
        method = method_of(self.solver, self.momentum, self.nesterovs_momentum)
        with data.rows.threads_for(self._network, size):
            return by_epochs(
                data.rows,
                replace(self._network, penalty=self._penalty(data)),
                params,
                optimizer_of(method, rate, beta=self.momentum, weight_decay=self.alpha),
                size=size,
                shuffle=bool(self.shuffle),
                seed=self._seed,
                first=first,
                epochs=epochs,
                on_report=self._announce("epoch"),
                validate=None if held is None else partial(self._cost_of_held_out, held),
                patience=None if self.n_iter_no_change == math.inf else int(self.n_iter_no_change),
                min_improvement=float(self.tol),
                state=state,
            )

    def _cost_of_held_out(self, held: Data, params: Params) -> Array:
        return -self._held_out_score(held.place.xp, held.rows.forward(self._network, params), held)

    def _kind_of_state(self) -> tuple[str, bool]:
        """Return what decides which numbers the optimiser keeps between steps."""
        return self.solver, self.solver == "sgd" and not self.momentum

    def _penalty(self, data: Data) -> Penalty | None:
        """Return the penalty of J; a method that decays weights itself has none."""
        return None if takes(self.solver, "weight_decay") else L2(float(self.alpha) / data.total)

    def _announce(self, unit: str) -> Callable[[Report, int], None] | None:
        def announce(report: Report, number: int) -> None:
            score = "" if report.validation is None else f", held-out score {-report.validation:.6g}"
            print(f"{type(self).__name__}: {unit} {number}, cost {report.cost:.6g}{score}")

        return announce if self.verbose else None


def _score(report: Report) -> float:
    assert report.validation is not None
    return report.validation
